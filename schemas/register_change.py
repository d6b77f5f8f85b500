"""What sets two registers apart."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from schemas.master_data import Device

_COLUMN_OF = {"interval_ms": "interval_s", "nilm_consent_at": "nilm_consent"}
"""Field of a Device -> column of the file, where they differ."""

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Change:
    """What has to happen to the one so that it is the other; meters in the order of their register."""

    added: Mapping[str, Device]
    changed: Mapping[str, tuple[str, ...]]
    """Which columns."""
    missing: tuple[str, ...]

    def to_do(self, removes: bool) -> int:
        """How many meters it is about."""
        return len(self.added) + len(self.changed) + removes * len(self.missing)

    def lines(self, removes: bool) -> Iterator[str]:
        """For a person: how many, and the first few of each.

        >>> from dataclasses import replace
        >>> one = Device("m1", "water", "s1", None, None, None, None, 900_000)
        >>> change = change_of({"m1": one, "m2": one}, {"m1": replace(one, substation="s2", interval_ms=1), "m3": one})
        >>> print(*change.lines(removes=False), sep="\\n")
        added    1: m3
        changed  1: m1 (substation, interval_s)
        missing  1: m2; they stay: --remove removes them
        """
        yield _line("added", list(self.added))
        yield _line("changed", [f"{meter} ({', '.join(columns)})" for meter, columns in self.changed.items()])
        if removes:
            yield _line("removed", list(self.missing))
        else:
            yield _line("missing", list(self.missing)) + ("; they stay: --remove removes them" if self.missing else "")


def change_of(standing: Mapping[str, Device], wanted: Mapping[str, Device]) -> Change:
    """From what stands to what is wanted."""
    return Change(
        added={meter: device for meter, device in wanted.items() if meter not in standing},
        changed={
            meter: tuple(_columns(standing[meter], device))
            for meter, device in wanted.items()
            if meter in standing and standing[meter] != device
        },
        missing=tuple(meter for meter in standing if meter not in wanted),
    )


def _columns(one: Device, other: Device) -> Iterator[str]:
    for field in fields(Device):
        if getattr(one, field.name) != getattr(other, field.name):
            yield _COLUMN_OF.get(field.name, field.name)


def _line(what: str, meters: list[str]) -> str:
    first = ", ".join(meters[:SHOWN])
    more = " ..." if len(meters) > SHOWN else ""
    return f"{what:7}  {len(meters):,}{': ' if meters else ''}{first}{more}"
