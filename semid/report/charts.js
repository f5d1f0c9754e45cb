"use strict";
// What all figures share: elements, axes, legends, the tooltip and the keyboard.

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
