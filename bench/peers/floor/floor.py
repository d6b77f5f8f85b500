"""The floor: confluent-kafka consumes and fastavro decodes the blocks, and nothing else is done with them.

Polls in batches, as confluent-kafka's documentation advises for throughput:
https://docs.confluent.io/platform/current/clients/confluent-kafka-python/html/index.html#confluent_kafka.Consumer.consume
"""

from confluent_kafka import Consumer
from told import BOOTSTRAP, INPUT, NAME, Tally, tell
from wire import is_block, reader


def main() -> None:
    """Read on until the end of the process."""
    consumer = Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": NAME,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([INPUT])
    read = reader("ReadingBlock")
    tell(lambda: Tally.readings)
    while True:
        for message in consumer.consume(500, timeout=1.0):
            payload = message.value()
            if message.error() is None and is_block(payload):
                Tally.readings += len(read(payload)["row_meter"])


if __name__ == "__main__":
    main()
