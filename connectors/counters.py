"""Counters of encrypted telegrams: an old one that comes again is told from a new one, whichever bridge it comes to.

A counter that a MAC or tag covers never goes back while its key is the same. So of what Kafka has, for each key:

    a counter far behind the highest                   a replay (or an echo from a concentrator that was long away)
    within the window, known, with the same tag        a repeat: two concentrators heard it, or a broker delivers again
    within the window, known, with another tag         a replay under a counter that was used
    within the window, not known                       late or out of order: new

A replay is rejected and kept as a dead letter; of a repeat, nothing is written. docs/decisions/0012 says why it is done
so. Only what Kafka has counts: what comes again because it was never acknowledged is not rejected for its own first
copy.
"""

import logging
import struct
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from connectors.compacted import Compacted
from connectors.decode.readings import Proof
from connectors.kafka import Outlet
from schemas.blocks import TelegramCounter
from schemas.codec import decode, encode
from schemas.errors import Reason, Rejected
from schemas.partition import partition_of
from schemas.topology import Kafka, Topic

log = logging.getLogger("connectors.counters")

WINDOW = 64
"""How far back a counter may be: as many telegrams as the shard knows again (streams.order.SEEN)."""

EXCHANGE_S = 1.0
_DIGEST_BYTES = 4


@dataclass(slots=True)
class _Known:
    """One key's highest counter, and the digests of its telegrams from there back to the end of the window."""

    highest: int = -1
    digests: "array[int]" = field(default_factory=lambda: array("I", [0]) * (WINDOW + 1))
    """Of counter n at n % (WINDOW + 1); 0 = not known."""

    def digest(self, counter: int) -> int:
        return self.digests[counter % len(self.digests)] if self._is_within(counter) else 0

    def add(self, counter: int, digest: int) -> bool:
        """Take what Kafka has; whether it is news."""
        for passed in range(max(self.highest, counter - len(self.digests)) + 1, counter + 1):
            self.digests[passed % len(self.digests)] = 0
        is_news = counter > self.highest or (self._is_within(counter) and self.digest(counter) != digest)
        self.highest = max(counter, self.highest)
        if is_news:
            self.digests[counter % len(self.digests)] = digest
        return is_news

    def told(self) -> bytes:
        """The digests as bridges tell them: the highest counter's first."""
        back = (self.digest(self.highest - n) for n in range(len(self.digests)))
        return b"".join(one.to_bytes(_DIGEST_BYTES, "big") for one in back).rstrip(b"\0")

    def _is_within(self, counter: int) -> bool:
        return max(0, self.highest - WINDOW) <= counter <= self.highest


class Counters:
    """What is known of each key, of what Kafka has."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], _Known] = {}
        self._changed: set[tuple[str, str]] = set()

    def check(self, proofs: Iterable[Proof]) -> frozenset[Proof]:
        """Those whose telegrams Kafka has already; raises Rejected for a replay."""
        return frozenset(proof for proof in proofs if self._is_repeat(proof))

    def _is_repeat(self, proof: Proof) -> bool:
        known = self._known.get((proof.holder, proof.key))
        if known is None:
            return False
        if proof.counter < known.highest - WINDOW:
            detail = f"counter {proof.counter} of {proof.holder}, which has been at {known.highest} with the same key"
            raise Rejected(Reason.REPLAYED, detail)
        digest = known.digest(proof.counter)
        if digest and digest != proof.digest:
            raise Rejected(Reason.REPLAYED, f"counter {proof.counter} of {proof.holder} was that of another telegram")
        return digest != 0

    def confirm(self, proofs: Iterable[Proof]) -> None:
        """Kafka has the telegrams of these."""
        for proof in proofs:
            key = (proof.holder, proof.key)
            if self._of(key).add(proof.counter, proof.digest):
                self._changed.add(key)

    def learn(self, told: TelegramCounter) -> None:
        """What a bridge has told, this one before it was started among them."""
        known = self._of((told.holder, told.key))
        for counter, digest in _telegrams(told):
            if not known.digest(counter):
                known.add(counter, digest)

    def changed(self) -> list[TelegramCounter]:
        """What is new here since the last call."""
        changed, self._changed = self._changed, set()
        known = ((holder, key, self._known[holder, key]) for holder, key in sorted(changed))
        return [TelegramCounter(holder, key, one.highest, one.told()) for holder, key, one in known]

    def _of(self, key: tuple[str, str]) -> _Known:
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Known()
        return known


def _telegrams(told: TelegramCounter) -> Iterator[tuple[int, int]]:
    """Counters and digests, the highest first, which may have no digest."""
    padding = bytes(-len(told.digests) % _DIGEST_BYTES)
    found = [digest for (digest,) in struct.iter_unpack(">I", told.digests + padding)] or [0]
    yield told.counter, found[0]
    for n, digest in enumerate(found[1 : WINDOW + 1], 1):
        if digest:
            yield told.counter - n, digest


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
        self.tell(outlet)
        while self._log.follow():
            pass

    def tell(self, outlet: Outlet) -> None:
        """Tell the other bridges, and those that start after this one, what Kafka has had since the last time."""
        for told in self.counters.changed():
            partition = partition_of(told.holder, self._topic.partitions)
            outlet.produce(self._topic.name, partition, encode(told), key=f"{told.holder}/{told.key}".encode())

    def close(self) -> None:
        """Hear no more."""
        self._log.close()

    def _learn(self, key: bytes, value: bytes | None) -> None:
        """One that cannot be read changes nothing: it would stop every bridge at every start."""
        try:
            told = decode(value) if value is not None else None
        except Rejected as rejected:
            log.error("%s: the record of %r is passed over: %s", self._topic.name, key, rejected)
            return
        if isinstance(told, TelegramCounter):
            self.counters.learn(told)
