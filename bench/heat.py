"""One run of one contestant: a process of its own, watched by what it tells of itself."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.contestants import PEERS, Contestant
from flexmeter.local.part import Part, spawn, stop, tail
from schemas.errors import Unavailable

BEGINS_S = 300.0
"""Within this time the first reading must be done."""
STANDS_S = 120.0
"""With no reading done for this long, it hangs. (A snapshot of all keys may take many seconds.)"""
END = 0.98
"""With this share of the topic done, it is at its end: what follows is not full work any more."""
LOOK_S = 0.25
SPAN = 0.4
"""Share of the time that whole bursts must span."""


@dataclass(frozen=True, slots=True)
class Told:
    """Readings done, CPU time used and the time, since the process began."""

    readings: int
    cpu_s: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What was done between two tellings, after the warm-up."""

    readings: int
    cpu_s: float
    seconds: float

    @property
    def per_cpu_s(self) -> float:
        """Readings per CPU-second of the process."""
        return self.readings / self.cpu_s


@dataclass(frozen=True, slots=True)
class Running:
    """A contestant's process and its log."""

    part: Part
    process: "subprocess.Popen[bytes]"

    def told(self) -> list[Told]:
        """All that it told so far.

        Raises:
            Unavailable: it has ended.
        """
        if self.process.poll() is not None:
            raise Unavailable(self.part.name, f"ended with {self.process.returncode}\n{tail(self.part.log)}")
        lines = self.part.log.read_text("utf-8", "replace").splitlines()
        return [Told(**json.loads(line)) for line in lines if line.startswith('{"readings"') and line.endswith("}")]


@contextmanager
def started(contestant: Contestant, folder: Path, env: Mapping[str, str], grace_s: float = 5.0) -> Iterator[Running]:
    """The contestant's process, asked to end on leaving, and ended after `grace_s`; its folder is emptied before."""
    state = folder / "state"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    log = folder / f"{contestant.name}.log"
    log.unlink(missing_ok=True)
    told = {"BENCH_FORM": contestant.form, "BENCH_FOLDER": str(state.resolve()), "PYTHONPATH": f"{PEERS}:."}
    part = Part(contestant.name, contestant.argv(), log, told | dict(env))
    process = spawn(part)
    try:
        yield Running(part, process)
    finally:
        stop(process, grace_s)


def watch(running: Running, contestant: Contestant, seconds: float, topic_readings: int) -> Measured:
    """Wait for the warm-up and then for `seconds`, or for the end of the topic.

    Raises:
        Unavailable: it ended, did not begin, hangs, or came to the end of the topic while still warming up.
    """
    began = time.monotonic()
    while True:
        time.sleep(LOOK_S)
        told = [line for line in running.told() if line.readings > 0]
        if not told:
            if time.monotonic() - began > BEGINS_S:
                raise Unavailable(contestant.name, f"no reading in {BEGINS_S:.0f} s\n{tail(running.part.log)}")
            continue
        measured = between(told, contestant, seconds, topic_readings)
        if measured is not None:
            return measured


def between(told: list[Told], contestant: Contestant, seconds: float, topic_readings: int) -> Measured | None:
    """What was done after the warm-up, once the time is up or the topic at its end; None before that.

    `told` is from the first reading on.

    Raises:
        Unavailable: it hangs, did nothing in the time, or the topic was at its end before anything could be measured.
    """
    busy = [line for line in told if line.readings < topic_readings * END]
    at_end = len(busy) < len(told)
    warm = [
        line
        for line in busy
        if line.at_s - told[0].at_s >= contestant.warm_up_s and line.readings >= contestant.warm_up_readings
    ]
    timely = [line for line in warm if line.at_s <= warm[0].at_s + seconds]
    if timely and (at_end or told[-1].at_s >= timely[0].at_s + seconds):
        first, last = _whole_bursts(timely)
        if last.readings > first.readings:
            return Measured(last.readings - first.readings, last.cpu_s - first.cpu_s, last.at_s - first.at_s)
        raise Unavailable(contestant.name, f"did nothing in {seconds:g} s after {first.readings:,} readings")
    if at_end:
        raise Unavailable(contestant.name, f"did all {topic_readings:,} readings before it could be measured")
    stood_at_s = next(line.at_s for line in told if line.readings == told[-1].readings)
    if told[-1].at_s - stood_at_s > STANDS_S:
        raise Unavailable(contestant.name, f"hangs after {told[-1].readings:,} readings")
    return None


def _whole_bursts(told: list[Told]) -> tuple[Told, Told]:
    """From where to where to measure. Some decode a large batch first and then fold it, so that readings are done in
    bursts: of them whole bursts are taken, from one standstill's end to another's, where these span most of the time.
    """
    ends = [b for a, b, c in zip(told, told[1:], told[2:], strict=False) if a.readings == b.readings < c.readings]
    if len(ends) > 1 and ends[-1].at_s - ends[0].at_s >= SPAN * (told[-1].at_s - told[0].at_s):
        return ends[0], ends[-1]
    return told[0], told[-1]
