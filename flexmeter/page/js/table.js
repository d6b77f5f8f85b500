// Tables: a panel of its own, and the one behind every plot.

import * as colours from "./colours.js";
import { element } from "./dom.js";
import { configured, mapped, text } from "./frames.js";
import { target } from "./state.js";

const ROWS = 500;
const sorted = new WeakMap(); // body -> { title, rises }

/** A panel's table. */
export function drawTable(body, panel, frames, context) {
  const all = frames[panel.options?.frameIndex ?? 0] ?? [];
  const fields = configured(all, panel.fieldConfig).filter(({ config }) => !config.custom?.hidden);
  if (!all[0]?.values.length) return false;
  show(body, fields, context, panel.title);
  return true;
}

/** The table behind a plot: its times, the newest first, and a column for each series. */
export function drawBehind(body, { times, fields }, context, title) {
  const rows = times.map((_, i) => i).reverse();
  const axis = { name: "time", title: "time", kind: "time", values: rows.map((i) => times[i]), config: {} };
  const columns = fields.map((field) => ({ ...field, values: rows.map((i) => field.values[i] ?? null) }));
  show(body, [axis, ...columns], context, title);
}

/** The rows of fields, in the order that was chosen. */
export function show(body, fields, context, title) {
  const again = () => show(body, fields, context, title);
  const order = rowOrder(fields, sorted.get(body));
  const head = element("tr", {}, ...fields.map((field) => heading(field, body, again)));
  const rows = order
    .slice(0, ROWS)
    .map((row) => element("tr", {}, ...fields.map((field) => cell(field, row, fields, context))));
  const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
  const more =
    order.length > ROWS
      ? [element("p", { className: "more", textContent: `${ROWS} of ${order.length} rows are shown.` })]
      : [];
  const scroll = body.querySelector(":scope > .scroll");
  const at = scroll?.contains(document.activeElement) ? placeOfFocus(scroll) : -1;
  if (scroll) scroll.replaceChildren(table, ...more);
  else
    body.replaceChildren(
      element(
        "div",
        { className: "scroll", tabIndex: 0, role: "region", "aria-label": `Table: ${title}` },
        table,
        ...more,
      ),
    );
  if (at >= 0) focusable(scroll)[at]?.focus();
}

const focusable = (place) => [...place.querySelectorAll("a, button")];
const placeOfFocus = (place) => focusable(place).indexOf(document.activeElement);

function rowOrder(fields, by) {
  const order = fields[0].values.map((_, i) => i);
  const field = by && fields.find(({ title }) => title === by.title);
  if (!field) return order;
  const compare = (a, b) => (typeof a === "number" ? a - b : String(a).localeCompare(String(b)));
  return order.sort((i, j) => {
    const [a, b] = [field.values[i], field.values[j]];
    if (a === null || b === null) return (a === null) - (b === null);
    return by.rises ? compare(a, b) : compare(b, a);
  });
}

function heading(field, body, again) {
  const by = sorted.get(body);
  const isBy = by?.title === field.title;
  const sort = () => {
    sorted.set(body, { title: field.title, rises: isBy ? !by.rises : field.kind !== "number" });
    again();
  };
  const button = element("button", { type: "button", textContent: field.title, onclick: sort });
  const made = element("th", { scope: "col", className: field.kind }, button);
  if (isBy) made.setAttribute("aria-sort", by.rises ? "ascending" : "descending");
  return made;
}

function cell(field, row, fields, context) {
  const value = field.values[row];
  const shown = text(value, field, context.clock);
  const made = element("td", { className: field.kind });
  const inner = linked(field, shown, value, row, fields, context);
  const { type } = field.config.custom?.cellOptions ?? {};
  if (type === "gauge" && value !== null) made.append(gauge(field, value, context), inner);
  else made.append(inner);
  if (type?.startsWith("color-") && value !== null) paint(made, type, colourOf(field, value), context.theme.ground);
  return made;
}

function linked(field, shown, value, row, fields, { shown: page }) {
  const [link] = field.config.links ?? [];
  if (!link || value === null || value === "") return element("span", { textContent: shown });
  const values = Object.fromEntries(fields.map((each) => [each.name, each.values[row]]));
  return element("a", { href: target(link.url, page, values, value), textContent: shown, title: link.title ?? "" });
}

function colourOf({ config }, value) {
  const instead = mapped(value, config.mappings)?.color;
  if (instead) return colours.named(instead);
  if (config.color?.mode === "fixed") return colours.named(config.color.fixedColor);
  return typeof value === "number" ? colours.ofThreshold(value, config.thresholds) : null;
}

function paint(made, type, colour, ground) {
  if (!colour) return;
  if (type === "color-text") made.style.color = colours.legible(colour, ground, colours.TEXT);
  else {
    made.style.backgroundColor = colour;
    made.style.color =
      colours.contrast("#000000", colour) > colours.contrast("#ffffff", colour) ? "#000000" : "#ffffff";
  }
}

function gauge(field, value, { theme }) {
  const most = field.config.max ?? field.values.reduce((a, b) => Math.max(a, b ?? a), 0);
  const least = field.config.min ?? 0;
  const share = most > least ? Math.min(Math.max((value - least) / (most - least), 0), 1) : 0;
  const bar = element("span", { className: "bar" });
  bar.style.width = `${100 * share}%`;
  bar.style.backgroundColor = colours.legible(colourOf(field, value), theme.ground);
  return element("span", { className: "track", "aria-hidden": "true" }, bar);
}
