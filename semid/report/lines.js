"use strict";
// Figures of lines: points with intervals, bands of seeds, and horizontal rules to compare with.

RENDERERS.lines = {
  names(variant) {
    const names = new Map();
    let references = 0;
    for (const series of variant.series) {
      const known = names.get(series.name);
      if (!known) {
        const place = series.colour === undefined ? references++ : 0;
        names.set(series.name, { name: series.name, colour: series.colour, line: series.line, place });
      }
      else known.line ||= series.line;
    }
    return [...names.values()];
  },

  draw(plot, variant, width) {
    const height = Math.round(clamp(width * 0.52, 280, 440));
    const visible = variant.series.filter((series) => !plot.hidden.has(series.name));
    const points = visible.flatMap((series) => series.points);
    const isLogX = variant.x.scale === "log";
    const isLogY = variant.y.scale === "log";
    const own = points.flatMap((point) => [point.y, point.low, point.high]);
    const near = this.nearRules(variant.rules, bounds(own, isLogY, false)).map((rule) => rule.y);
    const [yLow, yHigh] = bounds([...own, ...near], isLogY, false);
    const [xLow, xHigh] = bounds(points.map((point) => point.x), isLogX, false);
    const probe = new Scale(yLow, yHigh, 0, 1, isLogY).ticks(5);
    const step = probe.length > 1 ? probe[1] - probe[0] : 1;
    const longest = Math.max(...probe.map((tick) => tickText(tick, variant.y.format, step).length));
    const box = { left: 16 + 7.4 * longest, right: width - 10, top: 28, bottom: height - 46 };
    const x = new Scale(xLow, xHigh, box.left + 6, box.right - 6, isLogX);
    const y = new Scale(yLow, yHigh, box.bottom, box.top, isLogY);
    const svg = svgOf(width, height);
    axes(svg, box, x, y, variant);
    const places = new Map(this.names(variant).map(({ name, place }) => [name, place]));
    const ruleNames = this.drawRules(svg, variant, box, y);
    const joined = visible.filter((series) => series.line && series.points[0]?.low !== undefined);
    visible.forEach((series) => {
      const place = joined.indexOf(series);
      // intervals at the same x stand side by side
      const shift = place < 0 ? 0 : (place - (joined.length - 1) / 2) * Math.min(3.2, 26 / joined.length);
      this.drawSeries(plot, svg, { ...series, place: places.get(series.name) }, x, y, shift, variant);
    });
    svg.append(...ruleNames);
    return svg;
  },

  // A rule that is far from all lines would press them flat: it is named at the edge.
  nearRules(rules, [low, high]) {
    const margin = 0.4 * (high - low);
    return rules.filter((rule) => rule.y > low - margin && rule.y < high + margin);
  },

  drawRules(svg, variant, box, y) {
    const labels = [];
    const texts = [];
    for (const rule of [...variant.rules].sort((a, b) => b.y - a.y)) {
      const isInside = rule.y >= y.low && rule.y <= y.high;
      const place = clamp(y.at(rule.y), box.top + 16, box.bottom - 2);
      if (isInside) svg.append(shape("line", { x1: box.left, x2: box.right, y1: y.at(rule.y), y2: y.at(rule.y), class: "rule" }));
      // labels keep a distance from each other, and stay inside
      let label = place - 5;
      const turn = place > (box.top + box.bottom) / 2 ? -13 : 13;
      for (const other of [...labels].sort((a, b) => (a - b) * turn)) if (Math.abs(other - label) < 13) label = other + turn;
      labels.push(label);
      const arrow = isInside ? "" : rule.y < y.low ? "↓ " : "↑ ";
      const text = `${arrow}${rule.name} ${written(rule.y, variant.y.format)}`;
      texts.push(shape("text", { x: box.left + 6, y: label, class: "rule-name" }, text));
    }
    return texts;
  },

  drawSeries(plot, svg, series, x, y, shift, variant) {
    const group = shape("g", { class: hue(series.colour), "data-name": series.name });
    const place = (point) => [x.at(point.x) + shift, y.at(point.y)];
    const banded = series.points.filter((point) => point.seed_low !== undefined);
    if (series.line && banded.length > 1) {
      const edge = (key) => banded.map((point) => `${x.at(point.x) + shift},${y.at(point[key])}`);
      group.append(shape("polygon", { points: [...edge("seed_low"), ...edge("seed_high").reverse()].join(" "), class: "band" }));
    }
    for (const point of series.points) {
      if (point.low === undefined || !series.line) continue;
      const at = x.at(point.x) + shift;
      group.append(shape("line", { x1: at, x2: at, y1: y.at(point.low), y2: y.at(point.high), class: "whisker" }));
    }
    if (series.line && series.points.length > 1) {
      const path = series.points.map((point) => place(point).map((value) => value.toFixed(1)).join(",")).join("L");
      group.append(shape("path", { d: `M${path}`, class: "stroke", "stroke-dasharray": dash(series.colour, series.place) }));
    }
    const isDense = series.points.length > 24;
    for (const point of series.points) {
      const [px, py] = place(point);
      if (point.mark === "kept" || point.mark === "front") group.append(shape("circle", { cx: px, cy: py, r: 7, class: "kept" }));
      if (point.mark === "back") group.append(shape("path", { d: `M${px - 5},${py - 5}l10,10m0,-10l-10,10`, class: "back" }));
      if (!isDense || point.mark === "kept") {
        group.append(marker(px, py, series.colour, series.line ? 3.4 : 4, { class: series.line ? "dot" : "hollow" }));
      }
      plot.targets.push({
        x: px,
        y: py,
        name: series.name,
        lines: [
          point.note,
          `${variant.y.label}: ${withInterval(point, "y", variant.y.format)}`,
          `${variant.x.label}: ${written(point.x, variant.x.format)}`,
          point.seed_low === undefined ? "" : `seeds from ${written(point.seed_low, variant.y.format)} to ${written(point.seed_high, variant.y.format)}`,
          { kept: "this epoch was kept", back: "training went back after this epoch", front: "nothing finds as much for less" }[point.mark],
        ].filter(Boolean),
      });
    }
    svg.append(group);
  },

  table(variant) {
    const header = ["", variant.x.label, variant.y.label, "low", "high", ""];
    const rows = variant.series.flatMap((series) =>
      series.points.map((point) => [
        series.name,
        written(point.x, variant.x.format),
        ...["y", "low", "high"].map((key) => written(point[key], variant.y.format)),
        point.note ?? "",
      ]),
    );
    const rules = variant.rules.map((rule) => [
      rule.name, "", ...["y", "low", "high"].map((key) => written(rule[key], variant.y.format)), "",
    ]);
    return [header, ...rows, ...rules];
  },
};
