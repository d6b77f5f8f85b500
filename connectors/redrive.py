"""Dead letters through their bridge's decoding and intake once more, as if its clock stood where it stood then.

What they say goes to the bridge's topics as the bridge would have sent it, with the time at which it first came: a
payload that is re-driven twice is the same readings twice. It has at most one dead letter for each reason, however
often it is rejected again.

Who may report and which keys open is judged as of now. So are counters (counters.py), with one exception: a telegram
that states its own time, and was not rejected as a replay, is no replay for coming late. What Kafka has already is not
written again.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from connectors.counters import Counters, CounterTopic
from connectors.decode.readings import Proof
from connectors.intake import Intake, Taken
from connectors.kafka import Outlet
from connectors.options import bridge_fault
from connectors.packing import Packed, Packer
from connectors.source import Delivery
from connectors.standing import Standing
from connectors.topic_template import TopicTemplate, address_of, templates_of
from schemas.blocks import DeadLetter, ReadingBlock
from schemas.catalogue import load_catalogue
from schemas.codec import encode
from schemas.errors import Reason, Rejected
from schemas.partition import partition_of
from schemas.quality import Quality
from schemas.topology import Bridge, Topology

PayloadKey = tuple[str, str, int, str]
"""What makes dead letters those of one payload: source, address, arrival and digest."""

Produce = Callable[[str, int, bytes], None]
"""Topic, partition, record."""


def key_of(letter: DeadLetter) -> PayloadKey:
    """Of which payload the letter is."""
    return letter.source, letter.address, letter.received_at, letter.payload_sha256


def obstacle(letter: DeadLetter, bridges: Collection[str]) -> str:
    """Why the letter cannot be re-driven at all; empty = it can be.

    >>> letter = DeadLetter("clickhouse", "alerts/0/7", 0, "insert", "", b"", 0, "e3")
    >>> obstacle(letter, ["mqtt_malmo"]), obstacle(letter, ["clickhouse"])
    ('no bridge of topology.yaml', '')
    """
    if letter.source not in bridges:
        return "no bridge of topology.yaml"
    return "" if letter.payload_length == len(letter.payload) else "not kept whole"


@dataclass(slots=True)
class Outcome:
    """What became of payloads: how many were taken, with how many rows, how many rejected, by reason.

    `anew` counts the dead letters that are new: of reasons for which their payloads had none.
    """

    taken: int = 0
    readings: int = 0
    events: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    anew: Counter[str] = field(default_factory=Counter)


class Redrive:
    """Takes the letters of one bridge, in the order of their arrival, and gives `produce` what comes of them.

    Raises:
        Faults: the bridge's own addresses are faulty.

    """

    def __init__(
        self, bridge: Bridge, topology: Topology, intake: Intake, counters: Counters, produce: Produce
    ) -> None:
        self.outcome = Outcome()
        self._bridge = bridge
        self._dead_letters = topology.topics[bridge.dead_letters]
        try:
            self._templates = templates_of(bridge)
        except ValueError as error:
            raise bridge_fault(bridge, error, "mend what the bridge itself does not start with") from error
        self._intake = intake
        self._counters = counters
        self._standing = Standing()
        self._produce = produce
        columns = {profile.name: list(profile.quantities) for profile in load_catalogue().profiles.values()}
        self._packer: Packer[None] = Packer(bridge.name, bridge.linger_ms, columns)

    def take(self, letter: DeadLetter, reasons: Collection[str]) -> None:
        """Take one payload, which has dead letters for these reasons. What is due by its arrival goes out."""
        self._send(self._packer.take_due(letter.received_at))
        try:
            taken = again(letter, self._templates, self._intake, self._counters, self._standing)
        except Rejected as rejected:
            self._reject(letter, rejected, reasons)
            return
        if taken.left_out is not None:
            self._reject(letter, taken.left_out, reasons)
        self.outcome.taken += 1
        self.outcome.readings += len(taken.readings)
        self.outcome.events += len(taken.events)
        for place, reading in taken.readings:
            self._packer.add_reading(place.readings_partition, place.device, reading, letter.received_at, None)
        for place, event in taken.events:
            self._packer.add_event(place.events_partition, place.device, event, letter.received_at, None)

    def finish(self) -> None:
        """Give out what still waits for company."""
        self._send(self._packer.take_all())

    def _reject(self, letter: DeadLetter, rejected: Rejected, reasons: Collection[str]) -> None:
        reason = rejected.reason.value
        self.outcome.rejected[reason] += 1
        if reason in reasons:
            return
        self.outcome.anew[reason] += 1
        anew = replace(letter, reason=reason, detail=rejected.detail[:1_000])
        partition = partition_of(self._bridge.name, self._dead_letters.partitions)
        self._produce(self._dead_letters.name, partition, encode(anew))

    def _send(self, blocks: Iterable[Packed[None]]) -> None:
        for packed in blocks:
            topic = self._bridge.readings if isinstance(packed.block, ReadingBlock) else self._bridge.events
            self._produce(topic, packed.partition, encode(packed.block))


def again(
    letter: DeadLetter, templates: Sequence[TopicTemplate], intake: Intake, counters: Counters, standing: Standing
) -> Taken:
    """What the letter's payload says to the bridge of now, without what Kafka has already.

    Raises:
        Rejected: as Intake.take; replayed, as above.

    """
    address = address_of(letter.address, templates)
    identity = letter.identity or address.identity
    taken = intake.take(Delivery(letter.payload, address, identity, letter.decoder), letter.received_at)
    repeats = _repeats(taken, counters, letter.reason != Reason.REPLAYED)
    counters.confirm(taken.proofs)
    readings = [(place, reading) for place, reading in taken.readings if reading.proof not in repeats]
    events = [(place, event) for place, event in taken.events if event.proof not in repeats]
    return Taken(
        readings,
        [(place, event) for place, event in events if standing.is_news(event, letter.received_at)],
        taken.proofs,
        taken.left_out,
    )


def _repeats(taken: Taken, counters: Counters, may_come_late: bool) -> frozenset[Proof]:
    qualities = [*(reading.quality for _, reading in taken.readings), *(event.quality for _, event in taken.events)]
    try:
        return counters.check(taken.proofs)
    except Rejected:
        if may_come_late and not any(quality & Quality.TIME_BY_BRIDGE for quality in qualities):
            return frozenset()
        raise


def deliver(outlet: Outlet, shared: CounterTopic | None, within_s: float) -> bool:
    """Wait until Kafka has all of it, then tell the bridges the counters; False where the time ran out before."""
    if not outlet.close(within_s):
        return False
    if shared is not None:
        shared.exchange(outlet, time.monotonic())
    return outlet.close(within_s)
