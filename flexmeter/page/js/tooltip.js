// What a plot says at the time under the pointer, or where the arrow keys have gone.

import { element } from "./dom.js";
import { text } from "./frames.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

export function addTooltip(body, made, { mode = "multi", sort = "none" } = {}) {
  const box = element("div", { className: "tooltip", hidden: true, role: "status" });
  body.append(box);
  const { plot, place } = made;
  plot.hooks.setCursor = [() => show(box, made, mode, sort)];
  place.addEventListener("keydown", (event) => {
    if (event.key in STEPS) move(event, made);
    else if (event.key === "Escape") plot.setCursor({ left: -10, top: -10 });
  });
  place.addEventListener("blur", () => plot.setCursor({ left: -10, top: -10 }));
}

function move(event, { plot, times, context }) {
  event.preventDefault();
  const inRange = times.map((_, i) => i).filter((i) => times[i] >= context.range.from && times[i] <= context.range.to);
  if (!inRange.length) return;
  const at = inRange.indexOf(plot.cursor.idx ?? -1);
  const next = at < 0 ? inRange.at(-1) : inRange[Math.min(Math.max(at + STEPS[event.key], 0), inRange.length - 1)];
  plot.setCursor({ left: plot.valToPos(times[next], "x"), top: plot.over.clientHeight / 3 });
}

function show(box, { plot, place, times, fields, hidden, context }, mode, sort) {
  const { idx, left } = plot.cursor;
  const isHere = place.matches(":hover") || place === document.activeElement;
  box.hidden = !isHere || idx === null || idx === undefined || left < 0 || mode === "none";
  if (box.hidden) return;
  const there = fields.filter(({ title, values }) => !hidden.has(title) && values[idx] !== undefined);
  if (sort !== "none") there.sort((a, b) => (b.values[idx] ?? -Infinity) - (a.values[idx] ?? -Infinity));
  const lines = there.slice(0, 12).map((field) => {
    const swatch = element("span", { className: "swatch" });
    swatch.style.backgroundColor = field.colour;
    return element(
      "p",
      {},
      swatch,
      element("span", { textContent: field.title }),
      element("b", { textContent: text(field.values[idx], field, context.clock) }),
    );
  });
  box.replaceChildren(element("p", { className: "when", textContent: context.clock.second(times[idx]) }), ...lines);
  const x = left + plot.over.offsetLeft;
  box.style.left = x > place.clientWidth / 2 ? "" : `${x + 12}px`;
  box.style.right = x > place.clientWidth / 2 ? `${place.clientWidth - x + 12}px` : "";
}
