"""A partition that this worker holds: its shard, what it sent and not yet heard of, and where its state is saved."""

import asyncio
import time
from dataclasses import dataclass, field

from streams.shard import Shard
from streams.state_topic import StateWriter


@dataclass(slots=True, eq=False)
class Held:
    """`lock` covers what a fetch brought, from the shard to the producer, so that a save sees no turn whose results are
    not handed over yet; `saving` lets one save run at a time.
    """

    shard: Shard
    writer: StateWriter
    save_due: float
    saved_offset: int
    saved_bytes: int = 0
    taken_bytes: int = 0
    """Of the input since the last save."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    saving: asyncio.Lock = field(default_factory=asyncio.Lock)
    in_flight: dict[asyncio.Future[object], int] = field(default_factory=dict)
    """Sends that Kafka has not confirmed yet, and their bytes."""
    last_taken: float = field(default_factory=time.monotonic)
    last_seek: float = 0.0
    bytes_in_flight: int = 0

    def is_save_due(self, now: float, interval_s: float) -> bool:
        """Whether as much came in, uncompressed, as a save writes, compressed; at most ten intervals.

        So saving costs about as much as reading. On the broker, where input is compressed too, state is more than that:
        bench.metering tells how much.
        """
        overdue = now >= self.save_due + 9 * interval_s
        return overdue or (now >= self.save_due and self.taken_bytes >= self.saved_bytes)

    def sent(self, record: asyncio.Future[object], size: int) -> None:
        """Remember a send until it is done."""
        self.in_flight[record] = size
        self.bytes_in_flight += size
        record.add_done_callback(self._done)

    async def room(self, most_bytes: int) -> None:
        """Wait until less than that is on its way: a slow Kafka makes the records wait, not the memory grow."""
        while self.bytes_in_flight >= most_bytes:
            await asyncio.wait(self.in_flight, return_when=asyncio.FIRST_COMPLETED)

    def _done(self, record: asyncio.Future[object]) -> None:
        self.bytes_in_flight -= self.in_flight.pop(record)
