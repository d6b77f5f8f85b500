"""The status byte of a meter's header (EN 13757-7, 7.5.6)."""

from functools import lru_cache

_APPLICATION = ((), ("application_busy",), ("application_error",), ("abnormal_condition",))
_BITS = (
    (0x04, "low_power"),
    (0x08, "permanent_error"),
    (0x10, "temporary_error"),
    (0x20, "manufacturer_specific_5"),
    (0x40, "manufacturer_specific_6"),
    (0x80, "manufacturer_specific_7"),
)


@lru_cache(maxsize=256)
def status_names(byte: int) -> tuple[str, ...]:
    """What the bits say; bits 5 to 7 are the manufacturer's, so they have only numbers.

    >>> status_names(0x0C), status_names(0x00), status_names(0x03)
    (('low_power', 'permanent_error'), (), ('abnormal_condition',))
    """
    return _APPLICATION[byte & 3] + tuple(name for bit, name in _BITS if byte & bit)
