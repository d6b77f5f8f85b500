"""What a telegram of a standard protocol says of itself, before a profile makes rows of it.

JSON by mapping is read for a profile that the address names (json_decoder.py). Standard protocols describe
themselves: who measured, what, in which unit. Their decoders give telegrams; telegram_rows.py takes from them what a
profile wants, timing.py says when that was.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import lru_cache
from typing import Protocol

from schemas.catalogue import OBIS_MEDIA, load_catalogue

TIME_AMBIGUOUS = "time_ambiguous"
"""The status of a telegram whose local time came twice, when summer time ended, and nothing says which one is meant."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One value of a telegram.

    `quantity` is the catalogue's name and `value` in its unit, or empty for what the catalogue does not have: then
    `description` and `unit` say in the standard's words what it is. `which` tells apart several values of one thing
    (storage number, tariff, phase, minimum of a period); it is empty for the present total value.
    """

    quantity: str
    value: float | str
    unit: str
    description: str = ""
    which: str = ""


def numbered(measured: Iterable[Measured]) -> tuple[Measured, ...]:
    """The same; of several values of one thing, the second and further ones have their number in `which`.

    >>> [one.which for one in numbered([Measured("voltage_v", 230.0, "V"), Measured("voltage_v", 0.0, "V")])]
    ['', 'value 2']
    """
    measured = tuple(measured)
    things = [(one.quantity or one.description, one.unit, one.which) for one in measured]
    if len(set(things)) == len(things):
        return measured
    seen: Counter[tuple[str, str, str]] = Counter()
    found = []
    for thing, one in zip(things, measured, strict=True):
        seen[thing] += 1
        count = f"value {seen[thing]}"
        found.append(one if seen[thing] == 1 else replace(one, which=f"{one.which}, {count}" if one.which else count))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Telegram:
    """One meter at one time. A payload may hold several."""

    meter: str
    """Identity as the protocol's standard writes it."""
    medium: str
    """One of the catalogue's media; the standard's word for what the catalogue does not have; empty where neither the
    telegram nor what it measures says."""
    at: int | None
    """The meter's own time, ms UTC; None where it states none, or one relative to the telegram's arrival."""
    sequence: int
    """The meter's own counter; -1 where it has none."""
    status: tuple[str, ...]
    """Conditions that the meter reports, in the standard's words, snake_case; empty = nothing special."""
    measured: tuple[Measured, ...]
    local_time: str = ""
    """The meter's own time, ISO 8601, where its standard states no offset from UTC."""
    device: str = ""
    """The kind of device, in the standard's words, snake_case; empty where the standard has none."""
    version: int = -1
    """The manufacturer's number of the device's generation; -1 where it states none."""
    security: str = ""
    """How it was protected, as the decoder proved with a key; empty = it could have been anyone's."""
    key_holder: str = ""
    """The identity for which `Keys` gave the key, where that is not `meter`: DLMS' system title."""
    proven_counter: int = -1
    """The counter that a MAC or tag covers, under the meter's key: it never goes back while the key is the same; -1
    where there is none. An access number is none: its eight bits come round after 256 telegrams."""
    proven_tag: str = ""
    """That MAC or tag in hexadecimal digits: of two telegrams with one counter, it is equal if their bytes are."""
    relative_ms: int | None = None
    """Without `at`: when it was measured, where that is told from the telegram's arrival on; before it = negative."""
    clock_step_ms: int | None = None
    """How finely its clock tells the time, where that is no finer than minutes."""

    @property
    def values(self) -> Mapping[str, float]:
        """The present value of each quantity that the catalogue has."""
        return {
            one.quantity: float(one.value)
            for one in self.measured
            if one.quantity and not one.which and not isinstance(one.value, str)
        }


Keys = Callable[[str], Iterable[bytes]]
"""A meter's identity to the keys that may decrypt its telegrams, the newest first; none = it has no key.

For DLMS the identity is the system title in upper-case hex, and a key the encryption key, or the encryption key with
the authentication key behind it; or they are two keys (dlms/security.py).
"""


def no_keys(meter: str) -> Iterable[bytes]:
    """No meter has a key."""
    return ()


Zones = Callable[[str], tzinfo | None]
"""A meter's identity, as its telegrams name it, to the time zone in which its clock runs; None = nobody knows."""


def no_zones(meter: str) -> tzinfo | None:
    """No meter's zone is known."""
    return None


class DecodeTelegrams(Protocol):
    """Payload to what it says; raises Rejected, and nothing else whatever the bytes.

    `zones` are asked for times that do not state their offset from UTC: without a zone such a telegram has
    `local_time` and no `at`.
    """

    def __call__(self, payload: bytes, keys: Keys, *, zones: Zones = no_zones) -> tuple[Telegram, ...]:
        """Read one payload."""


def medium_of(measured: Iterable[Measured]) -> str:
    """The medium of which the measured quantities are; empty where they are of none, or of several.

    >>> medium_of([Measured("water_volume_m3", 1.0, "m3")]), medium_of([Measured("", 1.0, "lx")])
    ('water', '')
    """
    media = {_media().get(one.quantity, "") for one in measured} - {""}
    return media.pop() if len(media) == 1 else ""


@lru_cache(maxsize=1)
def _media() -> Mapping[str, str]:
    """Quantity -> medium: by group A of its OBIS code or, without one, where only profiles of one medium report it."""
    reported: dict[str, set[str]] = {}
    for profile in load_catalogue().profiles.values():
        for name in profile.quantities:
            reported.setdefault(name, set()).add(profile.medium)
    media = {name: one for name, (one, *others) in reported.items() if not others}
    coded = {one.name: OBIS_MEDIA.get(int(one.obis[0]), "") for one in load_catalogue().quantities.values() if one.obis}
    return media | coded
