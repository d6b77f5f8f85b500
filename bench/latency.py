"""From a device's message to the result that it makes possible: p50 and p99 at 20 %, 50 %, 80 % of the highest rate.

    python -m bench.latency [--highest MESSAGES_PER_S] [--minutes 2]

The whole chain as it runs: a client publishes readings of E350 meters, each every 10 s, to a real mosquitto (QoS 1),
the MQTT bridge brings them to a real Kafka, the worker of `metering` computes, and a consumer of `meter.aggregates`
sees the results, all on this machine.

The result is a meter's 1-minute aggregate. Its time runs from when the message was due without which it could not be
told: the first one that is newer, by the profile's lateness of a minute, than the meter's first reading at or after the
end of the window. So the minute that is kept for rows out of order, which is chosen, is not in it; what the machinery
takes is: the bridge's linger (half a second), the turn (a second), the queues. It ends when the consumer has the
record. Windows end at the full minute, so all meters' results come in the same ten seconds of each minute: what is
measured is the worst sixth of the time. A device that cannot send when it is due waits, too.

The highest rate is found first: a history is sent as fast as mosquitto takes it, and what the worker gets to see a
second, once it knows all meters, is what the slowest part lets through, with all parts and the devices on the same
cores. The CPU time that a message takes tells which part that is.
"""

import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from multiprocessing.pool import AsyncResult
from pathlib import Path
from typing import Any

import click
import numpy as np
from confluent_kafka import Consumer, TopicPartition

from bench.engine_plot import latencies
from bench.latency_chain import Chain, chain
from bench.latency_devices import MINUTE_MS, Devices, send_all, send_live
from bench.metering import LEAST_STEPS
from bench.report import RESULTS, report
from bench.workload import STEP_MS, City
from schemas.arrays import Float64s
from schemas.codec import decode
from schemas.errors import Unavailable
from schemas.results import AggregateBlock

SHARES = (0.2, 0.5, 0.8)
METERS_OF_HIGHEST = 10_000
STEPS_OF_HIGHEST = 18
"""After the warm-up: three minutes, each with its closing of windows."""
WARM_UP_S = LEAST_STEPS * STEP_MS // 1_000
LEAD_S = 8.0
"""For the devices' process to start and connect."""
QUIET_S = 10.0
PATIENCE_S = 300.0
TOPIC, WINDOW = "meter.aggregates", "1min"
PACKAGES = ("faust-streaming", "aiokafka", "confluent-kafka", "paho-mqtt", "numpy", "uvloop")

Seen = tuple[float, bytes]
"""When a record of results was there, and its bytes."""


def highest() -> dict[str, Any]:
    """Messages a second through the whole chain, and what each part of it needs for one."""
    whole = (LEAST_STEPS + STEPS_OF_HIGHEST) * METERS_OF_HIGHEST
    with chain(METERS_OF_HIGHEST) as parts, multiprocessing.get_context("spawn").Pool(1) as others:
        devices = Devices(METERS_OF_HIGHEST, now_ms() - (LEAST_STEPS + STEPS_OF_HIGHEST) * STEP_MS)
        before = parts.cpu_s()
        job = others.apply_async(send_all, (parts.mqtt_url, devices, LEAST_STEPS + STEPS_OF_HIGHEST))
        looks = list(_looks(parts, job, whole))
        used = {"devices": job.get()} | {name: cpu_s - before[name] for name, cpu_s in parts.cpu_s().items()}
        check(parts)
    (first_s, first), (last_s, last) = looks[0], looks[-1]
    each = {name: round(cpu_s / whole * 1e6, 1) for name, cpu_s in used.items()}
    return {
        "messages_per_s": round((last - first) / (last_s - first_s)),
        "cpu_us_a_message": each,
        "slowest_part": max(each.keys() - {"devices"}, key=lambda name: each[name]),
    }


def _looks(parts: Chain, job: "AsyncResult[float]", whole: int) -> Iterator[tuple[float, int]]:
    """When, and how many readings the worker had: from when it knows all meters until it has all readings."""
    deadline = time.monotonic() + PATIENCE_S
    while (rows := parts.rows) < whole:
        now = time.monotonic()
        if job.ready() and not job.successful():
            job.get()
        if now > deadline:
            raise Unavailable("the chain", f"{rows:,} of {whole:,} readings in {PATIENCE_S:.0f} s")
        if rows >= LEAST_STEPS * METERS_OF_HIGHEST:
            yield now, rows
        time.sleep(0.25)


def at_rate(rate: float, minutes: int) -> dict[str, Any]:
    """Milliseconds until a result at that many messages a second, over all windows of so many minutes."""
    meters = round(rate * STEP_MS / 1_000)
    count = (WARM_UP_S * 1_000 + minutes * MINUTE_MS) // STEP_MS
    with chain(meters) as parts, multiprocessing.get_context("spawn").Pool(1) as others:
        begin_s, devices = time.monotonic() + LEAD_S, Devices(meters, now_ms() + round(LEAD_S * 1_000))
        job = others.apply_async(send_live, (parts.mqtt_url, devices, count, begin_s))
        with closing(subscriber(parts)) as consumer:
            seen = list(listen(consumer, job, begin_s + WARM_UP_S))
        late_s = job.get()
        check(parts)
    waited_ms = waits_ms(seen, devices, begin_s)
    missing = meters * minutes - len(waited_ms)
    p50, p99 = np.percentile(np.append(waited_ms, np.full(missing, np.inf)), [50, 99], method="lower")
    return {
        "messages_per_s": round(rate),
        "meters": meters,
        "p50_ms": round(p50) if np.isfinite(p50) else None,
        "p99_ms": round(p99) if np.isfinite(p99) else None,
        "results": len(waited_ms),
        "results_missing": missing,
        "devices_late_p99_ms": round(late_s * 1_000, 1),
    }


def check(parts: Chain) -> None:
    """Raises where messages were not what they should be: these are no figures of readings."""
    if parts.rejected:
        raise RuntimeError(f"{parts.rejected} messages were rejected")


def subscriber(parts: Chain) -> Consumer:
    """Of all results of this worker."""
    consumer = Consumer({"bootstrap.servers": parts.place.bootstrap, "group.id": "bench-latency"})
    partitions = parts.topology.topics[TOPIC].partitions
    consumer.assign([TopicPartition(TOPIC, number, 0) for number in range(partitions)])
    return consumer


def listen(consumer: Consumer, job: "AsyncResult[float]", from_s: float) -> Iterator[Seen]:
    """Every record from then on, as bytes, since to decode it would take time from what is measured; until the devices
    are done and nothing comes any more.
    """
    newest_s = time.monotonic()
    while not job.ready() or time.monotonic() < newest_s + QUIET_S:
        first = consumer.poll(0.1)
        if first is None:
            continue
        newest_s = time.monotonic()
        for message in (first, *consumer.consume(1_000, 0)):
            if message.error() is None and newest_s >= from_s:
                yield newest_s, message.value() or b""


def waits_ms(seen: Sequence[Seen], devices: Devices, begin_s: float) -> Float64s:
    """Of every window whose message was due after the warm-up: how long until its result was seen."""
    number = {meter: i for i, meter in enumerate(City.of(devices.meters, 1).ids)}
    found = [np.empty(0)]
    for seen_s, value in seen:
        block = decode(value)
        if not isinstance(block, AggregateBlock) or WINDOW not in block.windows:
            continue
        here = np.flatnonzero((block.row_window == block.windows.index(WINDOW)) & (block.row_quantity == 0))
        meters = np.array([number[meter] for meter in block.meters])[block.row_meter[here]]
        due_s = (devices.completes(meters, block.end[here]) - devices.begin_ms) / 1_000
        found.append((seen_s - begin_s - due_s[due_s >= WARM_UP_S]) * 1_000)
    return np.concatenate(found)


def now_ms() -> int:
    """The time now."""
    return time.time_ns() // 1_000_000


@click.command(help=__doc__)
@click.option("--highest", "given", default=0.0, help="Messages a second; found if 0.")
@click.option("--minutes", default=2, show_default=True, help="How long each rate is measured, after the warm-up.")
@click.option("--results", default=RESULTS, type=click.Path(path_type=Path))
def main(given: float, minutes: int, results: Path) -> None:
    """Measure, print, keep; exit 1 where a result never came."""
    found = {"messages_per_s": round(given)} if given else highest()
    print(f"highest: {found}", file=sys.stderr)
    at = {}
    for share in SHARES:
        at[f"{share:.0%}"] = told = at_rate(share * found["messages_per_s"], minutes)
        print(f"{share:.0%}: {told}", file=sys.stderr)
    for name, told in at.items():
        print(f"{name:>4} {told['messages_per_s']:10,} messages/s  p50 {told['p50_ms']} ms  p99 {told['p99_ms']} ms")
    latencies(at, results / "latency.png")
    report("latency", {"minutes": minutes, "highest": found, "at": at}, PACKAGES, results)
    sys.exit(1 if any(told["results_missing"] for told in at.values()) else 0)


if __name__ == "__main__":
    main()
