"use strict";
// The map of the items: a canvas that follows the path of the explorer, with zoom, hover and a click that opens an item.

const REACH = 12;
const MOST_ZOOM = 60;
const NAMED_CATEGORIES = 7;

class ItemMap {
  constructor(explorer, mount) {
    Object.assign(this, { explorer, mount, zoom: 1, left: 0, top: 0, near: -1, dragged: null, shown: [] });
    const { x, y } = explorer.catalogue.map;
    this.x = x;
    this.y = y;
    this.wide = Math.max(...x, 1);
    this.high = Math.max(...y, 1);
    this.canvas = element("canvas", {});
    this.tip = element("div", { class: "tip", "aria-hidden": "true", hidden: "" });
    this.frame = element(
      "div",
      { class: "map", tabindex: "0", role: "group", "aria-label": "Map of the items: plus and minus zoom, arrow keys move. The lists below have the same items." },
      this.canvas,
      this.tip,
    );
    this.colouring = element("select", { "aria-label": "Colours of the map", onchange: () => this.show() });
    this.colouring.append(element("option", { value: "code" }, "coloured by code"), element("option", { value: "category" }, "coloured by category"));
    this.legend = element("div", { class: "legend" });
    const button = (text, label, act) => element("button", { type: "button", class: "tool", "aria-label": label, onclick: act }, text);
    mount.replaceChildren(
      element("div", { class: "controls" }, this.colouring, button("+", "Zoom in", () => this.scale(1.6)), button("−", "Zoom out", () => this.scale(1 / 1.6)), button("whole", "Show the whole map", () => this.reset())),
      this.frame,
      this.legend,
    );
    this.listen();
  }

  // The commonest categories of the items on the path, each with its place in the palette.
  categories() {
    const counts = new Map();
    for (const item of this.shown) {
      const category = this.explorer.catalogue.category[item];
      if (category >= 0) counts.set(category, (counts.get(category) ?? 0) + 1);
    }
    const sorted = [...counts.entries()].sort((one, other) => other[1] - one[1]);
    return new Map(sorted.slice(0, NAMED_CATEGORIES).map(([category], place) => [category, place]));
  }

  listen() {
    const { frame } = this;
    frame.addEventListener("pointermove", (event) => this.move(event));
    frame.addEventListener("pointerleave", () => this.hover(-1));
    frame.addEventListener("pointercancel", () => {
      this.dragged = null;
    });
    frame.addEventListener("pointerdown", (event) => {
      // a finger has not moved before
      this.move(event);
      this.dragged = { x: event.clientX, y: event.clientY, far: 0 };
      frame.setPointerCapture(event.pointerId);
    });
    frame.addEventListener("pointerup", () => {
      const isClick = this.dragged && this.dragged.far < 5;
      this.dragged = null;
      if (isClick && this.near >= 0) this.explorer.open(this.explorer.tree.itemKeys[this.near], this.near);
    });
    // the page scrolls over the map, unless the reader means to zoom
    frame.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.scale(event.deltaY < 0 ? 1.2 : 1 / 1.2, event);
    }, { passive: false });
    frame.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
      if (event.key in steps) this.pan(...steps[event.key]);
      else if (event.key === "+" || event.key === "=") this.scale(1.6);
      else if (event.key === "-") this.scale(1 / 1.6);
      else if (event.key === "0") this.reset();
      else return;
      event.preventDefault();
    });
    new ResizeObserver(() => this.show()).observe(frame);
    new MutationObserver(() => this.show()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.show());
  }

  reset() {
    Object.assign(this, { zoom: 1, left: 0, top: 0 });
    this.show();
  }

  pan(across, down) {
    this.left = clamp(this.left + across, -this.frame.clientWidth * (this.zoom - 1), 0);
    this.top = clamp(this.top + down, -this.frame.clientHeight * (this.zoom - 1), 0);
    this.show();
  }

  scale(factor, event) {
    const box = this.frame.getBoundingClientRect();
    const [x, y] = event ? [event.clientX - box.left, event.clientY - box.top] : [box.width / 2, box.height / 2];
    const zoom = clamp(this.zoom * factor, 1, MOST_ZOOM);
    const ratio = zoom / this.zoom;
    this.zoom = zoom;
    this.left = x - (x - this.left) * ratio;
    this.top = y - (y - this.top) * ratio;
    this.pan(0, 0);
  }

  place(item) {
    const margin = 10;
    const [width, height] = [this.frame.clientWidth, this.frame.clientHeight];
    const unit = Math.min((width - 2 * margin) / this.wide, (height - 2 * margin) / this.high);
    const across = (width - unit * this.wide) / 2 + unit * this.x[item];
    const down = (height - unit * this.high) / 2 + unit * (this.high - this.y[item]);
    return [across * this.zoom + this.left, down * this.zoom + this.top];
  }

  move(event) {
    if (this.dragged) {
      const [across, down] = [event.clientX - this.dragged.x, event.clientY - this.dragged.y];
      Object.assign(this.dragged, { x: event.clientX, y: event.clientY, far: this.dragged.far + Math.abs(across) + Math.abs(down) });
      this.pan(across, down);
      return;
    }
    const box = this.frame.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = -1;
    let nearest = REACH ** 2;
    for (const item of this.shown.length ? this.shown : this.x.keys()) {
      const [px, py] = this.place(item);
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < nearest) [best, nearest] = [item, distance];
    }
    this.hover(best);
  }

  hover(item) {
    this.near = item;
    this.tip.hidden = item < 0;
    this.frame.style.cursor = item < 0 ? "grab" : "pointer";
    if (item < 0) return;
    const { catalogue, tree } = this.explorer;
    this.tip.replaceChildren(
      element("bdi", { class: "title" }, catalogue.title[item] || "(no title)"),
      element("span", {}, tree.itemKeys[item]),
      element("bdi", {}, this.explorer.category(catalogue.category[item])),
    );
    const [x, y] = this.place(item);
    this.tip.style.left = `${clamp(x - this.tip.offsetWidth / 2, 0, Math.max(0, this.frame.clientWidth - this.tip.offsetWidth))}px`;
    const above = y - this.tip.offsetHeight - 12;
    this.tip.style.top = `${above < 0 ? y + 12 : above}px`;
  }

  colourOf(item) {
    if (this.colouring.value === "category") return this.commonest.get(this.explorer.catalogue.category[item]);
    return this.explorer.tree.content.paths[item][this.level] % HUES;
  }

  // What a colour of the page is in the scheme that is shown: a canvas knows no variables.
  colour(name) {
    this.frame.style.color = `var(${name})`;
    return getComputedStyle(this.frame).color;
  }

  // Draws all items, those outside of the path of the explorer faintly, and the chosen one with a ring.
  show() {
    const [width, height] = [this.frame.clientWidth, this.frame.clientHeight];
    if (!width || !height) return;
    const ratio = window.devicePixelRatio || 1;
    Object.assign(this.canvas, { width: width * ratio, height: height * ratio });
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const hues = Array.from({ length: HUES }, (_, place) => this.colour(`--hue-${place}`));
    const [neutral, ink] = ["--neutral", "--ink"].map((name) => this.colour(name));
    const { prefix, item: chosen, tree } = this.explorer;
    this.shown = tree.items(prefix);
    // items of one code are told apart by the next
    this.level = Math.min(tree.node(prefix).depth, tree.depth - 1);
    this.commonest = this.categories();
    const size = clamp(2.4 - Math.log10(this.x.length) / 4, 1.2, 2.4) * Math.sqrt(this.zoom) ** 0.6;
    const dots = (items, alpha, radius, colour) => {
      pen.globalAlpha = alpha;
      for (const item of items) {
        const [x, y] = this.place(item);
        if (x < -5 || y < -5 || x > width + 5 || y > height + 5) continue;
        pen.fillStyle = colour(item);
        pen.beginPath();
        pen.arc(x, y, radius, 0, 2 * Math.PI);
        pen.fill();
      }
    };
    const isPart = this.shown.length < this.x.length;
    if (isPart) dots(this.x.keys(), 0.16, size, () => neutral);
    const few = isPart && this.shown.length < 400;
    dots(this.shown, few ? 0.9 : 0.55, few ? size + 1.2 : size, (item) => hues[this.colourOf(item)] ?? neutral);
    if (chosen >= 0) {
      const [x, y] = this.place(chosen);
      pen.globalAlpha = 1;
      pen.strokeStyle = ink;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(x, y, 8, 0, 2 * Math.PI);
      pen.stroke();
    }
    this.drawLegend();
  }

  drawLegend() {
    const isCategory = this.colouring.value === "category";
    const { categories } = this.explorer.catalogue;
    const entries = isCategory ? [...this.commonest].map(([category, place]) => [categories[category], place]) : [];
    refill(
      this.legend,
      ...entries.map(([name, place]) =>
        element("span", { class: "entry" }, shape("svg", { width: 12, height: 12, "aria-hidden": "true", class: hue(place) }, shape("circle", { cx: 6, cy: 6, r: 4, class: "dot" })), element("bdi", {}, name)),
      ),
      element("span", { class: "quiet" }, isCategory ? "other categories are grey" : `${HUES} colours repeat over the codes of level ${this.level + 1}`),
    );
  }
}
