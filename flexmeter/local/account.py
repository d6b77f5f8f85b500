"""What a run sent against what arrived: the summary and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from flexmeter.local.page_query import Row, query


@dataclass(frozen=True, slots=True)
class Sent:
    """What the fleet says it sent and was acknowledged: each reading once, and besides these repeats and garbage; and
    how many messages were refused, or not answered yet."""

    readings: int = 0
    duplicates: int = 0
    garbage: int = 0
    events: int = 0
    meters: int = 0
    refused: int = 0
    under_way: int = 0


@dataclass(frozen=True, slots=True)
class Arrived:
    """What is in ClickHouse since the run began: each reading once, and payloads set aside."""

    readings: int = 0
    dead_letters: int = 0
    events: int = 0


def sent(path: Path) -> Sent:
    """Read the fleet's account; zeros while there is none."""
    try:
        said = orjson.loads(path.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return Sent()
    keys = ("sent", "duplicates", "garbage", "events", "meters", "refused", "under_way")
    return Sent(*(int(said.get(key, 0)) for key in keys))


def arrived(page_port: int, since_ms: int) -> Arrived:
    """Count what came in since then.

    Raises:
        Unavailable: ClickHouse does not answer.
    """
    since = {"since": str(since_ms)}
    count = "SELECT count() AS n FROM flexmeter.{} WHERE inserted_at >= fromUnixTimestamp64Milli({{since:Int64}})"
    rows = [query(page_port, count.format(view), since) for view in ("readings", "dead_letters", "events")]
    return Arrived(*(int(row["n"]) for (row,) in rows))


def kinds(page_port: int, since_ms: int) -> list[Row]:
    """What came in since then by source and profile: meters and readings, each reading once.

    Raises:
        Unavailable: ClickHouse does not answer.
    """
    count = """\
SELECT source, profile, uniqExact(meter) AS meters, count() AS readings FROM flexmeter.readings
WHERE inserted_at >= fromUnixTimestamp64Milli({since:Int64}) GROUP BY source, profile ORDER BY source, profile"""
    return query(page_port, count, {"since": str(since_ms)})


def missing(sent: Sent, arrived: Arrived) -> dict[str, int]:
    """How much of what was sent has not arrived, by kind.

    >>> missing(Sent(readings=10, garbage=1, events=2), Arrived(10, 0, 2))
    {'garbage payloads': 1}
    """
    left = {
        "readings": sent.readings - arrived.readings,
        "garbage payloads": sent.garbage - arrived.dead_letters,
        "events": sent.events - arrived.events,
    }
    return {kind: number for kind, number in left.items() if number > 0}


def not_taken(sent: Sent) -> dict[str, int]:
    """How many messages no bridge or broker has taken, by what became of them.

    >>> not_taken(Sent(readings=10, refused=3))
    {'refused': 3}
    """
    return {kind: number for kind, number in (("refused", sent.refused), ("never answered", sent.under_way)) if number}


def verdict(missing: dict[str, int], not_taken: dict[str, int], behind: dict[str, int]) -> str:
    """The last line: what was lost or not taken, or which stage has not done its work (records to go by stage).

    >>> verdict({"readings": 2}, {}, {}), verdict({}, {"refused": 3}, {}), verdict({}, {}, {"worker-grid": 7})
    ('LOST: 2 readings', 'NOT TAKEN: 3 messages refused', 'NOT DONE: worker-grid has 7 records to go')
    >>> verdict({}, {}, {})
    'nothing lost'
    """
    if missing:
        return "LOST: " + ", ".join(f"{number:,} {kind}" for kind, number in missing.items())
    if not_taken:
        return "NOT TAKEN: " + ", ".join(f"{number:,} messages {kind}" for kind, number in not_taken.items())
    if behind:
        return "NOT DONE: " + ", ".join(f"{stage} has {number:,} records to go" for stage, number in behind.items())
    return "nothing lost"


def summary(sent: Sent, arrived: Arrived, kinds: Sequence[Row] = ()) -> list[str]:
    """The account in words, and what arrived by source and profile.

    >>> for line in summary(Sent(10, 2, 1, 0, 5), Arrived(9, 1, 0)): print(line)
    sent               10 readings of 5 meters, 2 repeats, 1 garbage payloads, 0 events
    ClickHouse          9 readings, each once; 1 dead letters, 0 events
    """
    return [
        f"sent        {sent.readings:>9,} readings of {sent.meters:,} meters, {sent.duplicates:,} repeats, "
        f"{sent.garbage:,} garbage payloads, {sent.events:,} events",
        f"ClickHouse  {arrived.readings:>9,} readings, each once; "
        f"{arrived.dead_letters:,} dead letters, {arrived.events:,} events",
        *(
            f"  {kind['source']:<12}{int(kind['readings']):>9,} readings of {int(kind['meters']):,} {kind['profile']}"
            for kind in kinds
        ),
    ]
