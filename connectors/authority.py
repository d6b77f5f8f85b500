"""Who may report for which meters: authenticated identities against a file of principals.

A CSV file in UTF-8, one line a permission; several lines of one identity add up:

    identity,meters
    concentrator-1,KAM12345678 KAM12345679
    ENN-0001,ENN-0001-*
    head-end,*
    *,{identity}

Meters are ids, or beginnings of ids with * behind them, separated by spaces. `{identity}` stands for the identity
itself. The identity * is everyone who is authenticated: here, a meter that reports for itself. Without a file that
line is the whole law.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors.decode.readings import MeterEvent
from connectors.table_file import Row, read_table
from schemas.errors import Reason, Rejected
from schemas.faults import Fault, Faults
from schemas.quality import Quality

EVERYONE = "*"
ITSELF = "{identity}"


@dataclass(frozen=True, slots=True)
class Grant:
    """Meters that somebody may report for: these, and all whose ids begin so.

    >>> grant = Grant.of("H7", ["{identity}-*", "KAM1"])
    >>> grant.covers("H7-plug-2"), grant.covers("KAM1"), grant.covers("KAM12")
    (True, True, False)
    """

    meters: frozenset[str]
    prefixes: tuple[str, ...]

    @classmethod
    def of(cls, identity: str, patterns: Sequence[str]) -> "Grant":
        """The patterns of a file, for that identity."""
        meters = (pattern.replace(ITSELF, identity) for pattern in patterns if not pattern.endswith("*"))
        prefixes = (pattern[:-1].replace(ITSELF, identity) for pattern in patterns if pattern.endswith("*"))
        return cls(frozenset(meters), tuple(prefixes))

    def covers(self, meter: str) -> bool:
        """Whether it may report for that meter."""
        return meter in self.meters or (bool(self.prefixes) and meter.startswith(self.prefixes))


@dataclass(frozen=True, slots=True)
class Principals:
    """Identity -> patterns of meters, as the file has them."""

    patterns: Mapping[str, tuple[str, ...]]

    def grant(self, identity: str) -> Grant:
        """What that identity may report for."""
        return Grant.of(identity, (*self.patterns.get(identity, ()), *self.patterns.get(EVERYONE, ())))


EACH_ITSELF = Principals({EVERYONE: (ITSELF,)})
_NOTHING = Grant(frozenset(), ())
_EVERYTHING = Grant(frozenset(), ("",))
_MOST_REMEMBERED = 100_000
_MOST_TOLD = 1_000

PUBLISH_REFUSED = "publish_refused"
"""The kind of event, of schemas/events.yaml, that a refusal is."""


class Authority:
    """Judges senders by the principals of the moment.

    With `anonymous` those whom the protocol did not authenticate may report for every meter.
    """

    def __init__(self, principals: Callable[[], Principals], anonymous: bool) -> None:
        self._principals = principals
        self._known = principals()
        self._grants: dict[str, Grant] = {}
        self._nobody = _EVERYTHING if anonymous else _NOTHING

    def grant(self, identity: str) -> Grant:
        """What the sender may report for; an empty identity is that of nobody."""
        if not identity:
            return self._nobody
        if self._principals() is not self._known or len(self._grants) >= _MOST_REMEMBERED:
            self._known = self._principals()
            self._grants.clear()
        grant = self._grants.get(identity)
        if grant is None:
            grant = self._grants[identity] = self._known.grant(identity)
        return grant


class Refused(Rejected):
    """The sender may not report for that meter; it is not told whether there is such a meter."""

    def __init__(self, identity: str, meter: str) -> None:
        who = f"{identity!r}" if identity else "a sender whom nothing authenticates"
        super().__init__(Reason.FORBIDDEN, f"{who} may not report for meter {meter!r}")
        self.identity = identity
        self.meter = meter


class Audit:
    """Refusals as events: the first of a sender for a meter in each minute. Every one of them has its dead letter."""

    def __init__(self) -> None:
        self._minute = 0
        self._told: set[tuple[str, str]] = set()

    def event(self, refused: Refused, now_ms: int) -> MeterEvent | None:
        """The event at `now_ms`; None where its like was told in this minute, or a thousand others were."""
        if now_ms // 60_000 != self._minute:
            self._minute = now_ms // 60_000
            self._told.clear()
        key = (refused.identity, refused.meter)
        if key in self._told or len(self._told) >= _MOST_TOLD:
            return None
        at = now_ms + sum(meter == refused.meter for _, meter in self._told)  # of one meter and time there is one event
        self._told.add(key)
        return MeterEvent(refused.meter, at, int(Quality.TIME_BY_BRIDGE), PUBLISH_REFUSED, refused.identity[:200])


def load_principals(path: Path) -> Principals:
    """Read and check the file.

    Raises:
        Faults: everything that is wrong with it.

    """
    rows = read_table(path, ("identity", "meters"))
    faults = [fault for row in rows for fault in _faults(row)]
    if faults:
        raise Faults(str(path), faults)
    patterns: dict[str, tuple[str, ...]] = {}
    for row in rows:
        identity, meters = row.values
        patterns[identity] = (*patterns.get(identity, ()), *meters.split())
    return Principals(patterns)


def _faults(row: Row) -> Iterator[Fault]:
    identity, meters = row.values
    if not identity:
        yield Fault(row.line, "the identity is empty", "name it, or write * for everyone who is authenticated")
    if not meters.split():
        yield Fault(
            row.line, f"{identity!r} has no meters", "list ids or beginnings such as home-7-*, or remove the line"
        )
    for pattern in meters.split():
        if "*" in pattern[:-1]:
            yield Fault(row.line, f"{pattern!r} has * before its end", "write the beginning of ids and * behind it")
