// Bars by category: barchart, bargauge, and piechart, whose slices are compared better as bars.

import * as colours from "./colours.js";
import { element } from "./dom.js";
import { configured, reduce, text } from "./frames.js";

/** A row for each category, a bar in it for each column of numbers; without categories, a row for each column. */
export function drawBars(body, panel, frames, context) {
  const fields = configured(frames[0] ?? [], panel.fieldConfig);
  const names =
    fields.find(({ kind }) => kind === "text") ??
    (panel.type === "barchart" ? fields.find(({ kind }) => kind === "time") : undefined);
  const numbers = fields.filter(({ kind }) => kind === "number");
  if (!numbers.length || !numbers[0].values.length) return false;
  const rows = names
    ? names.values.map((name, row) => [
        text(name, names, context.clock),
        numbers.map((field) => ({ field, value: field.values[row] })),
      ])
    : numbers.map((field) => [field.title, [{ field, value: reduce(field.values, "lastNotNull") }]]);
  const most = Math.max(
    ...numbers.map(({ config }) => config.max ?? -Infinity),
    ...rows.flatMap(([, bars]) => bars.map(({ value }) => value ?? 0)),
  );
  const lines = rows.flatMap(([name, bars], row) => [
    element("dt", { textContent: name, title: name }),
    ...bars.map(({ field, value }) =>
      bar(field, value, most, names ? numbers.indexOf(field) : row, numbers.length, Boolean(names), context),
    ),
  ]);
  const list = element("dl", { className: "bars" }, ...lines);
  list.style.setProperty("--each", names ? numbers.length : 1);
  body.replaceChildren(
    element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": panel.title }, list),
  );
  return true;
}

function bar(field, value, most, number, count, isNamed, { theme, clock }) {
  const made = element("span", { className: "bar", "aria-hidden": "true" });
  made.style.width = `${most > 0 ? Math.max((100 * (value ?? 0)) / most, 0) : 0}%`;
  made.style.backgroundColor = colours.legible(
    colours.ofSeries(field.config, number, count, value, theme.ground),
    theme.ground,
  );
  const said = isNamed && count > 1 ? `${field.title} ${text(value, field, clock)}` : text(value, field, clock);
  return element("dd", {}, element("span", { className: "track" }, made), element("span", { textContent: said }));
}
