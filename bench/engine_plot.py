"""Plots of what bench.engine and bench.engine_blocks found."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

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


def _colour(name: str) -> str:
    if name.startswith("flexmeter"):
        return OURS
    return RECORDS if name.endswith("_records") else BLOCKS


def _save(figure: Figure, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(to, dpi=110)
    plt.close(figure)
