// Numbers in Grafana's units: https://grafana.com/docs/grafana/latest/panels-visualizations/configure-standard-options

const SI = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
  [1, ""],
  [1e-3, "m"],
  [1e-6, "µ"],
];
const IEC = [
  [2 ** 40, "Ti"],
  [2 ** 30, "Gi"],
  [2 ** 20, "Mi"],
  [2 ** 10, "Ki"],
  [1, ""],
];
const WHOLE = SI.filter(([size]) => size >= 1);
const DURATION = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
  [1e-3, "ms"],
  [1e-6, "µs"],
];

const scaled =
  (steps, symbol, times = 1) =>
  (value) => {
    const size = Math.abs(value * times);
    const [step, prefix] = steps.find(([least]) => size >= least * 0.99999999) ?? (size ? steps.at(-1) : [1, ""]);
    return { scale: times / step, suffix: `${prefix}${symbol}` };
  };
const count = (suffix) => (value) => (Math.abs(value) < 1e5 ? { scale: 1, suffix } : scaled(WHOLE, suffix)(value));
const fixed =
  (suffix, scale = 1) =>
  () => ({ scale, suffix });
const duration = (times) => (value) => {
  const { scale, suffix } = scaled(DURATION, "", times)(value);
  return { scale, suffix: value === 0 ? "s" : suffix };
};

const UNITS = {
  none: fixed(""),
  short: count(""),
  percent: fixed("%"),
  percentunit: fixed("%", 100),
  watt: scaled(SI, "W"),
  kwatt: scaled(SI, "W", 1e3),
  megwatt: scaled(SI, "W", 1e6),
  watth: scaled(SI, "Wh"),
  kwatth: scaled(SI, "Wh", 1e3),
  voltamp: scaled(SI, "VA"),
  kvoltamp: scaled(SI, "VA", 1e3),
  voltampreact: scaled(SI, "var"),
  kvoltampreact: scaled(SI, "var", 1e3),
  volt: fixed("V"),
  kvolt: fixed("kV"),
  amp: scaled(SI, "A"),
  hertz: fixed("Hz"),
  rothz: fixed("Hz"),
  ohm: scaled(SI, "Ω"),
  celsius: fixed("°C"),
  kelvin: fixed("K"),
  degree: fixed("°"),
  humidity: fixed("% rH"),
  pressurebar: fixed("bar"),
  m3: fixed("m³"),
  litre: fixed("l"),
  "m3/h": fixed("m³/h"),
  "l/h": fixed("l/h"),
  lengthm: fixed("m"),
  lengthkm: fixed("km"),
  bytes: scaled(IEC, "B"),
  decbytes: scaled(WHOLE, "B"),
  Bps: scaled(WHOLE, "B/s"),
  binBps: scaled(IEC, "B/s"),
  cps: count("/s"),
  ops: count("/s"),
  reqps: count("/s"),
  rps: count("/s"),
  ns: duration(1e-9),
  µs: duration(1e-6),
  ms: duration(1e-3),
  s: duration(1),
  m: duration(60),
  h: duration(3600),
  d: duration(86400),
};

const decimalsOf = (value) => (value === 0 ? 0 : Math.min(3, Math.max(0, 3 - Math.floor(Math.log10(Math.abs(value))))));

/** How many decimals tell multiples of a step apart: as many as it has, or, if these do not end, one more than needed. */
function decimalsOfStep(step) {
  const least = Math.max(0, Math.ceil(-Math.log10(step)));
  const exact = [least, least + 1, least + 2].find(
    (digits) => Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) < 1e-6,
  );
  return Math.min(exact ?? least + 1, 9);
}

/** Whether values in this unit are times. */
export const isTimeUnit = (unit) => /^(dateTime|time:)/.test(unit ?? "");

/** { number, suffix } of a finite value: four digits, or `decimals`; `step` is what must still be told apart. */
export function parts(value, unit = "none", decimals = null, step = null) {
  const { scale, suffix } = (UNITS[unit] ?? fixed(unit))(value === 0 && step !== null ? step : value);
  const shown = value * scale;
  const digits = decimals ?? (step === null ? decimalsOf(shown) : decimalsOfStep(step * scale));
  const options = { maximumFractionDigits: digits, minimumFractionDigits: step === null ? (decimals ?? 0) : digits };
  return { number: shown.toLocaleString("en", options), suffix };
}

/** As text: "1.25 kW". */
export function say(value, unit, decimals, step) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const { number, suffix } = parts(value, unit, decimals, step);
  return suffix ? `${number}\u00a0${suffix}` : number;
}
