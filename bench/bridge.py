"""How fast the MQTT bridge takes messages, beside the bare client that does nothing with them.

    python -m bench.bridge [--messages N] [--repeats N]

A real mosquitto holds the same readings for both in the session of each, QoS 1; then one after the other each comes
and takes them, so that no publisher shares the time. Bare: paho acknowledges by itself and counts. Bridge: decodes,
checks the register, packs, produces to a real Kafka, and acknowledges when that has it. Messages a second by the clock
are what a device notices; microseconds of CPU a message are what the machine does.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click
import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bench.process import cpu_s
from bench.report import report
from connectors.kafka import ensure_topics
from connectors.mqtt_session import RECEIVE_MAXIMUM
from flexmeter.fleet.payloads import household, iso_time
from flexmeter.local import roles
from flexmeter.local.kafka import kafka
from flexmeter.local.metrics import Series, scrape
from flexmeter.local.mosquitto import mosquitto
from flexmeter.local.part import running, spawn, stop, wait_ready
from flexmeter.local.ports import HOST, free_port
from flexmeter.local.roles import Place, Role
from flexmeter.registered import fill
from schemas.topology import load_topology

METERS = 1_000
BRIDGE = "mqtt_malmo"
GOAL = 0.85
ACKNOWLEDGED = Series("flexmeter_bridge_acknowledged_total")
REJECTED = Series("flexmeter_bridge_rejected_total")
TOPOLOGY = Path("topology.yaml")
ANY_AGE = {**os.environ, "FLEXMETER_OLDEST_DAYS": "0"}
"""The environment of a bridge that is sent what has the time of one day in 2026."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one contestant needed for all messages."""

    wall_s: float
    cpu_s: float


def meter(index: int) -> str:
    """Its id in the register."""
    return f"LGZ{1030655933000 + index}"


def publish(port: int, first: int, count: int) -> None:
    """Readings of 1,000 households in turn, QoS 1; returns when the broker has them all."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.max_inflight_messages_set(1_000)
    client.connect(HOST, port)
    client.loop_start()
    rng = np.random.default_rng(first)
    for number in range(first, first + count):
        power_w, voltage_v = rng.uniform(0, 3_000, 3).round(1).tolist(), rng.uniform(225, 235, 3).round(2).tolist()
        at = 1_795_507_200_000 + number // METERS * 10_000
        payload = household(iso_time(at), number, 1_000 + number, 0, power_w, voltage_v)
        sent = client.publish(f"malmo/malmo_household/{meter(number % METERS)}/reading", payload, qos=1)
        if number % 10_000 == 0 or number == first + count - 1:  # paho refuses more than 65,535 under way
            sent.wait_for_publish(120)
    client.disconnect()
    client.loop_stop()


def bare(port: int, count: int) -> Run:
    """paho, as its documentation shows it. With `count` 0 it only makes its session."""
    taken = 0
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="bare", protocol=paho.MQTTv5)

    def on_message(_client: paho.Client, _data: object, _message: paho.MQTTMessage) -> None:
        nonlocal taken
        taken += 1
        if taken == count:
            client.disconnect()

    def on_subscribe(*_: object) -> None:
        if not count:
            client.disconnect()

    def on_connect(*_: object) -> None:
        client.subscribe("malmo/+/+/reading", 1)

    client.on_message = on_message
    client.on_subscribe = on_subscribe
    client.on_connect = on_connect
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval, properties.ReceiveMaximum = 3_600, RECEIVE_MAXIMUM
    wall, cpu = time.perf_counter(), time.process_time()
    client.connect(HOST, port, clean_start=False, properties=properties)
    client.loop_forever()
    return Run(time.perf_counter() - wall, time.process_time() - cpu)


def take(name: str, place: Place, topology: Path, count: int, ahead: int, env: Mapping[str, str] = ANY_AGE) -> Run:
    """The role as it runs; with `count` 0 it only makes its session.

    Up to `ahead` messages it may hold that are not acknowledged yet, and does as soon as it is connected: so the clock
    stops with as many still to come, and what is measured stands for all.
    """
    role = Role("bridge", name, free_port())
    part = roles.part(role, place, topology, env)
    process = spawn(part)
    try:
        wait_ready(part, process)
        wall, cpu, first = time.perf_counter(), cpu_s(process.pid), _acknowledged(role)
        taken = _acknowledged_at_least(count - ahead, role)
        share = count / max(1, taken - first)
        run = Run((time.perf_counter() - wall) * share, (cpu_s(process.pid) - cpu) * share)
        _acknowledged_at_least(count, role)
        if REJECTED.total(scrape(role.metrics_port)):
            raise RuntimeError("messages were rejected: these are no figures of readings")
        return run
    finally:
        stop(process, part.stop_s)


def appliance_reading(number: int) -> bytes:
    """What a nilm_meter reports, of 1,000 that take turns each second."""
    return (
        f'{{"time":{1_795_507_200 + number // METERS},"seq":{number},"current":4.31,"voltage":229.8,'
        f'"active_power":951.2,"reactive_power":182.5}}'
    ).encode()


def register(folder: Path, profile: str) -> None:
    """1,000 meters of one profile, spread over two substations."""
    lines = [f"{meter(i)},{profile},sub-{i % 2},sub-{i % 2}-f{i % 9}" for i in range(METERS)]
    (folder / "register.csv").write_text("\n".join(["meter_id,profile,substation,feeder", *lines]) + "\n")


def _acknowledged_at_least(count: int, role: Role) -> int:
    while (taken := _acknowledged(role)) < count:
        time.sleep(0.05)
    return taken


def _acknowledged(role: Role) -> int:
    return ACKNOWLEDGED.total(scrape(role.metrics_port)) or 0


@click.command(help=__doc__)
@click.option("--messages", default=120_000, show_default=True, help="Messages a run.")
@click.option("--repeats", default=5, show_default=True, help="Runs of each.")
def main(messages: int, repeats: int) -> None:
    """Measure, print, write; exit 1 where the goal is missed."""
    runs: dict[str, list[Run]] = {"bare client": [], "bridge": []}
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), free_port(), free_port(), free_port())
        register(place.folder, "malmo_household")
        with (
            running(kafka(place.folder / "kafka", place.kafka_port, place.log("kafka"))),
            running(mosquitto(place.folder / "mosquitto", place.mqtt_port, place.log("mosquitto"))),
        ):
            topology = load_topology(TOPOLOGY, place.settings(os.environ))
            ensure_topics(topology.kafka, topology.topics.values())
            fill(topology)
            bare(place.mqtt_port, 0)
            take(BRIDGE, place, TOPOLOGY, 0, 0)
            for repeat in range(repeats):
                publish(place.mqtt_port, repeat * messages, messages)
                runs["bare client"].append(bare(place.mqtt_port, messages))
                runs["bridge"].append(take(BRIDGE, place, TOPOLOGY, messages, RECEIVE_MAXIMUM))
                print(f"round {repeat + 1} of {repeats}", file=sys.stderr)
    tell("bridge", messages, runs, GOAL, ["paho-mqtt", "orjson"])


def tell(
    name: str, messages: int, runs: Mapping[str, list[Run]], goal: float, packages: Sequence[str], **said: int
) -> NoReturn:
    """Print and write the medians, and the bridge's rate as a share of the bare client's; exit 1 below the goal."""
    told = {}
    for contestant, some in runs.items():
        per_s, cpu_us = _median([messages / run.wall_s for run in some]), _median([run.cpu_s for run in some])
        told[contestant] = {"messages_per_s": round(per_s), "cpu_us_per_message": round(cpu_us / messages * 1e6, 1)}
        print(f"{contestant:12}{per_s:10,.0f} messages/s{cpu_us / messages * 1e6:8.1f} us of CPU a message")
    bare, ours = told.values()
    ratio = ours["messages_per_s"] / bare["messages_per_s"]
    cpu_ratio = bare["cpu_us_per_message"] / ours["cpu_us_per_message"]
    print(f"the bridge takes {ratio:.0%} of what the bare client takes, {cpu_ratio:.0%} by CPU; goal {goal:.0%}")
    ratios = {"ratio": round(ratio, 3), "cpu_ratio": round(cpu_ratio, 3), "goal": goal}
    report(name, {"messages": messages, **said, **told, **ratios}, packages)
    sys.exit(0 if ratio >= goal else 1)


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    main()
