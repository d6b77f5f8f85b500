"""Starts parts in order, restarts those that die, stops all in the opposite order."""

import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from flexmeter.local.part import Part, spawn, stop, tail, wait_ready
from schemas.errors import Unavailable

HEALTHY_S = 30.0
TOO_OFTEN = 6


def back_off_s(failures: int) -> float:
    """How long to wait before the next start of a part that ended `failures` times without a healthy while between.

    >>> [back_off_s(n) for n in (1, 2, 3, 4, 9)]
    [0.5, 1.0, 2.0, 4.0, 15.0]
    """
    return float(min(0.5 * 2.0 ** (failures - 1), 15.0))


def failures_after(failures: int, ran_s: float) -> int:
    """The count after one more end: a part that had run for a healthy while starts anew.

    >>> failures_after(3, ran_s=1.0), failures_after(3, ran_s=60.0)
    (4, 1)
    """
    return 1 if ran_s >= HEALTHY_S else failures + 1


@dataclass(slots=True)
class Child:
    """A part and the process it runs as now; `restart_at` is set while it is down."""

    part: Part
    process: "subprocess.Popen[bytes]"
    started_at: float
    failures: int = 0
    restart_at: float | None = None


@dataclass(slots=True)
class Supervisor:
    """The children, in the order of their start. Used from the main thread only (see `spawn`)."""

    children: dict[str, Child] = field(default_factory=dict)

    def start(self, *parts: Part) -> None:
        """Start these parts together, and wait until all are ready.

        Raises:
            Unavailable: one did not become ready.
        """
        for part in parts:
            self.children[part.name] = Child(part, spawn(part), time.monotonic())
        for part in parts:
            wait_ready(part, self.children[part.name].process)

    def watch(self) -> list[str]:
        """One look at all: what ended is started again after its back-off. Returns what happened, one line each.

        Raises:
            Unavailable: a part ended too often.
        """
        now = time.monotonic()
        return [line for child in self.children.values() for line in _watch(child, now)]

    def stop(self, names: Iterable[str]) -> None:
        """Stop these, one after the other, and watch them no more."""
        for name in list(names):
            child = self.children.pop(name, None)
            if child is not None:
                stop(child.process, child.part.stop_s)

    def stop_all(self) -> None:
        """Stop what is left, last started first."""
        self.stop(reversed(list(self.children)))

    def kill_all(self) -> None:
        """End everything now."""
        for child in self.children.values():
            child.process.kill()


def _watch(child: Child, now: float) -> list[str]:
    if child.restart_at is not None:
        if now < child.restart_at:
            return []
        child.process, child.started_at, child.restart_at = spawn(child.part), now, None
        return [f"{child.part.name} started again"]
    code = child.process.poll()
    if code is None:
        return []
    child.failures = failures_after(child.failures, now - child.started_at)
    if child.failures >= TOO_OFTEN:
        raise Unavailable(child.part.name, f"ended {child.failures} times in a row\n{tail(child.part.log)}")
    wait_s = back_off_s(child.failures)
    child.restart_at = now + wait_s
    return [f"{child.part.name} ended ({_how(code)}), starts again in {wait_s:.1f} s; its log: {child.part.log}"]


def _how(code: int) -> str:
    """How a process ended.

    >>> _how(1), _how(-9)
    ('exit code 1', 'signal 9')
    """
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
