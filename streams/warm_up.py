"""Has every inner loop compiled: at installation, and before a worker takes its first record.

python -m streams.warm_up
"""

import numpy as np

from schemas.blocks import Beat, ReadingBlock
from schemas.catalogue import Catalogue, load_catalogue
from schemas.codec import decode, encode
from schemas.durations import MINUTE_MS
from streams.contract import Result
from streams.registry import OPERATORS
from streams.shard import Shard

PROFILE = "malmo_household"
BEGIN_MS = 1_700_000_000_000


def warm_up(catalogue: Catalogue) -> list[Result]:
    """Run all operators that need no consent over an hour of one meter; the results."""
    operators = {name: operator for name, operator in OPERATORS.items() if "HomeRequestBlock" not in operator.takes}
    shard = Shard("warm_up", 0, operators, catalogue, turn_ms=MINUTE_MS)
    results: list[Result] = []
    for minute in range(70):
        at = BEGIN_MS + minute * MINUTE_MS
        for record in (_reading(catalogue, at), Beat("warm_up", at)):
            results += shard.take(decode(encode(record))) or []
    return results


def _reading(catalogue: Catalogue, at: int) -> ReadingBlock:
    columns = list(catalogue.profiles[PROFILE].quantities)
    return ReadingBlock(
        source="warm_up",
        profile=PROFILE,
        received_at=at,
        meters=["meter"],
        feeders=["feeder"],
        substations=["substation"],
        intervals_ms=np.array([MINUTE_MS]),
        row_meter=np.zeros(1, np.int32),
        at=np.array([at]),
        sequence=np.array([-1]),
        quality=np.zeros(1, np.int32),
        columns=columns,
        values=np.full(len(columns), 230.0),
    )


if __name__ == "__main__":
    warm_up(load_catalogue())
