"""Each folder of tests/cases/register is a register and the faults that must be found in it."""

import re
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from schemas.faults import Faults
from schemas.register import COLUMNS, Device, load_register

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases" / "register"


def report(path: Path) -> str:
    try:
        load_register(path)
    except Faults as faults:
        return str(faults).replace(str(path), path.name) + "\n"
    return ""


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_case(case: Path) -> None:
    assert report(case / "register.csv") == (case / "faults.txt").read_text("utf-8")


def test_devices() -> None:
    devices = load_register(CASES / "correct" / "register.csv").devices
    assert list(devices.values()) == [
        Device("m-1", "malmo_household", "s1", "s1-f1", "L1L2L3", "b1", "u1", 10_000),
        Device("m-2", "water", None, None, None, None, None, 900_000, time_zone="Europe/Rome"),
        Device("m-3", "district_heat", None, None, None, None, None, 10_000),
        Device("m,4", "malmo_household", "s1", "s1-f1", "L2", None, None, 500),
    ]


@pytest.mark.parametrize(
    "content", [None, b"meter_id,profile\n\xff,water\n", b"", b'meter_id,profile\n"' + b"x" * 200_000]
)
def test_unreadable_file_is_a_fault(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "register.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Faults):
        load_register(path)


def test_standard_input_is_a_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    file = CASES / "correct" / "register.csv"
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(file.read_bytes())))
    assert load_register("-") == load_register(file)


def test_the_page_says_what_each_column_is() -> None:
    table = (ROOT / "docs" / "register.md").read_text("utf-8").partition("## The columns")[2].partition("\n## ")[0]
    told = [name for cell in re.findall(r"^\| (`.*?) \|", table, re.M) for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(told) == sorted(COLUMNS)
