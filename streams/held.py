"""A partition that this worker holds: its shard, what it sent and not yet heard of, and where its state is saved."""

import asyncio
import time
from dataclasses import dataclass, field

from streams.shard import Shard
from streams.state_topic import StateWriter


@dataclass(slots=True, eq=False)
class Held:
    """`lock` covers a record from the shard to the producer, so that a save sees no turn whose results are not handed
    over yet; `saving` lets one save run at a time.
    """

    shard: Shard
    writer: StateWriter
    save_due: float
    saved_offset: int
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    saving: asyncio.Lock = field(default_factory=asyncio.Lock)
    in_flight: set[asyncio.Future[object]] = field(default_factory=set)
    last_taken: float = field(default_factory=time.monotonic)
    last_seek: float = 0.0
