// What ClickHouse answered, as the columns and series of a panel, each with its configuration.

import { isTimeUnit, say } from "./units.js";

const WRAPPED = /^(?:Nullable|LowCardinality)\((.*)\)$/;

function kindOf(type) {
  const inner = WRAPPED.exec(type);
  if (inner) return kindOf(inner[1]);
  if (/^(U?Int|Float|Decimal|Bool)/.test(type)) return "number";
  return /^Date/.test(type) ? "time" : "text";
}

function toNumber(value) {
  const number = value === null ? null : Number(value);
  return Number.isFinite(number) ? number : null;
}
// Columns of times are in UTC, as ClickHouse prints them: "2026-01-31 12:00:00.000".
const toMs = (value) =>
  value === null ? null : Date.parse(`${value.replace(" ", "T")}${value.length > 10 ? "Z" : ""}`);
const READ = { number: toNumber, time: toMs, text: (value) => (value === null ? null : String(value)) };

/** Columns of an answer in JSONCompact: { name, kind: number | time | text, values }, times in ms. */
export function columns({ meta, data }) {
  return meta.map(({ name, type }, i) => {
    const kind = kindOf(type);
    return { name, kind, values: data.map((row) => READ[kind](row[i])) };
  });
}

/**
 * { times, series } of frames of columns, in each of which the first time is the axis: a series for each column of
 * numbers, and, where there is text, for each of its values; text itself is the value where there are no numbers.
 * A series has `undefined` where it has no row at that time, null where its row is empty.
 */
export function series(frames) {
  const axes = frames.map((all) => all.find(({ kind }) => kind === "time"));
  const times = [...new Set(axes.flatMap((axis) => axis?.values ?? []))].sort((a, b) => a - b);
  const placeOf = new Map(times.map((time, i) => [time, i]));
  const made = new Map();
  frames.forEach((all, number) => {
    const words = all.filter(({ kind }) => kind === "text");
    const numbers = all.filter(({ kind }) => kind === "number");
    for (const column of numbers.length ? numbers : words.splice(-1)) {
      axes[number]?.values.forEach((time, row) => {
        const labels = Object.fromEntries(words.map(({ name, values }) => [name, values[row]]));
        const key = [number, column.name, ...Object.values(labels)].join("\0");
        if (!made.has(key))
          made.set(key, { name: column.name, kind: column.kind, labels, values: Array(times.length).fill(undefined) });
        made.get(key).values[placeOf.get(time)] = column.values[row];
      });
    }
  });
  return { times, series: [...made.values()] };
}

/** Where there is a value without one before or behind it, to which a line could lead. */
export function lonely(values) {
  const places = values.map((value, i) => (value === undefined ? -1 : i)).filter((i) => i >= 0);
  const isThere = (i) => typeof values[places[i]] === "number";
  return places.filter((_, i) => isThere(i) && !isThere(i - 1) && !isThere(i + 1));
}

/** The fields with `config` and `title`: a panel's defaults, and its overrides for them. */
export function configured(fields, { defaults = {}, overrides = [] } = {}) {
  return fields.map((field) => {
    const config = structuredClone(defaults);
    const title = titleOf(field, config);
    for (const { matcher, properties } of overrides) {
      if (!matches(matcher, field, title)) continue;
      for (const { id, value } of properties) put(config, id, value);
    }
    return { ...field, config, title: titleOf(field, config) };
  });
}

function titleOf({ name, labels = {} }, config) {
  if (config.displayName) {
    return config.displayName.replace(/\$\{__field\.(?:labels\.)?(\w+)\}/g, (_, word) => labels[word] ?? name);
  }
  return Object.values(labels).join(" ") || name;
}

function matches({ id, options }, field, title) {
  if (id === "byName") return options === title || options === field.name;
  if (id === "byRegexp") return pattern(options).test(title);
  if (id === "byType") return options === field.kind || (options === "string" && field.kind === "text");
  return false;
}

/** The regular expression of "/^a.*$/" or "a.*". */
export function pattern(text) {
  const found = /^\/(.*)\/(\w*)$/.exec(text);
  return found ? new RegExp(found[1], found[2]) : new RegExp(text);
}

function put(config, path, value) {
  const steps = path.split(".");
  const last = steps.pop();
  let place = config;
  for (const step of steps) place = place[step] ??= {};
  place[last] = value;
}

/** The number that stands for a column, as Grafana's calculations are named; null if there is none. */
export function reduce(values, how) {
  const there = values.filter((value) => value !== null && value !== undefined);
  const calculations = {
    last: () => values.at(-1),
    lastNotNull: () => there.at(-1),
    first: () => values[0],
    firstNotNull: () => there[0],
    min: () => there.reduce((a, b) => Math.min(a, b)),
    max: () => there.reduce((a, b) => Math.max(a, b)),
    sum: () => there.reduce((a, b) => a + b),
    mean: () => there.reduce((a, b) => a + b) / there.length,
    count: () => there.length,
    range: () => reduce(there, "max") - reduce(there, "min"),
    diff: () => there.at(-1) - there[0],
  };
  return there.length ? ((calculations[how] ?? calculations.lastNotNull)() ?? null) : null;
}
export const REDUCED = {
  last: "last",
  lastNotNull: "last",
  first: "first",
  firstNotNull: "first",
  min: "lowest",
  max: "highest",
  sum: "sum",
  mean: "mean",
  count: "count",
  range: "range",
  diff: "difference",
};

/** What the mappings of a field make of a value: { text, color }, or nothing. */
export function mapped(value, mappings = []) {
  for (const { type, options } of mappings) {
    if (type === "value" && options[value]) return options[value];
    if (type === "range" && value !== null && value >= (options.from ?? -Infinity) && value <= (options.to ?? Infinity))
      return options.result;
    if (type === "regex" && value !== null && pattern(options.pattern).test(value)) return options.result;
    if (type === "special" && value === null && /null/.test(options.match)) return options.result;
  }
  return undefined;
}

/** A value of a configured field as text. */
export function text(value, { kind, config }, clock) {
  const instead = mapped(value, config.mappings);
  if (instead?.text) return instead.text;
  if (value === null || value === undefined) return config.noValue ?? "–";
  if (kind === "time" || (isTimeUnit(config.unit) && typeof value === "number")) return clock.second(value);
  return typeof value === "number" ? say(value, config.unit, config.decimals) : value;
}
