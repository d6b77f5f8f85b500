"""Quix Streams, used as its documentation shows: state in RocksDB, backed by a changelog topic.

Records: a tumbling window with an aggregation, results when the window is final,
https://quix.io/docs/quix-streams/windowing.html.
Blocks: a stateful function over the blocks, https://quix.io/docs/quix-streams/processing.html#using-state; windows go
by the Kafka record's key and time, so rows of a block would have to go through Kafka again, one record each.
Tuned by https://quix.io/docs/quix-streams/configuration.html: commits as often as the others save, no log; producing
by librdkafka's settings for throughput.
"""

from typing import Any

from quixstreams import Application
from quixstreams.dataframe.windows.aggregations import Mean
from quixstreams.models import Deserializer, Serializer
from quixstreams.state import State
from told import BOOTSTRAP, FOLDER, FORM, INPUT, NAME, OUTPUT, SAVE_S, Tally, tell
from wire import MEAN_ID, MINUTE_MS, QUANTITIES, is_block, reader, rows, writer


class Reading(Deserializer):
    """Avro to a dict, as AvroDeserializer does it."""

    read = staticmethod(reader("Reading"))

    def __call__(self, value: bytes, ctx: Any) -> Any:
        """The reading."""
        Tally.readings += 1
        return self.read(value)


class MinuteMean(Serializer):
    """A dict to Avro, as AvroSerializer does it."""

    write = staticmethod(writer("MinuteMean", MEAN_ID))

    def __call__(self, value: Any, ctx: Any) -> bytes:
        """The bytes."""
        return self.write(value)


def add_block(payload: bytes, state: State) -> list[dict[str, Any]]:
    """Add the rows to their meters' minutes; those that are over."""
    over = []
    for meter, at, values in rows(read_block(payload)) if is_block(payload) else ():
        minute, count, sums = state.get(meter) or (0, 0, ())
        if minute != at // MINUTE_MS:
            if count:
                over.append({"meter": meter, "start": minute * MINUTE_MS, **mean(count, sums)})
            minute, count, sums = at // MINUTE_MS, 0, (0.0,) * len(values)
        state.set(meter, (minute, count + 1, [a + b for a, b in zip(sums, values, strict=True)]))
        Tally.readings += 1
    return over


def mean(count: int, sums: list[float]) -> dict[str, float]:
    """Means by name."""
    return {name: total / count for name, total in zip(QUANTITIES, sums, strict=True)}


read_block = reader("ReadingBlock")
app = Application(
    broker_address=BOOTSTRAP,
    consumer_group=NAME,
    auto_offset_reset="earliest",
    state_dir=FOLDER,
    commit_interval=SAVE_S,
    loglevel="WARNING",
    producer_extra_config={"linger.ms": 50, "compression.type": "lz4"},
)
output = app.topic(OUTPUT, key_serializer="str", value_serializer=MinuteMean())
if FORM == "records":
    readings = app.dataframe(app.topic(INPUT, key_deserializer="str", value_deserializer=Reading()))
    window = readings.tumbling_window(duration_ms=MINUTE_MS, grace_ms=MINUTE_MS)
    closed = window.agg(**{name: Mean(name) for name in QUANTITIES}).final()
    closed = closed.apply(lambda value, key, *_: {"meter": key, **value}, metadata=True)
    closed.to_topic(output)
else:
    blocks = app.dataframe(app.topic(INPUT, key_deserializer="str", value_deserializer="bytes"))
    blocks.apply(add_block, stateful=True, expand=True).to_topic(output, key=lambda value: value["meter"])

if __name__ == "__main__":
    tell(lambda: Tally.readings)
    app.run()
