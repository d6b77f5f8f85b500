import assert from "node:assert/strict";
import { test } from "node:test";

import { durationMs, makeClock, moment, rangeText, tickLabels, widthMs } from "../../flexmeter/page/js/time.js";

const NOON = Date.UTC(2026, 0, 31, 12);

test("moments as Grafana writes them", () => {
  assert.equal(moment("now", NOON), NOON);
  assert.equal(moment("now-6h", NOON), NOON - 6 * 3600e3);
  assert.equal(moment("now-1d+30m", NOON), NOON - 86400e3 + 1800e3);
  assert.equal(moment("1795521600000", NOON), 1795521600000);
  assert.equal(moment("yesterday", NOON), null);
  const midnight = moment("now/d", NOON);
  assert.equal(new Date(midnight).getHours(), 0);
  assert.equal(moment("now/d", NOON, true) - midnight, 86400e3 - 1);
});

test("intervals of data", () => {
  assert.deepEqual(["10s", ">15m", "250ms", "1d", "", undefined].map(durationMs), [10e3, 900e3, 250, 86400e3, 0, 0]);
});

test("a point's width is round, and no smaller than the data's", () => {
  assert.equal(widthMs(6 * 3600e3, 600, 0), 30e3);
  assert.equal(widthMs(24 * 3600e3, 600, 0), 120e3);
  assert.equal(widthMs(24 * 3600e3, 600, 900e3), 900e3);
  assert.equal(widthMs(100, 1000, 0), 10);
});

test("ranges in words", () => {
  const clock = makeClock("utc");
  assert.equal(rangeText("now-6h", "now", clock), "Last 6 hours");
  assert.equal(rangeText("now-1h", "now", clock), "Last hour");
  assert.equal(rangeText("0", String(NOON), clock), "1970-01-01 00:00 to 2026-01-31 12:00");
});

test("an axis names the date where it changes", () => {
  const ticks = [NOON, NOON + 6 * 3600e3, NOON + 12 * 3600e3];
  assert.deepEqual(tickLabels(ticks, 6 * 3600e3, makeClock("utc")), ["12:00\n01-31", "18:00", "00:00\n02-01"]);
});
