// States over time: state-timeline and status-history.

import * as colours from "./colours.js";
import { element, svg } from "./dom.js";
import { configured, mapped, series, text } from "./frames.js";
import { tickLabels, widthMs } from "./time.js";

const ROW = 26,
  AXIS = 20,
  LETTER = 6.6;

/** A row for each series, a piece of it for each time that its value stayed the same. */
export function drawTimeline(body, panel, frames, context) {
  const { times, series: found } = series(frames);
  const fields = configured(found, panel.fieldConfig);
  if (!fields.length) return false;
  const states = [...new Set(fields.flatMap(({ values }) => values))];
  const { from, to } = context.range;
  const width = Math.max(body.clientWidth, 200);
  const left = Math.min(Math.max(...fields.map(({ title }) => title.length)) * LETTER + 12, width / 3);
  const x = (at) => left + ((Math.min(Math.max(at, from), to) - from) / (to - from)) * (width - left);
  const rows = fields.map((field, row) =>
    svg(
      "g",
      {},
      svg("text", { x: 0, y: row * ROW + 17 }, field.title),
      ...pieces(field, times, Math.min(to, Date.now())).map((piece) => box(piece, field, row, x, states, context)),
    ),
  );
  const picture = svg(
    "svg",
    {
      width,
      height: fields.length * ROW + AXIS,
      class: "timeline",
      role: "img",
      "aria-label": `${panel.title}: states over time; its table is behind the button`,
    },
    ...rows,
    ...axis(from, to, width - left, x, fields.length * ROW, context.clock),
  );
  body.replaceChildren(
    element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": panel.title }, picture),
  );
  return true;
}

/** [{ value, from, to }] of a field's values, equal neighbours as one. */
export function pieces({ values }, times, end) {
  const made = [];
  values.forEach((value, i) => {
    const last = made.at(-1);
    if (value === undefined || last?.value === value) return;
    if (last) last.to = times[i];
    made.push({ value, from: times[i], to: end });
  });
  return made.filter((piece) => piece.value !== null && piece.to > piece.from);
}

function box({ value, from, to }, field, row, x, states, { theme, clock }) {
  const colour = colours.legible(colourOf(field, value, states), theme.ground);
  const [begins, ends] = [x(from), x(to)];
  const said = text(value, field, clock);
  const ink = colours.contrast("#000000", colour) > colours.contrast("#ffffff", colour) ? "#000000" : "#ffffff";
  const fits = ends - begins > said.length * LETTER + 8;
  const made = svg("rect", {
    x: begins,
    y: row * ROW + 2,
    width: Math.max(ends - begins - 1, 1),
    height: ROW - 5,
    rx: 2,
    fill: colour,
  });
  const words = svg("text", { x: begins + 4, y: row * ROW + 17 }, said);
  words.style.fill = ink;
  const title = svg("title", {}, `${field.title}: ${said}, ${clock.second(from)} to ${clock.second(to)}`);
  return svg("g", {}, title, made, ...(fits ? [words] : []));
}

function colourOf({ config }, value, states) {
  const instead = mapped(value, config.mappings)?.color;
  if (instead) return colours.named(instead);
  if (typeof value === "number" && config.thresholds && config.color?.mode === "thresholds")
    return colours.ofThreshold(value, config.thresholds);
  return colours.ofSeries({}, states.indexOf(value), states.length, value);
}

function axis(from, to, space, x, y, clock) {
  const step = widthMs(to - from, Math.max(space / 110, 1), 60e3);
  const first = Math.ceil(from / step) * step;
  const ticks = Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, i) => first + i * step);
  return tickLabels(ticks, step, clock).map((label, i) =>
    svg("text", { x: Math.min(x(ticks[i]), x(to) - 17), y: y + 14, class: "tick" }, label.split("\n")[0]),
  );
}
