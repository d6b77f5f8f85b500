// One panel: its frame, and which kind of picture fills it.

import { drawBars } from "./bars.js";
import { toCsv } from "./csv.js";
import { element } from "./dom.js";
import { configured } from "./frames.js";
import { drawPlot, fieldsOf, forget } from "./plot.js";
import { drawGauge, drawStat } from "./stat.js";
import { filled } from "./state.js";
import { drawBehind, drawTable, show as showRows } from "./table.js";
import { drawTimeline } from "./timeline.js";

// type -> what draws it: (body, panel, frames, context) -> whether there was anything to draw
const DRAW = {
  timeseries: drawPlot,
  graph: drawPlot,
  trend: drawPlot,
  stat: drawStat,
  gauge: drawGauge,
  bargauge: drawBars,
  barchart: drawBars,
  piechart: drawBars,
  "state-timeline": drawTimeline,
  "status-history": drawTimeline,
  table: drawTable,
};
export const CLICKHOUSE = "grafana-clickhouse-datasource";

/** The section of a panel, in Grafana's place on a grid of 24 columns. */
export function frame(panel) {
  const section = element("section", {
    id: `panel-${panel.id}`,
    className: panel.type === "row" ? "row" : `panel ${panel.type}`,
  });
  section.setAttribute("aria-labelledby", `title-${panel.id}`);
  const { x, y, w, h } = panel.gridPos;
  for (const [name, value] of Object.entries({ "--x": x + 1, "--y": y + 1, "--w": w, "--h": h }))
    section.style.setProperty(name, value);
  const heading = element("h2", { id: `title-${panel.id}` });
  section.append(element("header", {}, heading, ...buttons(panel)), element("div", { className: "body" }));
  section.dataset.state = "waiting";
  return section;
}

function buttons(panel) {
  if (panel.type === "row" || panel.type === "text") return [];
  const about = element(
    "details",
    { className: "about" },
    element("summary", { "aria-label": `About: ${panel.title}`, textContent: "i" }),
    element("p", { textContent: panel.description ?? "" }),
  );
  about.addEventListener(
    "focusout",
    ({ relatedTarget }) => about.contains(relatedTarget) || about.removeAttribute("open"),
  );
  const made = panel.description ? [about] : [];
  if (panel.type === "stat" || panel.type === "gauge") return made;
  const behind = element("button", {
    type: "button",
    className: "behind",
    "aria-pressed": "false",
    textContent: "Table",
    title: "The numbers behind this panel",
  });
  const csv = element("button", {
    type: "button",
    className: "csv",
    textContent: "CSV",
    title: "Its numbers as a file",
  });
  return panel.type === "table" ? [csv, ...made] : [behind, csv, ...made];
}

/** Draw the answers of a panel's targets. */
export function draw(section, panel, frames, context) {
  title(section, panel, context);
  const body = section.querySelector(".body");
  const again = () => draw(section, panel, frames, context);
  const isBehind = section.querySelector(".behind")?.getAttribute("aria-pressed") === "true";
  listen(section, panel, frames, context, again);
  if (isBehind) forget(body);
  if (isBehind !== (body.dataset.behind === "true")) body.replaceChildren();
  body.dataset.behind = isBehind;
  const isDrawn = isBehind ? drawNumbers(body, panel, frames, context) : drawer(panel)(body, panel, frames, context);
  section.dataset.state = isDrawn ? "drawn" : "empty";
  if (!isDrawn) say(section, panel.fieldConfig?.defaults?.noValue ?? "No data in this time range.", "empty");
}

const drawer = (panel) => DRAW[panel.type] ?? drawTable;

function title(section, panel, { shown }) {
  const heading = section.querySelector("h2");
  const wanted = filled(panel.title, shown.values);
  if (heading.textContent !== wanted) heading.textContent = heading.title = wanted;
}

function drawNumbers(body, panel, frames, context) {
  if (!frames.some(([first]) => first?.values.length)) return false;
  if (drawer(panel) === drawPlot) drawBehind(body, fieldsOf(panel, frames, context.theme), context, panel.title);
  else showRows(body, configured(frames[0], panel.fieldConfig), context, panel.title);
  return true;
}

function listen(section, panel, frames, context, again) {
  const behind = section.querySelector(".behind");
  const csv = section.querySelector(".csv");
  if (behind) {
    behind.onclick = () => {
      behind.setAttribute("aria-pressed", String(behind.getAttribute("aria-pressed") !== "true"));
      again();
    };
  }
  if (csv) csv.onclick = () => save(`${filled(panel.title, context.shown.values)}.csv`, toCsv(frames[0] ?? []));
}

/** Instead of a picture: why there is none. */
export function say(section, words, state) {
  const body = section.querySelector(".body");
  forget(body);
  section.dataset.state = state;
  body.replaceChildren(element("p", { className: "empty", textContent: words }));
}

function save(name, content) {
  const url = URL.createObjectURL(new Blob([content], { type: "text/csv" }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
