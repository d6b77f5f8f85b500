"""Objects that say of a push whose it is and when it was, rather than what was measured (IEC 62056-6-1, 5.4)."""

from functools import lru_cache
from typing import Final, NamedTuple

# A-B:C.D.E, the best first. 0-1:96.1.0 is none of them: it is another device, on channel 1.
_ABSTRACT: Final = (bytes((0, 0, 96, 1, 0)), bytes((0, 0, 96, 1, 1)))
# C.D.E of any medium and channel: the utility's identification numbers 1 and 6 (Kamstrup's GS1 number).
_OF_A_MEDIUM: Final = (bytes((0, 0, 0)), bytes((0, 0, 5)))
_LOGICAL_DEVICE_NAME: Final = bytes((0, 0, 42, 0, 0))
# C of an M-Bus client and its values, and of identities.
_OF_DEVICES: Final = (24, 96)
_CLOCKS: Final = (bytes((1, 0, 0)), bytes((1, 1, 0)))


class Role(NamedTuple):
    """What an object is to a telegram."""

    identity_rank: int
    """0 = says nothing of which meter it is; else the lower the better."""
    is_clock: bool
    device_channel: int
    """The channel of the device behind that the object is of; 0 = the meter itself."""


@lru_cache(maxsize=4096)
def role(code: bytes) -> Role:
    """What the object of a code is: it says which meter it is, is its clock (date-time or UNIX time), is a device's.

    >>> role(bytes((0, 0, 96, 1, 0, 255))), role(bytes((0, 1, 1, 0, 0, 255)))
    (Role(identity_rank=1, is_clock=False, device_channel=0), Role(identity_rank=0, is_clock=True, device_channel=0))
    """
    is_abstract = code[:1] == b"\x00"
    device_channel = code[1] if is_abstract and code[2] in _OF_DEVICES else 0
    return Role(_identity_rank(code), is_abstract and code[2:5] in _CLOCKS, device_channel)


def _identity_rank(code: bytes) -> int:
    if code[:5] in _ABSTRACT:
        return 1 + _ABSTRACT.index(code[:5])
    if code and code[0] and code[2:5] in _OF_A_MEDIUM:
        return 3 + _OF_A_MEDIUM.index(code[2:5])
    return 5 if code[:5] == _LOGICAL_DEVICE_NAME else 0
