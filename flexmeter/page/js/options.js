// How a plot of the dashboard is said to uPlot (https://github.com/leeoniya/uPlot): axes, series, thresholds.

import uPlot from "/uPlot.js";
import * as colours from "./colours.js";
import { lonely } from "./frames.js";
import { durationMs, tickLabels } from "./time.js";
import { say } from "./units.js";

const AXIS_PX = 60; // about
const FONT = "12px system-ui, 'DejaVu Sans', sans-serif";

/** uPlot's series in the order in which they are drawn: of a stack the outermost first, so that the inner cover it. */
export const order = (fields) =>
  fields
    .map((_, i) => i)
    .sort((a, b) => isStacked(fields[b]) - isStacked(fields[a]) || (isStacked(fields[a]) ? b - a : a - b));
const stacking = ({ config }) => config.custom?.stacking?.mode;
const unitOf = (field) => (stacking(field) === "percent" ? "percentunit" : field.config.unit);
const isStacked = ({ config }) => ["normal", "percent"].includes(stacking({ config }));

/** What uPlot is told of a plot; `made` is what is drawn there, now and later. */
export function options(place, panel, made) {
  const { fields, context } = made;
  const units = [...new Set(fields.map(unitOf))];
  const size = barSize(panel.interval, context.range, place.clientWidth);
  return {
    ms: 1,
    width: place.clientWidth,
    height: place.clientHeight,
    padding: [10, 10, 0, 0],
    tzDate: (ms) => (context.clock.isUtc ? uPlot.tzDate(new Date(ms), "Etc/UTC") : new Date(ms)),
    legend: { show: false },
    focus: { alpha: 0.2 },
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false },
      sync: context.sync ? { key: context.sync } : undefined,
      points: { size: 7 },
    },
    scales: {
      x: { range: () => [made.context.range.from, made.context.range.to] },
      ...Object.fromEntries(
        units.map((unit, i) => [
          `y${i}`,
          {
            range: (_, low, high) =>
              extent(
                fields.filter((field) => unitOf(field) === unit),
                low,
                high,
              ),
          },
        ]),
      ),
    },
    axes: [timeAxis(made), ...units.map((unit, i) => valueAxis(unit, i, fields, context.theme))],
    series: [
      {},
      ...order(fields).map((i) => oneSeries(fields[i], `y${units.indexOf(unitOf(fields[i]))}`, context, size)),
    ],
    bands: bands(fields, context.theme),
    hooks: {
      drawClear: [(plot) => drawThresholds(plot, panel, fields[0], context.theme)],
      setSelect: [(plot) => zoom(plot, made)],
    },
  };
}

/** Choose the time that was dragged across. Plots whose cursors move together are all told; the one under it chooses. */
function zoom(plot, { context, place }) {
  const { left, width } = plot.select;
  if (width < 5) return;
  plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  if (place.matches(":hover")) context.zoom(...[left, left + width].map((x) => Math.round(plot.posToVal(x, "x"))));
}

const axisStyle = ({ quiet, grid, line }) => ({
  stroke: quiet,
  font: FONT,
  grid: { stroke: grid, width: 1 },
  ticks: { stroke: line, width: 1, size: 4 },
});

function timeAxis(made) {
  const values = (_, ticks, _axis, _space, step) => tickLabels(ticks, step, made.context.clock);
  return { ...axisStyle(made.context.theme), space: 70, size: 40, values };
}

function valueAxis(unit, number, fields, theme) {
  const { config } = fields.find((field) => unitOf(field) === unit);
  const longest = (labels) => Math.max(0, ...(labels ?? []).map((label) => label.length));
  return {
    ...axisStyle(theme),
    scale: `y${number}`,
    side: number ? 1 : 3,
    grid: { show: !number, stroke: theme.grid, width: 1 },
    space: 32,
    size: (_, labels) => 16 + 7 * longest(labels),
    values: (_, ticks) =>
      ticks.map((tick, i) => say(tick, unit, null, Math.abs((ticks[i + 1] ?? ticks[i - 1] ?? 1) - tick))),
    label: config.custom?.axisLabel || undefined,
  };
}

/** From where to where the axis of these fields goes. */
function extent(fields, low, high) {
  const { min, max, custom = {} } = fields[0].config;
  const fromZero = fields.some(({ config }) => config.custom?.drawStyle === "bars" || isStacked({ config }));
  const lowest = Math.min(low ?? 0, min ?? custom.axisSoftMin ?? Infinity, fromZero ? 0 : Infinity);
  const highest = Math.max(high ?? 0, max ?? custom.axisSoftMax ?? -Infinity, fromZero ? 0 : -Infinity);
  const [from, to] = uPlot.rangeNum(lowest, highest, 0.08, true);
  const bottom = min ?? (fromZero && lowest === 0 ? 0 : from);
  const top = max ?? (fromZero && highest === 0 && lowest < 0 ? 0 : to);
  return [bottom, Math.max(top, bottom + 1e-9)];
}

function oneSeries({ title, config, colour }, scale, { theme }, size) {
  const {
    drawStyle = "line",
    lineWidth = 1.5,
    fillOpacity = 0,
    showPoints = "auto",
    lineStyle,
    pointSize = 5,
    spanNulls,
  } = config.custom ?? {};
  const { lineInterpolation } = config.custom ?? {};
  return {
    label: title,
    scale,
    stroke: colour,
    width: drawStyle === "bars" ? 0 : Math.max(lineWidth, 1.5),
    fill:
      drawStyle === "bars" ? colour : fillOpacity ? colours.mix(colour, theme.ground, fillOpacity / 100) : undefined,
    dash: lineStyle?.fill === "dash" ? (lineStyle.dash ?? [10, 10]) : lineStyle?.fill === "dot" ? [2, 4] : undefined,
    spanGaps: Boolean(spanNulls),
    paths: paths(drawStyle, lineInterpolation, size),
    points: { size: pointSize, ...pointsOf(drawStyle, showPoints) },
  };
}

function pointsOf(drawStyle, wanted) {
  if (drawStyle === "points" || wanted === "always") return { show: true };
  if (drawStyle === "bars") return { show: false };
  const filter = (plot, number, isRoom) => (isRoom ? null : lonely(plot.data[number]));
  return wanted === "never" ? { show: () => false, filter } : { filter }; // else all of them, where there is room
}

/** uPlot's share and most pixels of a bar's width: of the time that it stands for, if that is known. */
function barSize(interval, { from, to }, width) {
  const ms = durationMs(interval);
  return ms ? [1e3, Math.max((0.88 * (width - AXIS_PX) * ms) / (to - from), 2)] : [0.88, 80];
}

function paths(drawStyle, interpolation, size) {
  if (drawStyle === "bars") return uPlot.paths.bars({ size, align: 1 });
  if (drawStyle === "points") return () => null;
  if (interpolation === "stepAfter") return uPlot.paths.stepped({ align: 1 });
  if (interpolation === "stepBefore") return uPlot.paths.stepped({ align: -1 });
  return interpolation === "smooth" ? uPlot.paths.spline() : uPlot.paths.linear();
}

/** The area between a series and the one that its configuration says it is filled to. */
function bands(fields, { ground }) {
  const placed = order(fields).map((i) => fields[i]);
  return placed.flatMap((field, i) => {
    const lower = placed.findIndex(({ title }) => title === field.config.custom?.fillBelowTo);
    return lower < 0 ? [] : [{ series: [i + 1, lower + 1], fill: colours.mix(field.colour, ground, 0.2) }];
  });
}

function drawThresholds(plot, panel, { config }, theme) {
  const mode = config.custom?.thresholdsStyle?.mode ?? "off";
  if (mode === "off") return;
  const { ctx, bbox } = plot;
  const steps = config.thresholds?.steps ?? [];
  const [low, high] = [plot.scales.y0.min, plot.scales.y0.max];
  const y = (value) => plot.valToPos(Math.min(Math.max(value, low), high), "y0", true);
  ctx.save();
  steps.forEach(({ value, color }, i) => {
    const colour = colours.legible(colours.named(color), theme.ground);
    if (/area/.test(mode)) {
      const [top, bottom] = [y(steps[i + 1]?.value ?? high), y(value ?? low)];
      ctx.fillStyle = colours.mix(colour, theme.ground, 0.12);
      ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
    }
    if (value === null || value === undefined || value < low || value > high || mode === "area") return;
    ctx.strokeStyle = colour;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash(/dashed/.test(mode) ? [6 * devicePixelRatio, 4 * devicePixelRatio] : []);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y(value));
    ctx.lineTo(bbox.left + bbox.width, y(value));
    ctx.stroke();
  });
  ctx.restore();
}
