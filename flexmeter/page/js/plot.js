// Lines, areas, bars and points over time, drawn by uPlot.

import uPlot from "/uPlot.js";
import * as colours from "./colours.js";
import { element } from "./dom.js";
import { configured, series } from "./frames.js";
import { drawLegend } from "./legend.js";
import { options, order } from "./options.js";
import { stacked } from "./stack.js";
import { addTooltip } from "./tooltip.js";

const drawn = new WeakMap(); // body -> { key, plot, fields }

/** What the panel shows: { times, fields }, the fields configured and coloured. */
export function fieldsOf(panel, frames, theme) {
  const { times, series: found } = series(frames);
  const said = found.filter(({ values }) => values.some((value) => value !== null && value !== undefined));
  const fields = configured(said, panel.fieldConfig).filter(({ config }) => !config.custom?.hideFrom?.viz);
  fields.forEach((field, i) => {
    const colour = colours.ofSeries(
      field.config,
      i,
      fields.length,
      field.values.findLast((value) => typeof value === "number"),
      theme.ground,
    );
    field.colour = colours.legible(colour, theme.ground);
  });
  return { times, fields };
}

/** The plot and its legend; drawn anew only if other series are to be seen, so that a pointer on it stays. */
export function drawPlot(body, panel, frames, context) {
  const { times, fields } = fieldsOf(panel, frames, context.theme);
  if (!fields.length) return false;
  const hidden = drawn.get(body)?.hidden ?? new Set();
  const nothing = times.map(() => undefined);
  const shown = {
    times,
    fields,
    hidden,
    values: stacked(fields.map((field) => (hidden.has(field.title) ? { ...field, values: nothing } : field))),
  };
  const key = JSON.stringify([
    fields.map(({ title, colour, config }) => [title, colour, config.unit]),
    [...hidden],
    context.size,
    context.range.to - context.range.from,
  ]);
  const before = drawn.get(body);
  if (before?.key === key && before.plot.root.isConnected) {
    Object.assign(before, { ...shown, context });
    before.plot.setData([times, ...order(fields).map((i) => shown.values[i])]);
  } else begin(body, panel, { ...shown, key, context });
  const now = drawn.get(body);
  drawLegend(body.querySelector(".legend"), panel, now, (title) => {
    if (!hidden.delete(title)) hidden.add(title);
    drawPlot(body, panel, frames, context);
  });
  return true;
}

/** Forget what is drawn in there. */
export function forget(body) {
  drawn.get(body)?.plot.destroy();
  drawn.delete(body);
}

function begin(body, panel, made) {
  drawn.get(body)?.plot.destroy();
  const place = element("div", { className: "plot", tabIndex: 0, role: "img" });
  place.setAttribute(
    "aria-label",
    `Plot of ${made.fields.map(({ title }) => title).join(", ")}. Arrow keys read its values; a button shows its table.`,
  );
  const legend = element("div", { className: "legend" });
  body.replaceChildren(place, legend);
  drawLegend(legend, panel, made, () => {});
  const data = [made.times, ...order(made.fields).map((i) => made.values[i])];
  made.place = place;
  made.plot = new uPlot(options(place, panel, made), data, place);
  drawn.set(body, made);
  addTooltip(body, made, panel.options?.tooltip);
}
