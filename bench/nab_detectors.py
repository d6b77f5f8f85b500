"""Detectors that can be run over a whole corpus, strictly online: a row's score rests on the rows before it alone.

The product's runs all files side by side, row by row, as it runs over meters; it is given neither the range of a file's
values nor its length, and the same settings for all.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from bench.nab_rules import Series
from schemas.arrays import Float64s
from streams.anomaly import detector
from streams.anomaly.rarity import MOST_DECADES

Detector = Callable[[Sequence[Series]], list[Float64s]]


def null(corpus: Sequence[Series]) -> list[Float64s]:
    """The same score for every row: NAB's zero."""
    return [np.full(len(series.value), 0.5) for series in corpus]


def windowed_gaussian(corpus: Sequence[Series], window: int = 6400, step: int = 100) -> list[Float64s]:
    """NAB's simplest baseline: 1 less the tail probability under a normal law over the last `window` values.

    The window grows by each value until it is full, then moves on by `step`. Scores have 12 decimals, as in the result
    files of NAB's that its published figures were computed from; the highest scores differ only beyond.
    """
    return [_where_measured(series.value, lambda value: _gaussian(value, window, step)) for series in corpus]


def product(corpus: Sequence[Series]) -> list[Float64s]:
    """The detector of streams/anomaly: decades of rarity as a share of the most there are, 0 while it rests.

    A value that is missing is no data: it scores 0 and teaches nothing.
    """
    order = sorted(range(len(corpus)), key=lambda i: -len(corpus[i].at))
    lengths = np.array([len(corpus[i].at) for i in order], np.int64)
    at = np.zeros((lengths.max(initial=0), len(order)), np.int64)
    value = np.zeros(at.shape)
    for column, i in enumerate(order):
        at[: lengths[column], column] = corpus[i].at
        value[: lengths[column], column] = corpus[i].value
    state = np.zeros(len(order), detector.DTYPE)
    score = np.zeros(at.shape)
    for row in range(len(at)):
        running = np.flatnonzero((lengths > row) & ~np.isnan(value[row]))
        learned = state[running]
        judged = detector.judge(learned, at[row, running], value[row, running])
        state[running] = learned
        score[row, running] = np.where(judged.resting, 0.0, judged.decades / MOST_DECADES)
    found = {i: score[: lengths[column], column] for column, i in enumerate(order)}
    return [found[i] for i in range(len(corpus))]


DETECTORS: dict[str, Detector] = {"null": null, "windowedGaussian": windowed_gaussian, "flexmeter": product}
"""By the names of NAB's published table."""


def _where_measured(value: Float64s, scored: Callable[[Float64s], Float64s]) -> Float64s:
    """The scores of the values that there are, 0 where one is missing."""
    score, measured = np.zeros(len(value)), ~np.isnan(value)
    score[measured] = scored(value[measured])
    return score


def _gaussian(value: Float64s, window: int, step: int) -> Float64s:
    score = np.zeros(len(value))
    mean, deviation = 0.0, 1.0
    for i in range(1, len(value)):
        past_full = max(i - window, 0)
        if i <= window or past_full % step == 0:
            known = value[past_full // step * step :][: min(i, window)]
            mean, deviation = float(np.mean(known)), float(np.std(known)) or 1e-6
        score[i] = 1 - 0.5 * math.erfc(abs(value[i] - mean) / deviation / math.sqrt(2))
    return np.round(score, 12)
