"""OBIS codes (IEC 62056-61) as six bytes."""

import re


def code(text: str) -> bytes:
    """A-B:C.D.E, with F = 255.

    >>> code("1-0:1.8.0").hex()
    '0100010800ff'
    """
    return bytes(int(group) for group in re.split(r"[-:.]", text)) + b"\xff"
