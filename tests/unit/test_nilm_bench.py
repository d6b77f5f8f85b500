"""The scores and baselines of bench/nilm*, on homes small enough to work out by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench import nilm_homes
from bench.nilm import command
from bench.nilm_baselines import combinatorial
from bench.nilm_homes import Home, read_home, write_home
from bench.nilm_run import Event, amended, first_told, run
from bench.nilm_score import counted, score, together
from bench.nilm_voltage import simulated

AT = np.arange(0, 600, 60)
KETTLE = np.array([0, 0, 2000, 2000, 0, 0, 0, 0, 0, 0.0])


def home() -> Home:
    return Home(AT, KETTLE + 100, None, {"kettle": KETTLE})


def test_a_score_by_hand() -> None:
    estimate = np.array([0, 0, 0, 2000, 2000, 0, 0, 0, 0, 0.0])
    found = score(counted("kettle", AT, KETTLE, estimate))
    assert (found.kolter, found.f1, found.precision, found.recall) == (0.5, 0.5, 0.5, 0.5)
    assert (found.mae_w, found.sae) == (400.0, 0.0)
    assert (found.activations_true, found.activations_found, found.activations_matched) == (1, 1, 1)


def test_what_was_not_measured_is_not_scored() -> None:
    truth = KETTLE.copy()
    truth[2] = np.nan
    assert score(counted("kettle", AT, truth, np.where(np.isnan(truth), 9_999.0, truth))).kolter == 1.0


def test_a_home_is_scored_by_the_samples_and_watts_of_all_its_appliances() -> None:
    """The kettle is found a minute late, the microwave for one of its two minutes; it was not measured once."""
    microwave = np.array([0, 0, 0, 0, 0, 0, 600, 600, np.nan, 0])
    kettle_found = np.array([0, 0, 0, 2000, 2000, 0, 0, 0, 0, 0.0])
    microwave_found = np.array([0, 0, 0, 0, 0, 0, 600, 0, 0, 0.0])
    parts = [counted("kettle", AT, KETTLE, kettle_found), counted("microwave", AT, microwave, microwave_found)]
    found = score(together(parts))
    assert (found.precision, found.recall, found.f1) == (round(2 / 3, 4), 0.5, round(4 / 7, 4))
    assert found.kolter == round(1 - 4_600 / (2 * 5_200), 4)
    assert (found.mae_w, found.sae) == (round(4_600 / 19, 4), round(600 / 5_200, 4))
    assert (found.activations_true, found.activations_found, found.activations_matched) == (2, 2, 2)


def test_what_was_told_of_the_last_sample_before_a_gap_does_not_know_the_gap() -> None:
    """Three kettles; in the third the readings stop for an hour."""
    minute = np.concatenate([np.arange(0, 400), np.arange(460, 500)])
    kettle = np.where(np.isin(minute, [100, 101, 200, 201, 397, 398, 399]), 2_700.0, 0.0)
    gone = Home(minute * 60, kettle + 100 + minute % 3, None, {"kettle": kettle})
    told = first_told(run(gone).events, gone, ["kettle"])["kettle"]
    assert told[399] > 2_000
    assert not told[400:].any()


def test_labels_from_sub_meters_go_the_way_of_a_users_and_only_what_comes_after_is_scored(tmp_path: Path) -> None:
    """A toaster of 1,250 W, each hour for two minutes: unlabelled it is a microwave."""
    minute = np.arange(2 * 1_440)
    toaster = np.where(minute % 60 < 2, 1_250.0, 0.0)
    write_home(tmp_path / "home.csv", Home(minute * 60, toaster + 100 + minute % 3, None, {"toaster": toaster}))
    lines = {}
    for options in ([], ["--train-on-submeters", "1970-01-02"], ["--from", "1970-01-02"]):
        result = CliRunner().invoke(command, ["--home", str(tmp_path), *options])
        lines[tuple(options)] = [json.loads(line) for line in result.output.splitlines()]
    untaught, taught, second_day = lines.values()
    assert untaught[0]["amended"]["recall"] < 0.1
    assert taught[0]["amended"]["recall"] > 0.9
    assert taught[-1]["home"]["samples"] == second_day[-1]["home"]["samples"] == 1_440
    assert taught[0]["all_zero"] == second_day[0]["all_zero"]


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


def test_a_home_that_an_older_version_made_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def develop(name: str, data: Path) -> Home:
        made.append(name)
        return home()

    (tmp_path / "nilm").mkdir()
    monkeypatch.setattr(nilm_homes, "development_home", develop)
    for _ in range(2):
        nilm_homes.ensure(tmp_path / "out", tmp_path, ["mixture_library"])
    assert made == ["mixture_library"]
    (tmp_path / "out" / "mixture_library" / "made_by").write_text("an older version")
    nilm_homes.ensure(tmp_path / "out", tmp_path, ["mixture_library"])
    assert made == ["mixture_library"] * 2


def test_homes_are_made_where_they_are_looked_for() -> None:
    folders = [
        next(option.default for option in made_or_read.params if option.name in ("out", "homes"))
        for made_or_read in (nilm_homes.main, command)
    ]
    assert folders[0] == folders[1]


def test_a_mixture_at_ten_seconds_has_its_means(monkeypatch: pytest.MonkeyPatch) -> None:
    at = np.arange(100)
    fast = Home(at, 100.0 + at, None, {"kettle": np.where(at < 25, 0.0, 2_000.0)})
    monkeypatch.setattr(nilm_homes, "mixture", lambda name, data: fast)
    slow = nilm_homes.development_home("mixture_held_1_10s", Path())
    assert slow.at.tolist() == list(range(9, 100, 10))
    assert slow.mains_w.tolist() == [104.5 + 10 * i for i in range(10)]
    assert slow.appliances_w["kettle"].tolist() == [0, 0, 1_000] + [2_000] * 7


def test_at_another_voltage_heaters_draw_otherwise_and_all_else_as_before() -> None:
    fridge = np.full(len(AT), 90.0)
    recorded = Home(AT, KETTLE + fridge + 100, None, {"kettle": KETTLE, "fridge": fridge})
    there = simulated(recorded, seed=1)
    assert there.voltage_v is not None
    np.testing.assert_allclose(there.appliances_w["kettle"], KETTLE * (there.voltage_v / 230) ** 2)
    assert there.appliances_w["fridge"].tolist() == fridge.tolist()
    np.testing.assert_allclose(there.mains_w - sum(there.appliances_w.values()), 100)


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


GOOD = "at,active_power_w,kettle\n" + "".join(f"{60 * i},100,0\n" for i in range(9))


@pytest.mark.parametrize(
    ("text", "options", "code", "told"),
    [
        (GOOD, ["--plot", "/no/such/dir/x.png"], 2, "no folder /no/such/dir"),
        (GOOD, ["--plot", "x.txt"], 2, "'--plot': x.txt: name it *.png"),
        (GOOD, ["--from", "yesterday"], 2, "'--from': 'yesterday': write a day"),
        (GOOD, ["--from", "2014-05-01", "--to", "2014-04-01"], 2, "--from must be before --to"),
        (GOOD, ["--from", "2014-05-01"], 2, "--from, --to: no samples are left; the home has them from 1970-01-01"),
        (GOOD, ["--train-on-submeters", "2014-05-01"], 2, "--train-on-submeters: no samples are left"),
        (GOOD.replace("\n", ",9\n").replace("kettle,9", "kettle,kettle"), [], 1, "home.csv: the header names kettle"),
        (GOOD.replace("60,", "2014-04-01T00:01,").replace("0,100", "T,100"), [], 1, "home.csv: no `at` is a number"),
        (GOOD + "1400000000000,100,0\n", [], 1, "home.csv: `at` reaches 1400000000000: write epoch seconds"),
        ("\udcff\udcfe", [], 1, "home.csv: no text in UTF-8"),
    ],
)
def test_a_mistake_is_told_in_a_line(tmp_path: Path, text: str, options: list[str], code: int, told: str) -> None:
    (tmp_path / "home.csv").write_text(text, "utf-8", "surrogateescape")
    result = CliRunner().invoke(command, ["--home", str(tmp_path), *options])
    assert (result.exit_code, told in result.output) == (code, True), result.output


@pytest.mark.parametrize("text", ["power\n1\n", "at,mains\n0,1\n", "at,active_power_w\n0,1,2\n"])
def test_a_file_that_is_no_home_is_told_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "home.csv").write_text(text)
    result = CliRunner().invoke(command, ["--home", str(tmp_path)])
    assert result.exit_code == 1
    assert "home.csv" in result.output
