"""How fast the HTTPS bridge takes requests, beside a bare aiohttp server that reads each body and answers 202.

    python -m bench.http [--requests N] [--repeats N]

Several hubs at once, each over a hundred connections that stay open, send one reading a request, and the next when the
answer is there. The bridge answers when a real Kafka has the reading, so a connection waits for it as long as blocks
linger: what is compared is how many requests a second are answered at the same number of connections, and the server's
CPU for each. The senders have a process of their own; on few cores it is they who set the rate by the clock, and the
CPU is the honest figure.
"""

import asyncio
import hashlib
import multiprocessing
import os
import sys
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import click
from aiohttp import ClientSession, TCPConnector, web

from bench.bridge import GOAL, Run, appliance_reading, cpu_s, meter, register, tell
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
HUBS, CONNECTIONS = 8, 100


async def _send(port: int, requests: int) -> None:
    numbers = iter(range(requests))

    async def connection(hub: int, session: ClientSession) -> None:
        headers = {"Authorization": f"Bearer token-{hub}", "Content-Type": "application/json"}
        for number in numbers:
            url = f"http://{HOST}:{port}/v1/nilm_meter/{meter(number % 1_000)}/reading"
            async with session.post(url, data=appliance_reading(number), headers=headers) as response:
                if response.status != 202:
                    raise RuntimeError(f"{response.status}: {await response.text()}")

    async with ClientSession(connector=TCPConnector(limit=0)) as session:
        await asyncio.gather(*(connection(hub, session) for hub in range(HUBS) for _ in range(CONNECTIONS)))


def send(port: int, requests: int, both_ready: Barrier) -> None:
    """Send so many requests, each answered 202, or raise."""
    both_ready.wait()
    asyncio.run(_send(port, requests))


def serve(port: int) -> None:
    """The bare server."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"accepted": 1}, status=202)

    application = web.Application()
    application.router.add_route("POST", "/{path:.*}", answer)
    web.run_app(application, host=HOST, port=port, access_log=None, print=None)


def measured(port: int, requests: int, pid: int) -> Run:
    """What the server of that process needs for the requests."""
    context = multiprocessing.get_context("spawn")
    both_ready = context.Barrier(2)
    sender = context.Process(target=send, args=(port, requests, both_ready))
    sender.start()
    both_ready.wait()
    wall, cpu = time.perf_counter(), cpu_s(pid)
    sender.join()
    if sender.exitcode:
        raise RuntimeError("not every request was answered 202")
    return Run(time.perf_counter() - wall, cpu_s(pid) - cpu)


def bridge(place: Place, port: int, requests: int, env: dict[str, str]) -> Run:
    """The role as it runs."""
    part = roles.part(Role("bridge", BRIDGE, free_port()), place, TOPOLOGY, env)
    process = spawn(part)
    try:
        wait_ready(part, process)
        return measured(port, requests, process.pid)
    finally:
        stop(process, part.stop_s)


def bare(requests: int) -> Run:
    """aiohttp alone, in a process of its own."""
    port = free_port()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(port,))
    server.start()
    try:
        while not listens(port):
            time.sleep(0.1)
        return measured(port, requests, server.pid or 0)
    finally:
        server.terminate()
        server.join()


@click.command(help=__doc__)
@click.option("--requests", default=30_000, show_default=True, help="Requests a run.")
@click.option("--repeats", default=3, show_default=True, help="Runs of each.")
def main(requests: int, repeats: int) -> None:
    """Measure, print, write."""
    runs: dict[str, list[Run]] = {"bare server": [], "bridge": []}
    with tempfile.TemporaryDirectory() as folder:
        place, port = Place(Path(folder), free_port(), free_port(), free_port()), free_port()
        register(place.folder, "nilm_meter")
        digests = [f"hub-{hub},{hashlib.sha256(f'token-{hub}'.encode()).hexdigest()}" for hub in range(HUBS)]
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
                runs["bare server"].append(bare(requests))
                runs["bridge"].append(bridge(place, port, requests, env))
                print(f"round {repeat + 1} of {repeats}", file=sys.stderr)
    tell("http", requests, runs, GOAL, ["aiohttp", "orjson"])


if __name__ == "__main__":
    main()
