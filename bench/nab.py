"""The product's anomaly detector on the Numenta Anomaly Benchmark: `python -m bench.nab --corpus DIR`.

DIR is any corpus in NAB's layout: data/, labels/combined_windows.json, config/profiles.json (nab_rules.py says what may
be missing). Where it holds NAB's published results too, two detectors that can be rebuilt exactly show that the rules
are NAB's: exit code 1 if their scores are not the published ones, or if the detector misses its goal there. Two scores
are told for each profile: the usual one, its threshold chosen on what it is applied to, and one with each folder's
threshold chosen on the other folders. The method was chosen on the folders of TUNED_ON alone (docs/anomaly.md); the
others are told apart, at the threshold that is best on those.
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.nab_detectors import DETECTORS
from bench.nab_rules import (
    Series,
    Steps,
    by_folder,
    in_sample,
    joined,
    left_out,
    load_corpus,
    load_profiles,
    normalised,
)
from bench.report import report
from schemas.arrays import Float64s

TUNED_ON = ("artificialNoAnomaly", "artificialWithAnomaly", "realAWSCloudwatch", "realTweets")
KNOWN_LEFT_OUT = {"ARTime": 73.1, "numenta": 69.3, "contextOSE": 68.8, "knncad": 58.0, "windowedGaussian": 39.1}
"""Standard profile, thresholds chosen on the other folders, from the score files that NAB publishes."""
PUBLISHED = "final_results_published.json"
TOLERANCE = 0.001
GOAL = 58.0
"""Standard profile, thresholds chosen on the other folders: better than KNN-CAD."""

Row = dict[str, dict[str, float]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run all detectors, print the table, keep the figures."""
    parser = argparse.ArgumentParser(prog="bench.nab", description="The anomaly detector on a corpus in NAB's layout.")
    data = Path(os.environ.get("FLEXMETER_DATA", "../shared/data"))
    parser.add_argument("--corpus", type=Path, default=data / "nab", help="folder with data/, labels/, config/")
    folder = parser.parse_args(argv).corpus
    try:
        corpus, published = load_corpus(folder), _published(folder)
    except (ValueError, FileNotFoundError) as error:
        print(f"not a corpus in NAB's layout: {error}", file=sys.stderr)
        return 2
    if not any(len(series.at) for series in corpus):
        print(f"no corpus in {folder}: nothing to score; name one with --corpus", file=sys.stderr)
        return 2
    measured = {
        name: _measure(folder, corpus, detector(corpus)) for name, detector in DETECTORS.items() if name != "flexmeter"
    }
    began = time.process_time()
    scores = DETECTORS["flexmeter"](corpus)
    seconds = time.process_time() - began
    measured["flexmeter"] = _measure(folder, corpus, scores)
    rows = sum(len(series.at) for series in corpus)
    wrong = _print_table(measured, published)
    apart = _apart(folder, corpus, scores)
    for line in apart.items():
        print("  {}: {:.1f}".format(*line))
    windows = sum(len(series.windows) for series in corpus)
    print(f"{rows:,} rows and {windows} windows in {len(corpus)} files, ", end="")
    print(f"{seconds:.1f} s of CPU time, {seconds / rows * 1e6:.1f} us a row")
    result = {
        "files": len(corpus),
        "rows": rows,
        "cpu_seconds": round(seconds, 1),
        "scores": _rounded(measured),
        "tuned_on_and_apart": _rounded(apart),
        "published": published,
    }
    name = "nab" if folder.resolve() == (data / "nab").resolve() else f"nab-{folder.resolve().name}"
    reached = not published or _reached(measured["flexmeter"]["standard"]["left_out"])
    report(name, result, packages=["numpy"])
    return int(bool(wrong) or not reached)


def _reached(left_out_score: float) -> bool:
    """Whether the detector is as good as it is to be, on NAB's own corpus."""
    reached = left_out_score > GOAL
    print(f"the goal, more than {GOAL:g} by thresholds of the other folders, is {'' if reached else 'NOT '}reached")
    return reached


def _measure(folder: Path, corpus: Sequence[Series], scores: Sequence[Float64s]) -> Row:
    """For each profile: in sample, left out, and the in-sample threshold."""
    row: Row = {}
    for profile, weights in load_profiles(folder).items():
        parts = by_folder(corpus, scores, weights)
        usual, threshold = in_sample(parts)
        row[profile] = {"in_sample": usual, "left_out": left_out(parts), "threshold": threshold}
    return row


def _apart(folder: Path, corpus: Sequence[Series], scores: Sequence[Float64s]) -> dict[str, float]:
    """Standard profile, one threshold for all: the best on TUNED_ON. Empty where the corpus has other folders."""
    parts = by_folder(corpus, scores, load_profiles(folder)["standard"])
    if not set(TUNED_ON) < set(parts):
        return {}
    tuned = joined(parts[name] for name in TUNED_ON)
    others = joined(part for name, part in parts.items() if name not in TUNED_ON)
    threshold = tuned.best()
    named = {"all folders that the method was chosen on": tuned, "all others": others, **parts}
    return {f"{name}, threshold of the tuned": _score(part, threshold) for name, part in named.items() if part.perfect}


def _score(part: Steps, threshold: float) -> float:
    return normalised(part.at(threshold), part)


def _published(folder: Path) -> dict[str, dict[str, float]]:
    path = folder / PUBLISHED
    known: dict[str, dict[str, float]] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return known


def _print_table(measured: Mapping[str, Row], published: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Measured beside published; the names of those that should be as published and are not."""
    profiles = list(next(iter(measured.values())))
    print(f"{'':34}" + "".join(f"{profile:>26}" for profile in profiles))
    lines: list[tuple[float, str, Mapping[str, float], Row | None]] = [
        (known["standard"], f"{name} (published)", known, None) for name, known in published.items()
    ]
    for name, row in measured.items():
        usual = {profile: row[profile]["in_sample"] for profile in profiles}
        lines.append((usual["standard"], name, usual, row))
    for _, name, scores, left in sorted(lines, key=lambda line: -line[0]):
        cells = [f"{scores[p]:.1f}" + (f" ({left[p]['left_out']:.1f} left out)" if left else "") for p in profiles]
        known_left_out = KNOWN_LEFT_OUT.get(name.partition(" ")[0])
        cells[0] += f" ({known_left_out:.1f} left out)" if known_left_out and not left else ""
        print(f"{name:34}" + "".join(f"{cell:>26}" for cell in cells))
    wrong = [
        f"{name}, {profile}: {row[profile]['in_sample']:.4f} instead of {published[name][profile]:.4f}"
        for name, row in measured.items()
        for profile in profiles
        if name in published and abs(row[profile]["in_sample"] - published[name][profile]) > TOLERANCE
    ]
    print("\n".join(wrong) if wrong else "null and windowedGaussian score as published" if published else "")
    return wrong


def _rounded(found: Any) -> Any:
    if isinstance(found, Mapping):
        return {key: _rounded(value) for key, value in found.items()}
    return round(found, 4) if math.isfinite(found) else None


if __name__ == "__main__":
    sys.exit(main())
