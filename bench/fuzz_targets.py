"""What is fuzzed: each decoder of the registry, with the telegrams it begins from.

Seeds are the published telegrams of FLEXMETER_DATA where they are there, and the golden cases of tests/cases.
"""

import json
import random
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import cbor2
import orjson

from bench import conformance_json, conformance_mbus, conformance_senml, fuzz_dlms, fuzz_mbus
from bench.fuzz_mutate import reshaped
from connectors.decode.json_decoder import decode_json
from connectors.decode.readings import Address, Carries
from connectors.decode.telegram import DecodeTelegrams, Keys, Telegram
from connectors.decode.timing import Clock, row_times
from connectors.registry import TELEGRAMS
from schemas.errors import Rejected

CASES = Path(__file__).parents[1] / "tests" / "cases"
RECEIVED_AT = 1_795_507_200_000
ZONE = ZoneInfo("Europe/Stockholm")


Decode = Callable[[bytes], Sequence[object]]
"""Payload to the telegrams in it."""

Published = tuple[bytes, Sequence[bytes]]
"""A telegram and its keys, if it has any."""


@dataclass(frozen=True, slots=True)
class Target:
    """A decoder and its seeds.

    `decode` raises Rejected and nothing else. `guard` gives, for a telegram with a checksum or tag, the decoder that
    insists on it: with a bit flipped or cut short, such a telegram must be rejected or say nothing new. `repair` mends
    the checksum of a mutated telegram, so that what lies behind it is reached too. `reshape` changes what the telegram
    says, and keeps to its format; ValueError where it cannot be read, or written again.
    """

    decode: Decode
    seeds: tuple[bytes, ...]
    guard: Callable[[bytes], Decode | None] = lambda payload: None
    repair: Callable[[bytes], bytes] | None = None
    reshape: Callable[[bytes, random.Random], bytes] | None = None


@dataclass(frozen=True, slots=True)
class Seeds:
    """What a protocol brings besides its golden cases, and the keys of those."""

    payloads: Callable[[Path], Iterable[Published]] = lambda data: ()
    guard: Callable[[bytes, Keys], Decode | None] = lambda payload, keys: None
    repair: Callable[[bytes], bytes] | None = None
    reshape: Callable[[bytes, random.Random], bytes] | None = None


def _senml(data: Path) -> Iterable[Published]:
    return ((payload, ()) for _, payload in conformance_senml.packs(data))


def _reshape_senml(payload: bytes, chance: random.Random) -> bytes:
    if payload[:1] < b"\x80":
        return orjson.dumps(reshaped(orjson.loads(payload), chance))
    try:
        return cbor2.dumps(reshaped(cbor2.loads(payload), chance))
    except cbor2.CBORError as error:
        raise ValueError("no CBOR") from error


SEEDS: Mapping[str, Seeds] = {
    "mbus": Seeds(conformance_mbus.published_wired, fuzz_mbus.guard_wired, fuzz_mbus.repair_wired),
    "wmbus": Seeds(conformance_mbus.published_wireless, fuzz_mbus.guard_wireless, fuzz_mbus.repair_wireless),
    "dlms": Seeds(fuzz_dlms.published_pushes, fuzz_dlms.guard_dlms),
    "p1": Seeds(fuzz_dlms.published_p1, fuzz_dlms.guard_p1),
    "senml": Seeds(_senml, reshape=_reshape_senml),
}
"""protocol of the registry -> what it brings; one that is missing has its golden cases."""


def targets(data: Path) -> Mapping[str, Callable[[], Target]]:
    """What makes the target of each protocol."""
    standard = {name: (lambda name=name: _telegrams(name, data)) for name in TELEGRAMS}
    return {**standard, "json": lambda: _json(data)}


def _telegrams(protocol: str, data: Path) -> Target:
    seeds, decode = SEEDS.get(protocol, Seeds()), TELEGRAMS[protocol]
    published = list(seeds.payloads(data)) if (data / "protocol").is_dir() else []
    keys = _keys(protocol, published)
    return Target(
        decode=lambda payload: _timed(decode(payload, keys, zones=lambda meter: ZONE)),
        seeds=(*(payload for payload, _ in published), *_golden(protocol)),
        guard=lambda payload: seeds.guard(payload, keys),
        repair=seeds.repair,
        reshape=seeds.reshape,
    )


def _timed(telegrams: Sequence[Telegram]) -> Sequence[Telegram]:
    """The telegrams, after a bridge has found out when they were measured."""
    row_times(telegrams, RECEIVED_AT, lambda meter: Clock(ZONE, 1_000))
    return telegrams


def _keys(protocol: str, published: Iterable[Published]) -> Keys:
    """The keys that golden cases state, and those of published telegrams, of whoever the decoder then asks for."""
    known: dict[str, list[bytes]] = {}
    for file in sorted((CASES / protocol).glob("*/expected.json")):
        case = json.loads(file.read_text("utf-8"))
        for holder, keys in case.get("told", case).get("keys", {}).items():
            known.setdefault(holder, []).extend(map(bytes.fromhex, keys))
    for payload, keys_of_it in published:
        for holder in _asked(TELEGRAMS[protocol], payload) if keys_of_it else ():
            known.setdefault(holder, []).extend(keys_of_it)
    return lambda holder: known.get(holder, ())


def _asked(decode: DecodeTelegrams, payload: bytes) -> list[str]:
    """Whose keys a decoder asks for."""
    holders: list[str] = []

    def note(holder: str) -> Iterable[bytes]:
        holders.append(holder)
        return ()

    with suppress(Rejected):
        decode(payload, note)
    return holders


def _json(data: Path) -> Target:
    """Every mapping: the first byte of an input says which of them, the rest is the payload."""
    layouts = list(conformance_json.layouts().values())
    published = [orjson.dumps(message) for _, message in conformance_json.messages(data)]
    payloads = [*published, *_golden("json")]

    def decode(payload: bytes) -> Sequence[object]:
        mapping = layouts[payload[0] % len(layouts)] if payload else layouts[0]
        carries = Carries.EVENT if payload[:1] > b"\xc0" else Carries.READING
        told = decode_json(payload[1:], Address("fuzz", mapping.profile.name, "m1", carries), RECEIVED_AT, mapping)
        return told.readings or told.events

    seeds = tuple(bytes([zlib.crc32(one) + i & 0xFF]) + one for one in payloads for i in range(len(layouts)))
    return Target(decode, seeds, reshape=_reshape_json)


def _reshape_json(payload: bytes, chance: random.Random) -> bytes:
    return payload[:1] + orjson.dumps(reshaped(orjson.loads(payload[1:]), chance))


def _golden(protocol: str) -> Iterator[bytes]:
    """The payloads of the golden cases: files of bytes, of text, or of hexadecimal digits with # before comments."""
    folder = CASES / protocol
    for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if file.suffix == ".hex":
            lines = file.read_text("utf-8").splitlines()
            yield bytes.fromhex("".join(line for line in lines if not line.startswith("#")))
        elif file.stem in ("payload", "telegram"):
            yield file.read_bytes()
