"""The rules of the Numenta Anomaly Benchmark: a corpus in its layout, and what a detector's scores are worth on it.

Written from the definition (Lavin and Ahmad, "Evaluating real-time anomaly detection algorithms: the Numenta Anomaly
Benchmark", 2015, section II; Ahmad et al., Neurocomputing 262, 2017, section 4), with the arithmetic of the scorer of
NAB 1.1 where the papers leave it open. A row counts as detected when its score is at least the threshold. Each labelled
window earns the sigmoid of its first detected row, or loses the weight of a false negative; each detected row outside
of the windows costs a sigmoid that grows with the distance from the window before it. The first 15 % of a file, at most
750 rows, are probation: nothing there counts. The sum is scaled so that a detector that finds nothing has 0 and one
that finds each window at its first row, and nothing else, has 100.

A corpus of others may be less tidy than NAB's, so: files that no label names have no windows; windows without rows are
left out; a value that is empty or no number is no data; without config/profiles.json NAB's own three hold.

A file's sum changes only where the threshold passes the score of some row, so it is kept as `Steps`: every threshold
of interest comes from one sorting, and thresholds chosen on other files can be applied exactly.
"""

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from schemas.arrays import Float64s, Int64s

PROBATION, MOST_PROBATION_ROWS = 0.15, 750
NEVER = 1.1
"""A threshold above every score: detectors' scores are in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Series:
    """One file: n rows and the labelled windows in it."""

    name: str
    """Path below data/, such as realTweets/Twitter_volume_AAPL.csv."""
    at: Int64s
    """ms UTC, shape (n,)."""
    value: Float64s
    """Shape (n,)."""
    windows: tuple[tuple[int, int], ...]
    """First and last row of each window, both in it."""

    @property
    def folder(self) -> str:
        """The part of the corpus it belongs to."""
        return self.name.rpartition("/")[0].partition("/")[0]

    @property
    def probation(self) -> int:
        """Rows at the start that do not count."""
        return int(min(PROBATION * len(self.at), PROBATION * 5000, MOST_PROBATION_ROWS))


@dataclass(frozen=True, slots=True)
class Weights:
    """An application profile: what a window found, a window missed and a false alarm weigh."""

    found: float
    missed: float
    false_alarm: float


PROFILES = {
    "standard": Weights(1.0, 1.0, 0.11),
    "reward_low_FP_rate": Weights(1.0, 1.0, 0.22),
    "reward_low_FN_rate": Weights(1.0, 2.0, 0.11),
}
"""NAB's (Lavin and Ahmad 2015, table 1)."""


@dataclass(frozen=True, slots=True)
class Steps:
    """How a sum of weights changes as the threshold falls: by `gain` as it reaches `threshold`; `missed` above all."""

    threshold: Float64s
    gain: Float64s
    missed: float
    perfect: float

    def at(self, threshold: float) -> float:
        """The sum at a threshold."""
        return self.missed + float(self.gain[self.threshold >= threshold].sum())

    def best(self) -> float:
        """The threshold with the highest sum; NEVER if finding nothing is best."""
        order = np.argsort(-self.threshold, kind="stable")
        falling, sums = self.threshold[order], np.cumsum(self.gain[order])
        ends = np.append(falling[1:] != falling[:-1], True)[: len(falling)]
        falling, sums = falling[ends], sums[ends]
        return float(falling[sums.argmax()]) if len(sums) and sums.max() > 0 else NEVER


def load_corpus(folder: Path) -> list[Series]:
    """The files below data/: those that labels/combined_windows.json names, in its order, then the others.

    Raises:
        ValueError: a file cannot be read as times and values; the message names it.
        FileNotFoundError: a file that the labels name is not there.

    """
    path = folder / "labels" / "combined_windows.json"
    labels: dict[str, list[list[str]]] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    there = sorted(str(file.relative_to(folder / "data")) for file in (folder / "data").rglob("*.csv"))
    names = [*labels, *(name for name in there if name not in labels)]
    return [_load(folder / "data" / name, name, labels.get(name, [])) for name in names]


def load_profiles(folder: Path) -> dict[str, Weights]:
    """The application profiles of config/profiles.json; NAB's own where there is none."""
    path = folder / "config" / "profiles.json"
    if not path.exists():
        return dict(PROFILES)
    profiles = json.loads(path.read_text("utf-8"))
    costs = {name: profile["CostMatrix"] for name, profile in profiles.items()}
    return {name: Weights(cost["tpWeight"], cost["fnWeight"], cost["fpWeight"]) for name, cost in costs.items()}


def steps(series: Series, score: Float64s, weights: Weights) -> Steps:
    """What a detector's scores for each row, shape (n,), are worth at every threshold."""
    counts = np.arange(len(score)) >= series.probation
    reward = rewards(series, weights)
    outside = counts.copy()
    threshold, gain, windows = [], [], 0
    for first, last in series.windows:
        outside[first : last + 1] = False
        rows = np.arange(max(first, series.probation), last + 1)
        if len(rows):
            windows += 1
            records = rows[score[rows] > np.maximum.accumulate(np.append(-np.inf, score[rows]))[:-1]]
            threshold.append(score[records])
            gain.append(reward[records] - np.append(reward[records[1:]], -weights.missed))
    threshold.append(score[outside])
    gain.append(reward[outside])
    return Steps(np.concatenate(threshold), np.concatenate(gain), -weights.missed * windows, weights.found * windows)


def rewards(series: Series, weights: Weights) -> Float64s:
    """What detecting each row is worth: positive in a window, where it stands for the window; else negative."""
    row = np.arange(len(series.at))
    reward = np.full(len(row), -weights.false_alarm)
    for first, last in series.windows:
        width = last - first + 1
        past = (row[last + 1 :] - last) / max(width - 1, 1)
        reward[last + 1 :] = weights.false_alarm * np.where(past < 3, sigmoid(past), -1.0)
    for first, last in series.windows:
        width = last - first + 1
        reward[first : last + 1] = weights.found * sigmoid(-(last - row[first : last + 1] + 1) / width) / sigmoid(-1.0)
    return reward


def sigmoid(position: Float64s | float) -> Float64s:
    """1 to -1: where a row stands to a window; -1 is its left edge, 0 its right edge.

    >>> [round(float(sigmoid(position)), 4) for position in (-1.0, -0.5, 0.0, 1.0)]
    [0.9866, 0.8483, 0.0, -0.9866]
    """
    return np.asarray(2 / (1 + np.exp(5 * np.minimum(position, 100.0))) - 1)


def joined(parts: Iterable[Steps]) -> Steps:
    """The sum over files."""
    listed = list(parts)
    return Steps(
        np.concatenate([part.threshold for part in listed]),
        np.concatenate([part.gain for part in listed]),
        sum(part.missed for part in listed),
        sum(part.perfect for part in listed),
    )


def normalised(total: float, over: Steps) -> float:
    """0 = finds nothing, 100 = finds all at once and nothing else; NaN where there is nothing to find."""
    if over.perfect == over.missed:
        return math.nan
    return 100 * (total - over.missed) / (over.perfect - over.missed)


def in_sample(by_folder: Mapping[str, Steps]) -> tuple[float, float]:
    """NAB's usual score, the threshold chosen on what it is applied to; and that threshold."""
    whole = joined(by_folder.values())
    threshold = whole.best()
    return normalised(whole.at(threshold), whole), threshold


def left_out(by_folder: Mapping[str, Steps]) -> float:
    """Score with each folder's threshold chosen on the other folders (leave one folder out); NaN if there is one."""
    if len(by_folder) < 2:
        return math.nan
    total = 0.0
    for name, steps_here in by_folder.items():
        others = joined(other for folder, other in by_folder.items() if folder != name)
        total += steps_here.at(others.best())
    return normalised(total, joined(by_folder.values()))


def by_folder(corpus: Sequence[Series], scores: Sequence[Float64s], weights: Weights) -> dict[str, Steps]:
    """Steps of each folder of the corpus."""
    parts: dict[str, list[Steps]] = {}
    for series, score in zip(corpus, scores, strict=True):
        parts.setdefault(series.folder, []).append(steps(series, score, weights))
    return {folder: joined(listed) for folder, listed in parts.items()}


def _load(path: Path, name: str, windows: Sequence[Sequence[str]]) -> Series:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        header, *rows = [row for row in csv.reader(lines) if row] or [[]]
    try:
        time, value = (
            header.index(column) if column in header else i for i, column in enumerate(("timestamp", "value"))
        )
        at = np.array([_ms(row[time]) for row in rows], np.int64)
        values = np.array([_number(row[value]) for row in rows], np.float64)
        limits = [np.flatnonzero((_ms(first) <= at) & (at <= _ms(last))) for first, last in windows]
    except (ValueError, IndexError) as error:
        raise ValueError(f"{path}: {error}") from error
    return Series(
        name, at, values, tuple(sorted((int(inside[0]), int(inside[-1])) for inside in limits if len(inside)))
    )


def _number(text: str) -> float:
    """NaN for what is none.

    >>> _number("1.5"), _number(""), _number("n/a")
    (1.5, nan, nan)
    """
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _ms(text: str) -> int:
    """A time as ms UTC: ISO 8601, with an offset or without (then UTC), or seconds since 1970.

    >>> _ms("2014-04-01 00:00:00.000000") == _ms("2014-04-01T02:00:00+02:00") == _ms("1396310400")
    True
    """
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        return round(float(text) * 1_000)
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1_000)
