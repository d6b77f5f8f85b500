"""`flexmeter run` for real: everything on this machine, on free ports, in a temporary folder."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flexmeter.local.ports import free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.integration

COMMAND = [sys.executable, "-m", "flexmeter", "run"]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    names = ("KAFKA_PORT", "MQTT_PORT", "PAGE_PORT", "AMQP_PORT", "HTTP_PORT", "COAP_PORT")
    ports = {name: str(free_port()) for name in names}
    return {**os.environ, **ports, "FLEXMETER_RUN": str(tmp_path / "run"), "SOURCES": "mqtt"}


def children(pid: int) -> dict[int, str]:
    """Pid and command line of the processes that this one started."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
            if fields[0] != "Z" and int(fields[1]) == pid:
                found[int(stat.parent.name)] = (stat.parent / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@contextmanager
def run(env: dict[str, str], tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", Callable[[], str]]]:
    """A run that shows its page; and what it has printed so far."""
    out = tmp_path / "out"
    with out.open("wb") as file:
        process = subprocess.Popen([*COMMAND, "--meters", "10"], env=env, stdout=file, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: "page: http" in out.read_text() or process.poll() is not None, out.read_text, 120)
        assert process.poll() is None, out.read_text()
        yield process, out.read_text
    finally:
        process.kill()
        process.wait()


KINDS = {
    "mqtt_malmo": {"malmo_household", "malmo_substation", "district_heat"},
    "coap_malmo": {"malmo_household"},
    "amqp_turin": {"nilm_meter"},
    "https_turin": {
        "turin_electricity_single_phase",
        "turin_electricity_three_phase",
        "district_heat_turin",
        "water",
        "obis_adapter",
        "home_hub",
    },
}


@pytest.mark.slow
def test_a_run_of_every_source_for_a_while_loses_nothing(env: dict[str, str]) -> None:
    done = subprocess.run(
        [*COMMAND, "--for", "15", "--meters", "20"],
        env={**env, "SOURCES": "all"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"sent +[1-9][\d,]* readings", done.stdout), done.stdout
    assert "nothing lost" in done.stdout
    came = {
        (source, profile)
        for source, profile in re.findall(r"^ +(\w+) +[\d,]+ readings of \d+ (\w+)", done.stdout, re.M)
    }
    assert came == {(source, profile) for source, profiles in KINDS.items() for profile in profiles}, done.stdout
    assert "\x1b[" not in done.stdout


@pytest.mark.slow
def test_what_dies_is_started_again_and_all_end_together(env: dict[str, str], tmp_path: Path) -> None:
    with run(env, tmp_path) as (process, said):
        second = subprocess.run(COMMAND, env=env, capture_output=True, text=True, timeout=60)
        assert second.returncode == 1
        assert f"in use by the run with pid {process.pid}" in second.stderr
        (bridge,) = [pid for pid, command in children(process.pid).items() if "flexmeter bridge" in command]
        os.kill(bridge, signal.SIGKILL)
        wait_until(lambda: "bridge-mqtt_malmo started again" in said(), said)
        started = list(children(process.pid))
        process.send_signal(signal.SIGINT)
        assert process.wait(90) == 0, said()
        assert all(gone(pid) for pid in started)
        assert "All stopped; the data is kept" in said()


@pytest.mark.slow
def test_nothing_is_left_when_the_run_is_killed(env: dict[str, str], tmp_path: Path) -> None:
    with run(env, tmp_path) as (process, said):
        started = list(children(process.pid))
        assert len(started) >= 6, said()
        process.kill()
        wait_until(lambda: all(gone(pid) for pid in started), "something is left")


def test_a_taken_port_is_named_before_anything_starts(env: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(env["MQTT_PORT"])))
        other.listen()
        done = subprocess.run(COMMAND, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"port {env['MQTT_PORT']}, wanted by mosquitto, is taken" in done.stderr
    assert "MQTT_PORT=" in done.stderr
    assert not (tmp_path / "run" / "kafka").exists()
