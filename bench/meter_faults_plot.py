"""Recall of each kind of fault against its false alarms, as a plot: a panel a kind, a line a source."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

COLOURS = {
    "REFIT": "#0072B2",
    "UK-DALE": "#56B4E9",
    "Danish heat": "#D55E00",
    "DAIAD": "#009E73",
    "fleet": "#BBBBBB",
    "DAIAD beside neighbours": "#005040",
    "fleet beside neighbours": "#555555",
}
LEAST_A_YEAR = 0.05


def plot(curve: Mapping[float, Any], by_z: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> None:
    """Ours as solid lines with a dot a strictness, the rolling z-score dashed."""
    kinds = list(dict.fromkeys(kind for found in next(iter(curve.values())).values() for kind in found["kinds"]))
    columns = 3
    figure = Figure(figsize=(14, 3.6 * -(-len(kinds) // columns)), layout="constrained")
    panels = figure.subplots(-(-len(kinds) // columns), columns, squeeze=False).flat
    for axes, kind in zip(panels, kinds, strict=False):
        for source, colour in COLOURS.items():
            rows = [found[source]["kinds"].get(kind) for found in curve.values()]
            ours = sorted((row["false_alarms_per_meter_year"], row["recall"]) for row in rows if row)
            theirs = [(row["false_alarms_per_meter_year"], row[kind]) for row in by_z[source] if kind in row]
            if ours:
                axes.plot(*zip(*ours, strict=True), marker="o", color=colour, label=source)
                axes.plot(*zip(*theirs, strict=True), linestyle="--", linewidth=1, color=colour)
        axes.set(title=kind, xlabel="false alarms of this kind, a meter and year", ylabel="recall", ylim=(-0.02, 1.03))
        axes.set_xscale("symlog", linthresh=LEAST_A_YEAR)
        axes.set_xlim(left=-LEAST_A_YEAR / 5)
        axes.legend(fontsize=7, framealpha=0.4, loc="center right")
    figure.suptitle(
        "Solid: flexmeter, at several strictnesses. Dashed: rolling z-score, which has one kind of alarm only."
    )
    figure.savefig(path, dpi=80)
