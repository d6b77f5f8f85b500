"""Outages on the real path: a fleet of 2,000 meters, MQTT, the bridge, both streams, and what kills them."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

import orjson
import pytest

from connectors.kafka import ensure_topics
from flexmeter.local.part import Part, spawn, stop
from schemas.alert import Alert, decode_alert
from schemas.blocks import Beat, EventBlock
from schemas.catalogue import load_catalogue
from schemas.codec import decode
from schemas.record import Record
from schemas.register import Register, load_register
from schemas.results import Account, HeardBlock
from streams.outage.operator import Outage
from streams.shard import Shard
from tests.bridge_process import Place, make_place
from tests.stream_topics import read
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PREFIX = "dark"
METERS, INTERVAL_S, OUTAGE_AFTER_S, OUTAGE_S = 2_000, 4, 9, 20
WITHIN_S = 120.0


@dataclass
class Run:
    """All that runs, and what it has said so far."""

    place: Place
    parts: dict[str, Part]
    running: dict[str, "Popen[bytes]"] = field(default_factory=dict)
    known: dict[str, list[tuple[int, int, Record | Alert]]] = field(default_factory=dict)

    def start(self, *names: str) -> None:
        for name in names:
            self.running[name] = spawn(self.parts[name])

    def kill(self, *names: str) -> None:
        """kill -9, all at once."""
        for name in names:
            self.running[name].kill()
        for name in names:
            self.running.pop(name).wait()

    def stop(self, name: str) -> None:
        stop(self.running.pop(name), 30)

    def sent(self) -> int:
        """Readings that the broker has taken from the fleet."""
        path = self.place.folder / "fleet.json"
        return int(json.loads(path.read_text())["sent"]) if path.exists() else 0

    def read(self, topic: str) -> list[tuple[int, int, Record | Alert]]:
        """Every (partition, offset, record) of a topic up to its present end; what is known is not read again."""
        known = self.known.setdefault(topic, [])
        starts = {partition: offset + 1 for partition, offset, _ in known}
        decoded = decode_alert if topic == "alerts" else decode
        values = read(self.place.topology, f"{PREFIX}.{topic}", starts)
        known += [(partition, offset, decoded(value)) for partition, offset, value in values]
        return known

    def alerts(self, kind: str = "outage") -> list[Alert]:
        alerts = [alert for _, _, alert in self.read("alerts") if isinstance(alert, Alert)]
        return [alert for alert in alerts if alert.kind == kind]

    def heard_up_to(self) -> int:
        """The newest of the beats that metering has handed on, of the partition that is furthest behind."""
        newest: dict[str, int] = {}
        for _, _, record in self.read("grid.evidence"):
            if isinstance(record, Beat) and record.source.startswith("metering/"):
                newest[record.source] = max(newest.get(record.source, 0), record.at)
        return min(newest.values()) if len(newest) == 4 else 0

    def bridge_beat(self) -> int:
        """The newest beat of the bridge itself."""
        records = [record for _, _, record in self.read("grid.evidence")]
        return max(beat.at for beat in records if isinstance(beat, Beat) and beat.source == PREFIX)

    def wait(self, reached: Callable[[], object], what: str) -> None:
        wait_until(reached, lambda: f"{what}\n{self.logs()}", WITHIN_S)

    def wait_for_readings(self, more: int) -> None:
        before = self.sent()
        self.wait(lambda: self.sent() >= before + more, "the fleet sends nothing")

    def logs(self) -> str:
        return "\n".join(f"{log}\n{log.read_text()[-1_500:]}" for log in sorted(self.place.folder.glob("*.log")))


@contextmanager
def running(folder: Path, kafka: str, mosquitto: str) -> Iterator[Run]:
    place = make_place(folder, kafka, mosquitto, PREFIX)
    ensure_topics(place.topology.kafka, place.topology.topics.values())

    def part(name: str, command: str, *argv: str) -> Part:
        whole = [sys.executable, "-m", "flexmeter", command, "--topology", str(place.path), *argv]
        return Part(name, whole, folder / f"{name}.log")

    worker = ("--save-interval", "2", "--session-timeout", "6", "--instance", "w0", "--name")
    fleet = ["--folder", str(folder), "--area", PREFIX, "--homes", str(METERS), "--heat", "0"]
    fleet += ["--interval", str(INTERVAL_S), "--first-outage", str(OUTAGE_AFTER_S), "--outage-lasts", str(OUTAGE_S)]
    parts = [
        part("register", "fleet", *fleet, "--register-only"),
        part("grid", "grid"),
        part("metering", "worker", *worker, "metering"),
        part("grid-worker", "worker", *worker, "grid"),
        part("bridge", "bridge", "--name", PREFIX),
        part("fleet", "fleet", *fleet, "--outage-every", "100000"),
    ]
    run = Run(place, {one.name: one for one in parts})
    try:
        for once in ("register", "grid"):
            run.start(once)
            assert run.running.pop(once).wait(60) == 0, run.logs()
        run.start("metering", "grid-worker", "bridge")
        run.wait(run.heard_up_to, "metering does not beat")
        run.start("fleet")
        yield run
    finally:
        with ExitStack() as all_of_them:
            for process in run.running.values():
                all_of_them.callback(stop, process, 20)


def struck(run: Run, register: Register) -> tuple[str, int]:
    """The feeder whose meters gasped, and its customers, by the register."""
    gasped = {
        record.meters[row]
        for _, _, record in run.read("grid.evidence")
        if isinstance(record, EventBlock)
        for row, kind in zip(record.row_meter.tolist(), record.kind, strict=True)
        if kind == "last_gasp"
    }
    (feeder,) = {register.devices[meter].feeder for meter in gasped}
    assert feeder is not None
    return feeder, len({device.usage_point for device in register.devices.values() if device.feeder == feeder})


def by_one_shard_each(run: Run) -> dict[tuple[str, int], bytes]:
    """What an uninterrupted shard a partition makes of the evidence."""
    found: dict[tuple[str, int], bytes] = {}
    shards = [Shard("grid", partition, {"outage": Outage()}, load_catalogue(), 250) for partition in range(4)]
    for partition, _, record in run.read("grid.evidence"):
        assert not isinstance(record, Alert)
        for result in shards[partition].take(record) or []:
            if isinstance(result, Alert):
                found[result.id, result.number] = orjson.dumps(result, option=orjson.OPT_SORT_KEYS)
    return found


def grid_has_worked_up_to(run: Run, ends: dict[int, int]) -> bool:
    worked: dict[int, int] = {}
    for _, _, account in run.read("accounts"):
        if isinstance(account, Account) and account.stream == "grid":
            worked[account.partition] = max(account.next_offset, worked.get(account.partition, 0))
    return all(worked.get(partition, 0) >= end for partition, end in ends.items())


def test_one_feeder_dark_while_everything_dies(kafka: str, mosquitto: str, tmp_path: Path) -> None:
    """One outage, located at the right device, all of its customers: though both workers are killed in its middle.
    Then the bridge is killed, and the metering worker stopped, each for longer than two reporting intervals: nothing is
    dark.
    """
    with running(tmp_path, kafka, mosquitto) as run:
        run.wait(run.alerts, "no alert")
        run.kill("metering", "grid-worker")
        run.start("metering", "grid-worker")
        run.wait(lambda: any(alert.state == "cleared" for alert in run.alerts()), "it is never over")

        run.kill("bridge")
        run.wait_for_readings(9 * METERS // 4)
        run.start("bridge")
        run.wait_for_readings(METERS // 2)
        run.stop("metering")
        run.wait_for_readings(9 * METERS // 4)
        now = run.bridge_beat()
        run.start("metering")
        run.wait(lambda: run.heard_up_to() > now, "metering does not catch up")
        run.wait_for_readings(METERS)

        ends = {partition: offset + 1 for partition, offset, _ in run.read("grid.evidence")}
        run.wait(lambda: grid_has_worked_up_to(run, ends), "the grid stream does not catch up")
        for name in ("fleet", "bridge", "metering"):
            run.stop(name)
        run.stop("grid-worker")
        alerts = run.alerts()
        said = {(alert.id, alert.number): orjson.dumps(alert, option=orjson.OPT_SORT_KEYS) for alert in alerts}
        assert len(said) == len({orjson.dumps(alert, option=orjson.OPT_SORT_KEYS) for alert in alerts}), "two words"
        expected = by_one_shard_each(run)
        assert said.items() <= expected.items()
        assert len({alert.id for alert in alerts}) == 1, [alert.summary for alert in alerts]
        feeder, customers = struck(run, load_register(run.place.topology.register))
        assert {alert.subject for alert in run.alerts("presence")} <= {feeder}, "nobody else was silent either"
        assert [number for _, number in sorted(said)] == list(range(1, len(said) + 1))
        last = max(alerts, key=lambda alert: alert.number)
        assert (last.subject, last.state, last.evidence["ending"]) == (feeder, "cleared", "momentary")
        assert last.evidence["customers"] == customers
        located = next(alert for alert in alerts if alert.evidence["phase"] == "located")
        assert (located.subject, located.evidence["customers_dark"]) == (feeder, customers)
        heard = [record for _, _, record in run.read("grid.evidence") if isinstance(record, HeardBlock)]
        assert {meter for block in heard for meter in block.meters} >= set(_households(run))


def _households(run: Run) -> list[str]:
    devices = load_register(run.place.topology.register).devices.values()
    return [device.meter_id for device in devices if device.profile == "malmo_household"]
