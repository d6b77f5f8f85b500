"""Who takes part in bench.engine, and the environment of each."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.workload import write_schemas
from schemas.errors import Unavailable

PEERS = Path(__file__).parent / "peers"
ENVIRONMENTS = Path(__file__).parents[1] / ".parts" / "bench"
PARTITIONS = 4
"""As topology.yaml has them."""

METERING = ("rolling_load", "feeder_load", "presence", "heard")
"""The operators of the product's stream, as topology.yaml has them."""

Argv = Callable[[], list[str]]
"""Makes the environment, if it is not there, and gives the command."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A program that reads records or blocks. `results`: what its output topic carries."""

    name: str
    form: str
    argv: Argv
    warm_up_s: float = 5.0
    warm_up_readings: int = 0
    results: str = "means"


def contestants() -> list[Contestant]:
    """All of them, in the order in which they run."""
    return [
        Contestant("flexmeter", "blocks", _flexmeter("minute_mean")),
        Contestant("flexmeter_rolling_load", "blocks", _flexmeter("rolling_load"), results="aggregates"),
        Contestant("floor", "blocks", lambda: [sys.executable, str(PEERS / "floor" / "floor.py")], results="none"),
        *(
            Contestant(f"{peer}_{form}", form, _python(peer))
            for form in ("records", "blocks")
            for peer in ("faust", "quixstreams")
        ),
        Contestant("bytewax_records", "records", _python("bytewax", "10000")),
        Contestant("bytewax_large_batches_records", "records", _python("bytewax", "100000"), 15.0),
        Contestant("bytewax_blocks", "blocks", _python("bytewax", "1000")),
        *(
            Contestant(f"kafka_streams_{store}_{form}", form, _java(store), 10.0, JVM_WARM_UP)
            for form in ("records", "blocks")
            for store in ("memory", "rocksdb")
        ),
    ]


def metering() -> Contestant:
    """The stream of the product that carries the load, with all its operators."""
    return Contestant("flexmeter_metering", "blocks", _flexmeter(",".join(METERING)), results="none")


JVM_WARM_UP = 3_000_000
"""Readings until the JVM has compiled what is hot: its figure was the same after 3 as after 6 million."""


def _flexmeter(operators: str) -> Argv:
    return lambda: [sys.executable, "-m", "bench.peers.flexmeter.worker", operators, str(PARTITIONS)]


def _python(peer: str, *arguments: str) -> Argv:
    return lambda: [str(python_environment(peer)), str(PEERS / peer / "minute_mean.py"), *arguments]


def _java(store: str) -> Argv:
    return lambda: [*java_program(), store]


def python_environment(peer: str) -> Path:
    """The interpreter of a peer's environment, made of its requirements.txt if it is not there.

    Raises:
        Unavailable: pip cannot install it.
    """
    wanted = (PEERS / peer / "requirements.txt").read_text("utf-8")
    folder = ENVIRONMENTS / peer
    stamp, python = folder / "installed", folder / "bin" / "python"
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        _run([sys.executable, "-m", "venv", "--clear", str(folder)], folder.parent)
        _run([str(python), "-m", "pip", "install", "-q", "-r", str(PEERS / peer / "requirements.txt")], folder)
        stamp.write_text(wanted, "utf-8")
    return python


def java_program() -> list[str]:
    """The command that runs the Kafka Streams program, built by Maven if it has changed.

    Raises:
        Unavailable: no Maven, or it cannot build.
    """
    project, target = PEERS / "kafka_streams", ENVIRONMENTS / "kafka_streams"
    write_schemas(target / "schemas")
    sources = [project / "pom.xml", *sorted(project.rglob("*.java")), *sorted((target / "schemas").glob("*.avsc"))]
    wanted = "".join(source.read_text("utf-8") for source in sources)
    stamp = target / "built"
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        target.mkdir(parents=True, exist_ok=True)
        _run(["mvn", "-q", "-f", str(project / "pom.xml"), f"-Dbuild.folder={target}", "package"], target)
        stamp.write_text(wanted, "utf-8")
    return [
        "java",
        "-Xms1g",
        "-Xmx2g",
        "-XX:+UseParallelGC",
        "-cp",
        f"{target}/maven/classes:{target}/libs/*",
        "bench.Main",
    ]


def _run(argv: list[str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True)
    except OSError as error:
        raise Unavailable(argv[0], str(error)) from error
    if done.returncode:
        raise Unavailable(argv[0], f"{' '.join(argv)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
