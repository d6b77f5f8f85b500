"""How fast a router delivers webhooks, and how fast it passes over what no rule wants.

    python -m bench.router [--alerts N] [--storm N]

The router runs as it does for real, on a real Kafka, with `tickets` of examples/topology-all.yaml; the receiver is an
aiohttp server that answers 204 at once. `delivered`: from the first request to the last one; each is recorded on Kafka
before the next is made. `passed over`: a storm of last gasps, of a kind that no rule wants, with one outage behind it,
from the start of the router until that outage is delivered.
"""

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from aiohttp import web

from bench.report import report
from connectors.kafka import Outlet, ensure_topics
from flexmeter.local import roles
from flexmeter.local.kafka import kafka
from flexmeter.local.part import running, spawn, stop, wait_ready
from flexmeter.local.ports import HOST, free_port
from flexmeter.local.roles import Place, Role
from schemas.alert import Alert, encode_alert
from schemas.topology import Topology, load_topology

TOPOLOGY = Path("examples/topology-all.yaml")
SUBSTATION = "malmo-north"
_LONGEST_S = 600


class Server:
    """Answers 204, and keeps when each request came, and its id."""

    def __init__(self) -> None:
        self.came_s: list[float] = []
        self.ids: list[str] = []

    async def _take(self, request: web.Request) -> web.Response:
        await request.read()
        self.came_s.append(time.perf_counter())
        self.ids.append(request.headers["webhook-id"])
        return web.Response(status=204)

    @contextmanager
    def serving(self, port: int) -> Iterator[None]:
        """At work in a thread."""
        loop, down = asyncio.new_event_loop(), asyncio.Event()

        async def serve() -> None:
            application = web.Application()
            application.router.add_post("/alerts", self._take)
            runner = web.AppRunner(application, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, HOST, port).start()
            await down.wait()
            await runner.cleanup()

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
        thread.start()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(down.set)
            thread.join()
            loop.close()

    def wait(self, count: int) -> None:
        """Until so many have come."""
        deadline = time.perf_counter() + _LONGEST_S
        while len(self.came_s) < count:
            if time.perf_counter() > deadline:
                raise RuntimeError(f"{len(self.came_s)} of {count} came within {_LONGEST_S} s")
            time.sleep(0.01)


def alert(kind: str, number: int) -> Alert:
    """The number-th of a kind, raised now."""
    now_ms, name = time.time_ns() // 1_000_000, f"{kind}-{number}"
    return Alert(name, 1, kind, "critical", "raised", name, "f-1", SUBSTATION, now_ms, now_ms, f"{name} is dark", {})


def put(topology: Topology, alerts: Iterator[Alert]) -> None:
    """Onto one partition, so that they have an order."""
    outlet = Outlet(topology.kafka, "bench")
    for one in alerts:
        value, headers = encode_alert(one)
        outlet.produce("alerts", 0, value, headers=headers)
    if not outlet.close(_LONGEST_S):
        raise RuntimeError("Kafka did not take all alerts")


@click.command(help=__doc__)
@click.option("--alerts", default=2_000, show_default=True, help="Alerts that are delivered.")
@click.option("--storm", default=100_000, show_default=True, help="Alerts that no rule wants.")
def main(alerts: int, storm: int) -> None:
    """Measure, print, write."""
    server, port = Server(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), free_port(), free_port(), free_port())
        env = {**os.environ, "WEBHOOK_URL": f"http://{HOST}:{port}/alerts"}
        part = roles.part(Role("router", "tickets", free_port()), place, TOPOLOGY, env)
        with running(kafka(place.folder / "kafka", place.kafka_port, place.log("kafka"))), server.serving(port):
            topology = load_topology(TOPOLOGY, place.settings(env))
            ensure_topics(topology.kafka, topology.topics.values())
            process = spawn(part)
            wait_ready(part, process)
            put(topology, (alert("outage", number) for number in range(alerts)))
            server.wait(alerts)
            stop(process, part.stop_s)
            put(topology, (alert("last_gasp", number) for number in range(storm)))
            put(topology, iter([alert("outage", alerts)]))
            began_s = time.perf_counter()
            process = spawn(part)
            server.wait(alerts + 1)
            passed_s = server.came_s[-1] - began_s
            stop(process, part.stop_s)
    delivered_per_s = (alerts - 1) / (server.came_s[alerts - 1] - server.came_s[0])
    print(f"delivered     {delivered_per_s:10,.0f} webhooks/s, {1_000 / delivered_per_s:.1f} ms each")
    print(f"passed over   {storm / passed_s:10,.0f} alerts/s, the router's start included")
    result = {
        "alerts": alerts,
        "delivered_per_s": round(delivered_per_s, 1),
        "ms_each": round(1_000 / delivered_per_s, 2),
        "storm": storm,
        "passed_over_per_s": round(storm / passed_s),
    }
    report("router", result, ["aiohttp", "confluent-kafka", "orjson"])


if __name__ == "__main__":
    main()
