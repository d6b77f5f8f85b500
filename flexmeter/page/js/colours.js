// Colours of a dashboard, made legible on the page's own ground, light or dark.

// Okabe and Ito (2008), "Color Universal Design", in an order in which neighbours differ most.
const PALETTE = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#BBBBBB", "#F0E442"];
// Grafana's names of colours, as members of that palette.
const NAMED = {
  green: "#009E73",
  yellow: "#E69F00",
  red: "#D55E00",
  blue: "#0072B2",
  orange: "#E69F00",
  purple: "#CC79A7",
  gray: "#BBBBBB",
  grey: "#BBBBBB",
  transparent: "#BBBBBB",
  text: "#BBBBBB",
  white: "#BBBBBB",
  black: "#555555",
};
/** WCAG 2.2, 1.4.11 and 1.4.3 at level AA. */
export const GRAPHICS = 3,
  TEXT = 4.5;

const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const hex = (rgb) => `#${rgb.map((c) => Math.round(c).toString(16).padStart(2, "0")).join("")}`;

function luminance(colour) {
  const [r, g, b] = channels(colour).map((c) =>
    c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** WCAG's contrast ratio of two colours, 1..21. */
export function contrast(one, other) {
  const [dim, bright] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (bright + 0.05) / (dim + 0.05);
}

/** `share` of one colour over another. */
export function mix(colour, ground, share) {
  const below = channels(ground);
  return hex(channels(colour).map((c, i) => c * share + below[i] * (1 - share)));
}

const awayFrom = (ground) => (luminance(ground) > 0.18 ? "#000000" : "#ffffff");

// On a light ground all colours are darkened as the orange must be: the others would come too close to it otherwise.
const FIRST_SHARE = { "#000000": 0.84, "#ffffff": 0.86 };

/** The colour, as much darker or lighter as it must be to stand out from the ground. */
export function legible(colour, ground, least = GRAPHICS) {
  const away = awayFrom(ground);
  for (let share = FIRST_SHARE[away]; share > 0; share -= 0.02) {
    const made = mix(colour, away, share);
    if (contrast(made, ground) >= least) return made;
  }
  return away;
}

/** "#rrggbb" of a colour as dashboards name it. */
export function named(colour) {
  if (/^#[0-9a-f]{6}/i.test(colour)) return colour.slice(0, 7);
  const shade = /^(?:super-light|light|semi-dark|dark)-(\w+)$/.exec(colour ?? "");
  return NAMED[shade ? shade[1] : colour] ?? PALETTE[0];
}

/** The colour of the highest step of the thresholds that the value has reached. */
export function ofThreshold(value, thresholds) {
  const reached = (thresholds?.steps ?? []).filter(
    (step) => step.value === null || step.value === undefined || value >= step.value,
  );
  return named(reached.at(-1)?.color ?? PALETTE[0]);
}

/** The colour of a whole series, the `number`th of `count`. */
export function ofSeries(config, number, count, last, ground) {
  const { mode, fixedColor } = config.color ?? {};
  if (mode === "fixed") return named(fixedColor);
  if (mode === "thresholds") return ofThreshold(last, config.thresholds);
  if (mode === "shades")
    return mix(legible(named(fixedColor), ground), awayFrom(ground), 1 - (0.65 * number) / Math.max(count, 1));
  return PALETTE[number % PALETTE.length];
}

/** What stands on the page now: the ground of a panel, and its ink. */
export function theme() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return { ground: of("card"), ink: of("ink"), quiet: of("quiet"), line: of("line"), grid: of("grid") };
}
