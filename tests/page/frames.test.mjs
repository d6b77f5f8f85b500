import assert from "node:assert/strict";
import { test } from "node:test";

import { toCsv } from "../../flexmeter/page/js/csv.js";
import { columns, configured, lonely, mapped, reduce, series } from "../../flexmeter/page/js/frames.js";
import { stacked } from "../../flexmeter/page/js/stack.js";
import { pieces } from "../../flexmeter/page/js/timeline.js";

const time = { name: "time", type: "DateTime64(3, 'UTC')" };
const at = (minute) => `2026-01-31 12:0${minute}:00.000`;
const ms = (minute) => Date.UTC(2026, 0, 31, 12, minute);

test("times, numbers and text of an answer", () => {
  const meta = [
    time,
    { name: "w", type: "Nullable(Float64)" },
    { name: "n", type: "UInt64" },
    { name: "s", type: "LowCardinality(String)" },
  ];
  const [when, watt, count, word] = columns({
    meta,
    data: [
      [at(1), null, "12", "a"],
      [at(2), 1.5, 3, "b"],
    ],
  });
  assert.deepEqual(when.values, [ms(1), ms(2)]);
  assert.deepEqual(
    [watt.values, count.values, word.values],
    [
      [null, 1.5],
      [12, 3],
      ["a", "b"],
    ],
  );
});

test("text makes a series of each of its values; a row that is missing is not a row without a value", () => {
  const meta = [time, { name: "series", type: "String" }, { name: "value", type: "Float64" }];
  const found = series([
    columns({
      meta,
      data: [
        [at(1), "L1", 1],
        [at(1), "L2", 2],
        [at(2), "L1", null],
      ],
    }),
  ]);
  assert.deepEqual(found.times, [ms(1), ms(2)]);
  assert.deepEqual(
    found.series.map(({ labels, values }) => [labels.series, values]),
    [
      ["L1", [1, null]],
      ["L2", [2, undefined]],
    ],
  );
});

test("answers of several targets share one axis", () => {
  const one = columns({ meta: [time, { name: "a", type: "Float64" }], data: [[at(1), 1]] });
  const other = columns({ meta: [time, { name: "b", type: "Float64" }], data: [[at(0), 2]] });
  const found = series([one, other]);
  assert.deepEqual(found.times, [ms(0), ms(1)]);
  assert.deepEqual(
    found.series.map(({ values }) => values),
    [
      [undefined, 1],
      [2, undefined],
    ],
  );
});

test("overrides reach fields by name, by pattern and by kind", () => {
  const fields = [
    { name: "a", kind: "number", labels: { series: "L1" } },
    { name: "b", kind: "text", labels: {} },
  ];
  const config = {
    defaults: { displayName: "${__field.labels.series}", custom: { lineWidth: 1 } },
    overrides: [
      {
        matcher: { id: "byName", options: "L1" },
        properties: [
          { id: "unit", value: "watt" },
          { id: "custom.lineStyle", value: { fill: "dash" } },
        ],
      },
      { matcher: { id: "byRegexp", options: "/^b$/" }, properties: [{ id: "displayName", value: "B" }] },
      { matcher: { id: "byType", options: "string" }, properties: [{ id: "links", value: [1] }] },
    ],
  };
  const [first, second] = configured(fields, config);
  assert.equal(first.title, "L1");
  assert.deepEqual([first.config.unit, first.config.custom], ["watt", { lineWidth: 1, lineStyle: { fill: "dash" } }]);
  assert.deepEqual([second.title, second.config.links], ["B", [1]]);
  assert.deepEqual(config.defaults.custom, { lineWidth: 1 });
});

test("reductions leave out what is not there", () => {
  const values = [undefined, 3, null, 1, null];
  assert.deepEqual(
    ["lastNotNull", "first", "min", "max", "sum", "mean", "count", "range"].map((how) => reduce(values, how)),
    [1, null, 1, 3, 4, 2, 2, 2],
  );
  assert.equal(reduce([null], "max"), null);
});

test("mappings by value, range and null", () => {
  const mappings = [
    { type: "value", options: { silent: { text: "Silent", color: "red" } } },
    { type: "range", options: { from: 0, to: 9, result: { text: "few" } } },
    { type: "special", options: { match: "null", result: { text: "none" } } },
  ];
  assert.deepEqual(
    ["silent", 5, null, 10].map((value) => mapped(value, mappings)?.text),
    ["Silent", "few", "none", undefined],
  );
});

test("what is stacked stands on what was before it, by sign", () => {
  const config = { custom: { stacking: { mode: "normal" } } };
  const made = stacked([
    { config, values: [1, -1] },
    { config, values: [2, -2] },
    { config, values: [undefined, 4] },
    { config: {}, values: [7, 7] },
  ]);
  assert.deepEqual(made, [
    [1, -1],
    [3, -3],
    [undefined, 4],
    [7, 7],
  ]);
  const percent = { custom: { stacking: { mode: "percent" } } };
  assert.deepEqual(
    stacked([
      { config: percent, values: [1] },
      { config: percent, values: [3] },
    ]),
    [[0.25], [1]],
  );
});

test("equal states that follow each other are one", () => {
  assert.deepEqual(pieces({ values: ["on", "on", undefined, "off", null] }, [0, 1, 2, 3, 4], 9), [
    { value: "on", from: 0, to: 3 },
    { value: "off", from: 3, to: 4 },
  ]);
});

test("a file of commas", () => {
  const made = toCsv([
    { name: "at", kind: "time", values: [0, null] },
    { name: 'a "b"', kind: "text", values: ["x,y", "z"] },
  ]);
  assert.equal(made, 'at,"a ""b"""\r\n1970-01-01T00:00:00.000Z,"x,y"\r\n,z\r\n');
});

test("a value with none beside it is seen only as a point", () => {
  assert.deepEqual(lonely([1, null, 2, undefined, 3, null, 4]), [0, 6]);
  assert.deepEqual(lonely([undefined, 5, undefined]), [1]);
  assert.deepEqual(lonely([1, 2]), []);
});
