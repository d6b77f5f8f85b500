// What is shown: which dashboard, which time, which values of its variables. The address holds all of it, as Grafana's.

export const ALL = "$__all";
export const START = "flexmeter-live";

/** { uid, from, to, refresh, timezone, values: Map of variable -> values } of an address; `null` where it says none. */
export function read({ pathname, search }) {
  const parameters = new URLSearchParams(search);
  const values = new Map();
  for (const [name, value] of parameters) {
    if (name.startsWith("var-")) values.set(name.slice(4), [...(values.get(name.slice(4)) ?? []), value]);
  }
  return {
    uid: decodeURIComponent(/^\/d\/([^/]+)/.exec(pathname)?.[1] ?? START),
    from: parameters.get("from"),
    to: parameters.get("to"),
    refresh: parameters.get("refresh"),
    timezone: parameters.get("timezone"),
    values,
  };
}

/** The address that shows it. */
export function address({ uid, from, to, refresh, timezone, values }) {
  const parameters = new URLSearchParams();
  for (const [name, chosen] of values) for (const value of chosen) parameters.append(`var-${name}`, value);
  for (const [name, value] of Object.entries({ from, to, refresh, timezone })) if (value) parameters.set(name, value);
  return `/d/${encodeURIComponent(uid)}?${parameters}`;
}

/** A dashboard's text with the values of variables in it: titles. */
export function filled(text, values) {
  return (text ?? "").replace(/\$\{(\w+)(?::\w+)?\}|\$(\w+)/g, (whole, braced, bare) => {
    const chosen = values.get(braced ?? bare);
    return chosen ? chosen.map((value) => (value === ALL ? "All" : value)).join(" + ") : whole;
  });
}

/** Where a link of a dashboard leads from here; `row` has the values of its row, or a lane's labels, `value` its own. */
export function target(url, shown, row = {}, value = "") {
  const text = (found) => encodeURIComponent(found ?? "");
  const asParameters = (name) => (shown.values.get(name) ?? []).map((each) => `var-${name}=${text(each)}`).join("&");
  return url.replace(/\$\{([^}]+)\}/g, (whole, inner) => {
    const field = /^__(?:data\.fields|field\.labels)(?:\.(\w+)|\["([^"]+)"\])/.exec(inner);
    if (field) return text(row[field[1] ?? field[2]]);
    if (inner === "__url_time_range") return `from=${text(shown.from)}&to=${text(shown.to)}`;
    if (inner === "__all_variables") return [...shown.values.keys()].map(asParameters).join("&");
    if (/^__value\.(raw|text)$/.test(inner)) return text(value);
    if (inner === "__from" || inner === "__to") return text(shown[inner.slice(2)]);
    const [, name, form] = /^(\w+)(?::(\w+))?$/.exec(inner) ?? [];
    return form === "queryparam" ? asParameters(name) : text(shown.values.get(name)?.[0]);
  });
}
