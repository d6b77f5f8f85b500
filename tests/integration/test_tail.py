"""`flexmeter tail` and `flexmeter alerts` on a real Kafka, as processes of their own."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Self

import numpy as np
import pytest
import yaml

from connectors.kafka import Outlet, ensure_topics
from schemas.alert import Alert, encode_alert
from schemas.blocks import Beat, DeadLetter, ReadingBlock
from schemas.codec import encode
from schemas.partition import partition_of
from schemas.topology import Topology, load_topology
from tests.topologies import own_copy
from tests.waiting import wait_until

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
T = 1_795_507_200_000
ALERT = Alert("last_gasp/m1/1", 1, "last_gasp", "critical", "raised", "m1", None, "s", T, T, "Meter m1 lost power", {})


def reading(meter: str, power_w: float) -> bytes:
    return encode(
        ReadingBlock(
            source="mqtt_malmo",
            profile="malmo_household",
            received_at=T,
            meters=["other", meter],
            feeders=[None, None],
            substations=[None, None],
            intervals_ms=np.full(2, 10_000),
            row_meter=np.array([0, 1], np.int32),
            at=np.full(2, T),
            sequence=np.full(2, -1),
            quality=np.zeros(2, np.int32),
            columns=["active_power_l1_w"],
            values=np.array([1.0, power_w]),
        )
    )


class Place:
    """Topics of its own on the broker, and a topology file that names them."""

    def __init__(self, folder: Path, bootstrap: str, prefix: str) -> None:
        self.prefix = prefix
        self.file = folder / "topology.yaml"
        self.file.write_text(yaml.safe_dump(own_copy(prefix)))
        self.topology: Topology = load_topology(self.file, {"KAFKA_BOOTSTRAP": bootstrap})
        self.environment = {"KAFKA_BOOTSTRAP": bootstrap, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
        ensure_topics(self.topology.kafka, self.topology.topics.values())
        self.outlet = Outlet(self.topology.kafka, "test")

    def put(self, topic: str, partition: int, *values: bytes) -> None:
        for value in values:
            self.outlet.produce(f"{self.prefix}.{topic}", partition, value)
        assert self.outlet.close(30)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "flexmeter", *arguments, "--topology", str(self.file)]
        return subprocess.Popen(
            command, cwd=self.file.parent, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip


@pytest.fixture
def place(kafka: str, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    return Place(tmp_path, kafka, request.node.name.replace("_", "-"))


class Following:
    """A command that runs on, and the lines it has printed so far; killed where a test fails."""

    def __init__(self, place: Place, *arguments: str) -> None:
        self.process = place.start(*arguments)
        self.out: list[str] = []
        self.err: list[str] = []
        pipes = ((self.process.stdout, self.out), (self.process.stderr, self.err))
        self._threads = [Thread(target=lines.extend, args=(pipe,)) for pipe, lines in pipes]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        for thread in self._threads:
            thread.join()
        with self.process:
            pass

    def end(self, by: signal.Signals) -> int:
        self.process.send_signal(by)
        return self.process.wait(20)


def ended(process: subprocess.Popen[str], within_s: float = 60) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=within_s)
    return process.returncode, out, err


def test_tail_from_the_start_shows_what_is_there_and_nothing_of_others(place: Place) -> None:
    own = partition_of("m1", 4)
    letter = DeadLetter("mqtt_malmo", "malmo/malmo_household/m1/reading", T, "empty", "no bytes", b"", 0, "e3")
    place.put(
        "meter.readings", own, encode(Beat("mqtt_malmo", T)), reading("m1", 120.5), b"garbage", reading("m2", 7.0)
    )
    place.put("alerts", 2, encode_alert(ALERT)[0], encode_alert(replace(ALERT, id="x", subject="m2"))[0])
    place.put("dead.letters", 3, encode(letter))
    code, out, err = ended(place.start("tail", "m1", "--from-start", "--for", "5"))
    assert code == 0
    assert sorted(out.splitlines()) == [
        "2026-11-24 08:00:00.000Z  alert        critical  raised   last_gasp: Meter m1 lost power",
        "2026-11-24 08:00:00.000Z  dead_letter  empty: no bytes (0 bytes from malmo/malmo_household/m1/reading)",
        "2026-11-24 08:00:00.000Z  reading      active_power_l1_w 120.5 W",
    ]
    assert f"meter.readings/{own}/2 cannot be read: schema: no Confluent header" in err


def test_tail_shows_what_comes_says_what_to_check_and_ends_with_ctrl_c(place: Place) -> None:
    own = partition_of("m1", 4)
    place.put("meter.readings", own, reading("m1", 1.0))
    power_w = iter(range(2, 1000))
    with Following(place, "tail", "m1", "--json") as tail:

        def heard_one() -> bool:  # which is the first it hears depends on when it is ready
            place.put("meter.readings", own, reading("m1", float(next(power_w))))
            return bool(tail.out)

        wait_until(heard_one, "tail hears nothing")
        wait_until(lambda: bool(tail.err), "tail does not say that nothing comes")
        assert tail.end(signal.SIGINT) == 0
    heard = [json.loads(line) for line in tail.out]
    assert all(fact["kind"] == "reading" and fact["values"]["active_power_l1_w"] > 1.0 for fact in heard)
    assert "nothing of m1 for 10 s" in tail.err[0]


def test_alerts_shows_the_newest_of_each_by_time(place: Place) -> None:
    other = replace(ALERT, id="last_gasp/m2/1", severity="info", at=T - 1)
    place.put("alerts", 0, *(encode_alert(alert)[0] for alert in (replace(ALERT, number=2), ALERT, other)))
    code, out, err = ended(place.start("alerts", "--json"))
    assert (code, err) == (0, "")
    told = [(json.loads(line)["id"], json.loads(line)["number"]) for line in out.splitlines()]
    assert told == [(other.id, 1), (ALERT.id, 2)]
    code, out, err = ended(place.start("alerts", "--severity", "warning"))
    assert (code, err) == (0, "")
    assert out == "2026-11-24 08:00:00.000Z  alert        critical  raised   last_gasp: Meter m1 lost power\n"


def test_alerts_follow_shows_each_change_once(place: Place) -> None:
    place.put("alerts", 0, encode_alert(ALERT)[0])
    with Following(place, "alerts", "--follow", "--kind", "last_gasp") as alerts:
        wait_until(lambda: len(alerts.out) + len(alerts.err) > 0, "the alert there is does not come")
        assert len(alerts.out) == 1, alerts.err
        cleared = replace(ALERT, number=2, state="cleared", at=T + 1000)
        changes = (ALERT, replace(ALERT, id="x", kind="other"), cleared, cleared, replace(ALERT, id="y"))
        place.put("alerts", 0, *(encode_alert(alert)[0] for alert in changes))
        wait_until(lambda: len(alerts.out) == 3, "the changes do not come")
        assert alerts.end(signal.SIGTERM) == 0
    assert [line.split()[4] for line in alerts.out] == ["raised", "cleared", "raised"]


def test_alerts_are_acknowledged_silenced_and_marks_lifted(place: Place) -> None:
    def said(*arguments: str) -> str:
        code, out, err = ended(place.start("alerts", *arguments))
        assert (code, err) == (0, "")
        return out

    other = replace(ALERT, id="anomaly/m2/1", kind="anomaly", substation="s2", at=T + 1)
    place.put("alerts", 0, *(encode_alert(alert)[0] for alert in (ALERT, other)))
    assert "flexmeter alerts lift ack/last_gasp/m1/1" in said("ack", ALERT.id, "--by", "ann", "--reason", "on my way")
    assert [line.endswith("[acknowledged]") for line in said().splitlines()] == [True, False]
    assert "ack/last_gasp/m1/1  acknowledged alert=last_gasp/m1/1 by ann: on my way" in said("marks")
    assert said("lift", "ack/last_gasp/m1/1") == "lifted\n"
    silence = said("silence", "--area", "s2", "--severity", "critical", "--for", "2h", "--by", "bob")
    assert [line.endswith("[silenced]") for line in said().splitlines()] == [False, True]
    (mark,) = said("marks").splitlines()
    assert "silenced area=s2 severity=critical until" in mark and mark.split()[2] in silence
    assert json.loads(said("--json", "--area", "s2"))["mark"] == "silenced"


def test_what_cannot_be_marked_is_told(place: Place) -> None:
    for arguments, told in (
        (("ack", "x"), "Kafka has no alert 'x'"),
        (("lift", "x"), "there is no mark 'x'"),
        (("silence", "--for", "4h"), "say what is to be silenced"),
        (("silence", "--kind", "outage", "--for", "4"), "is no duration such as 90m, 4h or 2d"),
    ):
        code, _, err = ended(place.start("alerts", *arguments))
        assert code == 2 and told in err, err


def test_an_absent_kafka_is_told(place: Place) -> None:
    place.environment["KAFKA_BOOTSTRAP"] = "127.0.0.1:9"
    code, out, err = ended(place.start("alerts"))
    assert code == 1
    assert out == ""
    assert "kafka is unavailable" in err
