"""The fleet against a real broker: everything acknowledged, order kept, the account true."""

import os
import select
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import orjson
import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from connectors.mqtt_session import MqttAddress
from flexmeter.fleet.recording import write_own_recording
from flexmeter.fleet.uplink import MAX_IN_FLIGHT, open_uplink
from flexmeter.local.mosquitto import mosquitto as mosquitto_part
from flexmeter.local.part import running
from flexmeter.local.ports import HOST, free_port
from schemas.errors import Unavailable

pytestmark = pytest.mark.integration

Received = dict[str, list[bytes]]


class Subscriber:
    """Everything that is published under a prefix, by topic."""

    def __init__(self, url: str, prefix: str) -> None:
        self.received: Received = defaultdict(list)
        self.ready = False
        self._prefix = prefix
        address = MqttAddress.parse(url)
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_connect = lambda c, *_: c.subscribe(f"{prefix}/#", qos=1)
        self._client.on_subscribe = lambda *_: setattr(self, "ready", True)
        self._client.on_message = self._take
        self._client.connect(address.host, address.port)
        self.until(lambda: self.ready)

    def _take(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self.received[message.topic].append(bytes(message.payload))

    @property
    def count(self) -> int:
        return sum(map(len, self.received.values()))

    def until(self, what: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, f"{self.count} messages so far"
            socket = self._client.socket()
            assert socket is not None
            if select.select([socket], [], [], 0.1)[0]:
                self._client.loop_read()
            if self._client.want_write():
                self._client.loop_write()
            self._client.loop_misc()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_misc()


@contextmanager
def subscriber(url: str, prefix: str) -> Iterator[Subscriber]:
    made = Subscriber(url, prefix)
    try:
        yield made
    finally:
        made.close()


def fleet(url: str, folder: Path, *arguments: str) -> list[str]:
    register = str(folder / "register.csv")
    common = ["--url", url, "--folder", str(folder), "--register", register]
    return [sys.executable, "-m", "flexmeter", "fleet", *common, *arguments]


def test_a_replay_arrives_whole_and_in_order(mosquitto: str, tmp_path: Path) -> None:
    write_own_recording(tmp_path / "recording", days=4, seed=1)
    faults = ("--duplicates", "0.02", "--garbage", "0.01")
    command = fleet(
        mosquitto, tmp_path, "--replay", str(tmp_path / "recording"), "--meters", "6", "--days", "1", *faults
    )
    with subscriber(mosquitto, "fleet-replay") as bus:
        done = subprocess.run([*command, "--area", "fleet-replay"], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        account = orjson.loads((tmp_path / "fleet.json").read_bytes())
        bus.until(lambda: bus.count >= account["sent"] + account["duplicates"] + account["garbage"])
    truth = orjson.loads((tmp_path / "replay.json").read_bytes())
    assert (account["sent"], account["garbage"]) == (truth["readings"], truth["garbage"])
    assert account["duplicates"] == truth["duplicates"] > 0
    assert account["done"] and account["under_way"] == account["refused"] == 0
    assert bus.count == account["sent"] + account["duplicates"] + account["garbage"]
    seqs = {topic: [orjson.loads(p)["seq"] for p in payloads if _reads(p)] for topic, payloads in bus.received.items()}
    meters = {topic: found for topic, found in seqs.items() if len(found) > 100}
    assert len(meters) == 6
    for found in meters.values():
        once = list(dict.fromkeys(found))
        assert once == sorted(once)


def _reads(payload: bytes) -> bool:
    try:
        said = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return False
    return isinstance(said, dict) and "seq" in said and "tag" not in said


def test_live_ends_on_sigterm_with_a_true_account(mosquitto: str, tmp_path: Path) -> None:
    timing = ("--interval", "1", "--first-outage", "1", "--outage-lasts", "1", "--outage-every", "60")
    command = fleet(mosquitto, tmp_path, "--homes", "20", "--heat", "1", "--area", "fleet-live", *timing)
    with subscriber(mosquitto, "fleet-live") as bus:
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        try:
            restored = "power_restored"
            bus.until(lambda: any(restored in p.decode() for ps in list(bus.received.values()) for p in ps), 30)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
        assert process.returncode == 0, said
        account = orjson.loads((tmp_path / "fleet.json").read_bytes())
        bus.until(lambda: bus.count >= account["sent"] + account["events"])
    assert bus.count == account["sent"] + account["events"]
    assert account["meters"] == 23
    assert {topic.split("/")[1] for topic in bus.received} == {"malmo_household", "malmo_substation", "district_heat"}


def test_the_next_fleet_in_the_folder_counts_on(mosquitto: str, tmp_path: Path) -> None:
    timing = ("--interval", "1", "--outage-every", "0")
    command = fleet(mosquitto, tmp_path, "--homes", "5", "--heat", "0", "--area", "fleet-again", *timing)

    def consumed_kwh(end: signal.Signals) -> list[list[float]]:
        """What each home's register shows until the fleet is ended so."""
        with subscriber(mosquitto, "fleet-again") as bus:
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            try:
                bus.until(lambda: len(bus.received) == 7 and min(map(len, bus.received.values())) >= 3)
            finally:
                process.send_signal(end)
                process.wait(60)
        homes = sorted(topic for topic in bus.received if "/malmo_household/" in topic)
        return [[orjson.loads(payload)["energy"]["consumed"] for payload in bus.received[topic]] for topic in homes]

    consumed_kwh(signal.SIGTERM)
    with np.load(tmp_path / "fleet.npz") as file:
        kept = dict(file)
    np.savez(tmp_path / "fleet.npz", **kept | {"malmo.import_wh": kept["malmo.import_wh"] + 5e9})
    second, third = consumed_kwh(signal.SIGKILL), consumed_kwh(signal.SIGTERM)
    assert len(second) == len(third) == 5
    for began_wh, one, other in zip(kept["malmo.import_wh"], second, third, strict=True):
        assert int(began_wh) / 1e3 + 5e6 <= one[0] and one[-1] <= other[0] < one[-1] + 0.5


def test_a_restart_of_the_broker_loses_nothing(tmp_path: Path) -> None:
    port = free_port()
    part = mosquitto_part(tmp_path / "mosquitto", port, tmp_path / "log")
    link = open_uplink(f"mqtt://{HOST}:{port}", 2, "fleet-restart")
    sent = [f"{n}".encode() for n in range(2_000)]
    with running(part):
        link.connect()
        for number, payload in enumerate(sent[:1_000]):
            link.send(number % 2, f"fleet-restart/{number % 2}", payload, "sent")
    again = link.under_way
    assert again > 0, "some were not acknowledged when the broker went"
    with running(part), subscriber(f"mqtt://{HOST}:{port}", "fleet-restart") as bus:
        for number, payload in enumerate(sent[1_000:], 1_000):
            link.send(number % 2, f"fleet-restart/{number % 2}", payload, "sent")
        assert link.drain(30)
        assert link.acknowledged == {"sent": 2_000}
        bus.until(lambda: bus.count >= 1_000 + again)
        link.close()
    for number in (0, 1):
        numbers = [int(p) for p in bus.received[f"fleet-restart/{number}"]]
        assert numbers == sorted(numbers)
        assert set(range(1_000 + number, 2_000, 2)) <= set(numbers)


def test_no_broker_is_told(tmp_path: Path) -> None:
    link = open_uplink(f"mqtt://{HOST}:{free_port()}", 1, "fleet-nobody")
    with pytest.raises(Unavailable, match="no connection"):
        link.connect(timeout_s=0.2)


def test_all_of_far_more_than_may_be_under_way_is_acknowledged(mosquitto: str) -> None:
    link = open_uplink(mosquitto, 4, f"fleet-many-{os.getpid()}")
    link.connect()
    most = 0
    for number in range(20_000):
        assert link.send(number % 4, f"fleet-many/{number % 100}", b"x" * 220, "sent")
        most = max(most, link.under_way)
    assert link.drain(60)
    assert (link.acknowledged, link.refused) == ({"sent": 20_000}, 0)
    assert most <= 4 * MAX_IN_FLIGHT
    link.close()
