import assert from "node:assert/strict";
import { test } from "node:test";

import { parts, say } from "../../flexmeter/page/js/units.js";

const plain = (...asked) => say(...asked).replaceAll("\u00a0", " ");

test("numbers have four digits and the prefix that fits", () => {
  assert.equal(plain(1234.56, "watt"), "1.235 kW");
  assert.equal(plain(999.6, "watt"), "999.6 W");
  assert.equal(plain(-2_000_000, "watth"), "-2 MWh");
  assert.equal(plain(231.46, "volt"), "231.5 V");
  assert.equal(plain(0, "watt"), "0 W");
  assert.equal(plain(0.0234, "m3/h"), "0.023 m³/h");
  assert.equal(plain(12_345, "short"), "12,345");
  assert.equal(plain(1_234_567, "short"), "1.235 M");
  assert.equal(plain(0.9987, "percentunit"), "99.87 %");
  assert.equal(plain(2048, "bytes"), "2 KiB");
  assert.equal(plain(7, "furlong"), "7 furlong");
});

test("durations are told in the unit that fits", () => {
  assert.equal(plain(0.2, "s"), "200 ms");
  assert.equal(plain(90, "s"), "1.5 min");
  assert.equal(plain(7200e3, "ms"), "2 h");
  assert.equal(plain(0, "s"), "0 s");
});

test("what is no number is a dash", () => {
  for (const value of [null, undefined, NaN, Infinity]) assert.equal(say(value, "watt"), "–");
});

test("an axis tells its steps apart, whatever the prefix", () => {
  assert.deepEqual(
    [310.4, 310.6].map((value) => parts(value, "m3", null, 0.2).number),
    ["310.4", "310.6"],
  );
  assert.deepEqual(
    [5000e3, 10000e3].map((value) => parts(value, "ms", null, 5000e3).number),
    ["1.4", "2.8"],
  );
  assert.deepEqual(
    [96_250, 96_500].map((value) => parts(value, "watt", null, 250).number),
    ["96.25", "96.50"],
  );
  assert.deepEqual(
    [1_000_500, 1_001_000].map((value) => parts(value, "watth", null, 500).number),
    ["1.0005", "1.0010"],
  );
});

test("decimals that a dashboard names are kept", () => {
  assert.equal(plain(3, "celsius", 1), "3.0 °C");
});
