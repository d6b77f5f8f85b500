import assert from "node:assert/strict";
import { test } from "node:test";

import { placed } from "../../flexmeter/page/js/layout.js";
import { address, filled, read, target } from "../../flexmeter/page/js/state.js";

const here = (path) => new URL(path, "http://127.0.0.1:8123");

test("an address holds all that is shown", () => {
  const path = "/d/flexmeter-meter?var-meter=a%26b&var-profile=x&var-profile=y&from=now-6h&to=now&refresh=5s";
  const shown = read(here(path));
  assert.equal(shown.uid, "flexmeter-meter");
  assert.deepEqual(
    [...shown.values],
    [
      ["meter", ["a&b"]],
      ["profile", ["x", "y"]],
    ],
  );
  assert.equal(address(shown), path);
  assert.deepEqual([read(here("/")).uid, read(here("/")).from], ["flexmeter-live", null]);
});

test("a link leads on with the row's values, the time and the variables it keeps", () => {
  const shown = {
    from: "now-24h",
    to: "now",
    values: new Map([
      ["substation", ["S 1"]],
      ["profile", ["a", "b"]],
    ]),
  };
  const url = "/d/flexmeter-grid?${substation:queryparam}&var-feeder=${__data.fields.feeder}&${__url_time_range}";
  assert.equal(
    target(url, shown, { feeder: "F&1" }),
    "/d/flexmeter-grid?var-substation=S%201&var-feeder=F%261&from=now-24h&to=now",
  );
  assert.equal(
    target('/d/x?${profile:queryparam}&v=${__value.raw}&f=${__data.fields["a b"]}', shown, { "a b": 1 }, "é"),
    "/d/x?var-profile=a&var-profile=b&v=%C3%A9&f=1",
  );
});

test("a link leads on with the labels of a lane", () => {
  const shown = { from: "now-1h", to: "now", values: new Map() };
  const url = "/d/flexmeter-outage?var-outage=${__field.labels.id}&${__url_time_range}";
  assert.equal(
    target(url, shown, { lane: "F1 #2", id: "outage/S1/7" }),
    "/d/flexmeter-outage?var-outage=outage%2FS1%2F7&from=now-1h&to=now",
  );
});

test("titles hold what is chosen", () => {
  const values = new Map([
    ["meter", ["E1"]],
    ["profile", ["$__all"]],
  ]);
  assert.equal(filled("Power of ${meter}, $profile, ${nothing}", values), "Power of E1, All, ${nothing}");
});

test("closed rows are opened, and what stands below them moves down", () => {
  const panel = (id, y, h, more = {}) => ({ id, gridPos: { x: 0, y, w: 24, h }, ...more });
  const row = panel(2, 4, 1, { type: "row", panels: [panel(3, 5, 6)] });
  assert.deepEqual(
    placed([panel(4, 5, 2), row, panel(1, 0, 4)]).map(({ id, gridPos }) => [id, gridPos.y]),
    [
      [1, 0],
      [2, 4],
      [3, 5],
      [4, 11],
    ],
  );
});
