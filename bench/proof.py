"""A week of recorded readings through everything, compared with independent arithmetic.

    python -m bench.proof [--days 7] [--meters 100] [--kills] [--short]

Starts a local stack of its own (Kafka, mosquitto, two MQTT bridges, four partitions, two workers of `metering`, one of
each other stream, a sink; no recomputation), replays the recording over MQTT with repeats, disorder and garbage, waits
until all has arrived, and holds the hourly aggregates that users query against `bench/proof_truth.py`. Exit code 1
unless all are equal and the account adds up. With --kills all on the way to these aggregates are killed with SIGKILL,
each while it has something left to do: both bridges, both workers of `metering`, the sink and Kafka. Mosquitto, whose
queues devices and bridges rely on, and the workers of the other streams are not.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from types import FrameType

import click
import orjson

from bench.proof_check import (
    Truth,
    account,
    account_faults,
    garbage_faults,
    hour_faults,
    hours,
    letters,
    progress,
    truth_of,
)
from bench.proof_kills import Killer
from bench.proof_stack import AREAS, ProofStack, proof_topology, say
from bench.report import RESULTS, report
from flexmeter.fleet.recording import write_own_recording
from flexmeter.local.ports import free_port
from flexmeter.local.roles import Place
from schemas.errors import Unavailable

PACKAGES = ("chdb", "confluent-kafka", "faust-streaming", "numpy", "orjson", "paho-mqtt")
NOTHING_MOVES_S = 120.0
LOOK_S = 2.0
TELL_S = 5.0
PAUSE_S = 0.1
SHOWN_FAULTS = 20
START = "2025-01-06"
FAULTS = ("--duplicates", "0.01", "--disorder", "0.05", "--garbage", "0.001")


@dataclass(slots=True)
class Run:
    """One proof under way."""

    stack: ProofStack
    truth: Truth
    killer: Killer | None
    seen: dict[str, int] = field(default_factory=dict)

    def until_drained(self) -> bool:
        """Watch until all has arrived; False if nothing moved for two minutes before that."""
        looked_at = told_at = moved_at = 0.0
        while not self._complete():
            self.stack.watch()
            now = time.monotonic()
            if now - looked_at > LOOK_S:
                looked_at, before, self.seen = now, self.seen, self._look()
                moved_at = now if self.seen != before else moved_at
                if now - moved_at > NOTHING_MOVES_S:
                    return False
            if now - told_at > TELL_S:
                told_at = now
                self._tell()
            if self.killer:
                self.killer.step(int(self.stack.fleet_account()["sent"]), self.seen.get("readings", 0))
            time.sleep(PAUSE_S)
        self._tell()
        return True

    def _look(self) -> dict[str, int]:
        """How far everybody is; what cannot be asked just now is as before."""
        seen = self.seen | {f"fleet_{k}": int(v) for k, v in self.stack.fleet_account().items()}
        try:
            shards = account(self.stack.place.page_port)
            return (
                seen | progress(self.stack.place.page_port, self.truth) | {f"shards_{k}": v for k, v in shards.items()}
            )
        except Unavailable:
            return seen

    def _complete(self) -> bool:
        seen = self.seen
        return bool(
            not (self.killer and self.killer.left)
            and seen.get("fleet_done")
            and seen.get("hours") == len(self.truth.rows)
            and seen.get("readings") == self.truth.readings
            and seen.get("shards_released", 0) + seen.get("shards_pending", 0) == self.truth.readings
            and seen.get("dead", 0) >= len(self.truth.garbage)
        )

    def _tell(self) -> None:
        part = {
            "sent": (self.seen.get("fleet_sent", 0), self.truth.readings),
            "stored": (self.seen.get("readings", 0), self.truth.readings),
            "aggregated": (self.seen.get("shards_released", 0), self.truth.readings),
            "hours": (self.seen.get("hours", 0), len(self.truth.rows)),
            "dead letters": (self.seen.get("dead", 0), len(self.truth.garbage)),
        }
        say("  " + ", ".join(f"{name} {have:,} of {all_:,}" for name, (have, all_) in part.items()))


@click.command()
@click.option("--days", default=7, show_default=True)
@click.option("--meters", default=100, show_default=True)
@click.option(
    "--kills", is_flag=True, envvar="KILLS", help="Kill bridges, workers of metering, sink and Kafka (or KILLS=1)."
)
@click.option("--short", is_flag=True, help="One day of 24 meters, of 60 with --kills.")
@click.option("--data", type=click.Path(path_type=Path), default="../shared/data", envvar="FLEXMETER_DATA")
@click.option("--keep", is_flag=True, help="Keep the folder with data and logs (kept anyway when the proof fails).")
def main(days: int, meters: int, kills: bool, short: bool, data: Path, keep: bool) -> None:
    """Prove that what users query is what was sent."""
    signal.signal(signal.SIGTERM, _interrupt)
    if short:
        days, meters = 1, 60 if kills else 24
    folder = Path(tempfile.mkdtemp(prefix="flexmeter-proof-"))
    result: dict[str, object] = {"proof": "failed"}
    try:
        recording = _recording(data, folder, days)
        result = _prove(folder, recording, days, meters, kills)
    except Unavailable as error:
        say(f"FAILED: {error}")
    proven = result["proof"] == "all equal"
    if "account" in result:  # a comparison was made; the short form leaves the week's result alone
        report("proof-kills" if kills else "proof", result, PACKAGES, folder if short else RESULTS)
    else:
        print(orjson.dumps({"result": result}).decode())
    if proven and not keep:
        shutil.rmtree(folder)
    else:
        say(f"data and logs are in {folder}")
    sys.exit(0 if proven else 1)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _recording(data: Path, folder: Path, days: int) -> Path:
    """The recorded house, or where there is none the fleet's own homes."""
    recorded = data / "nilm" / "refit_house20"
    if recorded.is_dir():
        say(f"replaying {recorded.name}")
        return recorded
    say(f"{recorded} is not there: replaying homes that the fleet makes itself")
    write_own_recording(folder / "recording", max(30, days + 3), seed=1, told=say)
    return folder / "recording"


def _prove(folder: Path, recording: Path, days: int, meters: int, kills: bool) -> dict[str, object]:
    began = time.monotonic()
    place = Place(folder, free_port(), free_port(), free_port())
    topology_path = folder / "topology.yaml"
    topology_path.write_text(proof_topology(Path("topology.yaml").read_text()))
    areas = chain.from_iterable(("--area", area) for area in AREAS)
    replay = ("--replay", str(recording.resolve()), "--meters", str(meters), "--days", str(days), "--start", START)
    stack = ProofStack(place, topology_path, (*replay, *areas, *FAULTS))
    try:
        stack.set_up()
        truth = truth_of(folder, recording, days, say)
        sending = time.monotonic()
        stack.start_fleet()
        run = Run(stack, truth, Killer(stack, truth.readings) if kills else None)
        drained = run.until_drained()
        seconds = time.monotonic() - sending
        faults = [] if drained else [f"nothing moved for {NOTHING_MOVES_S:.0f} s, and not all had arrived"]
        say("comparing ...")
        faults += chain(
            hour_faults(hours(place.page_port, truth), truth),
            garbage_faults(letters(place.page_port), truth, again=kills),
            account_faults(stack.fleet_account(), account(place.page_port), truth, again=kills),
        )
        result = _result(run, account(place.page_port), seconds, faults)
    finally:
        stack.take_down()
    say(f"took {time.monotonic() - began:.0f} s in all")
    return result


def _result(run: Run, shards: Mapping[str, int], seconds: float, faults: list[str]) -> dict[str, object]:
    """Say what was found; the result in figures."""
    truth, sent = run.truth, run.stack.fleet_account()
    again = shards["received"] - sent["sent"] - sent["duplicates"]
    say("account")
    say(f"  sent        {sent['sent']:>10,} readings once, {sent['duplicates']:,} again, {sent['garbage']:,} garbage")
    say(f"  received    {shards['received']:>10,} rows, {again:,} of them delivered again by MQTT after a kill")
    say(f"  duplicates  {shards['duplicates']:>10,} dropped, and {shards['late']:,} repeats too old for the ring")
    say(f"  aggregated  {shards['released']:>10,} rows, {shards['pending']:,} wait for their watermark")
    say(f"  dead        {run.seen.get('dead', 0):>10,} dead letters")
    for fault in islice(faults, SHOWN_FAULTS):
        say(f"  WRONG: {fault}")
    if faults:
        say(f"FAILED: {len(faults)} things are wrong")
    else:
        say(f"all equal: {len(truth.rows):,} hourly rows of {shards['meters']} meters; the account adds up")
    killed = run.killer.killed if run.killer else []
    result: dict[str, object] = {
        "proof": "failed" if faults else "all equal",
        "hourly_rows": len(truth.rows),
        "readings": truth.readings,
        "account": {"sent": dict(sent), "shards": dict(shards), "dead_letters": run.seen.get("dead", 0)},
        "killed": killed,
        "wrong": len(faults),
        "seconds": round(seconds, 1),
        "readings_per_s": round(truth.readings / seconds),
    }
    return result


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
