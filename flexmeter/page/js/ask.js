// Questions to the server that this page came from.

export class Away extends Error {}

async function answered(request) {
  let answer, text;
  try {
    answer = await request;
    text = await answer.text();
  } catch {
    throw new Away(`No answer from ${location.host}; trying again.`);
  }
  if (!answer.ok) throw new Error(text.trim());
  return JSON.parse(text);
}

export const dashboards = () => answered(fetch("/dashboards"));
export const dashboard = (uid) => answered(fetch(`/dashboards/${encodeURIComponent(uid)}`));

/** What a panel's target or a variable asks; `what` names it, `range` is { from, to, width } in ms. */
export function ask(uid, what, range, values) {
  const form = new URLSearchParams({ dashboard: uid, ...what, from: range.from, to: range.to, interval: range.width });
  for (const [name, chosen] of values) for (const value of chosen) form.append(`var-${name}`, value);
  return answered(fetch("/ask", { method: "POST", body: form }));
}
