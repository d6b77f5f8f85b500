"""How fast the CoAP bridge takes readings, beside the bare aiocoap server that does nothing with them.

    python -m bench.coap [--messages N] [--repeats N] [--window N]

The same devices (coap_load.py) post the same readings to both in turn, confirmable. Bare: aiocoap as its documentation
shows it, answering 2.04 at once; more than 64 under way would only overflow its receive buffer, and have it wait for
repetitions. Bridge: decodes, checks register and authority, packs, produces to a real Kafka, and answers when that has
it, so that more must be under way. Requests a second by the clock are what devices notice, and what others do on the
machine disturbs; microseconds of CPU a request are what the machine does.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import Popen
from typing import NoReturn

import aiocoap
import click
import numpy as np
import yaml
from aiocoap.resource import PathCapable, Resource

from bench.bridge import ANY_AGE, METERS, meter
from bench.coap_load import Load, post_all, request
from bench.process import cpu_s
from bench.report import report
from connectors.kafka import ensure_topics
from flexmeter.fleet.payloads import household, iso_time
from flexmeter.local import roles
from flexmeter.local.kafka import kafka
from flexmeter.local.part import Part, running, spawn, stop, wait_ready
from flexmeter.local.ports import HOST, free_port
from flexmeter.local.roles import Place, Role
from flexmeter.registered import fill
from schemas.topology import load_topology

GOAL = 0.85
BARE_WINDOW = 64
JSON = 50
BRIDGE = "coap"


@dataclass(frozen=True, slots=True)
class Run:
    """What one contestant needed for all messages."""

    load: Load
    cpu_s: float


class Nothing(Resource, PathCapable):
    """Takes everything and does nothing."""

    async def render_post(self, _request: aiocoap.Message) -> aiocoap.Message:
        """2.04."""
        return aiocoap.Message(code=aiocoap.CHANGED)


async def serve_nothing(port: int) -> None:
    """The bare server, until it is ended."""
    await aiocoap.Context.create_server_context(Nothing(), bind=(HOST, port), transports=["udp6"])
    print("listening", flush=True)
    await asyncio.get_running_loop().create_future()


def requests(first: int, count: int) -> list[bytes]:
    """Readings of 1,000 households in turn."""
    rng = np.random.default_rng(first)
    made = []
    for number in range(first, first + count):
        power_w, voltage_v = rng.uniform(0, 3_000, 3).round(1).tolist(), rng.uniform(225, 235, 3).round(2).tolist()
        at = 1_795_507_200_000 + number // METERS * 10_000
        payload = household(iso_time(at), number, 1_000 + number, 0, power_w, voltage_v)
        path = f"meters/malmo_household/{meter(number % METERS)}/reading"
        made.append(request(number - first, path, JSON, payload))
    return made


@contextmanager
def contestant(part: Part, says: str) -> Iterator["Popen[bytes]"]:
    """The part, as soon as it says so."""
    part.log.unlink(missing_ok=True)
    process = spawn(part)
    try:
        wait_ready(part, process)
        while says not in part.log.read_text():
            time.sleep(0.05)
        yield process
    finally:
        stop(process, part.stop_s)


def measured(process: "Popen[bytes]", post: Callable[[], Load]) -> Run:
    """What it took of the process."""
    before = cpu_s(process.pid)
    return Run(post(), cpu_s(process.pid) - before)


def write_topology(folder: Path, port: int) -> Path:
    """The repository's, with a CoAP bridge in the place of its own."""
    document = yaml.safe_load(Path("topology.yaml").read_text("utf-8"))
    bridge = document["bridges"]["mqtt_malmo"]
    subscribe = ["meters/{profile}/{meter}/reading"]
    bridge |= {"protocol": "coap", "url": f"coap://{HOST}:{port}", "subscribe": subscribe, "anonymous": True}
    document["bridges"] = {BRIDGE: {**bridge, "options": {}}}
    del document["topics"]["meter.counters"]  # of the bridges that are left out
    (folder / "coap.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return folder / "coap.yaml"


@click.command(help=__doc__)
@click.option("--messages", default=20_000, show_default=True, help="Requests a run.")
@click.option("--repeats", default=3, show_default=True, help="Runs of each.")
@click.option("--window", default=1_600, show_default=True, help="Requests under way at the bridge.")
@click.option("--serve", "serve_port", type=int, hidden=True)
def main(messages: int, repeats: int, window: int, serve_port: int | None) -> None:
    """Measure, print, write; exit 1 where the goal is missed."""
    if serve_port is not None:
        asyncio.run(serve_nothing(serve_port))
        return
    runs: dict[str, list[Run]] = {"bare server": [], "bridge": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place = Place(folder, free_port(), free_port(), free_port())
        lines = [f"{meter(i)},malmo_household,sub-{i % 2},sub-{i % 2}-f{i % 9}" for i in range(METERS)]
        (folder / "register.csv").write_text("\n".join(["meter_id,profile,substation,feeder", *lines]) + "\n")
        port = free_port()
        path = write_topology(folder, port)
        argv = [sys.executable, "-m", "bench.coap", "--serve", str(port)]
        parts = {
            "bare server": Part("bare", argv, folder / "bare.log"),
            "bridge": roles.part(Role("bridge", BRIDGE, free_port()), place, path, ANY_AGE),
        }
        with running(kafka(folder / "kafka", place.kafka_port, place.log("kafka"))):
            topology = load_topology(path, place.settings(os.environ))
            ensure_topics(topology.kafka, topology.topics.values())
            fill(topology)
            windows = {"bare server": BARE_WINDOW, "bridge": window}
            for repeat in range(repeats):
                posted = requests(repeat * messages, messages)
                for contender, part in parts.items():
                    with contestant(part, "listening") as process:
                        post_all(HOST, port, posted[:window], windows[contender])
                    with contestant(part, "listening") as process:
                        runs[contender].append(
                            measured(process, partial(post_all, HOST, port, posted, windows[contender]))
                        )
                print(f"round {repeat + 1} of {repeats}", file=sys.stderr)
    _tell(messages, window, runs)


def _tell(messages: int, window: int, runs: dict[str, list[Run]]) -> NoReturn:
    told = {}
    for name, some in runs.items():
        per_s = statistics.median(messages / run.load.wall_s for run in some)
        cpu_us = statistics.median(run.cpu_s for run in some) / messages * 1e6
        again, refused = sum(run.load.again for run in some), sum(run.load.refused for run in some)
        told[name] = {
            "requests_per_s": round(per_s),
            "cpu_us_per_request": round(cpu_us, 1),
            "sent_again": again,
            "refused": refused,
        }
        rates = f"{per_s:10,.0f} requests/s{cpu_us:8.1f} us of CPU a request"
        print(f"{name:12}{rates}; {again} sent again, {refused} refused")
    ratio = told["bridge"]["requests_per_s"] / told["bare server"]["requests_per_s"]
    cpu_ratio = told["bare server"]["cpu_us_per_request"] / told["bridge"]["cpu_us_per_request"]
    print(f"the bridge takes {ratio:.0%} of what the bare server takes, {cpu_ratio:.0%} by CPU; goal {GOAL:.0%}")
    ratios = {"ratio": round(ratio, 3), "cpu_ratio": round(cpu_ratio, 3), "goal": GOAL}
    result = {"messages": messages, "window": window, "bare_window": BARE_WINDOW, **told, **ratios}
    report("coap", result, ["aiocoap", "orjson"])
    sys.exit(0 if ratio >= GOAL else 1)


if __name__ == "__main__":
    main()
