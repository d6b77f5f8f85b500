"""The meters' keys, from a file that is read again when it changes. Keys never leave the process that decrypts.

A CSV file in UTF-8, one key a line, a meter's newest first:

    meter,key
    KAM12345678,000102030405060708090A0B0C0D0E0F
    4B464D1020304050,env:METER_KEY_7

The meter is the identity by which its telegrams name it: manufacturer and number for M-Bus, the system title for DLMS
and encrypted P1; or the name that the register's column `key` gives it. A key is hexadecimal digits, or the environment
variable that has them.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from connectors.table_file import Row, read_table
from schemas.faults import Fault, Faults
from schemas.register import Register

LENGTHS = (16, 32, 64)
"""Bytes of AES-128 and AES-256 keys, alone or an encryption key with its authentication key."""

_ENVIRONMENT = "env:"


def load_keys(path: Path, env: Mapping[str, str] = os.environ) -> Mapping[str, tuple[bytes, ...]]:
    """Meter -> its keys, the newest first.

    Raises:
        Faults: everything that is wrong with it, without a digit of any key.

    """
    rows = read_table(path, ("meter", "key"))
    faults = [fault for row in rows for fault in _faults(row, env)]
    if faults:
        raise Faults(str(path), faults)
    keys: dict[str, tuple[bytes, ...]] = {}
    for row in rows:
        meter, text = row.values
        keys[meter] = (*keys.get(meter, ()), _key(text, env))
    return keys


def keys_of(meter: str, keys: Mapping[str, tuple[bytes, ...]], register: Register) -> tuple[bytes, ...]:
    """A meter's keys: under the name that the register gives, else under its own.

    >>> from schemas.register import Device
    >>> device = Device("KAM1", "water", None, None, None, None, None, 900_000, key="site-7")
    >>> keys_of("KAM1", {"site-7": (b"k",), "KAM1": (b"o",)}, Register({"KAM1": device}))
    (b'k',)
    """
    device = register.devices.get(meter)
    return keys.get(device.key if device and device.key else meter, ())


def _key(text: str, env: Mapping[str, str]) -> bytes:
    """The bytes; none where the text is no key."""
    if text.startswith(_ENVIRONMENT):
        text = env.get(text.removeprefix(_ENVIRONMENT), "")
    try:
        key = bytes.fromhex(text)
    except ValueError:
        return b""
    return key if len(key) in LENGTHS else b""


def _faults(row: Row, env: Mapping[str, str]) -> Iterator[Fault]:
    meter, text = row.values
    if not meter:
        yield Fault(row.line, "the meter is empty", "write the identity by which its telegrams name it")
    if not _key(text, env):
        digits = " or ".join(str(2 * length) for length in LENGTHS)
        yield Fault(row.line, f"the key of {meter!r} is none", f"write {digits} hexadecimal digits, or env:NAME")
