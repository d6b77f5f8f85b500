"""How fast the AMQP bridge takes messages, beside pika as its documentation shows it.

    python -m bench.amqp [--messages N] [--repeats N]

As bench.bridge: a real RabbitMQ holds the same persistent messages for both, each in a durable queue of its own; then
one after the other takes them. Bare: pika acknowledges each message and counts. Bridge: decodes, checks the register,
packs, produces to a real Kafka, and acknowledges when that has it.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import pika

from bench.bridge import ANY_AGE, GOAL, Run, appliance_reading, meter, register, take, tell
from connectors.amqp import PREFETCH
from connectors.kafka import ensure_topics
from flexmeter.local.kafka import kafka
from flexmeter.local.part import running
from flexmeter.local.ports import HOST, free_port
from flexmeter.local.rabbitmq import rabbitmq
from flexmeter.local.roles import Place
from flexmeter.registered import fill
from schemas.topology import load_topology

BRIDGE, QUEUE, BARE = "amqp_turin", "flexmeter", "bare"
TOPOLOGY = Path("topology.yaml")


def publish(port: int, first: int, count: int) -> None:
    """Readings of 1,000 meters in turn, into both queues."""
    with pika.BlockingConnection(pika.ConnectionParameters(HOST, port)) as connection:
        channel = connection.channel()
        for name in (QUEUE, BARE):
            channel.queue_declare(name, durable=True)
            channel.queue_bind(name, "amq.topic", "meters.*.*.reading")
        properties = pika.BasicProperties(delivery_mode=2, user_id="guest")
        for number in range(first, first + count):
            key = f"meters.nilm_meter.{meter(number % 1_000)}.reading"
            channel.basic_publish("amq.topic", key, appliance_reading(number), properties)


def bare(port: int, count: int) -> Run:
    """Take them, and acknowledge each."""
    taken = 0

    def on_message(channel: Any, method: Any, _properties: Any, _body: bytes) -> None:
        nonlocal taken
        taken += 1
        channel.basic_ack(method.delivery_tag)
        if taken == count:
            channel.stop_consuming()

    with pika.BlockingConnection(pika.ConnectionParameters(HOST, port)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.basic_consume(BARE, on_message)
        wall, cpu = time.perf_counter(), time.process_time()
        channel.start_consuming()
        return Run(time.perf_counter() - wall, time.process_time() - cpu)


@click.command(help=__doc__)
@click.option("--messages", default=60_000, show_default=True, help="Messages a run.")
@click.option("--repeats", default=3, show_default=True, help="Runs of each.")
def main(messages: int, repeats: int) -> None:
    """Measure, print, write; exit 1 where the goal is missed."""
    runs: dict[str, list[Run]] = {"bare client": [], "bridge": []}
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), free_port(), free_port(), free_port(), free_port())
        register(place.folder, "nilm_meter")
        (place.folder / "principals.csv").write_text("identity,meters\nguest,*\n")
        env = {**ANY_AGE, "FLEXMETER_PRINCIPALS": str(place.folder / "principals.csv")}
        with (
            running(kafka(place.folder / "kafka", place.kafka_port, place.log("kafka"))),
            running(rabbitmq(place.folder / "rabbitmq", place.amqp_port, place.log("rabbitmq"))),
        ):
            topology = load_topology(TOPOLOGY, place.settings(env))
            ensure_topics(topology.kafka, topology.topics.values())
            fill(topology)
            for repeat in range(repeats):
                publish(place.amqp_port, repeat * messages, messages)
                runs["bare client"].append(bare(place.amqp_port, messages))
                runs["bridge"].append(take(BRIDGE, place, TOPOLOGY, messages, PREFETCH, env))
                print(f"round {repeat + 1} of {repeats}", file=sys.stderr)
    tell("amqp", messages, runs, GOAL, ["pika", "orjson"])


if __name__ == "__main__":
    main()
