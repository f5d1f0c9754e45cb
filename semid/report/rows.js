"use strict";
// Figures of rows: values with intervals, forests of differences, and stacked bars.

const ROW = 24;
const STACKED_ROW = 40;
const LETTER = 6.7;

const shortened = (text, letters) => (text.length <= letters ? text : `${text.slice(0, Math.max(1, letters - 1))}…`);

function groupsOf(rows) {
  const groups = new Map();
  for (const row of rows) {
    if (!groups.has(row.group ?? "")) groups.set(row.group ?? "", []);
    groups.get(row.group ?? "").push(row);
  }
  return [...groups.entries()];
}

RENDERERS.intervals = {
  names: () => [],

  // A forest of pairs lets the reader choose what all others are compared with.
  prepare(plot) {
    const { rows, focus } = plot.variant;
    const names = [...new Set(rows.flatMap((row) => (row.a === undefined ? [] : [row.a, row.b])))];
    if (names.length < 3) {
      plot.baseline = undefined;
      return;
    }
    if (!names.includes(plot.baseline)) plot.baseline = names.includes(focus) ? focus : rows.length > 12 ? names[0] : "";
    const select = element("select", {
      "data-extra": "",
      "aria-label": "What the others are compared with",
      onchange: () => {
        plot.baseline = select.value;
        plot.draw();
      },
    });
    select.append(element("option", { value: "" }, "all pairs"));
    for (const name of names) select.append(element("option", { value: name, selected: name === plot.baseline ? "" : false }, `against ${name}`));
    plot.controls.append(select);
  },

  rows(plot, variant) {
    if (!plot.baseline) return variant.rows;
    return variant.rows
      .filter((row) => row.a === plot.baseline || row.b === plot.baseline)
      .map((row) => {
        if (row.b === plot.baseline) return { ...row, name: row.a };
        return { ...row, name: row.b, value: -row.value, low: -row.high, high: -row.low };
      })
      .sort((one, other) => other.value - one.value);
  },

  draw(plot, variant, width) {
    const rows = this.rows(plot, variant);
    const groups = groupsOf(rows);
    const columns = groups.length > 1 && width > 860 ? 2 : 1;
    const gap = 36;
    const panel = (width - gap * (columns - 1)) / columns;
    const isNarrow = panel < 400;
    const row = isNarrow ? STACKED_ROW : ROW;
    const longest = Math.max(4, ...rows.map((one) => one.name.length));
    const names = isNarrow ? 0 : Math.min(panel * 0.52, longest * LETTER + 20);
    const values = 62;
    const bound = bounds(
      [...rows.flatMap((one) => [one.value, one.low, one.high]), ...(variant.zero ? [0] : [])],
      false,
      !variant.zero,
    );
    const heights = new Array(columns).fill(0);
    const places = groups.map(([title, members]) => {
      const column = heights.indexOf(Math.min(...heights));
      const place = { column, top: heights[column], title, members };
      heights[column] += (title ? 30 : 6) + members.length * row + 52;
      return place;
    });
    const svg = svgOf(width, Math.max(...heights, 60));
    for (const { column, top, title, members } of places) {
      const left = column * (panel + gap);
      const box = { left: left + names, right: left + panel - values, top: top + (title ? 30 : 6) };
      box.bottom = box.top + members.length * row;
      const x = new Scale(bound[0], bound[1], box.left + 6, box.right - 6, false);
      if (title) svg.append(shape("text", { x: left, y: top + 16, class: "group" }, shortened(title, Math.floor(panel / LETTER))));
      axes(svg, box, x, null, variant);
      if (variant.zero) svg.append(shape("line", { x1: x.at(0), x2: x.at(0), y1: box.top - 4, y2: box.bottom, class: "zero" }));
      members.forEach((one, number) => this.drawRow(plot, svg, one, { x, box, left, row, isNarrow, names, panel }, number, variant));
    }
    return svg;
  },

  drawRow(plot, svg, one, { x, box, left, row, isNarrow, names, panel }, number, variant) {
    const y = box.top + (number + (isNarrow ? 0.72 : 0.5)) * row;
    const group = shape("g", { class: hue(one.colour) });
    const letters = Math.floor((isNarrow ? panel : names - 12) / LETTER);
    const name = { x: left, y: isNarrow ? y - 13 : y + 4, class: "name" };
    group.append(shape("text", name, shortened(one.name, letters)));
    if (one.low !== undefined) {
      group.append(shape("line", { x1: x.at(one.low), x2: x.at(one.high), y1: y, y2: y, class: "whisker thick" }));
    }
    const isHollow = one.sure === false;
    group.append(marker(x.at(one.value), y, one.colour, 4.2, { class: isHollow ? "hollow" : "dot" }));
    group.append(shape("text", { x: left + panel, y: y + 4, class: "value", "text-anchor": "end" }, written(one.value, variant.x.format)));
    svg.append(group);
    plot.targets.push({
      x: x.at(one.value),
      y,
      wide: true,
      name: one.name,
      lines: [`${variant.x.label}: ${withInterval(one, "value", variant.x.format)}`, one.note, one.group].filter(Boolean),
    });
  },

  table(variant) {
    const header = ["", "", variant.x.label, "low", "high", ""];
    const rows = variant.rows.map((row) => [
      row.group ?? "", row.name, ...["value", "low", "high"].map((key) => written(row[key], variant.x.format)), row.note ?? "",
    ]);
    return [header, ...rows];
  },
};

RENDERERS.bars = {
  names: (variant) => (variant.parts.length < 2 ? [] : variant.parts.map((name, colour) => ({ name, colour, line: false }))),

  draw(plot, variant, width) {
    const shown = variant.parts.map((part) => !plot.hidden.has(part));
    const total = (row) => row.values.reduce((sum, value, part) => sum + (shown[part] ? value : 0), 0);
    const isNarrow = width < 560;
    const longest = Math.max(4, ...variant.rows.map((row) => row.name.length));
    const names = isNarrow ? 0 : Math.min(width * 0.36, longest * LETTER + 20);
    const notes = isNarrow ? 70 : Math.min(width * 0.34, 250);
    const row = isNarrow ? STACKED_ROW + 2 : ROW + 6;
    const groups = groupsOf(variant.rows);
    const height = variant.rows.length * row + (groups.length - 1) * 30 + 58;
    const svg = svgOf(width, height);
    const box = { left: names, right: width - notes, top: 4, bottom: height - 48 };
    const [, high] = bounds(variant.rows.map(total), false, true);
    const x = new Scale(0, high, box.left, box.right, false);
    axes(svg, box, x, null, variant);
    let top = 4;
    groups.forEach(([title, rows], number) => {
      if (number) {
        svg.append(shape("text", { x: 0, y: top + 22, class: "group" }, title));
        top += 30;
      }
      for (const bar of rows) {
        this.drawBar(plot, svg, bar, { x, top, row, isNarrow, names, width, shown, total: total(bar) }, variant);
        top += row;
      }
    });
    return svg;
  },

  drawBar(plot, svg, bar, { x, top, row, isNarrow, names, width, shown, total }, variant) {
    const thick = isNarrow ? 12 : 16;
    const y = top + (isNarrow ? 18 : (row - thick) / 2);
    const letters = Math.floor((isNarrow ? width : names - 8) / LETTER);
    svg.append(shape("text", { x: 0, y: isNarrow ? y - 5 : y + 12, class: "name" }, shortened(bar.name, letters)));
    let start = 0;
    bar.values.forEach((value, part) => {
      if (!shown[part] || !value) return;
      const [from, to] = [x.at(start), x.at(start + value)];
      const colour = variant.parts.length < 2 ? "accent" : hue(part);
      svg.append(shape("rect", { x: from, y, width: Math.max(1, to - from), height: thick, class: `bar ${colour}` }));
      start += value;
    });
    const text = written(total, variant.x.format) + (isNarrow || !bar.note ? "" : ` · ${bar.note}`);
    svg.append(shape("text", { x: x.at(total) + 8, y: y + thick - 3, class: "value" }, text));
    const parts = variant.parts.map((part, place) => [part, bar.values[place]]).filter(([, value]) => value);
    plot.targets.push({
      x: x.at(total),
      y: y + thick / 2,
      wide: true,
      name: bar.name,
      lines: [...parts.map(([part, value]) => `${part}: ${written(value, variant.x.format)}`), bar.note].filter(Boolean),
    });
  },

  table(variant) {
    return [
      ["", ...variant.parts, ""],
      ...variant.rows.map((bar) => [bar.name, ...bar.values.map((value) => written(value, variant.x.format)), bar.note ?? ""]),
    ];
  },
};
