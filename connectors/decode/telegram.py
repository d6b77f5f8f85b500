"""What a telegram of a standard protocol says of itself, before a profile makes rows of it.

JSON by mapping is read for a profile that the address names (json_decoder.py). Standard protocols describe
themselves: who measured, what, in which unit. Their decoders give telegrams; `reading` takes from one what a profile
wants.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import lru_cache
from typing import Protocol

from connectors.decode.readings import Address, Decoded, MeterEvent, Proof, Reading
from connectors.decode.trust import checked_time, plausible, time_quality, value_quality
from schemas.catalogue import OBIS_MEDIA, Profile, load_catalogue
from schemas.errors import Reason, Rejected
from schemas.events import load_events
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
    relative_ms: int | None = None
    """Without `at`: when it was measured, where that is told from the telegram's arrival on; before it = negative."""

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


class DecodeTelegrams(Protocol):
    """Payload to what it says; raises Rejected, and nothing else whatever the bytes.

    `zone` is where the meter's clock runs, for times that do not state their offset from UTC: without it such a
    telegram has `local_time` and no `at`.
    """

    def __call__(self, payload: bytes, keys: Keys, *, zone: tzinfo | None = None) -> tuple[Telegram, ...]:
        """Read one payload."""


def reading(telegram: Telegram, profile: Profile, received_at: int) -> Reading:
    """The row that a profile makes of a telegram: quantities that it does not hold are NaN, others are left out.

    Raises:
        Rejected: `Reason.TIME`, for a time at which no meter can have measured.

    >>> from schemas.catalogue import load_catalogue
    >>> measured = (Measured("water_volume_m3", 12.5, "m3"), Measured("water_volume_m3", 11.0, "m3", which="storage 1"))
    >>> water = load_catalogue().profiles["water"]
    >>> row = reading(Telegram("KAM12345678", "water", None, 7, (), measured), water, 1_795_507_200_000)
    >>> row.at, row.sequence, Quality(row.quality).name, row.values[0]
    (1795507200000, 7, 'TIME_BY_BRIDGE', 12.5)
    """
    values = telegram.values
    row = tuple(values.get(name, math.nan) for name in profile.quantities)
    at, quality = timed(telegram, received_at)
    return Reading(
        telegram.meter, at, telegram.sequence, quality | value_quality(plausible(profile.quantities), row), row
    )


def decode_rows(
    payload: bytes, address: Address, received_at: int, decode: DecodeTelegrams, keys: Keys, profile: Profile
) -> Decoded:
    """The rows of a profile that a payload's telegrams make, and the events that their conditions are.

    The address says whose a telegram is that does not name its meter. Telegrams that have nothing for the profile are
    passed over.

    Raises:
        Rejected: what the decoder finds; time; `Reason.FIELD` where nothing of the payload is for the profile.

    """
    readings: list[Reading] = []
    events: list[MeterEvent] = []
    telegrams = decode(payload, keys)
    proofs = tuple(_proofs(payload, telegrams, decode, keys))
    for telegram in telegrams:
        if not telegram.meter:
            telegram = replace(telegram, meter=address.meter)
        if not telegram.values.keys().isdisjoint(profile.quantities):
            readings.append(reading(telegram, profile, received_at))
        kinds = [condition for condition in telegram.status if condition in load_events()]
        at, quality = timed(telegram, received_at) if kinds else (0, 0)
        events += [MeterEvent(telegram.meter, at, quality, kind, "") for kind in kinds]
    if not readings and not events:
        raise Rejected(Reason.FIELD, f"none of the quantities of {profile.name} is there")
    return Decoded(tuple(readings), tuple(events), proofs)


def _proofs(payload: bytes, telegrams: Iterable[Telegram], decode: DecodeTelegrams, keys: Keys) -> Iterator[Proof]:
    """What each key has proven."""
    proven = {(one.key_holder or one.meter, one.proven_counter) for one in telegrams if one.proven_counter >= 0}
    for holder, counter in sorted(proven):
        yield Proof(holder, hashlib.sha256(_proving_key(payload, holder, decode, keys)).hexdigest()[:8], counter)


def _proving_key(payload: bytes, holder: str, decode: DecodeTelegrams, keys: Keys) -> bytes:
    """The one of the holder's keys that fits alone; where none does, all of them are the key."""
    known = list(keys(holder))
    for key in known if len(known) > 1 else ():
        with suppress(Rejected):
            decode(payload, lambda of, key=key: (key,) if of == holder else keys(of))  # type: ignore[misc]
            return key
    return b"".join(known)


def timed(telegram: Telegram, received_at: int) -> tuple[int, int]:
    """Event time, ms UTC, and the Quality bits of what it is worth.

    Raises:
        Rejected: `Reason.TIME`, for a time at which no meter can have measured.

    """
    at, quality = stated_time(telegram, received_at)
    return checked_time(at, f"{at} ms"), quality


def stated_time(telegram: Telegram, received_at: int) -> tuple[int, int]:
    """The same, however absurd the time that the meter states."""
    if telegram.at is not None:
        return telegram.at, time_quality(telegram.at, received_at)
    at = received_at + (telegram.relative_ms or 0)
    return at, int(Quality.TIME_BY_BRIDGE) | time_quality(at, received_at)


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
