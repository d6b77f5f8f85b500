"""Routers whose receivers are away: is anything lost, does anything come twice, how soon has all come?

    python -m bench.router_away [--away 60] [--per-s 5]   (goals: nothing lost, nothing twice)

Both routers of examples/topology-all.yaml as they run for real, on a real Kafka: mails to an SMTP server (aiosmtpd, no
TLS), webhooks to a web server (aiohttp). The receivers take ten alerts, are gone while more come at the given rate, and
are there again; what is counted is every version of an alert that a mail names, digests included, or a webhook brings.
"""

import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import click
from aiosmtpd.controller import Controller

from bench.report import report
from bench.router import TOPOLOGY, Server, alert, put
from connectors.kafka import ensure_topics
from flexmeter.local import roles
from flexmeter.local.kafka import kafka
from flexmeter.local.metrics import Series, scrape
from flexmeter.local.part import running
from flexmeter.local.ports import HOST, free_port
from flexmeter.local.roles import Place, Role
from schemas.topology import Topology, load_topology

BEFORE = 10
_NAMED = re.compile(r"(\S+) \(number (\d+)\)")
_LONGEST_S = 180
_AFTERWARDS_S = 5  # in which would come what comes twice


@dataclass
class Mailbox:
    """The versions of alerts that mails name, in the order in which they came."""

    ids: list[str] = field(default_factory=list)
    mails: int = 0

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:
        """Take a mail."""
        mail = message_from_bytes(envelope.content, _class=EmailMessage, policy=default)
        self.ids += ["/".join(found) for found in _NAMED.findall(mail.get_content())]
        self.mails += 1
        return "250 taken"

    @contextmanager
    def serving(self, port: int) -> Iterator[None]:
        """At work in a thread."""
        controller = Controller(self, HOST, port)
        controller.start()
        try:
            yield
        finally:
            controller.stop()


Receiver = Mailbox | Server


def topology_file(folder: Path) -> Path:
    """The example's, whose mail server speaks no TLS."""
    text = TOPOLOGY.read_text("utf-8")
    file = folder / "topology.yaml"
    file.write_text(text.replace("to: ${SMTP_TO", 'tls: "off"\n      to: ${SMTP_TO'), "utf-8")
    return file


@dataclass(frozen=True, slots=True)
class Receivers:
    """The receiver of each router, and its port."""

    there: Mapping[str, Receiver]
    ports: Mapping[str, int]

    @contextmanager
    def present(self) -> Iterator[None]:
        """All of them at work."""
        with ExitStack() as stack:
            for name, receiver in self.there.items():
                stack.enter_context(receiver.serving(self.ports[name]))
            yield

    def wait(self, count: int) -> dict[str, float]:
        """Until each has heard of so many alerts, or it has taken too long; the seconds that it took."""
        began, took = time.monotonic(), dict.fromkeys(self.there, 0.0)
        while (now := time.monotonic() - began) < _LONGEST_S:
            behind = [name for name, receiver in self.there.items() if len(set(receiver.ids)) < count]
            if not behind:
                break
            took |= dict.fromkeys(behind, now)
            time.sleep(0.05)
        return took


@contextmanager
def routers(names: Iterable[str], env: Mapping[str, str], folder: Path) -> Iterator[tuple[Topology, dict[str, Role]]]:
    """The routers of the example at work on a Kafka of their own."""
    place, file = Place(folder, free_port(), free_port(), free_port()), topology_file(folder)
    with ExitStack() as stack:
        stack.enter_context(running(kafka(place.folder / "kafka", place.kafka_port, place.log("kafka"))))
        topology = load_topology(file, place.settings({**os.environ, **env}))
        ensure_topics(topology.kafka, topology.topics.values())
        at_work = {name: Role("router", name, free_port()) for name in names}
        for role in at_work.values():
            stack.enter_context(running(roles.part(role, place, file, {**os.environ, **env})))
        yield topology, at_work


def put_evenly(topology: Topology, numbers: Sequence[int], over_s: float) -> None:
    """These alerts, spread over that time."""
    began = time.monotonic()
    for turn, number in enumerate(numbers):
        time.sleep(max(0.0, began + turn * over_s / len(numbers) - time.monotonic()))
        put(topology, iter([alert("outage", number)]))
    time.sleep(max(0.0, began + over_s - time.monotonic()))


def account(ids: Sequence[str], expected: Iterable[str]) -> dict[str, int]:
    """What became of the alerts."""
    came = Counter(ids)
    return {
        "came": len(came),
        "lost": len(set(expected) - set(came)),
        "twice": sum(count - 1 for count in came.values()),
    }


def measured(away_s: float, count: int) -> dict[str, dict[str, float]]:
    """Of each router: what came of so many alerts, and how soon after the receiver's return."""
    receivers = Receivers(
        {"control_room": Mailbox(), "tickets": Server()}, {"control_room": free_port(), "tickets": free_port()}
    )
    env = {
        "SMTP_URL": f"smtp://{HOST}:{receivers.ports['control_room']}",
        "WEBHOOK_URL": f"http://{HOST}:{receivers.ports['tickets']}/alerts",
    }
    expected = [f"outage-{number}/1" for number in range(count)]
    with tempfile.TemporaryDirectory() as folder, routers(receivers.there, env, Path(folder)) as (topology, at_work):
        with receivers.present():
            put(topology, (alert("outage", number) for number in range(BEFORE)))
            receivers.wait(BEFORE)
        put_evenly(topology, range(BEFORE, count), away_s)
        waited = {
            name: Series("flexmeter_router_waiting").total(scrape(at_work[name].metrics_port)) for name in at_work
        }
        with receivers.present():
            caught_up_s = receivers.wait(count)
            time.sleep(_AFTERWARDS_S)
    return {
        name: {
            **account(receiver.ids, expected),
            "waited": int(waited[name] or 0),
            "caught_up_s": round(caught_up_s[name], 1),
        }
        for name, receiver in receivers.there.items()
    }


@click.command(help=__doc__)
@click.option("--away", "away_s", default=60.0, show_default=True, help="How long the receivers are away, s.")
@click.option("--per-s", default=5.0, show_default=True, help="Alerts that come meanwhile, a second.")
def main(away_s: float, per_s: float) -> None:
    """Measure, print, write; exit 1 where a goal is missed."""
    count = BEFORE + round(away_s * per_s)
    told = measured(away_s, count)
    for name, found in told.items():
        print(f"{name:14} {found}")
    met = not any(found["lost"] or found["twice"] for found in told.values())
    report("router-away", {"away_s": away_s, "alerts": count, **told, "met": met}, ["aiohttp", "aiosmtpd"])
    sys.exit(not met)


if __name__ == "__main__":
    main()
