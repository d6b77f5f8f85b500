"""The rows of a profile that telegrams make, the events that their conditions are, and what their keys have proven."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from connectors.decode.conditions import events_of, is_told
from connectors.decode.obligation import check_protected
from connectors.decode.readings import Address, Decoded, MeterEvent, Proof, Reading
from connectors.decode.telegram import DecodeTelegrams, Keys, Telegram
from connectors.decode.timing import Clocks, RowTime, row_times
from connectors.decode.trust import checked_time, plausible, value_quality
from schemas.catalogue import Profile
from schemas.errors import Reason, Rejected

_Proven = tuple[str, int, str]
"""Whose key it was, the counter, and the MAC or tag."""


def reading(telegram: Telegram, time: RowTime, profile: Profile, proof: Proof | None = None) -> Reading:
    """The row that a profile makes of a telegram: quantities that it does not hold are NaN, others are left out.

    >>> from connectors.decode.telegram import Measured
    >>> from schemas.catalogue import load_catalogue
    >>> measured = (Measured("water_volume_m3", 12.5, "m3"), Measured("water_volume_m3", 11.0, "m3", which="storage 1"))
    >>> telegram = Telegram("KAM12345678", "water", None, 7, (), measured)
    >>> row = reading(telegram, *row_times([telegram], 1_795_507_200_000), load_catalogue().profiles["water"])
    >>> row.at, row.sequence, row.quality, row.values[0]
    (1795507200000, 7, 2, 12.5)
    """
    values = telegram.values
    row = tuple(values.get(name, math.nan) for name in profile.quantities)
    quality = time.quality | value_quality(plausible(profile.quantities), row)
    return Reading(telegram.meter, time.at, time.sequence, quality, row, proof)


def decode_rows(
    payload: bytes,
    address: Address,
    received_at: int,
    decode: DecodeTelegrams,
    keys: Keys,
    clocks: Clocks,
    profile: Profile,
) -> Decoded:
    """The rows of a profile that a payload's telegrams make, and the events that their conditions are.

    The address says whose a telegram is that does not name its meter. Telegrams that have nothing for the profile are
    passed over, and so is one that comes again within the payload.

    Raises:
        Rejected: what the decoder finds; `Reason.KEY`, for a meter that has keys and did not use them; `Reason.TIME`,
            for a time at which no meter can have measured; `Reason.FIELD` where nothing of the payload is for the
            profile.

    """
    decoded = decode(payload, keys, zones=lambda meter: clocks(meter or address.meter).zone)
    proofs = dict(_proofs(payload, decoded, decode, keys))
    said = []
    for telegram in _once([one if one.meter else replace(one, meter=address.meter) for one in decoded]):
        is_for_profile = not telegram.values.keys().isdisjoint(profile.quantities)
        if is_for_profile or any(map(is_told, telegram.status)):
            check_protected(telegram, keys)
            said.append((telegram, is_for_profile))
    if not said:
        raise Rejected(Reason.FIELD, f"none of the quantities of {profile.name} is there")
    readings: list[Reading] = []
    events: list[MeterEvent] = []
    times = row_times([telegram for telegram, _ in said], received_at, clocks)
    for (telegram, is_for_profile), time in zip(said, times, strict=True):
        checked_time(time.at, f"{time.at} ms")
        proof = proofs.get(_proven(telegram))
        if is_for_profile:
            readings.append(reading(telegram, time, profile, proof))
        events += events_of(telegram.meter, telegram.status, time, proof)
    return Decoded(tuple(_joined(readings)), tuple(events), tuple(proofs.values()))


def _joined(readings: Sequence[Reading]) -> Iterable[Reading]:
    """The readings; those of one meter and time that measure different quantities as one, where all prove the same."""
    if len({one.at for one in readings}) == len(readings):
        return readings
    joined: dict[tuple[str, int, Proof | None], Reading] = {}
    others = []
    for one in readings:
        key = one.meter, one.at, one.proof
        before = joined.setdefault(key, one)
        if before is one:
            continue
        values = _together(before.values, one.values)
        if values is None:
            others.append(one)
        else:
            joined[key] = replace(before, quality=before.quality | one.quality, values=values)
    return [*joined.values(), *others]


def _together(values: Sequence[float], others: Sequence[float]) -> tuple[float, ...] | None:
    """What both rows measured; None where they measured the same quantity."""
    pairs = list(zip(values, others, strict=True))
    if any(not math.isnan(one) and not math.isnan(other) for one, other in pairs):
        return None
    return tuple(other if math.isnan(one) else one for one, other in pairs)


def _once(telegrams: Sequence[Telegram]) -> Iterator[Telegram]:
    """Without those that are, counter and all, one before them. What has a time of its own is known again by that."""
    seen: set[Telegram] = set()
    for telegram in telegrams:
        if telegram.at is None and telegram.sequence >= 0 and len(telegrams) > 1:
            if telegram in seen:
                continue
            seen.add(telegram)
        yield telegram


def _proofs(
    payload: bytes, telegrams: Iterable[Telegram], decode: DecodeTelegrams, keys: Keys
) -> Iterator[tuple[_Proven, Proof]]:
    """What each key has proven."""
    for proven in sorted({_proven(one) for one in telegrams if one.proven_counter >= 0}):
        holder, counter, tag = proven
        key = hashlib.sha256(_proving_key(payload, holder, decode, keys)).hexdigest()[:8]
        digest = int.from_bytes(hashlib.sha256(bytes.fromhex(tag)).digest()[:4], "big")
        yield proven, Proof(holder, key, counter, digest or 1)


def _proven(telegram: Telegram) -> _Proven:
    return telegram.key_holder or telegram.meter, telegram.proven_counter, telegram.proven_tag


def _proving_key(payload: bytes, holder: str, decode: DecodeTelegrams, keys: Keys) -> bytes:
    """The one of the holder's keys that fits alone; where none does, all of them are the key."""
    known = list(keys(holder))
    for key in known if len(known) > 1 else ():
        with suppress(Rejected):
            decode(payload, lambda of, key=key: (key,) if of == holder else keys(of))  # type: ignore[misc]
            return key
    return b"".join(known)
