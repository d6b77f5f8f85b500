"""What the commands of all roles share: options, logging, and how a faulty topology is told."""

import gc
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import click
from prometheus_client import start_http_server

from connectors.backoff import until_available
from flexmeter.known import known
from schemas.errors import Unavailable
from schemas.topology import Topology, load_topology
from schemas.topology_check import reads, writes

_OBJECTS_A_COLLECTION = 20_000
"""So many new objects before Python looks for cycles. With its own 700 it looks through thousands of readings on their
way, which make none, again and again: a fifth of what a bridge cost."""

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Part = TypeVar("Part")


def examples(*lines: str) -> str:
    """The epilog of a command's help: lines that can be typed as they stand."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def topology_option(command: Decorated) -> Decorated:
    """`--topology`: which file says what runs."""
    return click.option(
        "--topology",
        "topology_path",
        type=click.Path(path_type=Path),
        default="topology.yaml",
        envvar="FLEXMETER_TOPOLOGY",
        show_default=True,
        show_envvar=True,
        help="What runs and how it joins.",
    )(command)


def metrics_options(command: Decorated) -> Decorated:
    """`--metrics-host`, `--metrics-port`: where Prometheus may ask."""
    host = click.option(
        "--metrics-host",
        default="127.0.0.1",
        envvar="FLEXMETER_METRICS_HOST",
        show_default=True,
        show_envvar=True,
        help="Serve Prometheus metrics at this address of the machine; 0.0.0.0 = all.",
    )
    port = click.option(
        "--metrics-port",
        default=0,
        envvar="FLEXMETER_METRICS_PORT",
        show_default=True,
        show_envvar=True,
        help="At this port; 0 = no metrics.",
    )
    return host(port(command))


def checked_topology(path: Path, env: Mapping[str, str] = os.environ) -> Topology:
    """The topology, checked against what there is of bridges, decoders and operators; raises Faults."""
    return load_topology(path, env, known())


def named(parts: Mapping[str, Part], name: str, kind: str) -> Part:
    """The part of that name, or a usage error that lists those there are."""
    if name not in parts:
        raise click.UsageError(f"the topology has no {kind} {name!r}; it has: {', '.join(parts) or 'none'}")
    return parts[name]


@contextmanager
def asking_kafka() -> Iterator[None]:
    """Around what a command asks: that Kafka is away is told, and who looks why."""
    try:
        yield
    except Unavailable as away:
        raise click.ClickException(f"{away}; is it running? `flexmeter doctor` looks") from away


def start_role(metrics_host: str = "", metrics_port: int = 0) -> None:
    """One log line each on stderr; metrics where wanted; cycles looked for less often."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    gc.set_threshold(_OBJECTS_A_COLLECTION)
    if metrics_port:
        start_http_server(metrics_port, metrics_host)


STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop_on_signals() -> None:
    """Let each of these signals raise KeyboardInterrupt, also where a shell started us with Ctrl-C ignored."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in STOPS:
        signal.signal(number, interrupt)


def stopping_on_signals(and_then: Callable[[], None] = lambda: None) -> threading.Event:
    """Set once a supervisor, or Ctrl-C, asks the role to end; `and_then` is called at that moment."""
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()
        and_then()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return stopping


def await_topics(topology: Topology, kind: str, name: str, stopping: threading.Event) -> None:
    """Wait for Kafka, and for all topics that one part of the topology reads or writes; those it lacks are created.

    Roles start in any order, and some before their servers.

    Raises:
        Faults: a topic has another number of partitions in Kafka.
        Stopped: told to stop before Kafka was there.

    """
    from connectors.kafka import ensure_topics  # not needed to show --help

    own = {topic for at, topic in (*writes(topology), *reads(topology)) if at[:2] == (kind, name)}
    until_available(lambda: ensure_topics(topology.kafka, [topology.topics[one] for one in sorted(own)]), stopping)
