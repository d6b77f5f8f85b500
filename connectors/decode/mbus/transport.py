"""The transport layer's headers (EN 13757-7, 7): what a CI field announces, and the configuration field.

72  long header    identification (4) M (2) version type access status configuration (2)
7A  short header                                         access status configuration (2)
78  no header
73, 7B, 79         the same with a compact frame: values without their blocks (EN 13757-3, annex G)
"""

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import NamedTuple

from connectors.decode.mbus.identity import Address
from schemas.errors import Reason, Rejected


class Frame(Enum):
    """Whether values stand with their blocks."""

    FULL = auto()
    COMPACT = auto()


class Layout(Enum):
    """Which header stands before them."""

    LONG = auto()
    SHORT = auto()
    NONE = auto()


FRAMES: Mapping[int, tuple[Frame, Layout]] = MappingProxyType(
    {
        0x72: (Frame.FULL, Layout.LONG),
        0x73: (Frame.COMPACT, Layout.LONG),
        0x78: (Frame.FULL, Layout.NONE),
        0x79: (Frame.COMPACT, Layout.NONE),
        0x7A: (Frame.FULL, Layout.SHORT),
        0x7B: (Frame.COMPACT, Layout.SHORT),
    }
)
"""What CI fields announce that is read here."""

OTHER_MESSAGES: Mapping[int, str] = MappingProxyType(
    {
        **dict.fromkeys(range(0x00, 0x20), "a DLMS message"),
        **dict.fromkeys(range(0x50, 0x5D), "a command to a meter"),
        **dict.fromkeys(range(0x60, 0x69), "a DLMS or COSEM message"),
        **dict.fromkeys(range(0x69, 0x6C), "a format frame"),
        **dict.fromkeys((0x6C, 0x6D), "a clock synchronisation"),
        **dict.fromkeys((0x6E, 0x6F, 0x70), "an application error"),
        **dict.fromkeys((0x71, 0x74, 0x75), "an alarm"),
        **dict.fromkeys((0x76, 0x77), "a message with the highest byte first"),
        **dict.fromkeys((0x7C, 0x7D), "a DLMS message"),
        **dict.fromkeys((0x7E, 0x7F), "a message that is reserved for OBIS"),
        **dict.fromkeys((0x80, 0x8A, 0x8B), "a transport layer without application"),
        **dict.fromkeys((0x81, 0x82, 0x83), "a network layer"),
        **dict.fromkeys((0x84, 0x85), "a transport layer with a compact frame"),
        0x86: "an extended link layer of variable length",
        **dict.fromkeys((0x87, 0x88, 0x89), "a network management message"),
        **dict.fromkeys(range(0xA0, 0xB8), "a manufacturer's own message"),
        **dict.fromkeys(range(0xB8, 0xC0), "a command to set the baud rate"),
        **dict.fromkeys(range(0xC0, 0xC8), "an image transfer"),
    }
)
"""EN 13757-7, table 2: what CI fields announce that is not read here."""

SECURITY_MODES = frozenset((0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 13, 15))
"""EN 13757-7, table 18: modes that have a meaning (0: none; 1: the manufacturer's own); the others are reserved."""

_ACCESS_STATUS, _CONFIGURATION, _ADDRESS = 2, 2, 8


class Header(NamedTuple):
    """A header: `address` only if it is a long one; access number -1 and status 0 where there is none.

    `encrypted_bytes` of what follows are protected as security mode `mode` says. Mode 7 adds whether the key is derived
    (`derived_key`), and may add a counter (else -1).
    """

    address: Address | None = None
    access: int = -1
    status: int = 0
    mode: int = 0
    encrypted_bytes: int = 0
    derived_key: bool = False
    counter: int = -1


def read_header(data: bytes, layout: Layout) -> tuple[Header, bytes]:
    """The header at the beginning of `data`, which is behind the CI field, and what follows it.

    Raises:
        Rejected: `MALFORMED` if it is cut off, `UNSUPPORTED` for a key derivation that is reserved.
    """
    if layout is Layout.NONE:
        return Header(), data
    address, rest = (Address.of_header(data[:_ADDRESS]), data[_ADDRESS:]) if layout is Layout.LONG else (None, data)
    if len(rest) < _ACCESS_STATUS + _CONFIGURATION:
        raise Rejected(Reason.MALFORMED, f"the {layout.name.lower()} header is cut off")
    access, status, low, high = rest[:4]
    header = Header(address, access, status, mode=high & 0x1F)
    rest = rest[4:]
    if header.mode == 0:
        return header, rest
    header = header._replace(encrypted_bytes=16 * (low >> 4))
    return _mode_7(header, bool(high & 0x20), rest) if header.mode == 7 else (header, rest)


def _mode_7(header: Header, has_counter: bool, rest: bytes) -> tuple[Header, bytes]:
    """Security mode 7 extends the configuration field by a byte, and may add a counter and a key version (7.7.5)."""
    if not rest:
        raise Rejected(Reason.MALFORMED, "the configuration field is cut off")
    extension, rest = rest[0], rest[1:]
    derivation = extension >> 4 & 3
    if derivation > 1:
        raise Rejected(Reason.UNSUPPORTED, f"key derivation {derivation} is reserved")
    length = (4 if has_counter else 0) + (extension >> 6 & 1)
    if len(rest) < length:
        raise Rejected(Reason.MALFORMED, "the configuration field is cut off")
    counter = int.from_bytes(rest[:4], "little") if has_counter else -1
    return header._replace(derived_key=derivation == 1, counter=counter), rest[length:]
