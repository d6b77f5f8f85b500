"""How fast the HTTPS bridge takes requests, beside a bare aiohttp server that reads each body and answers 202.

    python -m bench.http [--requests N] [--repeats N] [--hubs N]

Hubs send one reading a request over connections that stay open, and the next one when the answer is there. The bridge
answers when a real Kafka has the reading, so each of its connections waits as long as blocks linger, up to half a
second: there are 4,000 of them, about as many as it lets be under way, so that its work is compared and not that wait.
Compared are requests a second by the clock, and the server's CPU for each. The senders have a process of their own
(http_load.py) that costs little, for on two cores it, the bridge and Kafka share what the bare server has to itself.
"""

import hashlib
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import click
import uvloop
from aiohttp import web

from bench.bridge import GOAL, METERS, Run, appliance_reading, meter, register, tell
from bench.http_load import connected, post_all, request
from bench.process import cpu_s
from connectors.kafka import ensure_topics
from flexmeter.local import roles
from flexmeter.local.kafka import kafka
from flexmeter.local.part import running, spawn, stop, wait_ready
from flexmeter.local.ports import HOST, free_port, listens
from flexmeter.local.roles import Place, Role
from flexmeter.registered import fill
from schemas.topology import load_topology

BRIDGE = "https_turin"
TOPOLOGY = Path("topology.yaml")
CONNECTIONS_OF_ONE = 100
PATIENCE_S = 60.0


def send(port: int, requests: int, hubs: int, both_ready: Barrier) -> None:
    """Send so many requests, each answered 202, or raise."""
    made = [
        request(f"{HOST}:{port}", f"/v1/nilm_meter/{meter(number % METERS)}/reading", token(number % hubs), body)
        for number, body in enumerate(map(appliance_reading, range(requests)))
    ]
    connections = connected(HOST, port, hubs * CONNECTIONS_OF_ONE)
    both_ready.wait()
    post_all(connections, iter(made))


def token(hub: int) -> str:
    """What a hub shows."""
    return f"token-{hub}"


def serve(port: int) -> None:
    """The bare server, as aiohttp's documentation shows it, on the bridge's kind of loop."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"accepted": 1}, status=202)

    application = web.Application()
    application.router.add_route("POST", "/{path:.*}", answer)
    web.run_app(application, host=HOST, port=port, access_log=None, print=None, loop=uvloop.new_event_loop())


def measured(port: int, requests: int, hubs: int, pid: int) -> Run:
    """What the server of that process needs for the requests."""
    context = multiprocessing.get_context("spawn")
    both_ready = context.Barrier(2)
    sender = context.Process(target=send, args=(port, requests, hubs, both_ready))
    sender.start()
    both_ready.wait(PATIENCE_S)
    wall, cpu = time.perf_counter(), cpu_s(pid)
    sender.join()
    if sender.exitcode:
        raise RuntimeError("not every request was answered 202")
    return Run(time.perf_counter() - wall, cpu_s(pid) - cpu)


def bridge(place: Place, port: int, requests: int, hubs: int, env: dict[str, str]) -> Run:
    """The role as it runs."""
    part = roles.part(Role("bridge", BRIDGE, free_port()), place, TOPOLOGY, env)
    process = spawn(part)
    try:
        wait_ready(part, process)
        return measured(port, requests, hubs, process.pid)
    finally:
        stop(process, part.stop_s)


def bare(requests: int, hubs: int) -> Run:
    """aiohttp alone, in a process of its own."""
    port = free_port()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(port,))
    server.start()
    try:
        while not listens(port):
            time.sleep(0.1)
        return measured(port, requests, hubs, server.pid or 0)
    finally:
        server.terminate()
        server.join()


@click.command(help=__doc__)
@click.option("--requests", default=60_000, show_default=True, help="Requests a run.")
@click.option("--repeats", default=3, show_default=True, help="Runs of each.")
@click.option(
    "--hubs",
    default=40,
    show_default=True,
    type=click.IntRange(1, 40),
    help="Tokens; there are a hundred connections for each.",
)
def main(requests: int, repeats: int, hubs: int) -> None:
    """Measure, print, write; exit 1 where the goal is missed."""
    runs: dict[str, list[Run]] = {"bare server": [], "bridge": []}
    most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))  # a shell's own 1,024 are too few connections
    with tempfile.TemporaryDirectory() as folder:
        place, port = Place(Path(folder), free_port(), free_port(), free_port()), free_port()
        register(place.folder, "nilm_meter")
        digests = [f"hub-{hub},{hashlib.sha256(token(hub).encode()).hexdigest()}" for hub in range(hubs)]
        (place.folder / "tokens.csv").write_text("\n".join(["identity,sha256", *digests]))
        (place.folder / "principals.csv").write_text("identity,meters\n*,LGZ*\n")
        env = {
            **os.environ,
            "HTTP_URL": f"http://{HOST}:{port}",
            "HTTP_TOKENS_FILE": str(place.folder / "tokens.csv"),
            "FLEXMETER_PRINCIPALS": str(place.folder / "principals.csv"),
        }
        with running(kafka(place.folder / "kafka", place.kafka_port, place.log("kafka"))):
            topology = load_topology(TOPOLOGY, place.settings(env))
            ensure_topics(topology.kafka, topology.topics.values())
            fill(topology)
            for repeat in range(repeats):
                runs["bare server"].append(bare(requests, hubs))
                runs["bridge"].append(bridge(place, port, requests, hubs, env))
                print(f"round {repeat + 1} of {repeats}", file=sys.stderr)
    tell("http", requests, runs, GOAL, ["aiohttp", "orjson"], connections=hubs * CONNECTIONS_OF_ONE)


if __name__ == "__main__":
    main()
