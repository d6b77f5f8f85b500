"""The cyclic redundancy check of wireless M-Bus (EN 13757-4, data link layer: the DNP polynomial)."""

_POLYNOMIAL = 0x3D65


def _of_byte(byte: int) -> int:
    register = byte << 8
    for _ in range(8):
        register = (register << 1) ^ _POLYNOMIAL if register & 0x8000 else register << 1
    return register & 0xFFFF


_TABLE = tuple(map(_of_byte, range(256)))


def crc16(data: bytes) -> int:
    """Sixteen bits: begun with zero, highest bit first, complemented at the end.

    >>> hex(crc16(b"123456789"))
    '0xc2b7'
    """
    register = 0
    for byte in data:
        register = (register << 8) & 0xFFFF ^ _TABLE[register >> 8 ^ byte]
    return register ^ 0xFFFF
