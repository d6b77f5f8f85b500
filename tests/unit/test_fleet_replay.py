"""A replay: its rows against the independent truth, its faults within their bounds, its garbage rejected as told."""

import csv
import hashlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import orjson
import pytest

from bench import proof_truth
from connectors.authority import EACH_ITSELF, Authority
from connectors.decode.readings import Address, Carries
from connectors.intake import Intake
from connectors.registry import DECODERS
from connectors.source import Delivery
from flexmeter.fleet.garbage import RECIPES
from flexmeter.fleet.messages import EVENT, GARBAGE, READING, REPEAT, garbage_rows, messages, write_truth
from flexmeter.fleet.recording import Recording, load_recording, write_own_recording
from flexmeter.fleet.replay import EXTRA_MINUTES, Faults, Plan, plan
from schemas.durations import MINUTE_MS
from schemas.errors import Rejected
from schemas.register import Register

AREAS = ["malmo-north", "malmo-south"]
FIRST_DAY = datetime(2025, 1, 6, tzinfo=UTC)
START = int(FIRST_DAY.timestamp() * 1000)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("recording")
    write_own_recording(folder, days=6, seed=1)
    return load_recording(folder)


def made(recording: Recording, faults: Faults, meters: int = 10, days: int = 1) -> Plan:
    return plan(recording, meters, days, seed=1, faults=faults, start=FIRST_DAY)


def test_what_is_sent_is_what_the_independent_truth_says(recording: Recording, tmp_path: Path) -> None:
    replay = made(recording, Faults(duplicates=0.05, disorder=0.1, garbage=0.02))
    write_truth(replay, AREAS, 1, tmp_path)
    tenths = proof_truth.read_recording(sorted(recording.folder.glob("*.gzip")))
    sent: dict[str, list[tuple[str, tuple[float, ...]]]] = {d.meter_id: [] for d in replay.devices}
    for message in messages(replay, AREAS, 1):
        if message.kind == READING:
            said = orjson.loads(message.payload)
            row = (*said["energy"].values(), *said["power"].values(), *said["voltage"].values())
            sent[message.topic.split("/")[2]].append((said["time"], row))
    for stretch in proof_truth.read_stretches(tmp_path / "stretches.csv"):
        expected = [
            (
                datetime.fromtimestamp(r.at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                (r.values[0] / 1000, 0.0, *(w / 10 for w in r.values[2:5]), *(v / 100 for v in r.values[5:])),
            )
            for r in proof_truth.readings_of(stretch, tenths, START, replay.minutes)
        ]
        assert sorted(sent[stretch.meter]) == expected
    assert any(0 in tenths[s.first : s.first + 1440] for s in proof_truth.read_stretches(tmp_path / "stretches.csv"))


def test_faults_stay_within_their_bounds(recording: Recording) -> None:
    replay = made(recording, Faults(duplicates=0.01, disorder=0.05, garbage=0.001))
    for meter in range(10):
        at = replay.at[replay.meter == meter]
        behind = np.maximum.accumulate(at) - at
        assert behind.max() <= 5 * MINUTE_MS, "never beyond the lateness of 6 intervals"
        assert (behind > 0).any()
    assert replay.repeat.mean() == pytest.approx(0.01, abs=0.005)
    overtaken = (~replay.repeat) & (replay.due > replay.at)
    assert overtaken.mean() == pytest.approx(0.05, abs=0.01)
    keys = list(zip(replay.meter.tolist(), replay.minute.tolist(), strict=True))
    assert len(set(keys)) == replay.readings == len(keys) - replay.repeat.sum()


def test_a_plan_without_faults_is_in_order_and_complete(recording: Recording) -> None:
    replay = made(recording, Faults())
    assert (np.diff(replay.due) >= 0).all()
    assert not replay.repeat.any()
    assert replay.minutes == 1440 + EXTRA_MINUTES
    assert len({(f, o) for f, o in zip(replay.first.tolist(), replay.offset_ms.tolist(), strict=True)}) == 10


def test_late_rows_wrong_clocks_and_outages(recording: Recording) -> None:
    replay = made(recording, Faults(late=0.02, clock_error=0.5, outages=2), meters=16)
    behind = replay.due - (replay.start + replay.minute * MINUTE_MS + replay.offset_ms[replay.meter])
    assert (behind > 6 * MINUTE_MS).sum() == replay.late > 0
    assert 0 < (replay.clock_ms != 0).sum() < 16
    complete = made(recording, Faults(), meters=16)
    assert replay.readings < complete.readings
    kinds = [orjson.loads(m.payload)["event"] for m in messages(replay, AREAS, 1) if m.kind == EVENT]
    assert kinds.count("power_restored") >= kinds.count("last_gasp") > 0


def test_garbage_is_unlike_any_other_and_rejected_for_the_reason_told(recording: Recording, tmp_path: Path) -> None:
    replay = made(recording, Faults(garbage=0.004))
    write_truth(replay, AREAS, 1, tmp_path)
    with (tmp_path / "garbage.csv").open(newline="") as file:
        told = {row["sha256"]: row for row in csv.DictReader(file)}
    sent = [m for m in messages(replay, AREAS, 1) if m.kind == GARBAGE]
    assert len(sent) == len(told) == replay.garbage == len(garbage_rows(replay, 1))
    assert {row["kind"] for row in told.values()} == {kind for kind, *_ in RECIPES}
    register = Register({d.meter_id: d for d in replay.devices})
    intake = Intake(register, {"": DECODERS["json"]()}, 4, 4, Authority(lambda: EACH_ITSELF, anonymous=True))
    for message in sent:
        _, profile, meter, carries = message.topic.split("/")
        with pytest.raises(Rejected) as rejected:
            address = Address(message.topic, profile, meter, Carries(carries))
            intake.take(Delivery(message.payload, address), START)
        row = told[hashlib.sha256(message.payload).hexdigest()]
        assert (row["topic"], row["reason"]) == (message.topic, rejected.value.reason), row["kind"]


def test_same_seed_same_bytes(recording: Recording) -> None:
    faults = Faults(duplicates=0.01, disorder=0.05, garbage=0.001, outages=1)
    first, second = (list(messages(made(recording, faults), AREAS, 1)) for _ in range(2))
    assert first == second
    assert {m.kind for m in first} == {READING, REPEAT, GARBAGE, EVENT}


def test_areas_divide_the_meters(recording: Recording) -> None:
    seen: dict[str, set[int]] = {}
    for message in messages(made(recording, Faults()), AREAS, 1):
        seen.setdefault(message.topic.split("/")[0], set()).add(message.device)
    assert len(seen["malmo-north"]) == len(seen["malmo-south"]) == 5
    assert not seen["malmo-north"] & seen["malmo-south"]


def test_a_recording_too_short_is_refused(recording: Recording) -> None:
    with pytest.raises(ValueError, match="6 days; 7 are asked for"):
        made(recording, Faults(), days=7)


def test_a_recording_with_a_minute_missing_is_refused(tmp_path: Path) -> None:
    import gzip

    text = b"Time,Aggregate\n2014-04-01 00:00:00,1\n2014-04-01 00:02:00,1\n"
    (tmp_path / "a.gzip").write_bytes(gzip.compress(text))
    with pytest.raises(ValueError, match="every minute must be there"):
        load_recording(tmp_path)
    with pytest.raises(ValueError, match="holds no"):
        load_recording(tmp_path / "nothing")
