"""Workers and Kafka are killed, paused, torn and cut off under load; then all results are held against two others.

    python -m bench.faults [--kills 100] [--broker-kills 20] ... [--short] [--weakness NAME]

Two workers of each stream, eight partitions, a Kafka of its own. When the faults are done and the lag is gone, the
results are compared, byte by byte, with those of an uninterrupted run over the same input topics, and with
`bench/faults_truth.py`, which computes them from the input topics in another way. Exit code 1 unless all are equal.

The broker's disk is a tmpfs in a mount namespace of this command's own (unshare(1)), so that it can be full and leaves
nothing behind.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import click
import numpy as np
import orjson

from bench.faults_compare import Comparison
from bench.faults_inject import Injector
from bench.faults_load import PARTITIONS, READINGS
from bench.faults_log import Log
from bench.faults_parts import (
    CALM_SAVE_INTERVAL_S,
    SAVE_INTERVAL_S,
    SESSION_TIMEOUT_S,
    STREAMS,
    Broker,
    Workers,
    load_part,
    make_topics,
    write_topology,
)
from bench.faults_worker import WEAKNESSES
from bench.proof_stack import say
from bench.report import RESULTS, report
from connectors.kafka import Outlet
from flexmeter.local.part import spawn, stop, tail
from schemas.blocks import Beat
from schemas.codec import encode
from schemas.errors import Unavailable
from schemas.topology import load_topology

PACKAGES = ("aiokafka", "confluent-kafka", "faust-streaming", "numpy")
NOTHING_MOVES_S, NOTHING_MOVES_WEAK_S = 300.0, 45.0
SHOWN_FAULTS = 20
CALM = ".calm"
"""Ends the names of the workers of the uninterrupted run."""
NAMESPACE = "FLEXMETER_FAULTS_NAMESPACE"
SHORT = {
    "worker_killed": 5, "broker_killed": 1, "rebalance": 2, "paused_in_save": 1, "torn_save": 1,
    "torn_after_unheard": 1, "failed_send": 1, "killed_with_results_held": 1, "lost_record": 1, "disk_full": 0,
    "worker_stopped": 1,
}  # fmt: skip


@dataclass(slots=True)
class Run:
    """A fault run: the faults, then the uninterrupted run, then the comparison."""

    folder: Path
    broker: Broker
    seed: int
    meters: int
    steps_per_s: float
    weakness: str | None
    ends: Counter[int] = field(default_factory=Counter)
    """How the workers ended, by exit code; negative for signals."""
    restores_s: list[float] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def with_faults(self, plan: Mapping[str, int]) -> Counter[str]:
        """Inject the plan under load, until nothing is left to do. What really happened, by kind."""
        path = write_topology(self.folder, self.broker.bootstrap, "run")
        workers = Workers(self.folder, path, self.weakness)
        make_topics(workers.topology)
        make_topics(load_topology(write_topology(self.folder, self.broker.bootstrap, "calm")))
        load = load_part(self.folder, path, self.seed, self.meters, self.steps_per_s)
        sending = spawn(load)
        try:
            self._start(workers)
            injector = Injector(self.broker, workers, random.Random(self.seed))
            injector.run(plan)
            self._leave_extra(workers)
            stop(sending, load.stop_s)
            if sending.returncode:
                raise Unavailable("load", f"ended with {sending.returncode}\n{tail(load.log)}")
            self._drain(workers, "run")
        finally:
            sending.kill()
            self._end(workers)
            for ended in workers.ended.values():
                self.ends.update(ended)
        return injector.done

    def undisturbed(self) -> None:
        """The same input, once through, by workers that nothing happens to."""
        workers = Workers(self.folder, self.folder / "calm.yaml", None, CALM_SAVE_INTERVAL_S)
        try:
            self._start(workers, CALM)
            self._drain(workers, "calm")
        finally:
            self._end(workers)

    def account(self) -> dict[str, int]:
        """What the load says that Kafka acknowledged."""
        told: dict[str, int] = orjson.loads((self.folder / "account.json").read_bytes())
        return told

    def _start(self, workers: Workers, suffix: str = "") -> None:
        for stream in STREAMS:
            for number in (1, 2):
                workers.start(stream, f"{stream}-{number}{suffix}")
        for stream in STREAMS:
            workers.must(lambda stream=stream: workers.all_held(stream), 120, f"{stream} holds all partitions")  # type: ignore[misc]

    def _leave_extra(self, workers: Workers) -> None:
        for stream in STREAMS:
            for extra in workers.of(stream)[2:]:
                workers.leave(extra.part.name)

    def _drain(self, workers: Workers, run: str) -> None:
        """Wait until the first stream is done, end the last turns of the second, and wait for that.

        Raises:
            Unavailable: nothing moves any more.
        """
        self._drain_stream(workers, run, "metering", READINGS)
        outlet = Outlet(workers.topology.kafka, "faults")
        for partition in range(PARTITIONS):
            for at in (2_000, 4_000):
                outlet.produce(f"{run}.evidence", partition, encode(Beat("closing", at)))
        if not outlet.close(60):
            raise Unavailable("kafka", "did not take the last beats")
        self._drain_stream(workers, run, "grid", f"{run}.evidence")

    def _drain_stream(self, workers: Workers, run: str, stream: str, topic: str) -> None:
        log = Log(self.broker.bootstrap)
        ends = [log.end(topic, partition) for partition in range(PARTITIONS)]
        reached = [0] * PARTITIONS
        moved_at = time.monotonic()
        while left := sum(ends) - sum(reached):
            before = list(reached)
            for partition in range(PARTITIONS):
                for account in log.accounts(f"{run}.accounts", partition):
                    if account.stream == stream:
                        reached[partition] = max(reached[partition], account.next_offset)
            if reached != before:
                say(f"  {run}: {stream} had {left:,} records left")
                moved_at = time.monotonic()
            if time.monotonic() - moved_at > (NOTHING_MOVES_WEAK_S if self.weakness else NOTHING_MOVES_S):
                raise Unavailable(stream, f"nothing moves: {reached} of {ends}")
            workers.until(lambda: False, 1.0)

    def _end(self, workers: Workers) -> None:
        codes = workers.stop()
        if any(codes):
            say(f"  workers ended with {codes} at the end")


def _restores(folder: Path) -> list[float]:
    """How long each restore of a partition took, by the workers' logs, s."""
    logs = [log for log in folder.glob("*.log") if CALM not in log.name]
    lines = [line for log in logs for line in log.read_text(errors="replace").splitlines()]
    return [float(line.rsplit(" in ", 1)[1].split()[0]) for line in lines if "RESTORED partition" in line]


@click.command()
@click.option("--kills", default=100, show_default=True)
@click.option("--broker-kills", default=20, show_default=True)
@click.option("--rebalances", default=20, show_default=True, help="Workers that join or leave.")
@click.option("--pauses", default=10, show_default=True, help="In the middle of a save, beyond the session timeout.")
@click.option("--torn-saves", default=20, show_default=True)
@click.option("--failed-sends", default=10, show_default=True)
@click.option("--held-results", default=10, show_default=True, help="Killed while results are on their way.")
@click.option("--lost-records", default=10, show_default=True)
@click.option("--full-disks", default=3, show_default=True)
@click.option("--stops", default=10, show_default=True, help="By SIGTERM.")
@click.option("--only", multiple=True, help="KIND=COUNT: these faults and no others.")
@click.option("--short", is_flag=True, help="Few of each; the result of the long form is left alone.")
@click.option("--seed", default=1, show_default=True)
@click.option("--meters", default=2_000, show_default=True)
@click.option("--steps-per-s", default=2.0, show_default=True, help="Steps of ten seconds of event time.")
@click.option("--weakness", type=click.Choice(WEAKNESSES), help="Without one protection: must be found wrong.")
@click.option("--keep", is_flag=True, help="Keep the folder with logs (kept anyway when something is wrong).")
def main(only: Sequence[str], short: bool, keep: bool, weakness: str | None, **options: int) -> None:
    """Show that faults change no result."""
    _own_namespace()
    folder = Path(tempfile.mkdtemp(prefix="flexmeter-faults-"))
    seed, meters, steps_per_s = (options.pop(name) for name in ("seed", "meters", "steps_per_s"))
    plan = _plan(only, short, options)
    result: dict[str, object] = {"faults": "failed"}
    try:
        say("starting Kafka, the load, two workers of each stream ...")
        broker = Broker.start(folder)
        try:
            result = _compare(Run(folder, broker, seed, meters, steps_per_s, weakness), plan)
        finally:
            stop(broker.process, 20)
    except Unavailable as error:
        say(f"FAILED: {error}")
    equal = result["faults"] == "all equal"
    if "wrong" in result:  # a comparison was made
        report("faults", result, PACKAGES, folder if short or only or weakness else RESULTS)
    else:
        print(orjson.dumps({"result": result}).decode())
    if (equal or weakness) and not keep:
        subprocess.run(["umount", str(folder / "disk")], check=True)
        shutil.rmtree(folder)
    else:
        say(f"logs are in {folder}")
    sys.exit(0 if equal else 1)


def _own_namespace() -> None:
    """Become a process that may mount what nobody else sees."""
    if os.environ.get(NAMESPACE):
        return
    command = ["unshare", "--map-root-user", "--mount", sys.executable, "-m", "bench.faults", *sys.argv[1:]]
    os.execvpe(command[0], command, {**os.environ, NAMESPACE: "1", "PYTHONUNBUFFERED": "1"})


def _plan(only: Sequence[str], short: bool, options: Mapping[str, int]) -> dict[str, int]:
    """How many of each fault."""
    if only:
        return {kind: int(count) for kind, _, count in (one.partition("=") for one in only)}
    if short:
        return dict(SHORT)
    return {
        "worker_killed": options["kills"],
        "broker_killed": options["broker_kills"],
        "rebalance": options["rebalances"],
        "paused_in_save": options["pauses"],
        "torn_save": options["torn_saves"] - options["torn_saves"] // 4,
        "torn_after_unheard": options["torn_saves"] // 4,
        "failed_send": options["failed_sends"],
        "killed_with_results_held": options["held_results"],
        "lost_record": options["lost_records"],
        "disk_full": options["full_disks"],
        "worker_stopped": options["stops"],
    }


def _compare(run: Run, plan: Mapping[str, int]) -> dict[str, object]:
    """The whole of it, in figures."""
    began = time.monotonic()
    done = run.with_faults(plan)
    faulted = time.monotonic()
    say("the same input without faults ...")
    run.undisturbed()
    calmed = time.monotonic()
    say("comparing ...")
    found = Comparison(Log(run.broker.bootstrap), "run", "calm").all(run.account())
    found.faults += [f"{kind}: {done[kind]} of {count} happened" for kind, count in plan.items() if done[kind] < count]
    return _result(run, done, found, (faulted - began, calmed - faulted, time.monotonic() - calmed))


def _result(run: Run, done: Counter[str], found: Comparison, took_s: tuple[float, float, float]) -> dict[str, object]:
    """Say what was found; the result in figures."""
    restores = np.array(_restores(run.folder) or [0.0])
    for kind, count in sorted(done.items()):
        say(f"  {kind:<26}{count:>6}")
    readings = found.acknowledged[f"{READINGS}/rows"]
    say(f"  {readings:,} readings in, {found.facts:,} facts in {found.records:,} records out")
    say(f"  {found.repeats:,} records of results came again")
    say(f"  longest pause of a partition {found.longest_pause_s:.1f} s; slowest restore {restores.max():.1f} s")
    for fault in islice(found.faults, SHOWN_FAULTS):
        say(f"  WRONG: {fault}")
    say(f"FAILED: {len(found.faults)} things are wrong" if found.faults else "all equal, the repeats too")
    return {
        "faults": "failed" if found.faults else "all equal",
        "injected": dict(done),
        "worker_ends_by_code": {str(code): count for code, count in sorted(run.ends.items())},
        "weakness": run.weakness,
        "wrong": len(found.faults),
        "first_wrong": found.faults[:3],
        "readings": readings,
        "facts": found.facts,
        "result_records": found.records,
        "repeated_records": found.repeats,
        "longest_pause_s": round(found.longest_pause_s, 1),
        "restores": len(restores),
        "restore_s": {"median": round(float(np.median(restores)), 3), "longest": round(float(restores.max()), 3)},
        "seconds": {name: round(s) for name, s in zip(("with_faults", "calm", "comparing"), took_s, strict=True)},
        "settings": {
            "seed": run.seed,
            "meters": run.meters,
            "readings_per_s": round(run.meters * run.steps_per_s),
            "partitions": PARTITIONS,
            "session_timeout_s": SESSION_TIMEOUT_S,
            "save_interval_s": SAVE_INTERVAL_S,
        },
    }


if __name__ == "__main__":
    main()
