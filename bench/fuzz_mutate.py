"""Damage to telegrams: what lines, hands and enemies do to bytes."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

_NUMBERS = [b"0", b"-1", b"1e309", b"-0", b"0.1", b"9" * 20, b"1e-400", b"null", b"true", b'""', b"[]", b"{}", b"NaN"]
_BYTES = [b"\x00", b"\xff", b"\x7f", b"\x80", b"\x2f", b"\x0f", b"\xfd", b"\x00" * 8, b"\xff" * 8]
_TOKENS = (*_NUMBERS, *_BYTES)


def _flip(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _set(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    data[chance.randrange(len(data))] = chance.randrange(256)


def _cut(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    del data[chance.randrange(len(data)) :]


def _drop(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    begin = chance.randrange(len(data))
    del data[begin : begin + chance.randint(1, 8)]


def _repeat(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    begin = chance.randrange(len(data))
    data[begin:begin] = data[begin : begin + chance.randint(1, 32)] * chance.randint(1, 8)


def _insert(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    position = chance.randrange(len(data))
    data[position:position] = chance.choice(_TOKENS)


def _replace(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    token = chance.choice(_TOKENS)
    position = chance.randrange(len(data))
    data[position : position + len(token)] = token


def _splice(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    other = chance.choice(others)
    data[chance.randrange(len(data)) :] = other[chance.randrange(len(other) + 1) :]


_WAYS: tuple[Callable[[bytearray, random.Random, Sequence[bytes]], None], ...] = (
    _flip,
    _flip,
    _set,
    _cut,
    _drop,
    _repeat,
    _insert,
    _replace,
    _splice,
)


def mutated(payload: bytes, chance: random.Random, others: Sequence[bytes], most_bytes: int) -> bytes:
    """The payload after one to four accidents, at most `most_bytes` of it; others are what it may be mixed with."""
    data = bytearray(payload or b"\x00")
    for _ in range(chance.randint(1, 4)):
        chance.choice(_WAYS)(data, chance, others)
        if not data:
            break
    return bytes(data[:most_bytes])


def damaged(payload: bytes) -> Iterator[bytes]:
    """The payload cut short at every length, and with each single bit flipped."""
    yield from (payload[:length] for length in range(len(payload)))
    for position in range(len(payload) * 8):
        flipped = bytearray(payload)
        flipped[position // 8] ^= 1 << position % 8
        yield bytes(flipped)


def enlarged(payload: bytes, chance: random.Random, size: int) -> bytes:
    """The payload with a piece of it repeated until it has about `size` bytes."""
    begin = chance.randrange(len(payload) or 1)
    piece = payload[begin : begin + chance.choice([1, 2, 4, 16, 64, 256])] or b"["
    return payload[:begin] + piece * (size // len(piece)) + payload[begin:]


_SCALARS = (None, True, 0, -1, 1.5, 1e308, -1e-308, 2**63 - 1, 2**28, 1.7e9, "", "1", "W", "kWh", "m1/voltage")
_LABELS = ("n", "bn", "v", "vs", "vb", "vd", "t", "bt", "u", "bu", "s", "bs", "bv", "bver", "x_", "time", "id", "L1")


_DEEPEST = 200
"""orjson writes no deeper documents than 254."""
_LARGEST = 2**63


def reshaped(document: Any, chance: random.Random) -> Any:
    """A document of lists, objects and scalars with one to three of its values changed, moved, repeated or removed.

    Raises:
        ValueError: it is deeper than can be written.

    """
    for _ in range(chance.randint(1, 3)):
        places = list(_places(document))
        if places:
            _change(*chance.choice(places), chance)
    return document


def _places(node: Any, depth: int = 0) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) below a node."""
    if depth > _DEEPEST:
        raise ValueError(f"deeper than {_DEEPEST}")
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in items:
        yield node, key
        yield from _places(child, depth + 1)


def _change(container: Any, key: Any, chance: random.Random) -> None:
    way = chance.randrange(5)
    value = container[key]
    if way == 0:
        container[key] = chance.choice((*_SCALARS, [], {}))
    elif way == 1 and type(value) in (int, float) and abs(value) < _LARGEST / 1000:
        container[key] = value * chance.choice([-1, 0.001, 1000, 1e6]) + chance.choice([0, 1, 0.1])
    elif way == 2:
        del container[key]
    elif way == 3 and isinstance(container, dict):
        container[chance.choice(_LABELS)] = value
    elif way == 4 and isinstance(container, list):
        container.append(value)
