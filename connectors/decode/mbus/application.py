"""From a link layer's data to telegrams: the layers between them, one after another.

A telegram's `sequence` is the message counter where there is one (mode 7), else the access number. That has eight bits
and comes round after 256 telegrams: it tells neighbours apart, and is no protection against replay.
"""

from datetime import tzinfo
from typing import NamedTuple

from connectors.decode.local_time import utc_ms
from connectors.decode.mbus.authentication import CI_AFL, Authentication, read_authentication
from connectors.decode.mbus.compact import KNOWN_FORMATS, format_of, full_frame
from connectors.decode.mbus.dates import InvalidPoint, Point, point_in_time
from connectors.decode.mbus.extended_link import CI_ELL, ExtendedLink, read_extended_link
from connectors.decode.mbus.fixed_data import read_fixed_data
from connectors.decode.mbus.identity import Address
from connectors.decode.mbus.records import read_records
from connectors.decode.mbus.security import unprotected
from connectors.decode.mbus.status import status_names
from connectors.decode.mbus.transport import FRAMES, OTHER_MESSAGES, SECURITY_MODES, Frame, Header, read_header
from connectors.decode.mbus.wired_link import WiredFrame, wired_frames
from connectors.decode.mbus.wireless_link import Framing, wireless_frames
from connectors.decode.telegram import Keys, Telegram, Zones, no_zones
from schemas.errors import Reason, Rejected

LARGEST_PAYLOAD_BYTES = 16_384
"""Some sixty of the longest frames: more is no reading of a meter."""

_CI_FIXED_DATA = 0x73
_MORE_FOLLOW = "more_records_follow"


class _Opened(NamedTuple):
    """A message without its layers: what they say, and the data of its application, in the clear."""

    meter: Address
    status: int
    sequence: int
    proven_counter: int
    proven_tag: str
    security: str
    frame: Frame
    data: bytes


def decode_mbus(payload: bytes, keys: Keys, *, zones: Zones = no_zones) -> tuple[Telegram, ...]:
    """Decode frames of wired M-Bus (EN 13757-2 and -3), one telegram each.

    A meter's clock states no offset from UTC: `at` is set only where `zones` says in which time zone it runs, while
    `local_time` always says what the meter wrote.

    Raises:
        Rejected: `EMPTY`, `TOO_LARGE`, `MALFORMED`, `CHECKSUM`; `UNSUPPORTED`, with what it is, for everything that is
            no reading; `KEY` if the meter has no key; `DECRYPT` if none of its keys fits; `FIELD` if the telegram does
            not say which meter it is of.

    >>> frame = bytes.fromhex("68151568080172785634122D2C1904070000000C06070000002516")
    >>> (telegram,) = decode_mbus(frame, lambda meter: ())
    >>> telegram.meter, telegram.medium, dict(telegram.values)
    ('KAM12345678', 'heat', {'heat_energy_wh': 7000.0})
    """
    return tuple(_wired(frame, keys, zones) for frame in wired_frames(_not_too_large(payload)))


def decode_wmbus(
    payload: bytes,
    keys: Keys,
    framing: Framing = Framing.ANY,
    *,
    zones: Zones = no_zones,
) -> tuple[Telegram, ...]:
    """Decode frames of wireless M-Bus (EN 13757-4, OMS volume 2), one telegram each.

    `framing` says how the receiver hands frames on (wireless_link.py). A compact frame is decoded if its format is
    among `KNOWN_FORMATS`, or a full frame before it in the same payload has shown it. `zones` and what is raised are as
    for `decode_mbus`.
    """
    frames = wireless_frames(_not_too_large(payload), framing)
    shown: dict[int, bytes] = {}
    telegrams = []
    for frame in frames:
        opened = _opened(frame.data, frame.sender, keys)
        data = full_frame(opened.data, shown, KNOWN_FORMATS) if opened.frame is Frame.COMPACT else opened.data
        telegrams.append(_telegram(opened, data, zones))
        if len(frames) > 1:
            shown.update(format_of(data))
    return tuple(telegrams)


def _not_too_large(payload: bytes) -> bytes:
    if len(payload) > LARGEST_PAYLOAD_BYTES:
        raise Rejected(Reason.TOO_LARGE, f"{len(payload)} bytes, at most {LARGEST_PAYLOAD_BYTES} are read")
    return payload


def _wired(frame: WiredFrame, keys: Keys, zones: Zones) -> Telegram:
    if frame.data[0] != _CI_FIXED_DATA:
        opened = _opened(frame.data, None, keys)
        return _telegram(opened, full_frame(opened.data) if opened.frame is Frame.COMPACT else opened.data, zones)
    fixed = read_fixed_data(frame.data[1:])
    return Telegram(
        meter=fixed.meter,
        medium=fixed.medium,
        at=None,
        sequence=fixed.access,
        status=fixed.status,
        measured=fixed.measured,
        device=fixed.device,
    )


def _opened(data: bytes, sender: Address | None, keys: Keys) -> _Opened:
    """Take the layers off, from the CI field on. `sender` is the link layer's address, None on the wire."""
    link, authentication = ExtendedLink(), Authentication()
    if data[0] in CI_ELL and sender is not None:
        link, data = read_extended_link(data[0], data[1:], sender, keys)
    if data[:1] == bytes([CI_AFL]):
        authentication, data = read_authentication(data[1:])
    header, frame, rest = _header(data, wired=sender is None)
    meter = header.address or sender
    if meter is None:
        raise Rejected(Reason.FIELD, "the telegram does not say which meter it is of")
    clear, security = unprotected(rest, header, authentication, meter, keys)
    counters = (header.counter, authentication.counter, header.access, link.access)
    sequence = next((counter for counter in counters if counter >= 0), -1)
    proven = max(header.counter, authentication.counter) if security and authentication.mac else -1
    tag = authentication.mac.hex() if proven >= 0 else ""
    return _Opened(meter, header.status, sequence, proven, tag, security or link.security, frame, clear)


def _telegram(opened: _Opened, data: bytes, zones: Zones) -> Telegram:
    meter, device = opened.meter, opened.meter.device
    records = read_records(data, device.medium)
    clock = _clock(records.clock)
    return Telegram(
        meter=meter.meter,
        medium=device.medium or device.name,
        at=_at(clock, zones(meter.meter)) if clock else None,
        sequence=opened.sequence,
        status=status_names(opened.status) + ((_MORE_FOLLOW,) if records.more_follow else ()),
        measured=records.measured,
        local_time=clock.text if clock else "",
        device=device.name,
        version=meter.version,
        security=opened.security,
        proven_counter=opened.proven_counter,
        proven_tag=opened.proven_tag,
        clock_step_ms=clock.step_ms if clock else None,
    )


def _header(data: bytes, wired: bool) -> tuple[Header, Frame, bytes]:
    """The transport layer's header; Rejected if the CI field announces anything else."""
    if not data:
        raise Rejected(Reason.MALFORMED, "nothing follows the lower layers")
    if data[0] not in FRAMES:
        what = OTHER_MESSAGES.get(data[0], "reserved")
        raise Rejected(Reason.UNSUPPORTED, f"CI {data[0]:02X}: {what}")
    kind, layout = FRAMES[data[0]]
    header, rest = read_header(data[1:], layout)
    if wired and header.mode not in SECURITY_MODES:
        header = header._replace(mode=0, encrypted_bytes=0)  # what EN 1434-3 called a signature; the data are clear
    return header, kind, rest


def _clock(octets: bytes) -> Point | None:
    try:
        return point_in_time(octets) if octets else None
    except InvalidPoint:
        return None


def _at(clock: Point, zone: tzinfo | None) -> int | None:
    """Milliseconds UTC. In the hour that comes twice, the meter's summer time flag decides."""
    return None if clock.at is None or zone is None else utc_ms(clock.at, zone, clock.summer)
