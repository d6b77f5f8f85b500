"""When a feeder has no power in live mode, and what its meters say about it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

GASPS_LOST = 0.15
"""Share of the meters whose last gasp does not get through."""
GASP_WITHIN_MS = 2_000
RETURN_WITHIN_MS = 3_000


@dataclass(frozen=True, slots=True)
class Schedule:
    """The first outage `first_s` after the start, then one every `every_s`; each lasts `lasts_s`. 0 = no outages."""

    first_s: float = 25.0
    every_s: float = 180.0
    lasts_s: float = 20.0

    def now(self, elapsed_s: float) -> int | None:
        """The number of the outage that lasts at this moment.

        >>> [Schedule(25, 180, 20).now(s) for s in (0, 25, 44.9, 45, 205)]
        [None, 0, 0, None, 1]
        """
        since = elapsed_s - self.first_s
        if self.every_s <= 0 or since < 0 or since % self.every_s >= self.lasts_s:
            return None
        return int(since // self.every_s)


def struck_feeder(feeders: list[str], number: int, seed: int) -> str:
    """Which feeder the outage of that number hits."""
    return feeders[int(np.random.default_rng((seed, 40, number)).integers(len(feeders)))]


def says(meters: list[int], kind: str, number: int, at: int, seed: int) -> Iterator[tuple[int, int]]:
    """(event time, meter) of each event, in order of time: gasps are lost now and then, restorations are not."""
    gasp = kind == "last_gasp"
    rng = np.random.default_rng((seed, 41 if gasp else 42, number))
    after = rng.integers(0, GASP_WITHIN_MS if gasp else RETURN_WITHIN_MS, len(meters))
    heard = rng.random(len(meters)) >= (GASPS_LOST if gasp else 0.0)
    yield from sorted((at + int(ms), meter) for ms, meter, ok in zip(after, meters, heard, strict=True) if ok)
