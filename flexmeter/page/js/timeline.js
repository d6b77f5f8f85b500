// States over time: state-timeline and status-history. SVG of its own: lanes are links, and words that can be read aloud.

import * as colours from "./colours.js";
import { element, svg } from "./dom.js";
import { configured, mapped, series, text } from "./frames.js";
import { target } from "./state.js";
import { tickLabels, widthMs } from "./time.js";

const LANE = 26,
  AXIS = 20,
  LETTER = 6.6;

/** A lane for each series, a piece of it for each time that its value stayed the same. */
export function drawTimeline(body, panel, frames, context) {
  const lanes = lanesOf(panel, frames, context);
  if (!lanes.length) return false;
  const place = body.querySelector(":scope > .timeline") ?? begin(body, panel);
  const scroll = place.querySelector(".scroll");
  const focused = [...scroll.querySelectorAll(".lane")].indexOf(document.activeElement);
  place.querySelector(".legend").replaceChildren(...legend(lanes));
  const width = Math.max(scroll.clientWidth, 200);
  const left = Math.min(Math.max(...lanes.map(({ title }) => title.length)) * LETTER + 12, width / 3);
  const { from, to } = context.range;
  const x = (at) => left + ((Math.min(Math.max(at, from), to) - from) / (to - from)) * (width - left);
  const ticks = ticksOf(from, to, width - left, context.clock);
  const height = lanes.length * LANE;
  scroll.replaceChildren(
    svg(
      "svg",
      { width, height, role: "group", "aria-label": `${panel.title}: ${lanes.length} lanes of states over time` },
      ...ticks.map(({ at }) => svg("line", { x1: x(at), x2: x(at), y1: 0, y2: height, class: "grid" })),
      ...lanes.map((lane, row) => drawLane(place, lane, row, x, left, context)),
    ),
    axis(ticks, x, to, width),
  );
  if (focused >= 0) scroll.querySelectorAll(".lane")[focused]?.focus();
  return true;
}

function begin(body, panel) {
  const scroll = element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": panel.title });
  const box = element("div", { className: "tooltip", hidden: true, role: "status" });
  const made = element("div", { className: "timeline" }, scroll, element("ul", { className: "legend" }), box);
  body.replaceChildren(made);
  return made;
}

/** The series as lanes, each with its pieces: { value, from, to, said, colour }. */
function lanesOf(panel, frames, { range, theme, clock }) {
  const { times, series: found } = series(frames);
  const fields = configured(found, panel.fieldConfig);
  const states = [...new Set(fields.flatMap(({ values }) => values))];
  const end = Math.min(range.to, Date.now());
  return fields.map((field) => {
    const shown = pieces(field, times, end).filter(({ from, to }) => to > range.from && from < range.to);
    const inWords = shown.map((piece) => ({
      ...piece,
      said: text(piece.value, field, clock),
      colour: colours.legible(colourOf(field, piece.value, states), theme.ground),
      lasts: piece.to === end,
      place: mapped(piece.value, field.config.mappings)?.index ?? Infinity,
    }));
    return { ...field, pieces: inWords };
  });
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

function colourOf({ config }, value, states) {
  const instead = mapped(value, config.mappings)?.color;
  if (instead) return colours.named(instead);
  if (typeof value === "number" && config.thresholds && config.color?.mode === "thresholds")
    return colours.ofThreshold(value, config.thresholds);
  return colours.ofSeries({}, states.indexOf(value), states.length, value);
}

/** Each state that is to be seen, in the order in which the dashboard names them. */
function legend(lanes) {
  const states = new Map(lanes.flatMap((lane) => lane.pieces.map((piece) => [piece.said, piece])));
  return [...states.values()]
    .sort((a, b) => a.place - b.place)
    .map(({ said, colour }) => element("li", {}, swatchOf(colour), said));
}

function swatchOf(colour) {
  const made = element("span", { className: "swatch" });
  made.style.backgroundColor = colour;
  return made;
}

function drawLane(place, lane, row, x, left, context) {
  const said = lane.pieces.map((piece) => `${piece.said} ${span(piece, context.clock)}`);
  const [link] = lane.config.links ?? [];
  const how = { class: "lane", "aria-label": `${lane.title}: ${said.join("; ") || "nothing"}` };
  const made = link
    ? svg("a", { ...how, href: target(link.url, context.shown, lane.labels, lane.title) })
    : svg("g", { ...how, role: "img", tabindex: 0 });
  const whole = svg("rect", { x: 0, y: row * LANE, width: x(Infinity), height: LANE, class: "whole" });
  made.append(name(lane.title, row, left), whole);
  for (const event of ["mouseenter", "focus"]) made.addEventListener(event, () => tell(place, lane, row, context));
  for (const event of ["mouseleave", "blur"])
    made.addEventListener(event, () => (place.querySelector(".tooltip").hidden = true));
  return svg("g", {}, svg("g", { "aria-hidden": "true" }, ...lane.pieces.map((piece) => box(piece, row, x))), made);
}

function name(title, row, left) {
  const room = Math.floor((left - 12) / LETTER + 0.01);
  const shown = title.length > room ? `${title.slice(0, room - 1)}…` : title;
  return svg("text", { x: 4, y: row * LANE + 17, class: "name" }, shown);
}

function box({ from, to, said, colour }, row, x) {
  const [begins, ends] = [x(from), x(to)];
  const ink = colours.contrast("#000000", colour) > colours.contrast("#ffffff", colour) ? "#000000" : "#ffffff";
  const place = { x: begins, y: row * LANE + 2, width: Math.max(ends - begins - 1, 2), height: LANE - 5, rx: 2 };
  const words = svg("text", { x: begins + 4, y: row * LANE + 17 }, said);
  words.style.fill = ink;
  return svg(
    "g",
    {},
    svg("rect", { ...place, fill: colour }),
    ...(ends - begins > said.length * LETTER + 8 ? [words] : []),
  );
}

const span = ({ from, to, lasts }, clock) => `${clock.second(from)} to ${lasts ? "now" : clock.second(to)}`;

/** What a lane was, and when: under the pointer, or where Tab has gone. */
function tell(place, lane, row, { clock }) {
  const box = place.querySelector(".tooltip");
  const lines = lane.pieces.map((piece) =>
    element(
      "p",
      {},
      swatchOf(piece.colour),
      element("span", { textContent: piece.said }),
      element("b", { textContent: span(piece, clock) }),
    ),
  );
  box.replaceChildren(element("p", { className: "when", textContent: lane.title }), ...lines);
  box.hidden = false;
  const scroll = place.querySelector(".scroll");
  const below = (row + 1) * LANE - scroll.scrollTop + 4;
  const above = below - LANE - box.offsetHeight - 8;
  box.style.top = `${below + box.offsetHeight > scroll.clientHeight && above > 0 ? above : below}px`;
}

function ticksOf(from, to, space, clock) {
  const step = widthMs(to - from, Math.max(space / 110, 1), 60e3);
  const first = Math.ceil(from / step) * step;
  const ticks = Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, i) => first + i * step);
  return tickLabels(ticks, step, clock).map((label, i) => ({ at: ticks[i], label: label.split("\n")[0] }));
}

/** Below the lanes, and in sight while they are scrolled. */
const axis = (ticks, x, to, width) =>
  svg(
    "svg",
    { width, height: AXIS, class: "axis", "aria-hidden": "true" },
    ...ticks.map(({ at, label }) => svg("text", { x: Math.min(x(at), x(to) - 17), y: 14, class: "tick" }, label)),
  );
