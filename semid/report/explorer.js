"use strict";
// The explorer of the code tree: a path of codes, what is below it, its items, and a search for items.

// Lists that stand below each other, on a phone, are shorter.
const isPhone = () => window.innerWidth < 832;
const childrenShown = () => (isPhone() ? 12 : 60);
const itemsShown = () => (isPhone() ? 10 : 30);
const HITS_SHOWN = 25;

// The data of a dataset lie in the page as base64 of gzip, and are unpacked when the explorer comes near.
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

const many = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;

// The nodes of a tree by their path: `12-7` is the prefix of two codes.
class Tree {
  constructor(content, catalogue) {
    this.content = content;
    this.depth = content.levels.length;
    this.total = catalogue.items;
    this.nodes = new Map();
    const keys = [];
    content.levels.forEach((level, depth) => {
      keys.push(
        level.code.map((code, place) => {
          const key = depth ? `${keys[depth - 1][level.parent[place]]}-${code}` : String(code);
          const node = { key, depth: depth + 1, parent: depth ? keys[depth - 1][level.parent[place]] : "" };
          for (const column of ["size", "children", "error", "category", "share"]) node[column] = level[column]?.[place];
          this.nodes.set(key, node);
          return key;
        }),
      );
    });
    this.below = new Map([["", []]]);
    for (const node of this.nodes.values()) {
      if (!this.below.has(node.parent)) this.below.set(node.parent, []);
      this.below.get(node.parent).push(node);
    }
    this.itemKeys = content.paths.map((path) => path.join("-"));
  }

  node(key) {
    if (key === "") return { key, depth: 0, size: this.total };
    return this.nodes.get(key) ?? { key, depth: key.split("-").length, size: 1, children: 1 };
  }

  // The shown items whose path begins with a prefix.
  items(key) {
    const found = [];
    this.itemKeys.forEach((path, item) => {
      if (key === "" || path === key || path.startsWith(`${key}-`)) found.push(item);
    });
    return found;
  }

  // What is below a prefix: its codes of several items, then those of one item that is shown.
  children(key) {
    const { depth } = this.node(key);
    const known = this.below.get(key) ?? [];
    const alone = [];
    for (const item of this.items(key)) {
      const child = this.content.paths[item].slice(0, depth + 1).join("-");
      if (!this.nodes.has(child)) alone.push({ key: child, depth: depth + 1, size: 1, children: 1, item, error: this.content.errors?.[item] });
    }
    return [...known, ...alone];
  }
}

class Explorer {
  constructor(catalogue, mount) {
    Object.assign(this, { catalogue, mount, prefix: "", item: -1, order: "size", wide: false });
    this.trees = catalogue.trees.map(() => null);
    this.names = catalogue.title.map((title, item) => `${title}\n${catalogue.id[item]}`.toLowerCase());
    this.search = element("input", {
      type: "search",
      placeholder: "Title or id of an item",
      "aria-label": "Search an item by title or id",
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => this.drawHits(),
    });
    this.tokenizer = element("select", { "aria-label": "Tokenizer", onchange: () => this.choose(this.tokenizer.selectedIndex) });
    this.tokenizer.append(...catalogue.trees.map((tree) => element("option", {}, tree.name)));
    this.sorting = element("select", {
      "aria-label": "Order of the codes",
      onchange: () => {
        this.order = this.sorting.value;
        this.draw();
      },
    });
    for (const [value, text] of [["size", "largest first"], ["error", "largest error first"], ["code", "by code"]]) {
      this.sorting.append(element("option", { value }, text));
    }
    this.hits = element("div", { class: "hits", hidden: "" });
    const map = element("div", {});
    this.status = element("p", { class: "spoken", "aria-live": "polite" });
    this.path = element("nav", { class: "path", "aria-label": "Path of codes" });
    this.summary = element("p", { class: "node" });
    this.codes = element("div", { class: "codes" });
    this.list = element("div", { class: "items" });
    mount.replaceChildren(
      element("div", { class: "controls" }, this.tokenizer, this.search, this.sorting),
      this.hits,
      this.status,
      this.path,
      this.summary,
      map,
      element("div", { class: "panes" }, this.codes, this.list),
    );
    this.map = catalogue.map ? new ItemMap(this, map) : null;
    this.choose(0);
  }

  choose(place) {
    this.trees[place] ??= new Tree(this.catalogue.trees[place], this.catalogue);
    this.tree = this.trees[place];
    this.prefix = this.item < 0 ? "" : this.tree.itemKeys[this.item];
    this.draw();
  }

  open(prefix, item = -1) {
    this.prefix = prefix;
    this.item = item;
    this.wide = false;
    this.draw();
    // what was pressed is gone from the page, and the keyboard goes on from the path
    this.path.querySelector("[aria-current]")?.focus({ preventScroll: true });
  }

  category(place) {
    return place === undefined || place < 0 ? "" : this.catalogue.categories[place];
  }

  drawHits() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    this.hits.hidden = !words.length;
    if (!words.length) return;
    const found = [];
    for (let item = 0; item < this.names.length && found.length <= HITS_SHOWN; item++) {
      if (words.every((word) => this.names[item].includes(word))) found.push(item);
    }
    refill(this.hits, 
      ...found.slice(0, HITS_SHOWN).map((item) => this.itemButton(item, true)),
      element("p", {}, found.length > HITS_SHOWN ? `the first ${HITS_SHOWN}; more words find fewer` : found.length ? "" : this.nothing()),
    );
    this.status.textContent = found.length > HITS_SHOWN ? `more than ${HITS_SHOWN} items` : many(found.length, "item");
  }

  nothing() {
    const { length } = this.catalogue.id;
    return length < this.tree.total ? `not among the ${many(length, "item")} that are here by name` : "no such item";
  }

  itemButton(item, isHit) {
    const title = this.catalogue.title[item];
    const error = this.tree.content.errors?.[item];
    return element(
      "button",
      {
        type: "button",
        class: item === this.item ? "item chosen" : "item",
        onclick: () => {
          if (isHit) {
            this.search.value = "";
            this.hits.hidden = true;
          }
          this.open(this.tree.itemKeys[item], item);
        },
      },
      // bdi keeps marks of direction in a title from turning what stands beside it
      element("bdi", { class: "title" }, title || "(no title)"),
      element("span", { class: "about" }, element("bdi", {}, this.catalogue.id[item]), ` · ${this.tree.itemKeys[item]}`, error === undefined ? "" : ` · error ${written(error, "number")}`),
    );
  }

  draw() {
    this.drawPath();
    const children = this.tree.node(this.prefix).depth < this.tree.depth ? this.tree.children(this.prefix) : [];
    this.drawSummary();
    this.drawCodes(children);
    this.drawItems();
    this.map?.show();
  }

  drawPath() {
    const codes = this.prefix === "" ? [] : this.prefix.split("-");
    const steps = ["", ...codes.map((_, depth) => codes.slice(0, depth + 1).join("-"))];
    refill(this.path, 
      ...steps.flatMap((key, depth) => [
        depth ? element("span", { "aria-hidden": "true" }, "›") : null,
        element(
          "button",
          { type: "button", "aria-current": key === this.prefix ? "true" : false, onclick: () => this.open(key) },
          depth ? key : "all items",
          element("span", { class: "count" }, this.tree.node(key).size.toLocaleString("en")),
        ),
      ]),
    );
  }

  drawSummary() {
    const node = this.tree.node(this.prefix);
    const isWhole = node.depth === this.tree.depth;
    const category = this.category(node.category);
    const parts = [
      isWhole && node.size > 1 ? `${many(node.size, "item")} share this ID` : isWhole ? "one item alone has this ID" : many(node.size, "item"),
      node.depth && !isWhole && node.children > 1 ? `${many(node.children, "code")} at level ${node.depth + 1}` : "",
      node.error === undefined ? "" : `mean error ${written(node.error, "number")}`,
    ];
    refill(this.summary, parts.filter(Boolean).join(" · "));
    if (category) this.summary.append(` · ${written(node.share, "percent")} in `, element("bdi", {}, category));
  }

  drawCodes(children) {
    const node = this.tree.node(this.prefix);
    this.codes.hidden = !children.length;
    if (!children.length) return;
    const keys = {
      size: (child) => -child.size,
      error: (child) => -(child.error ?? 0),
      code: (child) => Number(child.key.split("-").at(-1)),
    };
    children.sort((one, other) => keys[this.order](one) - keys[this.order](other));
    const most = Math.max(...children.map((child) => child.size));
    const shown = this.wide ? children : children.slice(0, childrenShown());
    const rest = node.size - children.reduce((sum, child) => sum + child.size, 0);
    refill(this.codes, 
      element("h4", {}, `Codes of level ${node.depth + 1}`),
      ...shown.map((child) => this.codeButton(child, most)),
      children.length > shown.length
        ? element("button", { type: "button", class: "more", onclick: () => { this.wide = true; this.draw(); } }, `${many(children.length - shown.length, "more code")}`)
        : null,
      rest > 0 ? element("p", { class: "quiet" }, `${many(rest, "more item")} under codes of which none is here by name`) : null,
    );
  }

  codeButton(child, most) {
    const text = child.item === undefined ? this.category(child.category) : this.catalogue.title[child.item] || "(no title)";
    return element(
      "button",
      { type: "button", class: "code", onclick: () => this.open(child.key, child.item ?? -1) },
      element("span", { class: "key" }, child.key),
      element("span", { class: "size" }, child.size.toLocaleString("en")),
      element("span", { class: "fill", "aria-hidden": "true" }, element("span", { style: `width:${(100 * child.size) / most}%` })),
      element("span", { class: "about" }, element("bdi", {}, text ?? ""), child.share ? ` ${written(child.share, "percent")}` : "", child.error === undefined ? "" : ` · error ${written(child.error, "number")}`),
    );
  }

  drawItems() {
    const node = this.tree.node(this.prefix);
    const found = this.tree.items(this.prefix);
    const sharing = this.item < 0 ? found : [this.item, ...found.filter((item) => item !== this.item)];
    const shown = sharing.slice(0, itemsShown());
    refill(this.list, 
      element("h4", {}, this.item < 0 ? "Items" : "This item, and those that share its ID"),
      ...shown.map((item) => this.itemButton(item, false)),
      node.size > shown.length ? element("p", { class: "quiet" }, `${many(node.size - shown.length, "more item")}`) : null,
      this.item >= 0 && node.size === 1 ? element("p", { class: "quiet" }, "No other item has this ID.") : null,
      this.item >= 0 ? this.nearest() : null,
    );
  }

  // The items that share most of the path of the chosen one, but not all of it.
  nearest() {
    const codes = this.prefix.split("-");
    for (let depth = codes.length - 1; depth > 0; depth--) {
      const key = codes.slice(0, depth).join("-");
      const others = this.tree.items(key).filter((item) => this.tree.itemKeys[item] !== this.prefix);
      if (others.length) {
        return element("div", {}, element("h4", {}, `Those that share ${key}`), ...others.slice(0, 8).map((item) => this.itemButton(item, false)));
      }
    }
    return null;
  }
}
