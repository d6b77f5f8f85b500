"""What a telegram of a standard protocol says of itself, before a profile makes rows of it.

JSON by mapping is read for a profile that the address names (json_decoder.py). Standard protocols describe
themselves: who measured, what, in which unit. Their decoders give telegrams; `reading` takes from one what a profile
wants.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from connectors.decode.readings import Reading
from schemas.catalogue import Profile
from schemas.quality import Quality


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


@dataclass(frozen=True, slots=True)
class Telegram:
    """One meter at one time. A payload may hold several."""

    meter: str
    """Identity as the protocol's standard writes it."""
    medium: str
    """One of the catalogue's media; the standard's word for what the catalogue does not have; empty where neither the
    telegram nor what it measures says."""
    at: int | None
    """The meter's own time, ms UTC; None where it states none."""
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

DecodeTelegrams = Callable[[bytes, Keys], tuple[Telegram, ...]]
"""Payload to what it says; raises Rejected, and nothing else whatever the bytes."""


def reading(telegram: Telegram, profile: Profile, received_at: int) -> Reading:
    """The row that a profile makes of a telegram: quantities that it does not hold are NaN, others are left out.

    >>> from schemas.catalogue import load_catalogue
    >>> measured = (Measured("water_volume_m3", 12.5, "m3"), Measured("water_volume_m3", 11.0, "m3", which="storage 1"))
    >>> water = load_catalogue().profiles["water"]
    >>> row = reading(Telegram("KAM12345678", "water", None, 7, (), measured), water, 1_795_507_200_000)
    >>> row.at, row.sequence, Quality(row.quality).name, row.values[0]
    (1795507200000, 7, 'TIME_BY_BRIDGE', 12.5)
    """
    values = telegram.values
    at, quality = (received_at, Quality.TIME_BY_BRIDGE) if telegram.at is None else (telegram.at, Quality(0))
    row = tuple(values.get(name, math.nan) for name in profile.quantities)
    return Reading(telegram.meter, at, telegram.sequence, int(quality), row)
