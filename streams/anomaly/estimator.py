"""The detector as an estimator of river's, for one meter in a river pipeline.

river (https://riverml.xyz, BSD-3-Clause) is an extra: `pip install flexmeter[river]`. Its ready detectors work value by
value on dictionaries, so the operator does not run on them; this is how what it runs joins theirs.
"""

from collections.abc import Hashable
from datetime import datetime
from typing import Any

import numpy as np
from river.base import AnomalyDetector

from streams.anomaly import detector
from streams.anomaly.detector import DTYPE, Judgement


class UnusualLoad(AnomalyDetector):
    """Rarity in decades of one series' values, learned online.

    Assumes a feature with the time (datetime, or ms UTC) and one with the value, in order of time; a value of None or
    NaN is no data: it scores 0 and teaches nothing. Scores are 0 while the first hundred values are learned; from
    `detector.ALARM_DECADES` on a value is worth an alarm. Cost: constant per value, bounded memory.

    Parameters
    ----------
    time, value
        Names of the two features.
    step
        By so much a value that does not change may seem to, as when a register counts in steps; 0 if by nothing.

    Examples
    --------
    >>> from streams.anomaly.estimator import UnusualLoad
    >>> model = UnusualLoad()
    >>> for quarter in range(400):
    ...     model.learn_one({"at": quarter * 900_000, "value": 200 + quarter % 7})
    >>> model.score_one({"at": 400 * 900_000, "value": 203}) < 4
    True
    >>> model.score_one({"at": 400 * 900_000, "value": 2_000}) > 7.6
    True

    In a pipeline, behind a transformer and under river's filter, which turns scores to alarms:

    >>> from river.anomaly import ThresholdFilter
    >>> from river.compose import FuncTransformer
    >>> in_watts = FuncTransformer(lambda x: {"at": x["at"], "value": 1_000 * x["kw"]})
    >>> pipeline = in_watts | ThresholdFilter(UnusualLoad(), threshold=7.6)
    >>> for quarter in range(400):
    ...     pipeline.learn_one({"at": quarter * 900_000, "kw": 0.2 + quarter % 7 / 1_000})
    >>> came = pipeline.score_one({"at": 400 * 900_000, "kw": 2.0})
    >>> pipeline["ThresholdFilter"].classify(came)
    True

    """

    def __init__(self, time: str = "at", value: str = "value", step: float = 0.0) -> None:
        self.time = time
        self.value = value
        self.step = step
        self._state = np.zeros(1, DTYPE)

    def learn_one(self, x: dict[Hashable, Any]) -> None:
        """Take the value in."""
        self._judge(self._state, x)

    def score_one(self, x: dict[Hashable, Any]) -> float:
        """Rarity of the value, by what was learned before it; nothing is learned."""
        judgement = self._judge(self._state.copy(), x)
        return float(judgement.decades[0]) if judgement else 0.0

    def _judge(self, state: np.ndarray[Any, np.dtype[Any]], x: dict[Hashable, Any]) -> Judgement | None:
        time, value = x[self.time], x[self.value]
        if value is None or not np.isfinite(value):
            return None
        at = round(time.timestamp() * 1_000) if isinstance(time, datetime) else int(time)
        values, step = np.array([value], np.float64), np.array([self.step])
        return detector.judge(state, np.array([at], np.int64), values, step=step)
