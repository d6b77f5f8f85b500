// Draws panels.json: each panel is SQL asked over ClickHouse's HTTP interface of this very server, again and again.
import uPlot from "/uPlot.js";

const REFRESH_MS = 2000;
const TABLE_ROWS = 200;
const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]];
const LEGEND_DASHES = ["solid", "dashed", "dotted", "dashed"];
const byId = (id) => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)");

const choices = { meter: "", feeder: "", minutes: "60" };
const drawn = new Map(); // panel id -> { plot, labels }
let spec = { variables: [], panels: [] };
let paused = false;
let turn = 0;

// --- asking -------------------------------------------------------------------------------------------------------

async function ask(sql) {
  const parameters = new URLSearchParams({ default_format: "JSONCompact", output_format_json_quote_64bit_integers: "0" });
  for (const [name, value] of Object.entries(choices)) parameters.set(`param_${name}`, value);
  const answer = await fetch(`/?${parameters}`, { method: "POST", body: sql });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text.trim());
  const { meta, data } = JSON.parse(text);
  return { names: meta.map((column) => column.name), types: meta.map((column) => column.type), rows: data };
}

const isNumber = (type) => /^(Nullable\()?(U?Int|Float|Decimal)/.test(type);
const number = (value) => (value === null || value === "nan" ? null : Number(value));
const shown = (value) => (value === null || Number.isNaN(value) ? "–" : value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 100 ? 1 : 0 }));
const utc = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");

// --- drawing ------------------------------------------------------------------------------------------------------

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function frame(panel) {
  const section = element("section", { id: `panel-${panel.id}`, className: panel.wide ? "wide" : "" });
  section.append(
    element("h2", { id: `title-${panel.id}` }),
    element("p", { className: "description", textContent: panel.description }),
    element("div", { className: "body" }),
  );
  section.setAttribute("aria-labelledby", `title-${panel.id}`);
  if (panel.kind === "lines" || panel.kind === "bars") {
    const behind = element("details", {}, element("summary", { textContent: "Table" }), element("div", { className: "scroll", tabIndex: 0 }));
    behind.lastChild.setAttribute("role", "region");
    behind.lastChild.setAttribute("aria-label", "Table of the plot above");
    behind.addEventListener("toggle", () => behind.open && refresh());
    section.append(behind);
  }
  return section;
}

function title(panel) {
  const text = panel.title.replace(/\{(\w+)\}/g, (_, name) => choices[name] || "–");
  const heading = byId(`title-${panel.id}`);
  if (heading.dataset.text === text) return;
  heading.dataset.text = text;
  heading.replaceChildren(text, ...(panel.unit ? [element("small", { textContent: ` [${panel.unit}]` })] : []));
}

function table(result) {
  const cells = (row, tag) => row.map((value, i) => {
    const numeric = isNumber(result.types[i]);
    const isTime = result.names[i] === "t";
    const text = tag === "th" ? (isTime ? "time, UTC" : value) : isTime ? utc(Number(value)) : numeric ? shown(number(value)) : value;
    const cell = element(tag, { textContent: text, className: numeric && !isTime ? "number" : "" });
    if (tag === "th") cell.scope = "col";
    else if (result.names[i] === "severity") cell.dataset.word = value;
    return cell;
  });
  const head = element("thead", {}, element("tr", {}, ...cells(result.names, "th")));
  return element("table", {}, head, element("tbody", {}, ...result.rows.slice(0, TABLE_ROWS).map((row) => element("tr", {}, ...cells(row, "td")))));
}

function numbers(result) {
  const pairs = result.names.map((name, i) => {
    const value = result.rows.length ? number(result.rows[0][i]) : null;
    return element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: shown(value) }));
  });
  return element("dl", {}, ...pairs);
}

function columns(result) {
  const rows = [...result.rows].sort((a, b) => a[0] - b[0]);
  const series = result.names.map((name, i) => ({ name, values: rows.map((row) => number(row[i])) }));
  const [time, ...rest] = series;
  const said = rest.filter(({ values }) => values.some((value) => value !== null));
  return { labels: said.map(({ name }) => name), data: [time.values, ...said.map(({ values }) => values)] };
}

function plot(panel, labels, data, place) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  const margin = panel.kind === "bars" ? 1800 : 0; // half an hour's bar
  const bars = panel.kind === "bars" ? { paths: uPlot.paths.bars({ size: [0.7, 60] }), points: { show: false } } : {};
  const options = {
    width: place.clientWidth,
    height: 230,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    scales: {
      x: { range: (made, first, last) => (made.data[0].length < 2 ? [made.data[0][0] - 60, made.data[0][0]] : [first - margin, last + margin]) },
      y: panel.kind === "bars" ? { range: (_, low, high) => [Math.min(low, 0), high * 1.08 || 1] } : {},
    },
    legend: { markers: { width: 2, dash: (_, i) => LEGEND_DASHES[(i - 1) % 4] } },
    cursor: { y: false, drag: { x: true, y: false } },
    axes: [
      { ...axis, space: 72, values: [[86400, "{YYYY}-{MM}-{DD}", null, null, null, null, null, null, 1], [3600, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{YYYY}-{MM}-{DD}", null, null, null, 1], [60, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{YYYY}-{MM}-{DD}", null, null, null, 1], [1, "{HH}:{mm}:{ss}", "\n{YYYY}-{MM}-{DD}", null, "\n{YYYY}-{MM}-{DD}", null, null, null, 1]] },
      { ...axis, label: panel.unit, labelSize: 20, labelGap: 2, size: 76, values: (_, ticks) => ticks.map((tick) => tick.toLocaleString("en")) },
    ],
    series: [
      { label: "time", value: (_, seconds) => (seconds === null ? "–" : utc(seconds)) },
      ...labels.map((label, i) => ({
        label,
        stroke: colour(`--series-${(i % 4) + 1}`),
        fill: panel.kind === "bars" ? colour(`--series-${(i % 4) + 1}`) : undefined,
        width: 1.6,
        dash: panel.kind === "bars" ? undefined : DASHES[i % 4],
        points: { show: (made) => made.data[0].length < 3 },
        value: (_, value) => (value === null || value === undefined ? "–" : `${shown(value)} ${panel.unit}`),
        ...bars,
      })),
    ],
  };
  place.replaceChildren();
  const made = new uPlot(options, data, place);
  made.root.setAttribute("role", "img");
  made.root.setAttribute("aria-label", `${panel.title.replace(/ ?\{\w+\}/g, "")}: plot of ${labels.join(", ")} in ${panel.unit} over time. The table below has its numbers.`);
  return made;
}

function drawPlot(panel, section, result) {
  const place = section.querySelector(".body");
  const { labels, data } = columns(result);
  const before = drawn.get(panel.id);
  if (!labels.length) {
    before?.plot.destroy();
    drawn.delete(panel.id);
    return place.replaceChildren(element("p", { className: "empty", textContent: "Nothing yet." }));
  }
  if (before && before.labels.join() === labels.join()) before.plot.setData(data);
  else {
    before?.plot.destroy();
    drawn.set(panel.id, { labels, plot: plot(panel, labels, data, place) });
  }
  const behind = section.querySelector("details");
  if (behind.open) {
    const newestFirst = { ...result, rows: [...result.rows].sort((a, b) => b[0] - a[0]) };
    behind.querySelector("div").replaceChildren(table(newestFirst));
  }
}

function draw(panel, result) {
  const section = byId(`panel-${panel.id}`);
  if (panel.kind === "lines" || panel.kind === "bars") return drawPlot(panel, section, result);
  const body = section.querySelector(".body");
  if (panel.kind === "numbers") return body.replaceChildren(numbers(result));
  if (!result.rows.length) return body.replaceChildren(element("p", { className: "empty", textContent: "None." }));
  const scroll = element("div", { className: "scroll", tabIndex: 0 }, table(result));
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-labelledby", `title-${panel.id}`);
  const before = body.querySelector(".scroll");
  if (before && before.contains(document.activeElement)) before.replaceChildren(...scroll.children);
  else body.replaceChildren(scroll);
}

function redrawAll() {
  for (const { plot: made } of drawn.values()) made.destroy();
  drawn.clear();
  refresh();
}

// --- choosing -----------------------------------------------------------------------------------------------------

async function offer(variable) {
  const { rows } = await ask(variable.sql);
  const field = byId(variable.name);
  const list = field.tagName === "SELECT" ? field : byId(`${variable.name}-list`);
  const values = rows.map(([value]) => value);
  if (list.dataset.values !== values.join("\n")) {
    list.dataset.values = values.join("\n");
    list.replaceChildren(...rows.map(([value, note]) => element("option", { value, textContent: list === field ? value : note, title: note })));
  }
  if (!choices[variable.name] && values.length) choices[variable.name] = values[0];
  if (document.activeElement !== field) field.value = choices[variable.name];
}

function fromAddress() {
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) if (name in choices) choices[name] = value;
  if (!/^[0-9]{1,6}$/.test(choices.minutes)) choices.minutes = "60";
  for (const name of Object.keys(choices)) byId(name).value = choices[name];
}

function choose(event) {
  const { name, value } = event.target;
  if (!(name in choices) || !value) return;
  choices[name] = value;
  history.replaceState(null, "", `#${new URLSearchParams(choices)}`);
  refresh();
}

// --- going on -----------------------------------------------------------------------------------------------------

async function refresh() {
  const mine = ++turn;
  const troubles = [];
  const one = async (what, how) => {
    try {
      await how();
    } catch (error) {
      troubles.push(`${what}: ${error.message}`);
    }
  };
  await Promise.all(spec.variables.map((variable) => one(variable.label, () => offer(variable))));
  await Promise.all(spec.panels.map((panel) => one(panel.title, async () => {
    const result = await ask(panel.sql);
    if (mine !== turn) return; // a newer refresh is under way
    title(panel);
    draw(panel, result);
  })));
  if (mine !== turn) return;
  const trouble = byId("trouble");
  if (trouble.textContent !== troubles.join(" · ")) trouble.textContent = troubles.join(" · ");
  if (!troubles.length) byId("clock").textContent = `as of ${utc(Date.now() / 1000)}`;
}

async function goOn() {
  if (!paused && !document.hidden) await refresh();
  setTimeout(goOn, REFRESH_MS);
}

function pause() {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  byId("pause").textContent = paused ? "Resume" : "Pause";
}

function fit() {
  for (const { plot: made } of drawn.values()) made.setSize({ width: made.root.parentElement.clientWidth, height: 230 });
}

spec = await (await fetch("/panels.json")).json();
byId("host").textContent = location.host;
byId("panels").append(...spec.panels.map(frame));
spec.panels.forEach(title);
fromAddress();
byId("choices").addEventListener("change", choose);
byId("choices").addEventListener("submit", (event) => event.preventDefault());
byId("pause").addEventListener("click", pause);
document.querySelector("[data-skip]").addEventListener("click", (event) => {
  event.preventDefault();
  byId("panels").focus();
});
addEventListener("hashchange", () => { fromAddress(); refresh(); });
addEventListener("resize", fit);
dark.addEventListener("change", redrawAll);
goOn();
