"""How long it takes to register the meters of a large utility, and what a bridge that knows them all needs.

    python -m bench.register [--meters N]

A real Kafka. `flexmeter register FILE.csv --yes` as people run it, from the start of the process to its end: with no
meter on the topic yet, with the same file again, and with one in a hundred changed. A bridge runs meanwhile: how soon
after the command it knows them all. Another one is started afterwards: how soon it has read them, and how much memory
it holds beside one that knows a single meter.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import click

from bench.process import resident_mb
from bench.report import report
from flexmeter.local import roles
from flexmeter.local.kafka import kafka
from flexmeter.local.metrics import Series, scrape
from flexmeter.local.mosquitto import mosquitto
from flexmeter.local.part import running
from flexmeter.local.ports import free_port
from flexmeter.local.roles import Place, Role

GOAL_S = 60.0
BRIDGE = "mqtt_malmo"
TOPOLOGY = Path("topology.yaml")
KNOWN = Series("flexmeter_register_meters")
HEADER = (
    "meter_id,profile,substation,feeder,phase,building,usage_point,interval_s,transformer,comm_parent,nilm_consent,"
    "ct_ratio,valid_from,owner"
)


@dataclass(frozen=True, slots=True)
class Ran:
    """What one command needed."""

    wall_s: float
    cpu_s: float
    most_mb: float


def rows(meters: int, moved: int = 0) -> Iterator[str]:
    """A register with most of its columns in use; every hundredth meter has moved to another feeder, if so many."""
    for n in range(meters):
        substation, feeder = n % 500, (n % 4_000 + (moved if n % 100 == 0 else 0)) // 500
        consent, ratio = "2026-03-01" if n % 3 == 0 else "", "200/5" if n % 50 == 0 else ""
        yield (
            f"LGZ{1030655933000 + n},malmo_household,sub-{substation},sub-{substation}-f{feeder},L1L2L3,b-{n // 8},"
            f"{735999000000000000 + n},10,t-{n // 80},gateway-{n // 300},{consent},{ratio},2025-01-01,owner-{n // 20}"
        )


def write(path: Path, lines: Iterator[str]) -> Path:
    """The file."""
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def register(file: Path, env: dict[str, str]) -> Ran:
    """The command as people run it."""
    argv = [sys.executable, "-m", "flexmeter", "register", str(file), "--yes", "--topology", str(TOPOLOGY)]
    began = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, env, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"flexmeter register {file} ended with {status}")
    return Ran(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1_024)


@contextmanager
def bridge(place: Place) -> Iterator[tuple[int, Role]]:
    """A bridge, ready; its process and where it tells its metrics."""
    role = Role("bridge", BRIDGE, free_port())
    with running(roles.part(role, place, TOPOLOGY, os.environ)) as process:
        yield process.pid, role


def until_it_knows(meters: int, role: Role, since: float) -> float:
    """Seconds since then until the bridge knows so many meters."""
    while KNOWN.total(scrape(role.metrics_port)) != meters:
        time.sleep(0.05)
    return time.perf_counter() - since


def measured(place: Place, meters: int) -> dict[str, object]:
    """Everything, in one go."""
    env = {**place.settings(os.environ)}
    file = write(place.folder / "meters.csv", rows(meters))
    register(write(place.folder / "one.csv", rows(1)), env)
    with bridge(place) as (pid, role):
        alone_mb = resident_mb(pid)
        ran = {"all new": register(file, env)}
        followed_s = until_it_knows(meters, role, time.perf_counter())
        follower_mb = resident_mb(pid)
        ran["the same again"] = register(file, env)
        ran["one in 100 changed"] = register(write(place.folder / "moved.csv", rows(meters, 500)), env)
        register(write(place.folder / "new.csv", islice(rows(meters + 1), meters, None)), env)
        one_more_s = until_it_knows(meters + 1, role, time.perf_counter())
    began = time.perf_counter()
    with bridge(place) as (pid, role):
        read_s = until_it_knows(meters + 1, role, began)
        reader_mb = resident_mb(pid)
    return {
        "meters": meters,
        "file_mb": round(file.stat().st_size / 1e6, 1),
        "commands": {name: _told(one) for name, one in ran.items()},
        "running_bridge_knows_all_after_s": round(followed_s, 1),
        "running_bridge_knows_one_more_after_s": round(one_more_s, 1),
        "starting_bridge_knows_all_after_s": round(read_s, 1),
        "bridge_mb": {"one meter": round(alone_mb), "followed": round(follower_mb), "started": round(reader_mb)},
        "bytes_a_meter": round((reader_mb - alone_mb) * 2**20 / meters),
        "goal_s": GOAL_S,
        "goal_met": all(one.wall_s < GOAL_S for one in ran.values()),
    }


def _told(ran: Ran) -> dict[str, float]:
    return {"wall_s": round(ran.wall_s, 1), "cpu_s": round(ran.cpu_s, 1), "most_mb": round(ran.most_mb)}


@click.command(help=__doc__)
@click.option("--meters", default=500_000, show_default=True, help="Rows of the file.")
def main(meters: int) -> None:
    """Measure, print, write."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), free_port(), free_port(), free_port())
        with (
            running(kafka(place.folder / "kafka", place.kafka_port, place.log("kafka"))),
            running(mosquitto(place.folder / "mosquitto", place.mqtt_port, place.log("mosquitto"))),
        ):
            result = measured(place, meters)
    commands = result["commands"]
    assert isinstance(commands, dict)
    for name, ran in commands.items():
        print(f"{name:20}{ran['wall_s']:7.1f} s by the clock{ran['cpu_s']:7.1f} s of CPU{ran['most_mb']:8.0f} MB")
    print(f"goal: each under {GOAL_S:.0f} s: {'met' if result['goal_met'] else 'missed'}")
    report("register", result, ["confluent-kafka", "fastavro"])
    sys.exit(0 if result["goal_met"] else 1)


if __name__ == "__main__":
    main()
