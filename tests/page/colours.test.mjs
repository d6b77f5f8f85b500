// Colours of every dashboard, as they are drawn on either ground: WCAG 2.2, 1.4.11, and people without a kind of cone.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import {
  contrast,
  GRAPHICS,
  legible,
  mix,
  named,
  ofSeries,
  ofThreshold,
  TEXT,
} from "../../flexmeter/page/js/colours.js";

const FOLDER = "dashboards/grafana/dashboards";
const css = readFileSync("flexmeter/page/page.css", "utf8");
const GROUNDS = [...css.matchAll(/--card: (#\w+)/g)].map(([, colour]) => colour);
const boards = readdirSync(FOLDER).flatMap((folder) =>
  readdirSync(`${FOLDER}/${folder}`).map((name) => JSON.parse(readFileSync(`${FOLDER}/${folder}/${name}`, "utf8"))),
);
const coloursOf = (value) => [...new Set(JSON.stringify(value).match(/#[0-9A-Fa-f]{6}/g) ?? [])];

// Linear RGB as people without one kind of cone see it: Viénot, Brettel and Mollon (1999).
const DICHROMATS = {
  protan: [
    [0.11238, 0.88762, 0],
    [0.11238, 0.88762, 0],
    [0.00401, -0.00401, 1],
  ],
  deutan: [
    [0.29275, 0.70725, 0],
    [0.29275, 0.70725, 0],
    [-0.02234, 0.02234, 1],
  ],
};
const seen = (colour, matrix) => {
  const linear = [1, 3, 5].map((at) => (parseInt(colour.slice(at, at + 2), 16) / 255) ** 2.2);
  return matrix.map(
    (row) =>
      255 *
      Math.min(
        Math.max(
          row.reduce((sum, weight, i) => sum + weight * linear[i], 0),
          0,
        ),
        1,
      ) **
        (1 / 2.2),
  );
};
const distance = (a, b) => Math.hypot(...a.map((each, i) => each - b[i]));

test("the two grounds are known", () => assert.equal(GROUNDS.length, 2));

for (const ground of ["#ffffff", "#18212a"]) {
  test(`on ${ground} every colour stands out, as a line and as text`, () => {
    assert.ok(GROUNDS.includes(ground));
    for (const colour of new Set(boards.flatMap((board) => coloursOf(board.panels)))) {
      assert.ok(contrast(legible(colour, ground), ground) >= GRAPHICS, colour);
      assert.ok(contrast(legible(colour, ground, TEXT), ground) >= TEXT, colour);
    }
  });
  for (const [kind, matrix] of Object.entries(DICHROMATS)) {
    test(`on ${ground} the colours of one panel differ to a ${kind}`, () => {
      for (const board of boards) {
        for (const { title, fieldConfig } of board.panels) {
          const drawn = coloursOf(fieldConfig).map((colour) => seen(legible(colour, ground), matrix));
          drawn.forEach((one, i) =>
            drawn
              .slice(i + 1)
              .forEach((other) =>
                assert.ok(
                  distance(one, other) > 25,
                  `${board.uid}: ${title} ${coloursOf(fieldConfig)} ${distance(one, other)}`,
                ),
              ),
          );
        }
      }
    });
  }
}

test("contrast as WCAG computes it", () => {
  assert.equal(contrast("#000000", "#ffffff"), 21);
  assert.ok(Math.abs(contrast("#777777", "#ffffff") - 4.48) < 0.01);
});

test("colours by name, threshold and place", () => {
  assert.equal(named("semi-dark-red"), named("red"));
  const thresholds = {
    steps: [
      { value: null, color: "#0072B2" },
      { value: 1, color: "#D55E00" },
    ],
  };
  assert.deepEqual(
    [0.5, 1, 2].map((value) => ofThreshold(value, thresholds)),
    ["#0072B2", "#D55E00", "#D55E00"],
  );
  assert.equal(ofSeries({ color: { mode: "fixed", fixedColor: "#009E73" } }, 3, 4, 0, "#ffffff"), "#009E73");
  assert.equal(mix("#000000", "#ffffff", 0.5), "#808080");
});
