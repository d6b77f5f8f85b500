"""Plots of what the engine's benches found: beside its peers, by size of blocks and city, how soon, restarted."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def latencies(found: Mapping[str, Mapping[str, Any]], to: Path) -> None:
    """Milliseconds by messages a second, at these shares of the highest rate; what is None never came."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    rates = [told["messages_per_s"] for told in found.values()]
    for name, colour in (("p50", OURS), ("p99", BLOCKS)):
        waits = [told[f"{name}_ms"] for told in found.values()]
        axes.plot(rates, [math.nan if ms is None else ms for ms in waits], "o-", color=colour, label=name)
    axes.set_xticks(rates, [f"{rate:,.0f}\n({share})" for rate, share in zip(rates, found, strict=True)])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("messages per second (share of the highest rate)")
    axes.set_ylabel("ms from device to result")
    axes.legend()
    axes.grid(alpha=0.3)
    _save(figure, to)


def restarts(found: Mapping[str, Mapping[str, float]], rates: Mapping[str, float], to: Path) -> None:
    """Seconds to save, to restore and to catch up, by the number of meters; readings a second by workers."""
    figure, (times, workers) = plt.subplots(1, 2, figsize=(9, 4), width_ratios=(2, 1), layout="constrained")
    parts = (("saved_s", "save", RECORDS), ("restored_s", "restore", OURS), ("caught_up_s", "catch up", BLOCKS))
    for place, (key, name, colour) in enumerate(parts):
        at = [group + 0.27 * (place - 1) for group in range(len(found))]
        bars = times.bar(at, [told[key] for told in found.values()], 0.25, color=colour, label=name)
        times.bar_label(bars, fmt="%.1f", fontsize=8)
    times.set_xticks(range(len(found)), [f"{int(meters):,} meters" for meters in found])
    times.set_ylabel("seconds")
    times.legend()
    bars = workers.bar([f"{n} worker{'s' if n != '1' else ''}" for n in rates], list(rates.values()), 0.6, color=OURS)
    workers.bar_label(bars, fmt="{:,.0f}", fontsize=8)
    workers.set_ylabel("readings per second")
    _save(figure, to)


def _colour(name: str) -> str:
    if name.startswith("flexmeter"):
        return OURS
    return RECORDS if name.endswith("_records") else BLOCKS


def _save(figure: Figure, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(to, dpi=110)
    plt.close(figure)
