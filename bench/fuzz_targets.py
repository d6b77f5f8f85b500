"""What is fuzzed: each decoder of the registry, with the telegrams it begins from.

Seeds are the published telegrams of FLEXMETER_DATA where they are there, and the golden cases of tests/cases.
"""

import random
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cbor2
import orjson

from bench import conformance_json, conformance_senml
from bench.fuzz_mutate import reshaped
from connectors.decode.json_decoder import decode_json
from connectors.decode.readings import Address, Carries
from connectors.decode.telegram import Keys, no_keys
from connectors.registry import TELEGRAMS

CASES = Path(__file__).parents[1] / "tests" / "cases"
RECEIVED_AT = 1_795_507_200_000


@dataclass(frozen=True, slots=True)
class Target:
    """A decoder and its seeds.

    `decode` raises Rejected and nothing else. A telegram that `is_guarded` has a checksum or tag: one with a bit
    flipped, or cut short, must be rejected or decode to the same. `repair` mends the checksum of a mutated telegram, so
    that what lies behind it is reached too. `reshape` changes what the telegram says, and keeps to its format.
    """

    decode: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    is_guarded: Callable[[bytes], bool] = lambda payload: False
    repair: Callable[[bytes], bytes] | None = None
    reshape: Callable[[bytes, random.Random], bytes] | None = None


@dataclass(frozen=True, slots=True)
class Seeds:
    """What a protocol brings besides its golden cases."""

    payloads: Callable[[Path], Iterator[bytes]]
    keys: Keys = no_keys
    is_guarded: Callable[[bytes], bool] = lambda payload: False
    repair: Callable[[bytes], bytes] | None = None
    reshape: Callable[[bytes, random.Random], bytes] | None = None


def _senml(data: Path) -> Iterator[bytes]:
    return (payload for _, payload in conformance_senml.packs(data))


def _reshape_senml(payload: bytes, chance: random.Random) -> bytes:
    if payload[:1] >= b"\x80":
        return cbor2.dumps(reshaped(cbor2.loads(payload), chance))
    return orjson.dumps(reshaped(orjson.loads(payload), chance))


SEEDS: Mapping[str, Seeds] = {
    "senml": Seeds(_senml, reshape=_reshape_senml),
}
"""protocol of the registry -> its published telegrams, keys and checksums; one that is missing has its golden cases."""


def targets(data: Path) -> Mapping[str, Callable[[], Target]]:
    """What makes the target of each protocol."""
    standard = {name: (lambda name=name: _telegrams(name, data)) for name in TELEGRAMS}
    return {**standard, "json": lambda: _json(data)}


def _telegrams(protocol: str, data: Path) -> Target:
    seeds = SEEDS.get(protocol, Seeds(lambda data: iter(())))
    published = tuple(seeds.payloads(data)) if (data / "protocol").is_dir() else ()
    return Target(
        decode=lambda payload: TELEGRAMS[protocol](payload, seeds.keys),
        seeds=(*published, *_golden(protocol)),
        is_guarded=seeds.is_guarded,
        repair=seeds.repair,
        reshape=seeds.reshape,
    )


def _json(data: Path) -> Target:
    """Every mapping: the first byte of an input says which of them, the rest is the payload."""
    layouts = list(conformance_json.layouts().values())
    published = [orjson.dumps(message) for _, message in conformance_json.messages(data)]
    payloads = [*published, *_golden("json")]

    def decode(payload: bytes) -> object:
        mapping = layouts[payload[0] % len(layouts)] if payload else layouts[0]
        carries = Carries.EVENT if payload[:1] > b"\xc0" else Carries.READING
        return decode_json(payload[1:], Address("fuzz", mapping.profile, "m1", carries), RECEIVED_AT, mapping)

    seeds = tuple(bytes([zlib.crc32(one) + i & 0xFF]) + one for one in payloads for i in range(len(layouts)))
    return Target(decode, seeds, reshape=_reshape_json)


def _reshape_json(payload: bytes, chance: random.Random) -> bytes:
    return payload[:1] + orjson.dumps(reshaped(orjson.loads(payload[1:]), chance))


def _golden(protocol: str) -> Iterator[bytes]:
    folder = CASES / protocol
    for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if file.suffix == ".hex":
            yield bytes.fromhex(file.read_text("ascii"))
        elif file.stem == "payload":
            yield file.read_bytes()
