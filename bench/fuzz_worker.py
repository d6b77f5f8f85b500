"""One decoder under fire, in a process of its own: `python -m bench.fuzz_worker PROTOCOL SECONDS SEED`.

Guided by the coverage of connectors.decode where atheris (libFuzzer) is installed, else by chance alone. Prints one
line of JSON at the end.
"""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.fuzz_mutate import damaged, enlarged, mutated

if TYPE_CHECKING:  # imported late, so that its coverage is seen
    from bench.fuzz_targets import Target

try:
    import atheris
except ImportError:  # no wheel for this machine
    atheris = None

LONGEST_INPUT = 4096
LARGE_INPUTS = (15_000, 250_000, 900_000)
SLOW_S = 0.1
TIME = "--time"
MOST_GROWN_BLOCKS = 200_000
"""What caches and the interpreter itself may add after the first fifth of the time."""
MOST_KEPT = 20
_LOOK_EVERY = 512
_MOST_DAMAGED = 200_000


@dataclass(slots=True)
class Findings:
    """What came of it. Each list holds at most 20 texts: what happened, and the input in hexadecimal digits."""

    protocol: str
    guided: bool
    seeds: int = 0
    inputs: int = 0
    decoded: int = 0
    rejected: int = 0
    damaged: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    slowest_ms: float = 0.0
    grown_blocks: int = 0
    rss_mb: float = 0.0
    crashes: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    """Damaged where there is a checksum or tag, and taken all the same for something else."""


Decode = Callable[[bytes], Sequence[object]]


class Trial:
    """Feeds a decoder and keeps count."""

    def __init__(
        self,
        protocol: str,
        decode: Decode,
        rejected: type[Exception],
        plain_ms: Callable[[bytes], float] | None = None,
    ) -> None:
        self.findings = Findings(protocol, atheris is not None)
        self._decode = decode
        self._rejected = rejected
        self._plain_ms = plain_ms
        self._worst_ms = 0.0

    def feed(self, payload: bytes, decode: Decode | None = None) -> Sequence[object] | None:
        """What the decoder, or another one, makes of it; None where it rejects, or fails, which is noted."""
        decode = decode or self._decode
        findings = self.findings
        findings.inputs += 1
        began = time.process_time_ns()
        told: Sequence[object] | None = None
        try:
            told = decode(payload)
            findings.decoded += 1
        except self._rejected:
            findings.rejected += 1
        except Exception as error:
            _keep(findings.crashes, f"{type(error).__name__}: {error}", payload)
        took_ms = (time.process_time_ns() - began) / 1e6
        if took_ms > self._worst_ms:
            self._look_again(payload, took_ms)
        return told

    def _look_again(self, payload: bytes, took_ms: float) -> None:
        """The least of three counts: what else the process did in between is none of the decoder's. Nor is it the
        decoder's that its steps are watched: what seems slow is timed where they are not.
        """
        took_ms = min(took_ms, *(time_ms(self._decode, payload) for _ in range(2)))
        self._worst_ms = max(self._worst_ms, took_ms)
        if took_ms > SLOW_S * 1000 and self._plain_ms:
            took_ms = self._plain_ms(payload)
        self.findings.slowest_ms = max(self.findings.slowest_ms, round(took_ms, 3))
        if took_ms > SLOW_S * 1000:
            _keep(self.findings.slow, f"{took_ms:.0f} ms", payload)

    def damage(self, payload: bytes, decode: Decode) -> None:
        """A telegram with a checksum, damaged in every simple way: nothing may come of it that was not there before.

        A payload of several telegrams that is cut between them is a whole one.
        """
        whole = self.feed(payload, decode)
        if whole is None:  # one of the seeds that are broken already: damage may mend it
            return
        for broken in islice(damaged(payload), _MOST_DAMAGED):
            self.findings.damaged += 1
            if any(told not in whole for told in self.feed(broken, decode) or ()):
                _keep(self.findings.silent, "another reading of a damaged telegram", broken)


def time_ms(decode: Decode, payload: bytes) -> float:
    """CPU time of one call."""
    began = time.process_time_ns()
    with suppress(Exception):  # another call counts it
        decode(payload)
    return (time.process_time_ns() - began) / 1e6


def tell_time(protocol: str, data: Path) -> None:
    """Print how long the decoder takes for what comes on stdin, in a process where nothing watches its steps."""
    from bench.fuzz_targets import targets

    decode, payload = targets(data)[protocol]().decode, sys.stdin.buffer.read()
    print(min(time_ms(decode, payload) for _ in range(4)))


def _plain_ms(protocol: str, data: Path, payload: bytes) -> float:
    command = [sys.executable, "-m", "bench.fuzz_worker", TIME, protocol, str(data)]
    return float(subprocess.run(command, input=payload, capture_output=True, check=True).stdout)


def _keep(texts: list[str], what: str, payload: bytes) -> None:
    if len(texts) < MOST_KEPT:
        texts.append(f"{what}: {payload.hex()}")


def _imports() -> Any:
    """What the decoders are imported under, so that their coverage is seen."""
    return atheris.instrument_imports(include=["connectors.decode"]) if atheris else nullcontext()


def run(protocol: str, seconds: float, seed: int, data: Path, done: Callable[[Findings], None]) -> None:
    """Fuzz one protocol for about `seconds`, then call `done`, which may be called from within the fuzzer."""
    with _imports():
        from bench.fuzz_targets import targets
        from schemas.errors import Rejected
    target = targets(data)[protocol]()
    trial = Trial(protocol, target.decode, Rejected, partial(_plain_ms, protocol, data) if atheris else None)
    clock = _Clock(seconds, trial.findings, done)
    chance = random.Random(seed)
    _feed_seeds(trial, target, chance, until=time.monotonic() + seconds / 3)
    change = _changes(target, chance)
    _feed_large(trial, target, change, chance, until=time.monotonic() + seconds / 20)
    if atheris:
        _guided(trial, target.seeds, seed, change, chance, clock)
    while not clock.is_over():
        trial.feed(change(chance.choice(target.seeds)))


def _feed_seeds(trial: Trial, target: "Target", chance: random.Random, until: float) -> None:
    """Every seed; then, in any order, as many of the guarded ones as there is time for, damaged."""
    trial.findings.seeds = len(target.seeds)
    for payload in target.seeds:
        trial.feed(payload)
    for payload in chance.sample(target.seeds, len(target.seeds)):
        guarded = target.guard(payload)
        if guarded and time.monotonic() < until:
            trial.damage(payload, guarded)


def _feed_large(
    trial: Trial, target: "Target", change: Callable[[bytes], bytes], chance: random.Random, until: float
) -> None:
    """Telegrams blown up to the sizes that the formats bound, to find what takes long."""
    while time.monotonic() < until:
        payload = chance.choice(target.seeds)
        part = payload if chance.random() < 0.5 else change(payload)
        trial.feed(enlarged(part, chance, chance.choice(LARGE_INPUTS)))


def _changes(target: "Target", chance: random.Random) -> Callable[[bytes], bytes]:
    """What makes another payload of one: accidents of bytes, their checksum mended or not, or another content."""
    reshape, repair = target.reshape, target.repair
    whole = [one for one in target.seeds if reshape and _reshaped(one, reshape, chance)]

    def change(payload: bytes) -> bytes:
        if reshape and whole and chance.random() < 0.5:
            return _reshaped(payload, reshape, chance) or _reshaped(chance.choice(whole), reshape, chance)
        changed = mutated(payload, chance, target.seeds, LONGEST_INPUT)
        return repair(changed) if repair and chance.random() < 0.5 else changed

    return change


def _reshaped(payload: bytes, reshape: Callable[[bytes, random.Random], bytes], chance: random.Random) -> bytes:
    """Empty where the payload is too broken to be read and written again."""
    try:
        return reshape(payload, chance)
    except ValueError:
        return b""


class _Clock:
    """Looks at the time now and then; at the end it tells."""

    def __init__(self, seconds: float, findings: Findings, done: Callable[[Findings], None]) -> None:
        self._began, self._seconds, self._findings, self._done = time.monotonic(), seconds, findings, done
        self._blocks_before = 0

    def is_over(self) -> bool:
        """Whether the time is up; `done` has been called then."""
        if self._findings.inputs % _LOOK_EVERY:
            return False
        passed = time.monotonic() - self._began
        if not self._blocks_before and passed > self._seconds / 5:
            self._blocks_before = sys.getallocatedblocks()
        if passed < self._seconds:
            return False
        findings = self._findings
        findings.seconds = round(passed, 1)
        findings.cpu_seconds = round(time.process_time(), 1)
        findings.grown_blocks = sys.getallocatedblocks() - (self._blocks_before or sys.getallocatedblocks())
        findings.rss_mb = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
        self._done(findings)
        return True


def _guided(
    trial: Trial,
    seeds: tuple[bytes, ...],
    seed: int,
    change: Callable[[bytes], bytes],
    chance: random.Random,
    clock: _Clock,
) -> None:
    """Let libFuzzer choose; it never returns, so the clock's `done` ends the process."""

    def mutate(payload: bytes, most_bytes: int, _seed: int) -> bytes:
        if chance.random() < 0.5:
            return change(payload)[:most_bytes]
        mixed: bytes = atheris.Mutate(payload, most_bytes)
        return mixed

    def one(payload: bytes) -> None:
        trial.feed(payload)
        clock.is_over()

    with tempfile.TemporaryDirectory() as folder:
        for number, payload in enumerate(seeds):
            (Path(folder) / f"{number:05}").write_bytes(payload)
        settings = [f"-max_len={LONGEST_INPUT}", f"-seed={seed}", "-len_control=0", "-verbosity=0", "-rss_limit_mb=0"]
        atheris.Setup(["fuzz", *settings, folder], one, custom_mutator=mutate)
        atheris.Fuzz()


def main() -> None:
    """Fuzz what the arguments say, print the findings as one line of JSON."""
    if sys.argv[1] == TIME:
        tell_time(sys.argv[2], Path(sys.argv[3]))
        return
    protocol, seconds, seed, data = sys.argv[1:5]

    def tell(findings: Findings) -> None:
        os.write(1, json.dumps(asdict(findings)).encode() + b"\n")
        os._exit(0)  # libFuzzer cannot be left in any other way

    run(protocol, float(seconds), int(seed), Path(data), tell)


if __name__ == "__main__":
    main()
