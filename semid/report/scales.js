"use strict";
// Numbers as the page writes them, and scales with their ticks.

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

const withSign = (text, value) => (value > 0 ? `+${text}` : text.replace("-", "−"));

function duration(seconds) {
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Number((seconds / 60).toFixed(1))} min`;
  return `${Number((seconds / 3600).toFixed(1))} h`;
}

const WRITTEN = {
  count: (value) => value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 1 : 0 }),
  share: (value) => value.toFixed(4),
  number: (value) => String(Number(value.toPrecision(4))),
  percent: (value) => `${(100 * value).toFixed(1)}%`,
  seconds: duration,
  signed: (value) => withSign(value.toFixed(4), value),
};

function written(value, format) {
  return value === undefined || value === null ? "" : WRITTEN[format](value);
}

function tickText(value, format, step) {
  if (format === "seconds") return duration(value);
  if (format === "count") {
    if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
    if (value >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
    return Number(value.toPrecision(3)).toLocaleString("en");
  }
  // as many digits as tell the ticks apart: a step of 0.025 takes three
  let digits = 0;
  while (digits < 6 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6) digits++;
  const text = value.toFixed(digits);
  return format === "signed" ? withSign(text, value) : text;
}

class Scale {
  constructor(low, high, from, to, isLog) {
    this.map = isLog ? Math.log10 : (value) => value;
    Object.assign(this, { low, high, from, to, isLog });
    this.start = this.map(low);
    this.span = this.map(high) - this.start || 1;
  }

  at(value) {
    return this.from + ((this.map(value) - this.start) / this.span) * (this.to - this.from);
  }

  // steps: the least step, or all that an axis takes, where they are given.
  ticks(count, steps) {
    if (this.isLog) {
      const marks = [];
      const steps = this.span > 2.2 || count < 4 ? [1] : this.span > 1.2 ? [1, 3] : [1, 2, 5];
      for (let power = Math.floor(this.start); power <= Math.ceil(this.start + this.span); power++) {
        for (const step of steps) marks.push(step * 10 ** power);
      }
      const inside = marks.filter((mark) => mark >= this.low * 0.999 && mark <= this.high * 1.001);
      if (inside.length > 2) return inside;
    }
    const step = niceStep(this.high - this.low, count, steps);
    const first = Math.ceil(this.low / step - 1e-9);
    const last = Math.floor(this.high / step + 1e-9);
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, place) => (first + place) * step);
  }
}

const TIMES = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000, 86400];

function niceStep(span, count, steps = []) {
  const rough = span / Math.max(1, count) || 1;
  const known = steps.find((step) => step >= rough * 0.999);
  if (known) return known;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= rough * 0.999);
}

// The bounds of values: for logarithms as they are, else with a margin, and from 0 where `fromZero` says so.
function bounds(values, isLog, fromZero) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === undefined || value === null || (isLog && value <= 0)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return isLog ? [1, 10] : [0, 1];
  if (isLog) return low === high ? [low / 2, high * 2] : [low / 1.12, high * 1.12];
  const margin = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [fromZero ? Math.min(0, low) : low - margin, high + margin];
}
