"""Which homes agreed to be looked into, as records of their partition say: consent, and its withdrawal.

A stream whose operators take HomeRequestBlock works on the readings of these homes only. Others are left out before
anything is kept of them: no state, no waiting row. Of consent and withdrawal the later counts, by the time at which it
was asked for and not by when it came, so a register's consents can be told again at any time and change nothing. Only
a home's first and newest consent are kept: where a withdrawal comes after later consents, the newest one counts.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from schemas.blocks import ReadingBlock
from schemas.errors import Reason, Rejected
from schemas.master_data import HomeRequestBlock

KINDS = ("consent", "withdraw", "label")
_NEVER = np.iinfo(np.int64).max


@dataclass(slots=True)
class Consents:
    """Meters whose homes consent, since when, when they last said so, and when homes withdrew; ms UTC.

    >>> consents = Consents()
    >>> consents.give("m1", 10), consents.withdraw("m1", 20), consents.give("m1", 10), "m1" in consents.since
    (None, True, None, False)
    """

    since: dict[str, int] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    withdrawn: dict[str, int] = field(default_factory=dict)

    def give(self, meter: str, at: int) -> None:
        """A consent from `at` on."""
        if at > self.withdrawn.get(meter, -1):
            self.since[meter] = min(at, self.since.get(meter, at))
            self.newest[meter] = max(at, self.newest.get(meter, at))

    def withdraw(self, meter: str, at: int) -> bool:
        """A withdrawal; whether it is news, and all that is known of the home is to be forgotten."""
        if at <= self.withdrawn.get(meter, -1):
            return False
        self.withdrawn[meter] = at
        since, newest = self.since.pop(meter, None), self.newest.pop(meter, -1)
        if newest > at:
            self.since[meter] = self.newest[meter] = newest if since is None or since <= at else since
        return since is None or since <= at

    def only(self, block: ReadingBlock) -> ReadingBlock | None:
        """The block's readings that homes consented to, None if there are none."""
        since = np.array([self.since.get(meter, _NEVER) for meter in block.meters], np.int64)
        which = block.at >= since[block.row_meter]
        if which.all():
            return block
        if not which.any():
            return None
        kept, row_meter = np.unique(block.row_meter[which], return_inverse=True)
        return replace(
            block,
            meters=[block.meters[i] for i in kept],
            feeders=[block.feeders[i] for i in kept],
            substations=[block.substations[i] for i in kept],
            intervals_ms=block.intervals_ms[kept],
            row_meter=row_meter.astype(np.int32),
            at=block.at[which],
            sequence=block.sequence[which],
            quality=block.quality[which],
            values=block.rows_by_column()[:, which].ravel(),
        )


def check(block: HomeRequestBlock) -> None:
    """Raises Rejected for what is no request."""
    for kind, at in zip(block.kind, block.at.tolist(), strict=True):
        if kind not in KINDS:
            raise Rejected(Reason.SCHEMA, f"{kind!r} is no request of a home; those are {', '.join(KINDS)}")
        if at < 0:
            raise Rejected(Reason.SCHEMA, "a request was made before 1970")
