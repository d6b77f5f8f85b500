"""What a run sent against what arrived: the summary, and whether anything was lost."""

from dataclasses import dataclass
from pathlib import Path

import orjson

from flexmeter.local.page_query import query


@dataclass(frozen=True, slots=True)
class Sent:
    """What the fleet says it sent: each reading once, and besides these repeats and garbage."""

    readings: int = 0
    duplicates: int = 0
    garbage: int = 0
    meters: int = 0


@dataclass(frozen=True, slots=True)
class Arrived:
    """What is in ClickHouse since the run began: each reading once, and payloads set aside."""

    readings: int = 0
    dead_letters: int = 0


def sent(path: Path) -> Sent:
    """Read the fleet's account; zeros while there is none."""
    try:
        said = orjson.loads(path.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return Sent()
    return Sent(*(int(said.get(key, 0)) for key in ("sent", "duplicates", "garbage", "meters")))


def arrived(page_port: int, since_ms: int) -> Arrived:
    """Count what came in since then.

    Raises:
        Unavailable: ClickHouse does not answer.
    """
    since = {"since": str(since_ms)}
    count = "SELECT count() AS n FROM flexmeter.{} WHERE inserted_at >= fromUnixTimestamp64Milli({{since:Int64}})"
    (readings,) = query(page_port, count.format("readings"), since)
    (dead,) = query(page_port, count.format("dead_letters"), since)
    return Arrived(int(readings["n"]), int(dead["n"]))


def all_there(sent: Sent, arrived: Arrived) -> bool:
    """Whether everything that was sent has arrived.

    >>> all_there(Sent(readings=10, garbage=1), Arrived(10, 1)), all_there(Sent(readings=10, garbage=1), Arrived(10, 0))
    (True, False)
    """
    return arrived.readings >= sent.readings and arrived.dead_letters >= sent.garbage


def summary(sent: Sent, arrived: Arrived) -> list[str]:
    """The account in words, the verdict last.

    >>> summary(Sent(10, 2, 1, 5), Arrived(9, 1))[-1]
    'LOST: 1 readings, 0 payloads'
    """
    lost = max(0, sent.readings - arrived.readings), max(0, sent.garbage - arrived.dead_letters)
    return [
        f"sent        {sent.readings:>9,} readings of {sent.meters} meters, {sent.duplicates:,} repeats, "
        f"{sent.garbage:,} garbage payloads",
        f"ClickHouse  {arrived.readings:>9,} readings, each once; {arrived.dead_letters:,} dead letters",
        f"LOST: {lost[0]} readings, {lost[1]} payloads" if any(lost) else "nothing lost",
    ]
