"""Pre-shared keys of devices (RFC 7252, 9.1.3.1): a file that is read again when it changes, and never told of.

A CSV file in UTF-8, the keys in hexadecimal digits, one for each identity:

    identity,key
    LGZ1030655933512,8f1d0e6a2c4b7395d0e1f2a3b4c5d6e7

The identity is what the authority is asked about. Keys have 8 to 16 bytes: tinydtls copies a longer one beyond its
buffer, and a shorter one is soon guessed from one recorded handshake.
"""

import re
import time
from collections.abc import Mapping
from pathlib import Path

from connectors.table_file import Row, read_table
from connectors.watched import Watched
from schemas.faults import Fault, Faults

LONGEST_IDENTITY_BYTES = 32
"""tinydtls takes no longer one."""

_KEY = re.compile(r"(?:[0-9a-fA-F]{2}){8,16}")


class PreSharedKeys:
    """The keys of the moment.

    Raises:
        Faults: the file cannot be used.

    """

    def __init__(self, path: Path) -> None:
        self._file = Watched(path, load_keys)

    def get(self, identity: bytes) -> bytes | None:
        """The key of that identity; None where it has none (any more)."""
        self._file.refresh(time.monotonic())
        return self._file.value.get(identity)


def load_keys(path: Path) -> Mapping[bytes, bytes]:
    """Read and check the file.

    Raises:
        Faults: everything that is wrong with it.

    """
    rows = read_table(path, ("identity", "key"))
    keys: dict[bytes, bytes] = {}
    faults: list[Fault] = []
    for row in rows:
        identity = row.values[0].encode()
        fault = _fault(row) or (identity in keys and Fault(row.line, "the identity has a key already", "keep one"))
        if fault:
            faults.append(fault)
        else:
            keys[identity] = bytes.fromhex(row.values[1])
    if faults:
        raise Faults(str(path), faults)
    return keys


def _fault(row: Row) -> Fault | None:
    identity, key = row.values
    if not 0 < len(identity.encode()) <= LONGEST_IDENTITY_BYTES:
        return Fault(row.line, "the identity is no 1 to 32 bytes of UTF-8", "shorten it")
    if not _KEY.fullmatch(key):
        return Fault(row.line, "the key is no 8 to 16 bytes in hexadecimal digits", "make one: openssl rand -hex 16")
    return None
