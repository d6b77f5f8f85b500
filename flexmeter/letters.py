"""Dead letters on Kafka: read, chosen, and put in words."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from heapq import nlargest

import click
import orjson

from flexmeter.facts import clock, concerns, one_line
from flexmeter.listen import Listener
from schemas.blocks import DeadLetter
from schemas.durations import duration_ms
from schemas.topology import Topic, Topology


class Since(click.ParamType):
    """A moment, ISO 8601 (UTC unless it says otherwise), or how long ago it was, such as 2h; in ms UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The moment of that text."""
        if ago := duration_ms(str(value)):
            return time.time_ns() // 1_000_000 - ago
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is neither a time such as 2026-11-24T08:00 nor a duration such as 90m, 4h or 2d")
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)


@dataclass(frozen=True, slots=True)
class Kept:
    """A dead letter and where it stands on Kafka."""

    topic: str
    partition: int
    offset: int
    letter: DeadLetter

    @property
    def place(self) -> str:
        """The place in one word: topic/partition/offset."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    def line(self, obstacle: str) -> str:
        """One line for people; `obstacle` is why it cannot be re-driven.

        >>> letter = DeadLetter("mqtt_malmo", "malmo/water/m2/reading", 0, "unit", "in 'kg'", b"{}", 2, "ab")
        >>> print(Kept("dead.letters", 3, 17, letter).line(""))
        1970-01-01 00:00:00.000Z  dead.letters/3/17  mqtt_malmo  unit: in 'kg' (2 bytes from malmo/water/m2/reading)
        """
        letter = self.letter
        said = f"{letter.reason}: {letter.detail} ({letter.payload_length} bytes from {letter.address})"
        words = [clock(letter.received_at), self.place, letter.source, one_line(said)]
        return "  ".join([*words, f"[cannot be re-driven: {obstacle}]"] if obstacle else words)

    def json(self, obstacle: str) -> str:
        """One line of JSON, without the payload."""
        letter = self.letter
        names = ("received_at", "source", "reason", "detail", "address", "identity", "decoder", "payload_length",
                 "payload_sha256")  # fmt: skip
        content = {"place": self.place, **{name: getattr(letter, name) for name in names}}
        return orjson.dumps({**content, "can_be_redriven": not obstacle}).decode()


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters are wanted; an empty tuple or text, and 0, = any."""

    reasons: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    meter: str = ""
    address: str = ""
    since: int = 0
    last: int = 0

    def wants(self, letter: DeadLetter) -> bool:
        """Whether it is one of them, but for `last`."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (not self.sources or letter.source in self.sources)
            and (not self.meter or concerns(self.meter, letter))
            and (not self.address or fnmatchcase(letter.address, self.address))
            and letter.received_at >= self.since
        )

    def of(self, letters: Iterable[Kept]) -> list[Kept]:
        """Those of the letters, the newest last."""
        wanted = (kept for kept in letters if self.wants(kept.letter))
        return sorted(nlargest(self.last, wanted, key=_age) if self.last else wanted, key=_age)


def _age(kept: Kept) -> tuple[int, str, int, int]:
    return kept.letter.received_at, kept.topic, kept.partition, kept.offset


def letters(topology: Topology, topics: Iterable[Topic] = (), partitions: Iterable[int] = ()) -> Iterator[Kept]:
    """What there is on the topics of dead letters, or on some of them, or of their partitions.

    Raises:
        Unavailable: Kafka does not answer, or a topic is not there.

    """
    some = list(topics) or [topic for topic in topology.topics.values() if "DeadLetter" in topic.records]
    places = [(topic, number) for topic in some for number in list(partitions) or range(topic.partitions)]
    with Listener(topology, places, from_start=True) as listener:
        for heard in listener.to_the_end():
            if isinstance(heard.record, DeadLetter):
                yield Kept(heard.topic, heard.partition, heard.offset, heard.record)
