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
from connectors.decode.dlms.lists import Buffer, Scale
from connectors.decode.dlms.telegrams import Channels, Sender, clock_moment, number, role, said, said_text
from connectors.decode.dlms.text import text_of
from connectors.decode.obis import medium_of, net_powers
from connectors.decode.telegram import Measured, Telegram
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
    moments = _moments(columns[clock], buffer.period_s, sender.zone)
    channels = Channels(attribute.code for attribute in buffer.columns)
    medium = medium_of(attribute.code for attribute in buffer.columns)
    cells = [
        _cells(attribute, column, scales, channels)
        for place, (attribute, column) in enumerate(zip(buffer.columns, columns, strict=True))
        if place != clock
    ]
    rows: Any = zip(*cells, strict=True) if cells else ((),) * len(moments)
    codes = [attribute.code for place, attribute in enumerate(buffer.columns) if place != clock]
    for moment, row in zip(moments, rows, strict=True):
        there = row if None not in row else tuple(cell for cell in row if cell is not None)
        yield sender.telegram(meter, medium, moment, there + net_powers(codes, row))


def _clock_column(columns: Sequence[Attribute]) -> int:
    for place, attribute in enumerate(columns):
        if role(attribute.code).is_clock and attribute.number == 2:
            return place
    raise Rejected(Reason.FIELD, "the rows of a profile have no clock among their columns")


def _moments(column: Sequence[Data], period_s: int, zone: tzinfo | None) -> list[Moment]:
    found: list[Moment] = []
    for value in column:
        if value is not None:
            moment = clock_moment(value, zone)
            if moment.at is None and not moment.status:
                raise Rejected(Reason.TIME, f"{text_of(value)} is no time of a profile's row")
        elif found and period_s and (before := found[-1].at) is not None:
            moment = Moment(before + 1000 * period_s, "", found[-1].status)
        else:
            raise Rejected(Reason.TIME, f"row {len(found) + 1} of a profile has no time, and none follows from before")
        found.append(moment)
    return found


def _cells(
    attribute: Attribute, column: Sequence[Data], scales: dict[bytes, Scale], channels: Channels
) -> list[Measured | None]:
    """One column, as measured."""
    code, attribute_number = attribute.code, attribute.number
    scale, channel = scales.get(code), channels.word(attribute.code)
    found: list[Measured | None] = []
    before: Data = None
    cell: Measured | None = None
    for value in column:
        if value is not None and (value != before or type(value) is Delta):
            before = before + value if type(value) is Delta and isinstance(before, int | float) else value
            plain = number(before)
            if plain is not None:
                cell = said(code, plain, scale, attribute_number, channel)
            elif isinstance(before, float):
                cell = None
            else:
                cell = said_text(code, text_of(before), attribute_number, channel)
        found.append(cell)
    return found
