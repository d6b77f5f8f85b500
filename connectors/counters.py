"""Counters of encrypted telegrams: an old one that comes again is told from a new one, whichever bridge it comes to.

A counter that a MAC or tag covers never goes back while its key is the same. So a telegram far behind the highest one
that Kafka has is a replay (or an echo from a concentrator that was long away): rejected, kept as a dead letter. One
within the window passes: late, out of order, or heard by two concentrators; repeats among these are dropped where all
rows of a meter are seen in order, in the shard. docs/decisions/0013 says why it is done so.

Only what Kafka has counts: what comes again because it was never acknowledged is not rejected for its own first copy.
"""

from collections.abc import Iterable

from connectors.compacted import Compacted
from connectors.decode.readings import Proof
from connectors.kafka import Outlet
from schemas.blocks import TelegramCounter
from schemas.codec import decode, encode
from schemas.errors import Reason, Rejected
from schemas.partition import partition_of
from schemas.topology import Kafka, Topic

WINDOW = 64
"""How far back a counter may be: as many telegrams as the shard knows again (streams.order.SEEN)."""

EXCHANGE_S = 1.0


class Counters:
    """The highest counter of each key, of what Kafka has."""

    def __init__(self) -> None:
        self._highest: dict[tuple[str, str], int] = {}
        self._changed: set[tuple[str, str]] = set()

    def check(self, proofs: Iterable[Proof]) -> None:
        """Raise Rejected for a counter that goes back beyond the window."""
        for proof in proofs:
            highest = self._highest.get((proof.holder, proof.key), -1)
            if proof.counter < highest - WINDOW:
                detail = f"counter {proof.counter} of {proof.holder}, which has been at {highest} with the same key"
                raise Rejected(Reason.REPLAYED, detail)

    def confirm(self, proofs: Iterable[Proof]) -> None:
        """Kafka has the telegrams of these."""
        for proof in proofs:
            key = (proof.holder, proof.key)
            if proof.counter > self._highest.get(key, -1):
                self._highest[key] = proof.counter
                self._changed.add(key)

    def learn(self, told: TelegramCounter) -> None:
        """What a bridge has told, this one before it was started among them."""
        key = (told.holder, told.key)
        self._highest[key] = max(told.counter, self._highest.get(key, -1))

    def changed(self) -> list[TelegramCounter]:
        """What has risen here since the last call."""
        changed, self._changed = self._changed, set()
        return [TelegramCounter(holder, key, self._highest[holder, key]) for holder, key in sorted(changed)]


class CounterTopic:
    """The counters, shared by the bridges through a compacted topic."""

    def __init__(self, kafka: Kafka, topic: Topic) -> None:
        self.counters = Counters()
        self._topic = topic
        self._log = Compacted(kafka, topic, self._learn)
        self._next_s = 0.0

    def read(self) -> None:
        """Learn everything that the topic holds; raises Unavailable where Kafka is away."""
        self._log.read()

    def exchange(self, outlet: Outlet, now_s: float) -> None:
        """Tell the other bridges, and hear them, once a second of a clock that only goes forward."""
        if now_s < self._next_s:
            return
        self._next_s = now_s + EXCHANGE_S
        for told in self.counters.changed():
            partition = partition_of(told.holder, self._topic.partitions)
            outlet.produce(self._topic.name, partition, encode(told), key=f"{told.holder}/{told.key}".encode())
        while self._log.follow():
            pass

    def close(self) -> None:
        """Hear no more."""
        self._log.close()

    def _learn(self, _key: bytes, value: bytes | None) -> None:
        told = decode(value) if value is not None else None
        if isinstance(told, TelegramCounter):
            self.counters.learn(told)
