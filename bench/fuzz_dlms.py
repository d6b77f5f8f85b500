"""What the fuzzer begins from in DLMS and P1: the published pushes and telegrams, and which of them are guarded."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from connectors.decode.dlms.decoder import decode_dlms
from connectors.decode.p1 import decode_p1
from connectors.decode.telegram import Keys
from schemas.errors import Rejected

_HDLC, _MBUS = 0x7E, 0x68

Decode = Callable[[bytes], Sequence[object]]

_P1_CRC = re.compile(rb"![0-9A-F]{4}\s*\Z")


def published_pushes(data: Path) -> Iterator[tuple[bytes, Sequence[bytes]]]:
    """The push vectors, and the secured ones with their keys."""
    folder = data / "protocol" / "dlms"
    for name in ("push_vectors.json", "security_vectors.json"):
        for row in json.loads((folder / name).read_text("utf-8")):
            if "hex" in row:
                keys = (bytes.fromhex(row["key"] + row.get("auth_key", row["key"])),) if "key" in row else ()
                yield bytes.fromhex(row["hex"]), keys


def guard_dlms(payload: bytes, keys: Keys) -> Decode | None:
    """Pushes framed by HDLC or M-Bus, and those that are authenticated throughout."""
    decode = partial(decode_dlms, keys=keys)
    if payload[:1] in (bytes([_HDLC]), bytes([_MBUS])):
        return decode
    with suppress(Rejected):
        if all("authenticated" in telegram.security for telegram in decode(payload)):
            return decode
    return None


def published_p1(data: Path) -> Iterator[tuple[bytes, Sequence[bytes]]]:
    """dsmr_parser's telegrams."""
    for row in json.loads((data / "protocol" / "dsmr" / "telegrams.json").read_text("utf-8")):
        yield row["telegram"].encode(), ()


def guard_p1(payload: bytes, keys: Keys) -> Decode | None:
    """P1 telegrams that end with their CRC."""
    return partial(decode_p1, keys=keys) if _P1_CRC.search(payload) else None
