"""Rows of a profile (interface class 7) to telegrams, one for each row: how a concentrator sends an hour at 1 Hz.

null-data stands for the value before it in its column, in the clock's column for the time before plus the capture
period; a delta is added to the value before (IEC 62056-6-2, 4.3.6).
"""

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import Any

from connectors.decode.dlms.apdu import Attribute
from connectors.decode.dlms.axdr import Data, Delta
from connectors.decode.dlms.clock import Moment
from connectors.decode.dlms.cosem_units import scaled, unit_name
from connectors.decode.dlms.lists import Buffer, Scale
from connectors.decode.dlms.roles import role
from connectors.decode.dlms.telegrams import Channels, Sender, clock_moment, number, said, said_text
from connectors.decode.dlms.text import text_of
from connectors.decode.obis import measured_column, medium_of, net_powers
from connectors.decode.telegram import Measured, Telegram, numbered
from schemas.errors import Reason, Rejected


def row_telegrams(buffer: Buffer, scales: dict[bytes, Scale], sender: Sender, meter: str) -> Iterator[Telegram]:
    """A telegram for each row.

    Raises:
        Rejected: field, for rows without a clock; time, for a row whose time cannot be known.

    """
    if not buffer.rows:
        return
    columns = list(zip(*buffer.rows, strict=True))
    clock = _clock_column(buffer.columns)
    moments = _moments(columns[clock], buffer.period_s, sender.zones(meter))
    channels = Channels(attribute.code for attribute in buffer.columns)
    medium = medium_of(attribute.code for attribute in buffer.columns)
    cells = [
        _cells(attribute, column, scales, channels)
        for place, (attribute, column) in enumerate(zip(buffer.columns, columns, strict=True))
        if place != clock
    ]
    rows: Any = zip(*cells, strict=True) if cells else ((),) * len(moments)
    codes = tuple(attribute.code for place, attribute in enumerate(buffer.columns) if place != clock)
    repeats = len(set(codes)) < len(codes)
    for moment, row in zip(moments, rows, strict=True):
        there = row if None not in row else tuple(cell for cell in row if cell is not None)
        there += net_powers(codes, row)
        yield sender.telegram(meter, medium, moment, numbered(there) if repeats else there)


def _clock_column(columns: Sequence[Attribute]) -> int:
    for place, attribute in enumerate(columns):
        if role(attribute.code).is_clock and attribute.number == 2:
            return place
    raise Rejected(Reason.FIELD, "the rows of a profile have no clock among their columns")


def _moments(column: Sequence[Data], period_s: int, zone: tzinfo | None) -> list[Moment]:
    found: list[Moment] = []
    for value in column:
        if value is None:
            if not found or not period_s:
                raise Rejected(Reason.TIME, f"row {len(found) + 1} of a profile has no time, and none follows")
            found.append(found[-1].later(period_s))
            continue
        moment = clock_moment(value, zone)
        if moment.at is None and not moment.local:
            raise Rejected(Reason.TIME, f"{text_of(value)} is no time of a profile's row")
        found.append(moment)
    return found


def _cells(
    attribute: Attribute, column: Sequence[Data], scales: dict[bytes, Scale], channels: Channels
) -> Sequence[Measured | None]:
    """One column, as measured."""
    code, number_of_attribute = attribute.code, attribute.number
    scale, channel = scales.get(code), channels.word(code)
    values = _filled(column)
    if scale is not None and number_of_attribute == 2 and set(map(type, values)) == {int}:
        return measured_column(code, [scaled(value, scale[0]) for value in values], unit_name(scale[1]), channel)
    found: list[Measured | None] = []
    for value in values:
        if (plain := number(value)) is not None:
            found.append(said(code, plain, scale, number_of_attribute, channel))
        elif value is None or isinstance(value, float):
            found.append(None)
        else:
            found.append(said_text(code, text_of(value), number_of_attribute, channel))
    return found


def _filled(column: Sequence[Data]) -> Sequence[Data]:
    """The column with null-data and deltas made values."""
    if None not in column and Delta not in set(map(type, column)):
        return column
    found: list[Data] = []
    before: Data = None
    for value in column:
        if type(value) is Delta:
            if number(before) is None:
                raise Rejected(Reason.VALUE, f"a delta of {int(value)} with no number before it")
            before = before + int(value)
        elif value is not None:
            before = value
        found.append(before)
    return found
