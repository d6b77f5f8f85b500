"""How right `nilm` is: in a home `python -m bench.nilm --home DIR`, in all development homes `make accuracy NAME=nilm`.

DIR/home.csv has the columns `at` (epoch seconds, UTC), `active_power_w`, optionally `reactive_power_var` and
`voltage_v`, and the power in W of each appliance that has a meter of its own, named as in the catalogue of appliances
(streams/nilm/library.yaml); an empty cell was not measured. The operator sees the mains only.

Prints a line of JSON for each appliance and one for the home. `first` scores what was told when each sample was
processed, and is the headline; `amended` what the last revisions say. all_zero, mean and combinatorial stand beside
(bench/nilm_baselines.py says what they are given).
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench import nilm_homes
from bench.nilm_baselines import BASELINES
from bench.nilm_homes import Home, read_home
from bench.nilm_run import Run, amended, first_told, interval_ms, run
from bench.nilm_score import Counted, counted, score, threshold_w, together
from bench.report import report
from schemas.arrays import Float64s, Int64s
from streams.contract import Mask
from streams.nilm.frame import reach_ms
from streams.nilm.library import load_library
from streams.nilm.operator import Nilm

HELD_AT_1_S = [name for name in nilm_homes.MIXTURES if "held" in name]
CATALOGUE = load_library().appliances[1:]
PICTURES = (".png", ".svg", ".pdf")
GOAL_KOLTER = 0.5
"""Of every home at every rate; besides, F1 is to be above that of combinatorial optimisation."""
GOAL_MIXTURE_KOLTER = 0.8
"""Of mixtures at 1 s of traces that the library has not seen."""


def measure(home: Home, ran: Run) -> dict[str, Any]:
    """All scores of a home's samples, which may be a part of those of the run: by appliance, and over all."""
    names = list(home.appliances_w)
    truth = home.appliances_w
    ways: dict[str, dict[str, Float64s]] = {
        "first": first_told(ran.events, home, names),
        "amended": amended(ran.events, home, names),
    }
    ways |= {name: way(home.mains_w, truth) for name, way in BASELINES.items()}
    found = {way: _counted(home.at, truth, estimate) for way, estimate in ways.items()}
    appliances: list[dict[str, Any]] = [
        {"appliance": name, "in_catalogue": name in CATALOGUE, "threshold_w": threshold_w(name)}
        | {way: asdict(score(of[name])) for way, of in found.items()}
        for name in names
    ]
    whole = {way: _whole(of) for way, of in found.items()}
    months = {name: _by_month(home, ways[name]) for name in ("first", "amended")}
    return {"appliances": appliances, "home": whole | {"kolter_by_month": months} | _cost(home, ran)}


def _counted(at: Int64s, truth: Mapping[str, Float64s], estimate: Mapping[str, Float64s]) -> dict[str, Counted]:
    return {name: counted(name, at, truth[name], estimate[name]) for name in truth}


def _whole(of: Mapping[str, Counted]) -> dict[str, Any]:
    """The home's score, appliances together, and the mean of their F1, in which each counts alike."""
    f1 = [score(one).f1 for one in of.values()]
    return asdict(score(together(of.values()))) | {"f1_mean": round(sum(f1) / len(f1), 4) if f1 else 0.0}


def _by_month(home: Home, estimate: Mapping[str, Float64s]) -> dict[str, float | None]:
    """Kolter accuracy of each month (UTC) of a run that began with the home's first sample."""
    month = home.at.astype("datetime64[s]").astype("datetime64[M]")
    return {str(one): _kolter(home, estimate, month == one) for one in np.unique(month)}


def _kolter(home: Home, estimate: Mapping[str, Float64s], which: Mask) -> float | None:
    truth = {name: values[which] for name, values in home.appliances_w.items()}
    found = _counted(home.at[which], truth, {name: values[which] for name, values in estimate.items()})
    return score(together(found.values())).kolter


def measure_first(home: Home, operator: Nilm) -> dict[str, float | None]:
    """Kolter accuracy and mean F1 of what an operator tells first."""
    told = first_told(run(home, operator=operator).events, home, list(home.appliances_w))
    whole = _whole(_counted(home.at, home.appliances_w, told))
    return {"kolter": whole["kolter"], "f1_mean": whole["f1_mean"]}


def _cost(home: Home, ran: Run) -> dict[str, Any]:
    steps_s = np.diff(home.at)
    return {
        "samples": len(home.at),
        "interval_s": interval_ms(home) / 1_000,
        "covered_s": int(steps_s[steps_s * 1_000 <= reach_ms(np.array(interval_ms(home)))].sum()),
        "microseconds_a_sample": round(ran.microseconds_a_row, 2),
        "state_bytes": ran.state_bytes,
    }


def lines(measured: Mapping[str, Any]) -> Iterator[str]:
    """The home's JSON lines."""
    for appliance in measured["appliances"]:
        yield json.dumps(appliance)
    yield json.dumps({"home": measured["home"]})


def picture(home: Home, ran: Run, path: Path) -> None:
    """The day with the most appliance energy: mains, and each appliance as it was and as it was first told."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    total = np.nansum([home.mains_w * 1e-9, *home.appliances_w.values()], axis=0)
    days = home.at // nilm_homes.DAY_S
    day = int(max(np.unique(days), key=lambda day: total[days == day].sum()))
    names = list(home.appliances_w)
    told = first_told(ran.events, home, names)
    which = days == day
    hours = (home.at[which] - day * nilm_homes.DAY_S) / 3_600
    figure, axes = pyplot.subplots(len(names) + 1, 1, sharex=True, figsize=(14, 2 + 1.6 * len(names)), squeeze=False)
    axes[0, 0].plot(hours, home.mains_w[which], color="black", linewidth=0.6)
    axes[0, 0].set_ylabel("mains W")
    axes[0, 0].set_title(datetime.fromtimestamp(day * nilm_homes.DAY_S, UTC).strftime("%Y-%m-%d (UTC)"))
    for axis, name in zip(axes[1:, 0], names, strict=True):
        axis.fill_between(hours, home.appliances_w[name][which], color="0.75", label="true")
        axis.plot(hours, told[name][which], color="C1", linewidth=0.8, label="told first")
        axis.set_ylabel(f"{name} W")
        axis.legend(loc="upper left")
    axes[-1, 0].set_xlabel("hour")
    figure.tight_layout()
    figure.savefig(path)


def accuracy(data: Path, folder: Path) -> int:
    """All development homes, kept as bench/results/nilm.json. Returns how many miss a goal."""
    homes = {
        path.name: measure(home := read_home(path / "home.csv"), run(home)) for path in nilm_homes.ensure(folder, data)
    }
    goals = {name: _goals(name, measured["home"]) for name, measured in homes.items()}
    for name, measured in homes.items():
        print(_line(name, measured["home"], goals[name]))
    report("nilm", {"goals": goals, "homes": homes}, packages=["numpy"])
    return sum(not goal["met"] for goal in goals.values())


def _goals(name: str, whole: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked of a home, and whether what was told first meets it. All else that is measured is orientation."""
    first, combinatorial = whole["first"], whole["combinatorial"]
    kolter = GOAL_MIXTURE_KOLTER if name in HELD_AT_1_S else GOAL_KOLTER
    goals = {"kolter": kolter, "f1": combinatorial["f1"], "f1_mean": combinatorial["f1_mean"]}
    return {f"{what}_above": least for what, least in goals.items()} | {
        "met": all((first[what] or 0) > least for what, least in goals.items())
    }


def _line(name: str, whole: Mapping[str, Any], goal: Mapping[str, Any]) -> str:
    first, months = whole["first"], whole["kolter_by_month"]["first"]
    return (
        f"{name}: Kolter {first['kolter']:.3f} (goal {goal['kolter_above']}; amended {whole['amended']['kolter']:.3f}),"
        f" F1 {first['f1']:.3f} (goal {goal['f1_above']:.3f}), mean of the appliances' F1 {first['f1_mean']:.3f} "
        f"(goal {goal['f1_mean_above']:.3f}): {'met' if goal['met'] else 'MISSED'}\n"
        f"  by month: {', '.join(f'{month} {kolter}' for month, kolter in months.items())}"
    )


class Day(click.ParamType):
    """An ISO date or time as epoch seconds; UTC unless it says otherwise."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Raises click.BadParameter, which names the option."""
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r}: write a day or time as 2014-04-01 or 2014-04-01T12:00", param, ctx)
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def picture_path(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    """Where a picture can be written; raises click.BadParameter else."""
    if path and path.suffix not in PICTURES:
        raise click.BadParameter(f"{path}: name it {', '.join('*' + kind for kind in PICTURES)}", ctx, param)
    if path and not path.parent.is_dir():
        raise click.BadParameter(f"{path}: there is no folder {path.parent}: make it first", ctx, param)
    return path


def part_of(whole: Home, begin: int, end: int, options: str) -> Home:
    """The samples of that time; raises click.UsageError where a home that has some has none then."""
    part = whole.between(begin, end)
    if len(whole.at) and not len(part.at):
        first, last = (datetime.fromtimestamp(int(at), UTC).isoformat() for at in whole.at[[0, -1]])
        raise click.UsageError(f"{options}: no samples are left; the home has them from {first} to {last}")
    return part


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home", "folder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="folder of home.csv"
)
@click.option("--from", "begin", type=Day(), help="first day or time, ISO 8601, UTC")
@click.option("--to", "end", type=Day(), help="day or time to stop before")
@click.option(
    "--train-on-submeters",
    "until",
    type=Day(),
    help="label the loads that the sub-meters saw until then, and score what comes after (default: never)",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    callback=picture_path,
    help="picture of the day with the most appliance energy",
)
@click.option("--data", type=click.Path(path_type=Path), default="../shared/data", envvar="FLEXMETER_DATA")
@click.option(
    "--homes", type=click.Path(path_type=Path), default=nilm_homes.FOLDER, help="where development homes are kept"
)
def command(
    folder: Path | None,
    begin: int | None,
    end: int | None,
    until: int | None,
    plot: Path | None,
    data: Path,
    homes: Path,
) -> None:
    """Score `nilm` in one home, or without --home in all development homes."""
    if folder is None:
        sys.exit(min(accuracy(data, homes), 1))
    if begin is not None and end is not None and begin >= end:
        raise click.UsageError("--from must be before --to")
    try:
        home = read_home(folder / "home.csv")
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
    home = part_of(home, begin or 0, 2**62 if end is None else end, "--from, --to")
    scored = home if until is None else part_of(home, until, 2**62, "--train-on-submeters")
    ran, home = run(home, until), scored
    for line in lines(measure(home, ran)):
        print(line)
    if plot and len(home.at):
        picture(home, ran, plot)


def main(argv: Sequence[str]) -> int:
    """As from the command line; the exit code: 1 where a goal is missed."""
    try:
        command.main(list(argv), prog_name="python -m bench.nilm")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
