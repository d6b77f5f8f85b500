"""Faust, used as its documentation shows: an agent, and a table that Faust keeps on a changelog topic.

Records: a windowed table, https://faust-streaming.github.io/faust/userguide/tables.html#windowing. A meter's minute is
sent when the meter's next one begins: Faust's own `on_window_close` goes by the wall clock, so it would cut the windows
of a topic that is read faster than live.
Blocks: the rows are folded one by one into a plain table (a window goes by the time of a Kafka record, not of a row).
Tuned by https://faust-streaming.github.io/faust/userguide/settings.html: tables in memory, no wait for an empty stream,
larger buffers, results lingering for a batch; and uvloop.
"""

import asyncio
from typing import Any

import faust
import uvloop
from faust.serializers import codecs
from told import BOOTSTRAP, FOLDER, FORM, INPUT, NAME, OUTPUT, Tally, tell
from wire import MEAN_ID, MINUTE_MS, QUANTITIES, is_block, reader, rows, writer

TEN_YEARS_S = 10 * 365 * 86_400
"""The data has a fixed date: windows expire by the wall clock, so not before that."""


class AvroReading(codecs.Codec):
    """The codec of the input, https://faust-streaming.github.io/faust/userguide/models.html#codec-registry."""

    read = staticmethod(reader("Reading"))

    def _loads(self, s: bytes) -> Any:
        return self.read(s)


codecs.register("avro_reading", AvroReading())

app = faust.App(
    NAME,
    broker=f"kafka://{BOOTSTRAP}",
    store="memory://",
    datadir=str(FOLDER),
    topic_partitions=4,
    topic_replication_factor=1,
    topic_disable_leader=True,
    web_enabled=False,
    stream_wait_empty=False,
    stream_buffer_maxsize=16_384 if FORM == "records" else 64,
    producer_linger=0.05,
    producer_max_batch_size=1_000_000,
    broker_max_poll_records=2_000,
    consumer_auto_offset_reset="earliest",
)
means = app.topic(OUTPUT, value_serializer="raw", key_serializer="raw")
write_mean = writer("MinuteMean", MEAN_ID)


def nothing() -> list[float]:
    """The count and the sums of a minute that has no reading yet."""
    return [0.0] * (1 + len(QUANTITIES))


async def send(meter: str, start_ms: int, sums: list[float]) -> None:
    """One minute's means to the output topic."""
    mean = {name: total / sums[0] for name, total in zip(QUANTITIES, sums[1:], strict=True)}
    await means.send(key=meter.encode(), value=write_mean({"meter": meter, "start": start_ms, **mean}))


if FORM == "records":
    minutes = app.Table("minutes", default=nothing).tumbling(60.0, expires=TEN_YEARS_S)

    @app.agent(app.topic(INPUT, key_serializer="raw", key_type=bytes, value_serializer="avro_reading"))
    async def mean_of_records(stream: Any) -> None:
        """Add each reading to its meter's minute, which is that of the Kafka record's time."""
        async for event in stream.events():
            reading = event.value
            window = minutes[reading["meter"]]
            sums = window.current(event)
            if not sums[0]:
                before = window.delta(60.0, event)
                if before[0]:
                    await send(reading["meter"], reading["at"] // MINUTE_MS * MINUTE_MS - MINUTE_MS, before)
            values = [reading[name] for name in QUANTITIES]
            minutes[reading["meter"]] = [a + b for a, b in zip(sums, [1.0, *values], strict=True)]
            Tally.readings += 1

else:
    latest = app.Table("latest", default=lambda: [0, nothing()])
    read_block = reader("ReadingBlock")

    @app.agent(app.topic(INPUT, key_serializer="raw", value_serializer="raw", value_type=bytes))
    async def mean_of_blocks(stream: Any) -> None:
        """Add each row to its meter's minute."""
        async for payload in stream:
            for meter, at, values in rows(read_block(payload)) if is_block(payload) else ():
                minute, sums = latest[meter]
                if minute != at // MINUTE_MS:
                    if sums[0]:
                        await send(meter, minute * MINUTE_MS, sums)
                    minute, sums = at // MINUTE_MS, nothing()
                latest[meter] = [minute, [a + b for a, b in zip(sums, (1.0, *values), strict=True)]]
                Tally.readings += 1


def main() -> None:
    """Run the worker."""
    tell(lambda: Tally.readings)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    faust.Worker(app, loglevel="ERROR", quiet=True).execute_from_commandline()


if __name__ == "__main__":
    main()
