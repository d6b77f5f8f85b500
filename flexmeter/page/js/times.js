// The time range and how often to ask again: the fields to choose them with.

import { byId, element } from "./dom.js";
import { durationMs, makeClock, moment, QUICK, rangeText } from "./time.js";

const REFRESHES = ["off", "5s", "10s", "30s", "1m", "5m", "15m"];

/** The fields, once; `choose({ from, to })` and `chooseRefresh(text)` are called by them. */
export function makeTimes(place, shown, choose, chooseRefresh) {
  const range = element(
    "details",
    { className: "choice", id: "range" },
    element("summary", { id: "range-shown" }),
    picker(shown, choose),
  );
  range.addEventListener("toggle", () => range.open && fill(shown));
  const shift = (share, words, sign) =>
    element("button", {
      type: "button",
      "aria-label": words,
      title: words,
      textContent: sign,
      onclick: () => choose(moved(shown, share)),
    });
  place.replaceChildren(
    shift(-0.5, "Earlier", "‹"),
    range,
    shift(0.5, "Later", "›"),
    element("button", {
      type: "button",
      "aria-label": "Zoom out",
      title: "Zoom out",
      textContent: "−",
      onclick: () => choose(widened(shown)),
    }),
    element(
      "label",
      {},
      "Refresh",
      element("select", { id: "refresh", onchange: ({ target: { value } }) => chooseRefresh(value) }),
    ),
  );
}

/** What is chosen now. */
export function showTimes(shown, clock) {
  byId("range-shown").replaceChildren(element("b", { textContent: rangeText(shown.from, shown.to, clock) }));
  const wanted = shown.refresh || "off";
  const offered = REFRESHES.includes(wanted) ? REFRESHES : [...REFRESHES, wanted];
  byId("refresh").replaceChildren(
    ...offered.map((value) => element("option", { value, textContent: value, selected: value === wanted })),
  );
}

/** { from, to } in ms of what is shown. */
export function bounds({ from, to }, now = Date.now()) {
  return { from: moment(from, now) ?? now - 6 * 3600e3, to: moment(to, now, true) ?? now };
}

export const refreshMs = ({ refresh }) => (refresh === "off" ? 0 : durationMs(refresh));

function moved(shown, share) {
  const { from, to } = bounds(shown);
  return asText(from + share * (to - from), to + share * (to - from));
}

function widened(shown) {
  const { from, to } = bounds(shown);
  return asText(from - (to - from) / 2, to + (to - from) / 2);
}

/** The time that is shown, into the fields to change it. */
function fill(shown) {
  const clock = makeClock(shown.timezone);
  for (const [name, at] of Object.entries(bounds(shown))) byId(`range-${name}`).value = clock.second(at);
}

const asText = (from, to) => ({ from: String(Math.round(from)), to: String(Math.round(to)) });

function picker(shown, choose) {
  const done = (range) => {
    byId("range").removeAttribute("open");
    byId("range-shown").focus();
    choose(range);
  };
  const quick = QUICK.map((from) =>
    element("button", {
      type: "button",
      textContent: rangeText(from, "now"),
      onclick: () => done({ from, to: "now" }),
    }),
  );
  const bound = (name, words) =>
    element(
      "label",
      {},
      words,
      element("input", { type: "datetime-local", name, id: `range-${name}`, required: true, step: 1 }),
    );
  const apply = (event) => {
    event.preventDefault();
    const [from, to] = ["from", "to"].map((name) =>
      Date.parse(event.target.elements[name].value + (shown.timezone === "utc" ? "Z" : "")),
    );
    if (from < to) done(asText(from, to));
  };
  const form = element(
    "form",
    { onsubmit: apply },
    bound("from", "From"),
    bound("to", "To"),
    element("button", { type: "submit", textContent: "Show" }),
  );
  return element("div", { className: "menu" }, element("div", { className: "quick" }, ...quick), form);
}
