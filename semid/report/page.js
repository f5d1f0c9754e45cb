"use strict";
// Puts figures and explorers where the page has a place for them, and lets the reader choose light or dark.

const FIGURES = JSON.parse(document.getElementById("figures").textContent);

function numbersOf(figure, plot) {
  const shown = element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": `Numbers of ${figure.title}` });
  const details = element("details", { class: "numbers" }, element("summary", {}, "The numbers"), shown);
  const fillTable = () => {
    if (!details.open) return;
    const [header, ...rows] = RENDERERS[plot.variant.kind].table(plot.variant);
    shown.replaceChildren(
      element(
        "table",
        {},
        element("thead", {}, element("tr", {}, ...header.map((text) => element("th", { scope: "col" }, text || element("span", { class: "spoken" }, "name"))))),
        element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((text) => element("td", {}, text))))),
      ),
    );
  };
  details.addEventListener("toggle", fillTable);
  plot.controls.addEventListener("change", fillTable);
  return details;
}

// What is far down the page is made when it comes near.
function whenNear(mount, make) {
  const observer = new IntersectionObserver(
    (entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      make();
    },
    { rootMargin: "800px" },
  );
  observer.observe(mount);
}

for (const mount of document.querySelectorAll("[data-figure]")) {
  whenNear(mount, () => {
    const figure = FIGURES[mount.dataset.figure];
    mount.replaceChildren();
    const plot = new Plot(figure, mount);
    mount.append(numbersOf(figure, plot));
    mount.dataset.drawn = "yes";
  });
}

for (const mount of document.querySelectorAll("[data-explorer]")) {
  whenNear(mount, async () => {
    try {
      const catalogue = await unpacked(document.getElementById(mount.dataset.explorer).textContent);
      mount.explorer = new Explorer(catalogue, mount);
      mount.dataset.drawn = "yes";
    } catch (error) {
      mount.replaceChildren(element("p", { class: "quiet" }, `This browser cannot open the explorer: ${error.message}`));
    }
  });
}

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const button of document.querySelectorAll("[data-set-theme]")) {
    button.setAttribute("aria-pressed", String(button.dataset.setTheme === theme));
  }
  try {
    localStorage.setItem("semid-theme", theme);
  } catch {
    // a page from disk may have no storage; the choice then lasts as long as the page
  }
}

let remembered = "auto";
try {
  remembered = localStorage.getItem("semid-theme") ?? "auto";
} catch {
  // as above
}
for (const button of document.querySelectorAll("[data-set-theme]")) {
  button.addEventListener("click", () => setTheme(button.dataset.setTheme));
}
setTheme(remembered);
