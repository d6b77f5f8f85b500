"""From a reading on Kafka to the results of its turn: p50 and p99 at 20 %, 50 % and 80 % of the highest rate.

    python -m bench.latency [--highest ROWS_PER_S] [--seconds 30]

One worker of `metering`, as it runs; blocks of 200 readings are produced at a steady rate, beats once a second by the
clock, as a bridge does. A turn tells by its account up to which offset its results are out, so a block waits from the
moment it is produced until the first account beyond it arrives: the linger of the turn (a second) is in it, the
bridge's linger and the sink are not. `make run` shows the whole way from device to ClickHouse. The highest rate is that
of bench.metering, if nothing else is said.
"""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path

import click
import numpy as np
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from bench.contestants import PARTITIONS, metering
from bench.engine import PACKAGES, Bench, say
from bench.engine_topics import broker, delete_topics, make_topic
from bench.heat import started
from bench.report import RESULTS, report
from bench.workload import SOURCE, City, block_log, steps
from schemas.blocks import Beat
from schemas.codec import decode, encode
from schemas.errors import Unavailable
from schemas.results import Account

METERS, BLOCK_ROWS = 100_000, 200
SHARES = (0.2, 0.5, 0.8)
TOPIC = "bench.live"
WARM_UP_S = 10.0
Place = tuple[int, int]
"""Partition and offset."""


@dataclass(slots=True)
class Waits:
    """When blocks were produced, and how long each waited for its results."""

    produced: dict[Place, float] = field(default_factory=dict)
    waited_s: list[float] = field(default_factory=list)
    heard: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, at: float, error: object, message: Message) -> None:
        """Kafka has a block that was handed over at that time."""
        with self.lock:
            if error is None:
                self.produced[message.partition() or 0, message.offset() or 0] = at

    def account(self, account: Account, now: float) -> None:
        """The results of everything below its next offset are out."""
        self.heard.set()
        with self.lock:
            done = [
                place for place in self.produced if place[0] == account.partition and place[1] < account.next_offset
            ]
            self.waited_s += [now - self.produced.pop(place) for place in done]


def blocks(city: City) -> Iterator[tuple[int, bytes]]:
    """Blocks of all meters, the partitions by turns, step after step; without beats, which are of the clock here."""
    for step in steps(city):
        logs = [block_log(city, step, partition, BLOCK_ROWS) for partition in range(PARTITIONS)]
        for of_each in zip_longest(*logs):
            for partition, payload in enumerate(of_each):
                if payload is not None and not isinstance(decode(payload), Beat):
                    yield partition, payload


def beat(producer: Producer) -> None:
    """One tick into each partition."""
    for partition in range(PARTITIONS):
        producer.produce(TOPIC, encode(Beat(SOURCE, time.time_ns() // 1_000_000)), partition=partition)


def await_worker(bootstrap: str, waits: Waits) -> None:
    """Beat until the worker tells of its first turn."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for _ in range(240):
        beat(producer)
        producer.flush(5)
        if waits.heard.wait(0.5):
            return
    raise Unavailable("the worker", "closed no turn in two minutes")


def drain(bootstrap: str, waits: Waits) -> None:
    """Beat on until every block has its results, or half a minute has passed: the last turn ends with a beat."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for _ in range(60):
        beat(producer)
        producer.flush(5)
        time.sleep(0.5)
        if not waits.produced:
            return


def drive(bootstrap: str, rate: float, seconds: float, waits: Waits) -> None:
    """Produce blocks at `rate` readings a second for the warm-up and `seconds`, and beats as time passes."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "compression.type": "lz4"})
    began = time.monotonic()
    beat_at = began
    for number, (partition, payload) in enumerate(blocks(City.of(METERS, PARTITIONS))):
        now = time.monotonic()
        if now - began > WARM_UP_S + seconds:
            break
        if now >= beat_at:
            beat_at += 1.0
            beat(producer)
        delivered = partial(waits.put, now) if now - began > WARM_UP_S else None
        producer.produce(TOPIC, payload, partition=partition, on_delivery=delivered)
        producer.poll(max(0.0, began + (number + 1) * BLOCK_ROWS / rate - now))
    producer.flush(10)


def listen(bootstrap: str, topic: str, waits: Waits, until: threading.Event) -> None:
    """Hear the accounts of the worker."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "latency", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    while not until.is_set():
        for message in consumer.consume(100, 0.05):
            record = decode(message.value() or b"") if message.error() is None else None
            if isinstance(record, Account):
                waits.account(record, time.monotonic())
    consumer.close()


def waits_at(bench: Bench, rate: float, seconds: float) -> dict[str, float]:
    """Milliseconds at that rate, over all blocks after the warm-up."""
    contestant = metering()
    delete_topics(bench.bootstrap, TOPIC.__eq__)
    time.sleep(1)
    make_topic(bench.bootstrap, TOPIC, PARTITIONS, {"message.timestamp.before.max.ms": str(2**62)})
    output, env = bench.place(contestant, TOPIC)
    waits, over = Waits(), threading.Event()
    listener = threading.Thread(target=listen, args=(bench.bootstrap, output.replace(".means", ".facts"), waits, over))
    with started(contestant, bench.folder, env):
        listener.start()
        await_worker(bench.bootstrap, waits)
        drive(bench.bootstrap, rate, seconds, waits)
        drain(bench.bootstrap, waits)
        over.set()
        listener.join()
    bench.tidy()
    if not waits.waited_s:
        raise Unavailable("the worker", f"gave no results at {rate:,.0f} readings/s")
    p50, p99 = np.percentile(np.array(waits.waited_s) * 1_000, [50, 99])
    return {
        "readings_per_s": round(rate),
        "p50_ms": round(p50),
        "p99_ms": round(p99),
        "blocks": len(waits.waited_s),
        "blocks_without_results": len(waits.produced),
    }


def highest_rate() -> float:
    """What bench.metering found for this many meters."""
    found = RESULTS / "metering.json"
    if not found.exists():
        raise click.UsageError("run bench.metering first, or give --highest")
    rate: float = json.loads(found.read_text("utf-8"))["result"]["rows"][str(METERS)]["readings_per_cpu_s"]
    return rate


@click.command(help=__doc__)
@click.option("--highest", default=0.0, help="Readings a second; what bench.metering found if 0.")
@click.option("--seconds", default=30.0, show_default=True)
@click.option("--folder", default=Path(".run/bench-engine"), type=click.Path(path_type=Path))
@click.option("--results", default=RESULTS, type=click.Path(path_type=Path))
def main(highest: float, seconds: float, folder: Path, results: Path) -> None:
    """Measure, print, keep."""
    highest = highest or highest_rate()
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    with broker(folder) as bootstrap:
        bench = Bench(bootstrap, folder, seconds)
        bench.tidy()
        for share in SHARES:
            say(f"{share:.0%} of {highest:,.0f} readings/s")
            found[f"{share:.0%}"] = waits_at(bench, share * highest, seconds)
    for name, told in found.items():
        print(f"{name:>4} {told['readings_per_s']:10,} readings/s  p50 {told['p50_ms']} ms  p99 {told['p99_ms']} ms")
    report("latency", {"meters": METERS, "highest_readings_per_s": round(highest), "at": found}, PACKAGES, results)


if __name__ == "__main__":
    main()
