"""Plots of what bench.engine and bench.engine_blocks found."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

OURS, RECORDS, BLOCKS = "#0b6e4f", "#8d99ae", "#d08c60"


def bars(found: Mapping[str, Mapping[str, float]], to: Path) -> None:
    """Readings per CPU-second of each contestant, median with lowest and highest."""
    ordered = sorted(found.items(), key=lambda item: item[1]["readings_per_cpu_s"])
    figure, axes = plt.subplots(figsize=(9, 0.42 * len(ordered) + 1.6), layout="constrained")
    for place, (name, figures) in enumerate(ordered):
        rate = figures["readings_per_cpu_s"]
        spread = [[rate - figures["lowest"]], [figures["highest"] - rate]]
        axes.barh(place, rate, color=_colour(name), xerr=spread, capsize=3)
        axes.annotate(f" {rate:,.0f}", (figures["highest"], place), va="center", fontsize=8)
    axes.set_yticks(range(len(ordered)), [name.replace("_", " ") for name, _ in ordered])
    axes.set_xscale("log")
    axes.set_xlabel("readings per CPU-second (log scale); grey: a record a reading, brown: blocks, green: this engine")
    axes.margins(x=0.15)
    _save(figure, to)


def line(found: Mapping[int, Mapping[str, float]], to: Path) -> None:
    """Readings per CPU-second by rows a block."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    rows = sorted(found)
    axes.plot(rows, [found[row]["readings_per_cpu_s"] for row in rows], "o-", color=OURS)
    for row in rows:
        axes.annotate(f"{found[row]['readings_per_cpu_s']:,.0f}", (row, found[row]["readings_per_cpu_s"]), fontsize=8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("rows a block")
    axes.set_ylabel("readings per CPU-second")
    axes.grid(alpha=0.3)
    _save(figure, to)


def growth(found: Mapping[int, float], to: Path) -> None:
    """Rows per CPU-second by the number of meters."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    meters = sorted(found)
    axes.plot(meters, [found[n] for n in meters], "o-", color=OURS)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("meters")
    axes.set_ylabel("rows per CPU-second")
    axes.grid(alpha=0.3)
    _save(figure, to)


def _colour(name: str) -> str:
    if name.startswith("flexmeter"):
        return OURS
    return RECORDS if name.endswith("_records") else BLOCKS


def _save(figure: Figure, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(to, dpi=110)
    plt.close(figure)
