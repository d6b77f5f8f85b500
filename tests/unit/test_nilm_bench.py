"""The scores and baselines of bench/nilm*, on homes small enough to work out by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench.nilm import command
from bench.nilm_baselines import combinatorial
from bench.nilm_homes import Home, read_home, write_home
from bench.nilm_run import Event, amended, first_told
from bench.nilm_score import score

AT = np.arange(0, 600, 60)
KETTLE = np.array([0, 0, 2000, 2000, 0, 0, 0, 0, 0, 0.0])


def home() -> Home:
    return Home(AT, KETTLE + 100, None, {"kettle": KETTLE})


def test_a_score_by_hand() -> None:
    estimate = np.array([0, 0, 0, 2000, 2000, 0, 0, 0, 0, 0.0])
    found = score("kettle", AT, KETTLE, estimate)
    assert (found.kolter, found.f1, found.precision, found.recall) == (0.5, 0.5, 0.5, 0.5)
    assert (found.mae_w, found.sae) == (400.0, 0.0)
    assert (found.activations_true, found.activations_found, found.activations_matched) == (1, 1, 1)


def test_what_was_not_measured_is_not_scored() -> None:
    truth = KETTLE.copy()
    truth[2] = np.nan
    assert score("kettle", AT, truth, np.where(np.isnan(truth), 9_999.0, truth)).kolter == 1.0


def test_combinatorial_takes_the_nearest_set() -> None:
    truth = {"kettle": KETTLE, "microwave": np.roll(KETTLE, 5) * 0.6}
    found = combinatorial(np.array([0.0, 1_150.0, 1_900.0, 3_300.0]), truth)
    assert found["kettle"].tolist() == [0, 0, 2000, 2000]
    assert found["microwave"].tolist() == [0, 1200, 0, 1200]


def test_what_was_told_first_and_what_stands_in_the_end() -> None:
    """Told as a kettle at 180 s, revised at 240 s: the second sample of the load was never told as a microwave."""
    events = [
        Event(1, 0, "on", "kettle", 180_000, 120_000, 0, 2_000.0),
        Event(1, 1, "off", "microwave", 240_000, 120_000, 180_000, 2_000.0),
        Event(2, 0, "cycle_finished", "dishwasher", 540_000, 0, 540_000, 500.0),
    ]
    names = ["kettle", "microwave"]
    first, last = first_told(events, home(), names), amended(events, home(), names)
    assert first["kettle"].tolist() == [0, 0, 0, 2000, 0, 0, 0, 0, 0, 0]
    assert not first["microwave"].any()
    assert not last["kettle"].any()
    assert last["microwave"].tolist() == [0, 0, 2000, 2000, 0, 0, 0, 0, 0, 0]


def test_an_estimate_stays_under_the_mains() -> None:
    events = [Event(1, 0, "on", "kettle", 0, 0, 0, 3_000.0)]
    assert (first_told(events, home(), ["kettle"])["kettle"] <= KETTLE + 100).all()


def test_a_home_is_read_as_it_was_written(tmp_path: Path) -> None:
    appliances = {"kettle": KETTLE, "fridge": np.where(AT < 120, np.nan, 80.0)}
    write_home(tmp_path / "home.csv", Home(AT, KETTLE + 100, None, appliances))
    again = read_home(tmp_path / "home.csv")
    assert again.at.tolist() == AT.tolist()
    np.testing.assert_array_equal(again.appliances_w["fridge"], appliances["fridge"])
    assert again.between(60, 180).at.tolist() == [60, 120]


def test_the_command_prints_a_line_for_each_appliance_and_one_for_the_home(tmp_path: Path) -> None:
    write_home(tmp_path / "home.csv", home())
    result = CliRunner().invoke(command, ["--home", str(tmp_path), "--from", "1970-01-01", "--to", "1970-01-02"])
    lines = [json.loads(line) for line in result.output.splitlines()]
    assert result.exit_code == 0
    assert [line.get("appliance", "home") for line in lines] == ["kettle", "home"]
    assert lines[-1]["home"]["all_zero"]["kolter"] == 0.5


ODD = {
    "empty": "at,active_power_w,kettle\n",
    "one row": "at,active_power_w,kettle\n0,100,0\n",
    "no appliance": "at,active_power_w\n0,100\n60,100\n",
    "nothing measured": "at,active_power_w,kettle\n" + "".join(f"{60 * i},,\n" for i in range(9)),
    "appliance never measured": "at,active_power_w,kettle\n" + "".join(f"{60 * i},{i},\n" for i in range(9)),
    "words, infinities and NaN": "at,active_power_w,kettle\n0,100,off\n60,inf,0\nnoon,1,1\n120,NaN,0\n180,100,nan\n",
    "disorder and repeats": "at,active_power_w,kettle\n120,2100,2000\n0,100,0\n120,9,9\n60,100,0\n",
    "other columns": "at,voltage_v,active_power_w,lava_lamp,kettle\n0,230,100,60,0\n60,230,2100,60,2000\n",
    "generation": "at,active_power_w,kettle\n" + "".join(f"{60 * i},{(-1) ** i * 900 * i},0\n" for i in range(99)),
    "uneven": "at,active_power_w,kettle\n"
    + "".join(f"{i * i % 7 + 8 * i},{2_000 * (i % 9 > 5)},0\n" for i in range(99)),
    "a reading a quarter": "at,active_power_w,kettle\n" + "".join(f"{900 * i},{i % 5 * 900},0\n" for i in range(99)),
    "spaces, CRLF and a mark": "\ufeffat, active_power_w , kettle\r\n0, 100, 0\r\n\r\n60, 2100, 2000\r\n",
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_home_is_scored_all_the_same(name: str, tmp_path: Path) -> None:
    (tmp_path / "home.csv").write_text(ODD[name], "utf-8")
    result = CliRunner().invoke(command, ["--home", str(tmp_path), "--plot", str(tmp_path / "day.png")])
    assert result.exit_code == 0, result.output
    *appliances, whole = [json.loads(line) for line in result.output.splitlines()]
    assert [line["appliance"] for line in appliances] == [n.strip() for n in ODD[name].splitlines()[0].split(",")
                                                          if n.strip() in ("kettle", "lava_lamp")]  # fmt: skip
    assert all(line["first"]["kolter"] is None or line["first"]["kolter"] <= 1 for line in appliances)
    assert whole["home"]["samples"] == len(read_home(tmp_path / "home.csv").at)


def test_a_home_in_disorder_is_put_in_order(tmp_path: Path) -> None:
    (tmp_path / "home.csv").write_text(ODD["disorder and repeats"])
    read = read_home(tmp_path / "home.csv")
    assert (read.at.tolist(), read.mains_w.tolist()) == ([0, 60, 120], [100, 100, 2100])


def test_what_is_no_appliance_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "home.csv").write_text(ODD["other columns"])
    result = CliRunner().invoke(command, ["--home", str(tmp_path)])
    known = {line["appliance"]: line["in_catalogue"] for line in map(json.loads, result.output.splitlines()[:-1])}
    assert known == {"lava_lamp": False, "kettle": True}


@pytest.mark.parametrize("text", ["power\n1\n", "at,mains\n0,1\n", "at,active_power_w\n0,1,2\n"])
def test_a_file_that_is_no_home_is_told_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "home.csv").write_text(text)
    result = CliRunner().invoke(command, ["--home", str(tmp_path)])
    assert result.exit_code == 1
    assert "home.csv" in result.output
