"""Every decoder of the registry on broken and invented telegrams: `python -m bench.fuzz`, `make fuzz MINUTES=10`.

Each protocol has a process of its own and an equal share of the time (bench/fuzz_worker.py), as many at once as there
are cores. First its seeds are fed as they are, those with a checksum also cut short at every length and with every bit
flipped, for a third of the time at most; then some blown up to 900 kB at most; then whatever leads to new code, or
chance alone where there is no atheris.

Findings: anything raised but Rejected; an input over 100 ms of CPU; a damaged telegram that is taken and says something
else; memory that keeps growing; a process that dies or hangs. Exit code 1 for any.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from bench.fuzz_targets import targets
from bench.fuzz_worker import MOST_GROWN_BLOCKS
from bench.report import RESULTS, report

_PATIENCE_S = 120.0


@click.command()
@click.option("--minutes", default=10.0, show_default=True, help="How long in all.")
@click.option("--seed", default=1, show_default=True)
@click.option("--data", type=click.Path(path_type=Path), default="../shared/data", envvar="FLEXMETER_DATA")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, hidden=True)
@click.argument("protocols", nargs=-1)
def main(minutes: float, seed: int, data: Path, results: Path, protocols: tuple[str, ...]) -> None:
    """Fuzz the decoders of PROTOCOLS, all of them unless told."""
    names = protocols or tuple(targets(data))
    at_once = min(len(os.sched_getaffinity(0)), len(names))
    with ThreadPoolExecutor(at_once) as workers:
        found = list(workers.map(lambda name: under_fire(name, minutes * 60 * at_once / len(names), seed, data), names))
    for line in table(found):
        click.echo(line)
    faults = [fault for one in found for fault in findings(one)]
    for fault in faults:
        click.echo(fault, err=True)
    total = sum(one["inputs"] for one in found)
    packages = ["cbor2", "orjson", *(["atheris"] if find_spec("atheris") else [])]
    report("fuzz", {"inputs": total, "findings": len(faults), "protocols": found}, packages, results)
    sys.exit(int(bool(faults)))


def under_fire(protocol: str, seconds: float, seed: int, data: Path) -> dict[str, Any]:
    """What the worker of one protocol found; `died` says how it ended if not by itself."""
    command = [sys.executable, "-m", "bench.fuzz_worker", protocol, str(seconds), str(seed), str(data)]
    nothing = {"protocol": protocol, "inputs": 0}
    try:
        with TemporaryDirectory() as folder:  # the worker cannot tidy up: libFuzzer leaves it no time to
            settings = {**os.environ, "TMPDIR": folder}
            done = subprocess.run(command, capture_output=True, timeout=seconds + _PATIENCE_S, env=settings)
    except subprocess.TimeoutExpired:
        return {**nothing, "died": f"hung for {_PATIENCE_S:.0f} s"}
    if done.returncode or not done.stdout:
        return {**nothing, "died": f"exit code {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}"}
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def findings(found: Mapping[str, Any]) -> list[str]:
    """What is wrong, in words.

    >>> findings({"protocol": "x", "crashes": ["KeyError: 'a': 00ff"], "slow": [], "silent": [], "grown_blocks": 0})
    ["x: KeyError: 'a': 00ff"]
    """
    name = found["protocol"]
    if "died" in found:
        return [f"{name}: {found['died']}"]
    texts = [f"{name}: {text}" for kind in ("crashes", "slow", "silent") for text in found[kind]]
    if found["grown_blocks"] > MOST_GROWN_BLOCKS:
        texts.append(f"{name}: {found['grown_blocks']} blocks of memory more than after the first fifth of the time")
    return texts


def table(found: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """The findings in lines for people."""
    columns = (
        "protocol",
        "guided",
        "inputs",
        "per_cpu_s",
        "decoded",
        "rejected",
        "damaged",
        "slowest_ms",
        "grown_blocks",
    )
    lists = ("crashes", "slow", "silent")
    yield "".join(f"{column:>13}" for column in (*columns, *lists))
    for one in found:
        rated = {**one, "per_cpu_s": round(one["inputs"] / one["cpu_seconds"]) if one.get("cpu_seconds") else 0}
        cells = [str(rated.get(column, "died")) for column in columns] + [str(len(one.get(kind, ()))) for kind in lists]
        yield "".join(f"{cell:>13}" for cell in cells)


if __name__ == "__main__":
    main()
