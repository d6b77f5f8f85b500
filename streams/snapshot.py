"""A shard as bytes, and back: a JSON header with names, then the raw columns, compressed with zstd.

Not Avro: it is read by this module alone, and a column of state is saved as it lies in memory.
"""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import cramjam
import numpy as np

from schemas.errors import Rejected
from streams.beats import Source
from streams.consents import Consents
from streams.meters import MeterTable
from streams.shard import Counts, Shard

FORMAT = 2
PIECE = 1 << 20
"""Bytes compressed at a time: for so long other threads stand still."""


class Incompatible(Exception):
    """The saved state is not one that this version of the program can go on from; the message says what to do."""


def freeze(shard: Shard) -> bytes:
    """The shard's state at its next offset; what an unfinished turn holds is not in it."""
    return compressed(copied(shard))


def copied(shard: Shard) -> list[bytes]:
    """The same as it lies in memory; the shard may go on while it is compressed."""
    columns: list[bytes] = []
    header = {
        "format": FORMAT,
        "stream": shard.stream,
        "partition": shard.partition,
        "next_offset": shard.next_offset,
        "versions": {name: operator.version for name, operator in shard.operators.items()},
        "counts": dataclasses.asdict(shard.counts),
        "sources": {
            name: dataclasses.asdict(source)
            for name, source in zip(shard.beats.names, shard.beats.sources, strict=True)
        },
        "consents": dataclasses.asdict(shard.consents),
        "tables": {profile: _freeze_table(table, columns) for profile, table in shard.tables.items()},
        "places": {table.profile: _freeze_table(table, columns) for table in _places(shard)},
        "wholes": {name: _freeze_whole(whole.saved(), columns) for name, whole in shard.wholes.items()},
    }
    head = json.dumps(header).encode()
    return [len(head).to_bytes(4, "big"), head, *columns]


def compressed(state: Sequence[bytes]) -> bytes:
    """What is saved of a copy."""
    compressor = cramjam.zstd.Compressor(level=1)
    for part in state:
        for begin in range(0, len(part), PIECE):
            compressor.compress(part[begin : begin + PIECE])
    return bytes(compressor.finish())


def thaw(payload: bytes, shard: Shard) -> None:
    """Bring a new shard to the saved state.

    An operator that the state does not know starts empty; what an operator left that is gone is dropped.

    Raises:
        Incompatible: an operator's version, the layout of its state, or a profile's quantities are others.

    """
    body = memoryview(cramjam.zstd.decompress(payload))
    length = int.from_bytes(body[:4], "big")
    header = json.loads(bytes(body[4 : 4 + length]))
    _check_versions(header, shard)
    shard.next_offset = header["next_offset"]
    shard.counts = Counts(**header["counts"])
    shard.consents = Consents(**header.get("consents", {}))
    shard.beats.names = list(header["sources"])
    shard.beats.sources = [Source(**source) for source in header["sources"].values()]
    offset = 4 + length
    for profile, saved in header["tables"].items():
        offset = _thaw_table(_table_of(shard, profile, saved), saved, body, offset)
    for table in _places(shard):
        if table.profile in header["places"]:
            offset = _thaw_table(table, header["places"][table.profile], body, offset)
    for name, saved in header.get("wholes", {}).items():
        values, offset = _thaw_whole(saved, body, offset)
        if name in shard.wholes and (whole := shard.operators[name].whole(values)) is not None:
            shard.wholes[name] = whole
    shard.begin()


def _table_of(shard: Shard, profile: str, saved: dict[str, Any]) -> MeterTable:
    """The shard's table of a profile that is still what it was."""
    remedy = "give what changed a profile of another name, or rebuild the stream from its input (flexmeter replay)"
    try:
        table = shard.table(profile)
    except Rejected as gone:
        raise Incompatible(
            f"the saved state knows meters of profile {profile!r}, which the catalogue has no more: put it back, or "
            "rebuild the stream from its input (flexmeter replay)"
        ) from gone
    now = [quantity.name for quantity in table.quantities]
    if saved.get("quantities", now) != now:
        raise Incompatible(f"profile {profile!r} had the quantities {saved['quantities']}, and has {now}: {remedy}")
    return table


def _places(shard: Shard) -> tuple[MeterTable, ...]:
    return shard.loads.table, shard.parts, shard.hourly


def _freeze_table(table: MeterTable, columns: list[bytes]) -> dict[str, Any]:
    described = {}
    for name in table.columns:
        column = table.column(name)
        columns.append(column.tobytes())
        described[name] = _layout(column.dtype)
    return {
        "quantities": [quantity.name for quantity in table.quantities],
        "ids": table.ids,
        "feeders": table.feeders,
        "substations": table.substations,
        "columns": described,
    }


def _thaw_table(table: MeterTable, saved: dict[str, Any], body: memoryview, offset: int) -> int:
    n = len(saved["ids"])
    table.ids, table.feeders, table.substations = saved["ids"], saved["feeders"], saved["substations"]
    table.rows = {meter: row for row, meter in enumerate(table.ids)}
    for name, layout in saved["columns"].items():
        size = n * _itemsize(layout)
        if name in table.columns:
            dtype = table.columns[name].dtype
            if _layout(dtype) != layout:
                raise Incompatible(
                    f"the saved state of {name} for profile {table.profile!r} has another layout: raise the operator's "
                    "version and rebuild it as a stream of its own"
                )
            table.columns[name] = (
                np.frombuffer(body[offset : offset + size], dtype).copy() if size else np.zeros(n, dtype)
            )
        offset += size
    for name, column in table.columns.items():
        if len(column) < n:
            table.columns[name] = np.zeros(n, column.dtype)
    return offset


def _freeze_whole(saved: dict[str, Any], columns: list[bytes]) -> dict[str, Any]:
    """Arrays go to the columns; what is left is JSON."""
    arrays = {name: value for name, value in saved.items() if isinstance(value, np.ndarray)}
    columns += [array.tobytes() for array in arrays.values()]
    return {
        "arrays": {name: [_layout(array.dtype), list(array.shape)] for name, array in arrays.items()},
        "values": {name: value for name, value in saved.items() if name not in arrays},
    }


def _thaw_whole(saved: dict[str, Any], body: memoryview, offset: int) -> tuple[dict[str, Any], int]:
    found = dict(saved["values"])
    for name, (layout, shape) in saved["arrays"].items():
        dtype = _dtype(layout)
        size = dtype.itemsize * int(np.prod(shape))
        found[name] = np.frombuffer(body[offset : offset + size], dtype).reshape(shape).copy()
        offset += size
    return found, offset


def _check_versions(header: dict[str, Any], shard: Shard) -> None:
    if header["format"] != FORMAT:
        raise Incompatible(
            f"the saved state has format {header['format']}, this program writes {FORMAT}: rebuild the stream from its "
            "input (flexmeter replay)"
        )
    for name, operator in shard.operators.items():
        saved = header["versions"].get(name, operator.version)
        if saved != operator.version:
            raise Incompatible(
                f"stream {shard.stream} has state of {name} version {saved}, this program has version "
                f"{operator.version}: rebuild it as a stream of its own from the input topic"
            )


def _layout(dtype: np.dtype[Any]) -> Any:
    """The dtype as JSON: field names, types and shapes, nested."""
    if dtype.fields is None:
        base, shape = (dtype.base, dtype.shape) if dtype.subdtype else (dtype, ())
        return [_layout(base), list(shape)] if shape else dtype.str
    return [[name, _layout(dtype.fields[name][0])] for name in dtype.names or ()]


def _dtype(layout: Any) -> np.dtype[Any]:
    """The dtype of a layout."""
    if isinstance(layout, str):
        return np.dtype(layout)
    if layout and isinstance(layout[-1], list) and all(isinstance(n, int) for n in layout[-1]):
        return np.dtype((_dtype(layout[0]), tuple(layout[-1])))
    return np.dtype([(name, _dtype(field)) for name, field in layout])


def _itemsize(layout: Any) -> int:
    """Bytes of one item of a layout; structured dtypes here are packed."""
    if isinstance(layout, str):
        return np.dtype(layout).itemsize
    if layout and isinstance(layout[-1], list) and all(isinstance(n, int) for n in layout[-1]):
        return int(np.prod(layout[-1])) * _itemsize(layout[0])
    return sum(_itemsize(field) for _, field in layout)
