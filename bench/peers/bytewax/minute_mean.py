"""Bytewax, used as its documentation shows: Kafka in and out, a fold over tumbling event-time windows, recovery on.

Windows: https://docs.bytewax.io/stable/guide/concepts/windowing.html; recovery, with a snapshot as often as the others
save: https://docs.bytewax.io/stable/guide/concepts/recovery.html.
Tuned by the documentation of its classes: larger batches, argument 1, so that waking a key carries more rows
(KafkaSource: `batch_size`); values folded as they come, right for a sum (fold_window: `ordered`); no waking up for
windows by the wall clock, since the topic is read faster than live (EventClock: `to_system_utc`).
Blocks are decoded and flattened into the same windows.
"""

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, TumblingWindower, fold_window
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main
from told import BOOTSTRAP, FOLDER, FORM, INPUT, OUTPUT, SAVE_S, Tally, tell
from wire import MEAN_ID, MINUTE_MS, QUANTITIES, is_block, reader, rows, writer

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BATCH = int(sys.argv[1])
MINUTE = timedelta(minutes=1)
Row = tuple[int, tuple[float, ...]]
Sums = list[float]

read_reading, read_block, write_mean = reader("Reading"), reader("ReadingBlock"), writer("MinuteMean", MEAN_ID)


def of_record(message: KafkaSourceMessage[Any, Any]) -> tuple[str, Row]:
    """A reading by its meter."""
    reading = read_reading(message.value)
    return reading["meter"], (reading["at"], tuple([reading[name] for name in QUANTITIES]))


def of_block(message: KafkaSourceMessage[Any, Any]) -> list[tuple[str, Row]]:
    """A block's readings by their meters."""
    block = rows(read_block(message.value)) if is_block(message.value) else []
    return [(meter, (at, values)) for meter, at, values in block]


def time_of(row: Row) -> datetime:
    """Event time."""
    return datetime.fromtimestamp(row[0] / 1_000, UTC)


def nothing() -> Sums:
    """The count and the sums of a minute that has no reading yet."""
    return [0.0] * (1 + len(QUANTITIES))


def add(sums: Sums, row: Row) -> Sums:
    """One reading more."""
    Tally.readings += 1
    sums[0] += 1.0
    for place, value in enumerate(row[1], 1):
        sums[place] += value
    return sums


def merge(a: Sums, b: Sums) -> Sums:
    """Both."""
    return [x + y for x, y in zip(a, b, strict=True)]


def mean(closed: tuple[str, tuple[int, Sums]]) -> KafkaSinkMessage[bytes, bytes]:
    """A closed window, whose number counts minutes since the epoch, as a record."""
    meter, (window, sums) = closed
    means = {name: total / sums[0] for name, total in zip(QUANTITIES, sums[1:], strict=True)}
    return KafkaSinkMessage(meter.encode(), write_mean({"meter": meter, "start": window * MINUTE_MS, **means}))


def dataflow() -> Dataflow:
    """From the input topic to the output topic."""
    flow = Dataflow("minute_mean")
    messages = op.input("readings", flow, KafkaSource([BOOTSTRAP], [INPUT], batch_size=BATCH))
    by_meter = op.map("decode", messages, of_record) if FORM == "records" else op.flat_map("decode", messages, of_block)
    clock = EventClock(time_of, wait_for_system_duration=MINUTE, to_system_utc=lambda _: None)
    windower = TumblingWindower(length=MINUTE, align_to=EPOCH)
    minutes = fold_window("minute", by_meter, clock, windower, nothing, add, merge, ordered=False)
    op.output("means", op.map("mean", minutes.down, mean), KafkaSink([BOOTSTRAP], OUTPUT))
    return flow


if __name__ == "__main__":
    init_db_dir(FOLDER, 1)
    tell(lambda: Tally.readings)
    cli_main(dataflow(), recovery_config=RecoveryConfig(FOLDER), epoch_interval=timedelta(seconds=SAVE_S))
