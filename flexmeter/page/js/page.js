// Shows one of Grafana's dashboards, from its own JSON, by what the embedded ClickHouse answers.

import { ask, Away, dashboard, dashboards } from "./ask.js";
import * as colours from "./colours.js";
import { byId, element } from "./dom.js";
import { columns } from "./frames.js";
import { placed } from "./layout.js";
import { CLICKHOUSE, draw, frame, say } from "./panel.js";
import { address, read, START } from "./state.js";
import { durationMs, makeClock, widthMs } from "./time.js";
import { bounds, makeTimes, refreshMs, showTimes } from "./times.js";
import { dependents, drawFields, missing, resolve, sent } from "./variables.js";

const RETRY_MS = 5000;
const answers = new Map(); // panel id -> { frames, range }, as they were last drawn
let shown = read(location);
let board, panels, clock, timer;
let resolved = [];
let turn = 0;

// --- drawing ---

function context(panel, range) {
  const theme = colours.theme();
  return {
    range,
    theme,
    clock,
    shown,
    zoom: (from, to) => choose({ from: String(from), to: String(to) }),
    size: `${innerWidth} ${theme.ground}`,
    sync: board.graphTooltip ? "time" : undefined,
    isNamed: panel.options?.textMode === "value_and_name",
  };
}

async function show(panel, range, values, mine) {
  const section = byId(`panel-${panel.id}`);
  const lacks = missing(panel, resolved, values);
  if (lacks) return say(section, `There is no ${lacks} yet.`, "empty");
  const body = section.querySelector(".body");
  const width = widthMs(range.to - range.from, panel.maxDataPoints ?? body.clientWidth, durationMs(panel.interval));
  try {
    const found = await Promise.all(
      panel.targets.map(({ refId }) => ask(shown.uid, { panel: panel.id, ref: refId }, { ...range, width }, values)),
    );
    if (mine !== turn) return;
    answers.set(panel.id, { frames: found.map(columns), range });
    draw(section, panel, answers.get(panel.id).frames, context(panel, range));
  } catch (error) {
    if (error instanceof Away) throw error;
    if (mine === turn) say(section, error.message, "failed");
  }
}

const isAsked = ({ datasource, targets }) => datasource?.type === CLICKHOUSE && Boolean(targets?.length);

async function refresh() {
  clearTimeout(timer);
  const mine = ++turn;
  const range = bounds(shown);
  try {
    resolved = await resolve(board, shown, { ...range, width: 60e3 });
    if (mine !== turn) return;
    drawFields(byId("variables"), resolved, shown, chooseValues);
    await Promise.all(panels.filter(isAsked).map((panel) => show(panel, range, sent(resolved, shown), mine)));
    if (mine !== turn) return;
    trouble("");
    byId("clock").textContent = `as of ${clock.second(Date.now())} ${clock.name}`;
    document.documentElement.dataset.turn = mine;
  } catch (error) {
    if (mine === turn) trouble(error.message);
  }
  if (mine === turn) schedule();
}

function schedule() {
  clearTimeout(timer);
  const wait = refreshMs(shown) || (byId("trouble").textContent ? RETRY_MS : 0);
  if (wait) timer = setTimeout(() => (document.hidden ? schedule() : refresh()), wait);
}

function trouble(words) {
  if (byId("trouble").textContent !== words) byId("trouble").textContent = words;
}

function redraw() {
  for (const panel of panels) {
    const { frames, range } = answers.get(panel.id) ?? {};
    if (frames) draw(byId(`panel-${panel.id}`), panel, frames, context(panel, range));
  }
}

// --- choosing ---

function choose(changes) {
  Object.assign(shown, changes);
  history.pushState(null, "", address(shown));
  changed();
}

function chooseValues(name, values) {
  shown.values.set(name, values);
  for (const other of dependents(board, name)) shown.values.delete(other);
  choose({});
}

function changed() {
  showTimes(shown, clock);
  drawMenu();
  refresh();
}

function open() {
  shown.from ??= board.time?.from ?? "now-6h";
  shown.to ??= board.time?.to ?? "now";
  shown.refresh ??= board.refresh || "off";
  shown.timezone ??= board.timezone === "utc" ? "utc" : null;
  clock = makeClock(shown.timezone);
}

// --- what surrounds the panels ---

let menu = [];
function drawMenu() {
  const isChosen = shown.from !== board?.time?.from || shown.to !== board?.time?.to;
  const time = isChosen ? { from: shown.from, to: shown.to } : {};
  const link = ({ uid, title, description }) => {
    const made = element("a", {
      href: address({ uid, ...time, values: new Map() }),
      textContent: title,
      title: description,
    });
    if (uid === shown.uid) made.setAttribute("aria-current", "page");
    return element("li", {}, made);
  };
  const [drawable, others] = [menu.filter((each) => each.drawable), menu.filter((each) => !each.drawable)];
  drawable.sort((a, b) => (b.uid === START) - (a.uid === START) || a.title.localeCompare(b.title));
  byId("menu").replaceChildren(...drawable.map(link));
  if (others.length)
    byId("left-out").textContent =
      `Not here: ${others.map(({ title }) => title).join(", ")}, which asks Prometheus; Grafana shows it. `;
}

function addPanels() {
  panels = placed(board.panels);
  byId("panels").replaceChildren(...panels.map(frame));
  for (const panel of panels) {
    const section = byId(`panel-${panel.id}`);
    section.querySelector("h2").textContent = panel.title ?? "";
    if (panel.type === "text") say(section, panel.options?.content ?? "", "drawn");
    else if (panel.type !== "row" && !isAsked(panel))
      say(section, "This panel asks Prometheus, which this page has not; Grafana shows it.", "left-out");
  }
}

function listen() {
  let resizing;
  addEventListener("resize", () => {
    clearTimeout(resizing);
    resizing = setTimeout(redraw, 150);
  });
  addEventListener("popstate", () => {
    shown = Object.assign(shown, read(location));
    open();
    changed();
  });
  addEventListener("keydown", ({ key, target }) => {
    if (key === "Escape") target.closest("details")?.removeAttribute("open");
  });
  addEventListener("click", ({ target }) => {
    for (const each of document.querySelectorAll("details[open]"))
      if (!each.contains(target)) each.removeAttribute("open");
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  document.addEventListener("visibilitychange", () => document.hidden || (refreshMs(shown) && refresh()));
}

function nothing() {
  document.title = byId("title").textContent = "There is no such dashboard";
  byId("says").textContent = `None is called ${shown.uid}: choose one of these.`;
  byId("clock").textContent = "";
  drawMenu();
}

async function start() {
  byId("host").textContent = location.host;
  try {
    menu = await dashboards();
    board = await dashboard(shown.uid);
  } catch (error) {
    if (!(error instanceof Away)) return nothing();
    trouble(error.message);
    return void setTimeout(() => location.reload(), RETRY_MS);
  }
  document.title = `${board.title} – FLEXMETER`;
  byId("title").textContent = board.title;
  byId("says").textContent = board.description ?? "";
  open();
  makeTimes(byId("times"), shown, choose, (refresh) => choose({ refresh }));
  addPanels();
  listen();
  changed();
}

start();
