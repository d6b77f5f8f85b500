"""The supervisor on real child processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flexmeter.local.part import Part, complete, spawn
from flexmeter.local.ports import Port, another, faults, free_port, ports
from flexmeter.local.run_folder import held
from flexmeter.local.supervise import TOO_OFTEN, Supervisor
from schemas.errors import Unavailable
from tests.waiting import wait_until


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def part(folder: Path, name: str, code: str, ready: Callable[[], bool] = lambda: True, start_s: float = 20.0) -> Part:
    return Part(name, [sys.executable, "-c", code], folder / f"{name}.log", ready=ready, start_s=start_s)


SLEEPER = (
    "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); print('up', flush=True); signal.pause()"
)


def test_a_killed_part_is_started_again(tmp_path: Path) -> None:
    supervisor = Supervisor()
    supervisor.start(part(tmp_path, "sleeper", SLEEPER))
    first = supervisor.children["sleeper"].process.pid
    os.kill(first, signal.SIGKILL)
    said: list[str] = []

    def again() -> bool:
        said.extend(supervisor.watch())
        return "sleeper started again" in said

    try:
        wait_until(again, lambda: repr(said))
        assert "signal 9" in said[0]
        assert supervisor.children["sleeper"].process.pid != first
        assert alive(supervisor.children["sleeper"].process.pid)
    finally:
        supervisor.stop_all()


def test_a_part_that_always_ends_is_given_up_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flexmeter.local.supervise.back_off_s", lambda failures: 0.0)
    supervisor = Supervisor()
    supervisor.start(part(tmp_path, "broken", "raise SystemExit('the topology is wrong')"))
    with pytest.raises(Unavailable, match=rf"ended {TOO_OFTEN} times[\s\S]*the topology is wrong"):
        wait_until(lambda: supervisor.watch() == ["never"], "it is not given up")


def test_a_part_that_ends_while_starting_says_why(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no such port"):
        Supervisor().start(part(tmp_path, "broken", "raise SystemExit('no such port')", ready=lambda: False))


def test_a_part_that_is_not_ready_in_time_is_named(tmp_path: Path) -> None:
    supervisor = Supervisor()
    try:
        with pytest.raises(Unavailable, match="slow is unavailable: not ready after"):
            supervisor.start(part(tmp_path, "slow", SLEEPER, ready=lambda: False, start_s=0.2))
    finally:
        supervisor.stop_all()


def test_all_stop_last_started_first(tmp_path: Path) -> None:
    ends = tmp_path / "ends"
    code = (
        "import signal, sys\n"
        f"def end(*_): open({str(ends)!r}, 'a').write(sys.argv[1] + ' '); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); print('up', flush=True); signal.pause()"
    )
    supervisor = Supervisor()
    for name in ("kafka", "sink", "fleet"):
        log = tmp_path / f"{name}.log"
        ready = lambda log=log: "up" in log.read_text()  # noqa: E731
        supervisor.start(Part(name, [sys.executable, "-c", code, name], log, ready=ready))
    supervisor.stop_all()
    assert ends.read_text().split() == ["fleet", "sink", "kafka"]


def test_a_part_that_will_not_end_is_ended(tmp_path: Path) -> None:
    log = tmp_path / "deaf.log"
    code = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\n"
        "while True: signal.pause()"
    )
    supervisor = Supervisor()
    supervisor.start(Part("deaf", [sys.executable, "-c", code], log, ready=lambda: "up" in log.read_text(), stop_s=0.2))
    process = supervisor.children["deaf"].process
    supervisor.stop_all()
    assert process.returncode == -signal.SIGKILL


def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = f"""
import sys, signal
from pathlib import Path
from flexmeter.local.part import Part, complete, spawn
for name in ("one", "two"):
    argv = [sys.executable, "-c", "import signal\\nwhile True: signal.pause()"]
    print(spawn(Part(name, argv, Path({str(tmp_path)!r}) / name)).pid, flush=True)
signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        children = [int(parent.stdout.readline()) for _ in range(2)]
        assert all(alive(pid) for pid in children)
        parent.kill()
    wait_until(lambda: not any(alive(pid) for pid in children), "they live on")


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    process = spawn(Part("ghost", ["/no/such/program"], tmp_path / "ghost.log"))
    assert process.wait(10) == 127
    assert "/no/such/program" in (tmp_path / "ghost.log").read_text()


def test_a_taken_port_is_named_with_its_setting() -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        wanted = ports({"KAFKA_PORT": str(taken), "MQTT_PORT": str(free_port()), "PAGE_PORT": str(free_port())})
        said = faults(wanted)
    assert len(said) == 1
    assert f"port {taken}, wanted by Kafka" in said[0]
    assert "KAFKA_PORT=" in said[0]


def test_one_port_for_two_is_refused() -> None:
    port = free_port()
    said = faults((Port("Kafka", "KAFKA_PORT", port), Port("mosquitto", "MQTT_PORT", port)))
    assert said == [f"KAFKA_PORT and MQTT_PORT are both {port}: choose another for one, e.g. MQTT_PORT={another(port)}"]


def test_a_port_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="MQTT_PORT='mqtt' is no port number"):
        ports({"MQTT_PORT": "mqtt"})


def test_a_run_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(Unavailable, match="it is a file: set FLEXMETER_RUN to another"), held(tmp_path / "run"):
        pytest.fail("held")


def test_a_run_folder_serves_one_run(tmp_path: Path) -> None:
    refused = pytest.raises(Unavailable, match=f"in use by the run with pid {os.getpid()}")
    with held(tmp_path / "run"), refused, held(tmp_path / "run"):
        pass
    with held(tmp_path / "run"):
        pass


def test_a_task_that_fails_says_why(tmp_path: Path) -> None:
    complete(part(tmp_path, "good", "print('done')"))
    with pytest.raises(Unavailable, match=r"task is unavailable: ended with 1[\s\S]*no such folder"):
        complete(part(tmp_path, "task", "raise SystemExit('no such folder')"))
    with pytest.raises(Unavailable, match="endless is unavailable: not done after"):
        complete(part(tmp_path, "endless", SLEEPER, start_s=0.2))
