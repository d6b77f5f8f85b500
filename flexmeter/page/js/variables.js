// The variables of a dashboard: what they may be, what is chosen, and the fields to choose with.

import { ask } from "./ask.js";
import { element } from "./dom.js";
import { ALL } from "./state.js";

const MOST_OPTIONS = 500; // more are typed, with suggestions

/**
 * [{ variable, options }] of a dashboard in order, each asked with the values of those before it. What is not yet
 * chosen in `shown.values` becomes all, or the first.
 */
export async function resolve(board, shown, range) {
  const made = [];
  for (const variable of (board.templating?.list ?? []).filter(({ type }) => type !== "datasource")) {
    const options = await optionsOf(variable, shown, range, made);
    const { name, includeAll, current } = variable;
    if (!shown.values.get(name)?.length) {
      const first = includeAll ? ALL : options.includes(current?.value) ? current.value : options[0];
      shown.values.set(name, first === undefined ? [] : [first]);
    }
    made.push({ variable, options });
  }
  return made;
}

async function optionsOf({ type, name, query }, shown, range, before) {
  if (type !== "query")
    return String(query?.query ?? query ?? "")
      .split(",")
      .map((each) => each.trim())
      .filter(Boolean);
  const { data } = await ask(shown.uid, { variable: name }, range, sent(before, shown));
  return [...new Set(data.map(([value]) => String(value)))];
}

/** Variable -> the values that a query gets: all of them for All. */
export function sent(resolved, { values }) {
  return new Map(
    resolved.map(({ variable: { name, allValue }, options }) => {
      const chosen = values.get(name);
      return [name, chosen.includes(ALL) ? (allValue ? [allValue] : options) : chosen];
    }),
  );
}

/** What the panel asks by, but is nothing to choose from: the variable's label, in the middle of a sentence. */
export function missing({ targets }, resolved, values) {
  const asked = JSON.stringify(targets);
  const found = resolved.find(({ variable: { name } }) => !values.get(name).length && asked.includes(`\${${name}`));
  return found && (found.variable.label || found.variable.name).toLowerCase();
}

/** Which variables ask by the value of this one. */
export const dependents = (board, name) =>
  board.templating.list
    .filter(({ query }) => JSON.stringify(query ?? "").includes(`\${${name}`))
    .map((variable) => variable.name);

/** The fields, in place; those that need not change stay as they are. `choose(name, values)` is called by them. */
export function drawFields(place, resolved, shown, choose) {
  const shape = JSON.stringify(
    resolved.map(({ variable: { name }, options }) => [name, options, shown.values.get(name)]),
  );
  if (
    place.dataset.shape === shape ||
    (place.contains(document.activeElement) &&
      place.dataset.shape &&
      !place.querySelector("[open]") &&
      sameChoice(place, shown))
  )
    return;
  const focused = document.activeElement?.id;
  place.dataset.shape = shape;
  const open = [...place.querySelectorAll("details[open]")].map(({ id }) => id);
  place.replaceChildren(
    ...resolved
      .filter(({ variable: { hide } }) => hide !== 2)
      .map((each) => field(each, shown.values.get(each.variable.name), choose)),
  );
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus();
}

const sameChoice = (place, shown) =>
  [...place.querySelectorAll("select, input[list]")].every(({ name, value }) => shown.values.get(name)?.[0] === value);

function field({ variable, options }, chosen, choose) {
  if (variable.multi) return several(variable, options, chosen, choose);
  const { name, description = "", includeAll } = variable;
  const label = variable.label || name;
  const wanted = [...new Set([...(includeAll ? [ALL] : []), ...chosen, ...options])];
  const all =
    options.length && chosen.length && !options.includes(chosen[0]) && chosen[0] !== ALL
      ? wanted
      : [...(includeAll ? [ALL] : []), ...options];
  const offered = all.map((value) =>
    element("option", { value, textContent: value === ALL ? "All" : value, selected: chosen.includes(value) }),
  );
  const onchange = ({ target: { value } }) => value && choose(name, [value]);
  if (options.length > MOST_OPTIONS || variable.type === "textbox") {
    const list = element("datalist", { id: `options-${name}` }, ...offered);
    const input = element("input", {
      id: `variable-${name}`,
      name,
      value: chosen[0] ?? "",
      autocomplete: "off",
      spellcheck: false,
      onchange,
    });
    input.setAttribute("list", list.id);
    return element("label", { title: description }, label, input, list);
  }
  return element(
    "label",
    { title: description },
    label,
    element("select", { id: `variable-${name}`, name, onchange }, ...offered),
  );
}

function several(variable, options, chosen, choose) {
  const { name, description = "", includeAll } = variable;
  const label = variable.label || name;
  const said = chosen.includes(ALL) ? "All" : chosen.length > 2 ? `${chosen.length} chosen` : chosen.join(" + ");
  const box = (value, words) => {
    const onchange = ({ target: { checked } }) => choose(name, next(value, checked, chosen, includeAll));
    return element(
      "label",
      {},
      element("input", {
        type: "checkbox",
        id: `variable-${name}-${value}`,
        checked: chosen.includes(value),
        onchange,
      }),
      words,
    );
  };
  const boxes = [...(includeAll ? [box(ALL, "All")] : []), ...options.map((value) => box(value, value))];
  return element(
    "details",
    { className: "choice", id: `variable-${name}`, title: description },
    element(
      "summary",
      { id: `variable-${name}-shown` },
      element("span", { textContent: label }),
      element("b", { textContent: said }),
    ),
    element("fieldset", {}, element("legend", { textContent: label }), ...boxes),
  );
}

function next(value, isChecked, chosen, includeAll) {
  if (value === ALL) return isChecked ? [ALL] : chosen;
  const others = chosen.filter((each) => each !== value && each !== ALL);
  const made = isChecked ? [...others, value] : others;
  return made.length || !includeAll ? made : [ALL];
}
