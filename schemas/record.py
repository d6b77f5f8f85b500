"""Every record that travels as Avro: `schemas/records/*.avsc` as Python types, field for field.

A test holds the two equal. An Avro array of numbers is a numpy array of `schemas/arrays.py`, an array of strings a list
of str.

    schemas/blocks.py       what bridges write
    schemas/results.py      what streams write
    schemas/master_data.py  what people say of meters, homes and the grid
    schemas/alert.py        what people say of alerts, and who was told (alerts themselves are JSON)
"""

from schemas.alert import AlertDelivery, AlertMark
from schemas.blocks import Beat, DeadLetter, EventBlock, ReadingBlock, TelegramCounter
from schemas.master_data import Device, GridBlock, HomeRequestBlock, PlannedWorkBlock
from schemas.results import (
    Account,
    AggregateBlock,
    AnomalyScoreBlock,
    ApplianceEnergyBlock,
    ApplianceEventBlock,
    HeardBlock,
    HourlyLoadBlock,
    LoadBlock,
    PartialLoadBlock,
    PresenceBlock,
    RecomputeRequestBlock,
    ReliabilityBlock,
    StateChunk,
    StateCommit,
)

Record = (
    ReadingBlock
    | EventBlock
    | Beat
    | TelegramCounter
    | AggregateBlock
    | PresenceBlock
    | Account
    | RecomputeRequestBlock
    | DeadLetter
    | StateChunk
    | StateCommit
    | PartialLoadBlock
    | LoadBlock
    | ApplianceEventBlock
    | ApplianceEnergyBlock
    | HeardBlock
    | GridBlock
    | PlannedWorkBlock
    | ReliabilityBlock
    | AnomalyScoreBlock
    | HourlyLoadBlock
    | AlertMark
    | AlertDelivery
    | HomeRequestBlock
    | Device
)
"""Every record that travels as Avro, in the order of the ids file."""
