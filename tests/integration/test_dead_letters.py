"""`flexmeter dead-letters` beside a real bridge, mosquitto and Kafka."""

import json
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from schemas.blocks import DeadLetter, ReadingBlock
from schemas.quality import Quality
from tests.bridge_process import REGISTER, ROOT, Place, make_place, publisher
from tests.waiting import wait_until

pytestmark = pytest.mark.integration

HEAT = {"temperature": {"forward": 81.3, "return": 44.9}, "flow": 1.2, "volume": 1000,
        "power": {"instant": 52.1, "peak": 61}, "energy": 1.5}  # fmt: skip
Row = tuple[str, int, int, tuple[float, ...]]


def run(place: Place, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "flexmeter", *arguments]
    env = {"FLEXMETER_TOPOLOGY": str(place.path), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, input=stdin, capture_output=True, text=True, env=env, cwd=place.folder, timeout=120)


def rows(place: Place, at_least: int) -> list[Row]:
    """Meter, time, quality, values of each row, as soon as there are so many."""

    def all_rows(blocks: list[ReadingBlock]) -> list[Row]:
        return [
            (block.meters[meter], int(block.at[i]), int(block.quality[i]), tuple(block.rows_by_column()[:, i].tolist()))
            for block in blocks
            for i, meter in enumerate(block.row_meter)
        ]

    placed = place.placed("readings", ReadingBlock, lambda blocks: len(all_rows(blocks)) >= at_least)
    return all_rows([found.record for found in placed if isinstance(found.record, ReadingBlock)])


def test_what_is_mended_is_redriven_once_and_the_rest_stays(kafka: str, mosquitto: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, kafka, mosquitto, "redriven")
    with place.running():
        wait_until(lambda: "connected" in place.log(), "the bridge does not connect")
        with publisher(mosquitto) as publish:
            publish("redriven/district_heat/h9/reading", orjson.dumps(HEAT))
            publish("redriven/district_heat/h9/reading", orjson.dumps({**HEAT, "time": "2025-11-24T08:00:00Z"}))
            publish("redriven/district_heat/h1/reading", b"{no JSON")
        placed = place.placed("dead", DeadLetter, lambda letters: len(letters) == 3)
    letters = [found.record for found in placed if isinstance(found.record, DeadLetter)]
    arrived = {letter.payload: letter.received_at for letter in letters}

    listed = run(place, "dead-letters")
    assert listed.returncode == 0, listed.stderr
    assert [line.split("  ")[2:4] for line in listed.stdout.splitlines()][2][0] == "redriven"
    assert "malformed: not JSON" in listed.stdout.splitlines()[2]
    told = [
        json.loads(line) for line in run(place, "dead-letters", "list", "--json", "--meter", "h9").stdout.splitlines()
    ]
    assert [one["reason"] for one in told] == ["unknown_meter"] * 2
    shown = run(place, "dead-letters", "show", told[1]["place"])
    decoded = run(place, "decode", "--profile", "district_heat", "-", stdin=shown.stdout)
    assert json.loads(decoded.stdout)["time"] == "2025-11-24T08:00:00.000Z"

    tried = run(place, "dead-letters", "redrive", "--reason", "unknown_meter")
    assert "0 taken (0 readings, 0 events), 2 rejected again (unknown_meter 2)\n" in tried.stdout
    assert place.ends("dead") == 3

    (tmp_path / "register.csv").write_text(REGISTER + "h9,district_heat,sub-1,\n")
    dry = run(place, "dead-letters", "redrive", "--dry-run")
    assert dry.stdout.splitlines() == [
        "redriven: 3 payloads would go through its decoding and intake (unknown_meter 2, malformed 1)",
        "redriven: 2 would be taken (2 readings, 0 events), 1 would be rejected again (malformed 1)",
    ]
    before = place.ends("readings")
    redriven = run(place, "dead-letters", "redrive")
    assert redriven.stdout.splitlines()[1] == "redriven: 2 taken (2 readings, 0 events), 1 rejected again (malformed 1)"
    first = rows(place, 2)
    assert place.ends("readings") > before
    values = (81.3, 44.9, 1.2, 1.0, 52_100.0, 61_000.0, 1_500_000.0)
    assert sorted(first) == sorted(
        [
            ("h9", arrived[orjson.dumps(HEAT)], int(Quality.TIME_BY_BRIDGE), values),
            ("h9", 1_763_971_200_000, int(Quality.TIME_BY_GATEWAY), values),
        ]
    )
    assert run(place, "dead-letters", "redrive").returncode == 0
    assert set(rows(place, 4)) == set(first), "a second time says the same"
    assert place.ends("dead") == 3


def test_what_is_no_place_is_told(kafka: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, kafka, "mqtt://127.0.0.1:1", "placeless")
    for where, told in (("x", "is no place such as"), ("no.topic/0/1", "has no topic"),
                        ("placeless.dead.letters/9/1", "has partitions 0 to 3")):  # fmt: skip
        done = run(place, "dead-letters", "show", where)
        assert (done.returncode, told in done.stderr) == (2, True), done.stderr
