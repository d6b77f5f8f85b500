// The legend of a plot: what each line is, its numbers, and a button that hides it.

import { element } from "./dom.js";
import { reduce, REDUCED, text } from "./frames.js";

export function drawLegend(place, panel, { fields, hidden, plot, context }, toggle) {
  const { showLegend = true, displayMode = "list", calcs = [] } = panel.options?.legend ?? {};
  if (!showLegend || displayMode === "hidden") return place.replaceChildren();
  const names = fields.map((field, i) => entry(field, i, hidden, plot, toggle));
  const focused = [...place.querySelectorAll("button")].indexOf(document.activeElement);
  if (displayMode === "table" && calcs.length) {
    const head = element(
      "tr",
      {},
      element("th", { scope: "col", textContent: "series" }),
      ...calcs.map((how) => element("th", { scope: "col", className: "number", textContent: REDUCED[how] ?? how })),
    );
    const rows = fields.map((field, i) =>
      element(
        "tr",
        {},
        element("td", {}, names[i]),
        ...calcs.map((how) =>
          element("td", { className: "number", textContent: text(reduce(field.values, how), field, context.clock) }),
        ),
      ),
    );
    place.replaceChildren(element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
  } else place.replaceChildren(...names);
  if (focused >= 0) place.querySelectorAll("button")[focused]?.focus();
}

function entry(field, number, hidden, plot, toggle) {
  const swatch = element("span", { className: "swatch" });
  swatch.style.backgroundColor = field.colour;
  const focus = (on) =>
    plot?.setSeries(on ? plot.series.findIndex(({ label }) => label === field.title) : null, { focus: on });
  return element(
    "button",
    {
      type: "button",
      title: "Show or hide",
      "aria-pressed": String(!hidden.has(field.title)),
      onclick: () => toggle(field.title),
      onmouseenter: () => focus(true),
      onmouseleave: () => focus(false),
      onfocus: () => focus(true),
      onblur: () => focus(false),
    },
    swatch,
    field.title,
  );
}
