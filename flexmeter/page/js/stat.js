// Single numbers: stat and gauge.

import * as colours from "./colours.js";
import { element, svg } from "./dom.js";
import { configured, mapped, pattern, reduce, text } from "./frames.js";
import { parts } from "./units.js";

/** The fields that a stat or gauge shows, each with the one value that stands for it. */
function shownFields(panel, frames) {
  const { calcs = ["lastNotNull"], fields: wanted, values: everyRow } = panel.options?.reduceOptions ?? {};
  const all = frames.flatMap((frame) => configured(frame, panel.fieldConfig));
  const chosen = all.filter(({ kind, name }) => (wanted ? pattern(wanted).test(name) : kind === "number"));
  const fields = chosen.length ? chosen : all.slice(0, 1);
  const names = all.find(({ kind }) => kind === "text");
  if (!everyRow || !names) return fields.map((field) => ({ ...field, value: reduce(field.values, calcs[0]) }));
  return fields.flatMap((field) => field.values.map((value, row) => ({ ...field, title: names.values[row], value })));
}

/** Big numbers, or the one word. */
export function drawStat(body, panel, frames, context) {
  const fields = shownFields(panel, frames);
  const numbers = fields.map((field) => {
    const said = context.isNamed || fields.length > 1 ? [name(field)] : [];
    return element("div", {}, ...said, bigValue(field, context), ...spark(panel, field, context));
  });
  body.replaceChildren(element("div", { className: "values" }, ...numbers));
  return (
    fields.some(({ value }) => value !== null && value !== undefined) ||
    fields.some(({ config }) => config.noValue !== undefined)
  );
}

const name = ({ title }) => element("p", { className: "name", textContent: title });

function bigValue(field, { clock, theme }) {
  const made = element("p", { className: "value" });
  const { value, config } = field;
  const whole = text(value, field, clock);
  if (typeof value === "number" && field.kind === "number" && !mapped(value, config.mappings)) {
    const { number, suffix } = parts(value, config.unit, config.decimals);
    made.append(number, element("small", { textContent: suffix ? ` ${suffix}` : "" }));
  } else made.textContent = whole;
  made.style.fontSize = `min(2.3rem, ${Math.round(150 / Math.max(whole.length, 4))}cqi)`;
  if (value !== null && value !== undefined)
    made.style.color = colours.legible(colourOf(field, value), theme.ground, colours.TEXT);
  return made;
}

function colourOf({ config }, value) {
  const instead = mapped(value, config.mappings)?.color;
  if (instead) return colours.named(instead);
  if (config.color?.mode === "fixed") return colours.named(config.color.fixedColor);
  return colours.ofThreshold(typeof value === "number" ? value : -Infinity, config.thresholds);
}

/** The values as a small line below the number, where the panel wants it. */
function spark(panel, { values, config, value }, { theme }) {
  const there = values.filter((each) => typeof each === "number");
  if (panel.options?.graphMode !== "area" || there.length < 2) return [];
  const [low, high] = [Math.min(...there), Math.max(...there)];
  const points = there.map(
    (each, i) => `${(100 * i) / (there.length - 1)},${29 - (28 * (each - low)) / (high - low || 1)}`,
  );
  const stroke = colours.legible(colourOf({ config }, value), theme.ground);
  const line = svg("polyline", {
    points: points.join(" "),
    fill: "none",
    stroke,
    "stroke-width": 1.5,
    "vector-effect": "non-scaling-stroke",
  });
  return [
    svg("svg", { viewBox: "0 0 100 30", preserveAspectRatio: "none", class: "spark", "aria-hidden": "true" }, line),
  ];
}

/** A value on an arc from min to max, with the thresholds around it. */
export function drawGauge(body, panel, frames, context) {
  const fields = shownFields(panel, frames).filter(({ value }) => typeof value === "number");
  body.replaceChildren(element("div", { className: "values" }, ...fields.map((field) => dial(field, context))));
  return fields.length > 0;
}

function dial(field, context) {
  const { min = 0, max = field.config.unit === "percentunit" ? 1 : 100, thresholds } = field.config;
  const share = (value) => Math.min(Math.max((value - min) / (max - min || 1), 0), 1);
  const arcs = (thresholds?.steps ?? []).map(({ value, color }, i, steps) =>
    arc(
      46,
      3,
      share(value ?? min),
      share(steps[i + 1]?.value ?? max),
      colours.legible(colours.named(color), context.theme.ground),
    ),
  );
  const colour = colours.legible(colourOf(field, field.value), context.theme.ground);
  const picture = svg(
    "svg",
    { viewBox: "0 0 100 58", class: "dial", "aria-hidden": "true" },
    arc(39, 9, 0, 1, context.theme.grid),
    arc(39, 9, 0, share(field.value), colour),
    ...arcs,
  );
  return element("div", {}, name(field), picture, bigValue(field, context));
}

/** A piece of the half circle, by shares of it. */
function arc(radius, width, begins, ends, stroke) {
  const at = (share) =>
    [50 - radius * Math.cos(Math.PI * share), 54 - radius * Math.sin(Math.PI * share)]
      .map((n) => n.toFixed(2))
      .join(" ");
  return svg("path", {
    d: `M ${at(begins)} A ${radius} ${radius} 0 0 1 ${at(ends)}`,
    fill: "none",
    stroke,
    "stroke-width": width,
  });
}
