// Time ranges as Grafana writes them (now-6h, now/d, milliseconds), widths of points, and times as text.

const UNIT_MS = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3, w: 7 * 86400e3 };
const NAMES = { s: "second", m: "minute", h: "hour", d: "day", w: "week" };
// Widths that a point of a plot may have, as Grafana rounds them.
const WIDTHS_MS = [
  10,
  20,
  50,
  100,
  200,
  500,
  1e3,
  2e3,
  5e3,
  10e3,
  15e3,
  20e3,
  30e3,
  60e3,
  120e3,
  300e3,
  600e3,
  900e3,
  1200e3,
  1800e3,
  3600e3,
  7200e3,
  10800e3,
  21600e3,
  43200e3,
  86400e3,
  7 * 86400e3,
  30 * 86400e3,
  365 * 86400e3,
];
export const QUICK = [
  "now-5m",
  "now-15m",
  "now-1h",
  "now-3h",
  "now-6h",
  "now-12h",
  "now-24h",
  "now-48h",
  "now-7d",
  "now-30d",
  "now-90d",
];

/** Milliseconds of "10s", "1h"; 0 of anything else. */
export function durationMs(text) {
  const found = /^>?(\d+)(ms|[smhdw])$/.exec(text ?? "");
  return found ? Number(found[1]) * (UNIT_MS[found[2]] ?? 1) : 0;
}

/** The moment [ms] that "now-6h", "now-1d/d" or "1795521600000" means; null if none. `ends`: "/d" is the day's end. */
export function moment(text, now, ends = false) {
  if (/^\d{8,}$/.test(text)) return Number(text);
  const found = /^now((?:[+-]\d+[smhdw])*)(\/[hdw])?$/.exec(text);
  if (!found) return null;
  let at = now;
  for (const [, sign, number, unit] of found[1].matchAll(/([+-])(\d+)([smhdw])/g))
    at += (sign === "-" ? -1 : 1) * number * UNIT_MS[unit];
  return found[2] ? edge(at, found[2][1], ends) : at;
}

function edge(at, unit, ends) {
  const day = new Date(at);
  if (unit === "h") day.setMinutes(0, 0, 0);
  else day.setHours(0, 0, 0, 0);
  if (unit === "w") day.setDate(day.getDate() - ((day.getDay() + 6) % 7));
  return day.getTime() + (ends ? UNIT_MS[unit] - 1 : 0);
}

/** "Last 6 hours", or from when to when. */
export function rangeText(from, to, clock) {
  const found = to === "now" && /^now-(\d+)([smhdw])$/.exec(from);
  if (!found) return `${sayBound(from, clock)} to ${sayBound(to, clock)}`;
  const [, number, unit] = found;
  return number === "1" ? `Last ${NAMES[unit]}` : `Last ${number} ${NAMES[unit]}s`;
}

const sayBound = (bound, clock) => (/^\d+$/.test(bound) ? clock.minute(Number(bound)) : bound);

/** How much time [ms] one of so many points stands for; `least` is the interval of the data. */
export function widthMs(spanMs, points, least) {
  const wanted = spanMs / Math.max(points, 1);
  const width = WIDTHS_MS.findLast((each, i) => i === 0 || wanted >= (each + WIDTHS_MS[i - 1]) / 2);
  return Math.max(width, least, 1);
}

/** Times as text, in the reader's own zone or in UTC. */
export function makeClock(timezone) {
  const isUtc = timezone === "utc";
  const local = (ms) => {
    const date = new Date(ms);
    return isUtc ? date.toISOString() : new Date(ms - date.getTimezoneOffset() * 60e3).toISOString();
  };
  return {
    isUtc,
    name: isUtc ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone,
    date: (ms) => local(ms).slice(0, 10),
    minute: (ms) => local(ms).slice(0, 16).replace("T", " "),
    second: (ms) => local(ms).slice(0, 19).replace("T", " "),
    hourMinute: (ms) => local(ms).slice(11, 16),
    time: (ms) => local(ms).slice(11, 19),
  };
}

/** Labels of an axis of time, whose ticks stand `step` apart: the date where it changes. */
export function tickLabels(ticks, step, clock) {
  let before = "";
  return ticks.map((tick) => {
    const date = clock.date(tick);
    const isNew = date !== before;
    before = date;
    if (step >= UNIT_MS.d) return date.slice(5);
    const time = step < 60e3 ? clock.time(tick) : clock.hourMinute(tick);
    return isNew ? `${time}\n${date.slice(5)}` : time;
  });
}
