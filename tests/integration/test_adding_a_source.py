"""docs/adding-a-source.md, followed to the letter, and a bridge that then takes what the meters publish."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from schemas.blocks import ReadingBlock
from tests.bridge_process import ROOT, make_place, publisher
from tests.waiting import wait_until

PAGE = (ROOT / "docs" / "adding-a-source.md").read_text("utf-8")
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.M | re.S)
PROGRAM = f'flexmeter() {{ {sys.executable} -m flexmeter "$@"; }}\n'


def follow(folder: Path) -> None:
    """Do what the page's blocks say; what a block of commands prints is what the block of text behind it says."""
    (folder / "topology.yaml").write_text((ROOT / "topology.yaml").read_text("utf-8"))
    env = {**os.environ, "PYTHONPATH": str(ROOT), "FLEXMETER_REGISTER": str(folder / "register.csv")}
    printed = ""
    for kind, name, body in FENCE.findall(PAGE):
        if kind == "sh":
            script = f"set -e\n{PROGRAM}{body}\nenv > environment"
            done = subprocess.run(
                ["bash", "-c", script], cwd=folder, env=env, capture_output=True, text=True, timeout=120
            )
            assert done.returncode == 0, done.stderr
            printed = done.stdout + done.stderr
            set_now = dict(line.partition("=")[::2] for line in (folder / "environment").read_text().splitlines())
            env["FLEXMETER_SOURCES"] = set_now.get("FLEXMETER_SOURCES", "")
        elif kind == "text":
            assert printed == body
        elif kind == "diff":
            old, new = ("".join(line[1:] for line in body.splitlines(True) if line[0] in side) for side in (" -", " +"))
            before = (folder / name).read_text("utf-8")
            assert before.count(old) == 1, f"{name} does not have {old!r} once"
            (folder / name).write_text(before.replace(old, new))
        else:
            (folder / name).write_text(body)


def test_the_page_works_as_it_stands(tmp_path: Path) -> None:
    follow(tmp_path)
    mapping = (tmp_path / "sources" / "garage_meter.yaml").read_text("utf-8")
    assert "meter: {path: /place}\n" in mapping and "interval_s: 10\n" in mapping
    topology = yaml.safe_load((tmp_path / "topology.yaml").read_text("utf-8"))
    assert "garage/{any}/state -> garage_meter/reading" in topology["bridges"]["mqtt_malmo"]["subscribe"]


@pytest.mark.integration
def test_a_bridge_takes_what_they_publish(
    kafka: str, mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(tmp_path)
    place = make_place(tmp_path, kafka, mosquitto, "garage")
    document = yaml.safe_load(place.path.read_text("utf-8"))
    document["bridges"]["garage"]["subscribe"] = ["garage/{any}/state -> garage_meter/reading"]
    place.path.write_text(yaml.safe_dump(document))
    (tmp_path / "register.csv").write_text("meter_id,profile\nGM-000417,garage_meter\n")
    monkeypatch.setenv("FLEXMETER_SOURCES", str(tmp_path / "sources"))
    with place.running():
        wait_until(lambda: "connected" in place.log(), "the bridge does not connect")
        with publisher(mosquitto) as publish:
            publish("garage/17/state", (tmp_path / "sample.json").read_bytes())
        (placed,) = place.placed("readings", ReadingBlock, lambda blocks: len(blocks) == 1)
    assert isinstance(placed.record, ReadingBlock)
    assert (placed.record.profile, placed.record.meters) == ("garage_meter", ["GM-000417"])
    values = dict(zip(placed.record.columns, placed.record.values.tolist(), strict=True))
    assert (values["active_energy_import_wh"], values["active_power_l3_w"]) == (1_523_118.0, -120.0)
    assert placed.record.intervals_ms.tolist() == [10_000]
