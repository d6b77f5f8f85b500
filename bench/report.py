"""A result together with the command, the machine and the versions that it was measured with."""

import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def report(name: str, result: Mapping[str, Any], packages: Sequence[str], folder: Path = RESULTS) -> None:
    """Write `<folder>/<name>.json` and print it; the last line printed is one line of JSON."""
    whole = {
        "bench": name,
        "command": shlex.join(["python", *sys.orig_argv[1:]]),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": {"python": platform.python_version(), **{package: version(package) for package in packages}},
        "result": result,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(whole, indent=2) + "\n", "utf-8")
    print(json.dumps(whole))


def machine() -> dict[str, Any]:
    """What it ran on, and how busy that was: the load of the minute before."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "load_1min": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
