"""What `nilm` knows of a home, for people: `flexmeter state` shows it."""

from typing import Any

from streams.nilm.home import Home
from streams.nilm.library import Library
from streams.readable import time

_LEAST_SHARE = 0.05


def described(home: Home, library: Library) -> dict[str, Any]:
    """What is on, and what the home's loads of each power have turned out to be, in shares."""
    loads = [
        {
            "number": load.number,
            "appliance": library.appliances[load.appliance],
            "power_w": round(load.drawn_w, 1),
            "on_since": time(load.start),
            "confidence": round(load.confidence, 3),
            "labelled": load.labelled,
        }
        for load in home.loads
    ]
    clusters = home.clusters
    known = [
        {"power_w": round(float(power_w)), "loads": round(float(counts.sum()), 1)}
        | _shares(counts / counts.sum(), library)
        for power_w, counts in sorted(zip(clusters.power_w, clusters.counts, strict=True), key=lambda one: one[0])
        if power_w > 0 and counts.sum() > 0
    ]
    return {"last_at": time(home.before_at), "mains_w": round(home.now.power_w, 1), "loads": loads, "known": known}


def _shares(shares: Any, library: Library) -> dict[str, float]:
    named = zip(library.appliances, shares.tolist(), strict=True)
    return {name: round(share, 2) for name, share in named if share >= _LEAST_SHARE}
