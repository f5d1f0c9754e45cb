"use strict";
// What all figures share: elements, numbers, scales, axes, legends, the tooltip and the keyboard.

const SVG = "http://www.w3.org/2000/svg";
const HUES = 7;
const MARKERS = 5;
const NEAR = 36;

const given = (children) => children.filter((child) => child !== null && child !== undefined);
const refill = (made, ...children) => made.replaceChildren(...given(children));

function fill(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
  }
  made.append(...given(children));
  return made;
}

// Texts are appended as text nodes: nothing of a title or a name is ever read as markup.
const element = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
const shape = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
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
  percent: (value) => `${(100 * value).toFixed(1)} %`,
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

const hue = (colour) => (colour === undefined || colour === null ? "neutral" : `hue-${colour % HUES}`);

// The dash of a line: of a colour by its round through the palette, of a reference by its place among the references.
function dash(colour, place = 0) {
  if (colour === undefined || colour === null) return ["5 4", "1.5 3", "9 3 2 3"][place % 3];
  return ["", "7 3", "2 3"][Math.floor(colour / HUES) % 3];
}


function marker(x, y, colour, size, attributes = {}) {
  const kind = colour === undefined || colour === null ? 0 : (colour + Math.floor(colour / HUES)) % MARKERS;
  const r = size;
  const paths = [
    `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0`,
    `M${-0.9 * r},${-0.9 * r}h${1.8 * r}v${1.8 * r}h${-1.8 * r}z`,
    `M0,${-1.2 * r}L${1.15 * r},${0.9 * r}H${-1.15 * r}z`,
    `M0,${-1.3 * r}L${1.3 * r},0L0,${1.3 * r}L${-1.3 * r},0z`,
    `M0,${1.2 * r}L${1.15 * r},${-0.9 * r}H${-1.15 * r}z`,
  ];
  return shape("path", { d: paths[kind], transform: `translate(${x.toFixed(1)},${y.toFixed(1)})`, ...attributes });
}

// A figure on the page: its controls, its plot, its legend and, once opened, its numbers.
class Plot {
  constructor(figure, mount) {
    this.figure = figure;
    this.mount = mount;
    this.chosen = 0;
    this.hidden = new Set();
    this.targets = [];
    this.active = -1;
    this.controls = element("div", { class: "controls" });
    this.frame = element("div", { class: "plot", tabindex: "0", role: "group", "aria-label": this.spokenLabel() });
    this.tip = element("div", { class: "tip", "aria-hidden": "true", hidden: "" });
    this.said = element("p", { class: "spoken", "aria-live": "polite" });
    this.legend = element("div", { class: "legend" });
    mount.append(this.controls, this.frame, this.legend, this.said);
    this.frame.addEventListener("pointermove", (event) => this.follow(event));
    this.frame.addEventListener("pointerdown", (event) => this.follow(event));
    this.frame.addEventListener("pointerleave", () => this.activate(-1));
    this.frame.addEventListener("keydown", (event) => this.step(event));
    this.frame.addEventListener("blur", () => this.activate(-1));
    this.addVariants();
    this.width = 0;
    new ResizeObserver(() => {
      if (Math.abs(this.frame.clientWidth - this.width) > 1) this.draw();
    }).observe(this.frame);
    this.changed();
  }

  get variant() {
    return this.figure.variants[this.chosen];
  }

  spokenLabel() {
    return `${this.figure.title}: a chart. Arrow keys go from point to point.`;
  }

  addVariants() {
    if (this.figure.variants.length < 2) return;
    const select = element("select", {
      "aria-label": `${this.figure.title}: what is shown`,
      onchange: () => {
        this.chosen = select.selectedIndex;
        this.changed();
      },
    });
    select.append(...this.figure.variants.map((variant) => element("option", {}, variant.label)));
    this.controls.append(select);
  }

  // Another variant was chosen: its own controls and legend come first.
  changed() {
    const renderer = RENDERERS[this.variant.kind];
    for (const extra of this.controls.querySelectorAll("[data-extra]")) extra.remove();
    renderer.prepare?.(this);
    this.drawLegend(renderer.names(this.variant));
    this.draw();
  }

  drawLegend(names) {
    this.legend.replaceChildren(
      ...names.map(({ name, colour, line, place }) => {
        const swatch = shape("svg", { width: 26, height: 12, "aria-hidden": "true", class: hue(colour) });
        if (line) swatch.append(shape("line", { x1: 1, x2: 25, y1: 6, y2: 6, class: "stroke", "stroke-dasharray": dash(colour, place) }));
        if (!line || colour !== undefined) swatch.append(marker(13, 6, colour, 3.6, { class: "dot" }));
        return element(
          "button",
          {
            type: "button",
            "aria-pressed": String(!this.hidden.has(name)),
            onclick: (event) => {
              const isHidden = this.hidden.delete(name) || !this.hidden.add(name);
              event.currentTarget.setAttribute("aria-pressed", String(isHidden));
              this.draw();
            },
          },
          swatch,
          element("span", {}, name),
        );
      }),
    );
  }

  draw() {
    this.width = this.frame.clientWidth;
    if (this.width < 40) return;
    this.targets = [];
    const svg = RENDERERS[this.variant.kind].draw(this, this.variant, this.width);
    svg.setAttribute("aria-hidden", "true");
    this.focusRing = shape("circle", { r: 8, class: "ring", visibility: "hidden" });
    svg.append(this.focusRing);
    this.frame.replaceChildren(svg, this.tip);
    this.activate(-1);
  }

  follow(event) {
    const box = this.frame.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = -1;
    let nearest = NEAR ** 2;
    this.targets.forEach((target, place) => {
      const across = target.wide ? 0 : target.x - x;
      const distance = across ** 2 + (target.y - y) ** 2;
      if (distance < nearest) [best, nearest] = [place, distance];
    });
    this.activate(best);
  }

  step(event) {
    const count = this.targets.length;
    if (!count) return;
    const here = this.targets[this.active];
    let next = this.active;
    if (event.key === "ArrowRight") next = (this.active + 1) % count;
    else if (event.key === "ArrowLeft") next = (this.active - 1 + count) % count;
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const turn = event.key === "ArrowDown" ? 1 : -1;
      do next = (next + turn + count) % count;
      while (here && this.targets[next].name === here.name && next !== this.active);
    } else if (event.key === "Escape") next = -1;
    else return;
    event.preventDefault();
    this.activate(next);
    this.said.textContent = next < 0 ? "" : [this.targets[next].name, ...this.targets[next].lines].join(", ");
  }

  activate(place) {
    this.active = place;
    const target = this.targets[place];
    this.tip.hidden = !target;
    this.focusRing?.setAttribute("visibility", target ? "visible" : "hidden");
    if (!target) return;
    this.focusRing.setAttribute("cx", target.x);
    this.focusRing.setAttribute("cy", target.y);
    this.tip.replaceChildren(
      element("strong", {}, target.name),
      ...target.lines.filter(Boolean).map((line) => element("span", {}, line)),
    );
    const left = clamp(target.x - this.tip.offsetWidth / 2, 0, Math.max(0, this.width - this.tip.offsetWidth));
    const above = target.y - this.tip.offsetHeight - 14;
    this.tip.style.left = `${left}px`;
    this.tip.style.top = `${above < 0 ? target.y + 14 : above}px`;
  }
}

function withInterval(point, key, format) {
  const value = written(point[key], format);
  return point.low === undefined ? value : `${value} [${written(point.low, format)}, ${written(point.high, format)}]`;
}

// The axes of a plot with its grid; returns the group in which lines are drawn.
function axes(svg, box, x, y, specification) {
  const { left, right, top, bottom } = box;
  const steps = { seconds: TIMES, count: [1] }[specification.x.format];
  const xTicks = x.ticks(Math.max(3, Math.floor((right - left) / 90)), steps);
  const xStep = xTicks.length > 1 ? xTicks[1] - xTicks[0] : 1;
  for (const tick of xTicks) {
    const place = x.at(tick);
    svg.append(
      shape("line", { x1: place, x2: place, y1: top, y2: bottom, class: "grid" }),
      shape("text", { x: place, y: bottom + 18, class: "tick", "text-anchor": "middle" }, tickText(tick, specification.x.format, xStep)),
    );
  }
  if (y) {
    const yTicks = y.ticks(Math.max(3, Math.floor((bottom - top) / 56)));
    const yStep = yTicks.length > 1 ? yTicks[1] - yTicks[0] : 1;
    for (const tick of yTicks) {
      const place = y.at(tick);
      svg.append(
        shape("line", { x1: left, x2: right, y1: place, y2: place, class: "grid" }),
        shape("text", { x: left - 8, y: place + 4, class: "tick", "text-anchor": "end" }, tickText(tick, specification.y.format, yStep)),
      );
    }
    svg.append(shape("text", { x: 0, y: 12, class: "axis" }, specification.y.label));
  }
  svg.append(
    shape("line", { x1: left, x2: right, y1: bottom, y2: bottom, class: "base" }),
    shape("text", { x: right, y: bottom + 38, class: "axis", "text-anchor": "end" }, specification.x.label),
  );
}

const svgOf = (width, height) => shape("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
const RENDERERS = {};
