"""Faults at random moments, one after the other, each counted only when it was seen to have happened."""

import random
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.faults_load import PARTITIONS
from bench.faults_parts import STREAMS, Broker, Worker, Workers
from bench.faults_worker import (
    FAILED_SEND,
    HELD_RESULTS,
    LOST_RECORD,
    PAUSE,
    TORN_CHUNKS,
    TORN_COMMIT,
    UNHEARD,
)
from bench.proof_stack import say

TRIES = 4
SOON_S, LONG_S = 20.0, 90.0
NO_SPACE = "No space left on device"


@dataclass(slots=True)
class Injector:
    """Who does it, and what really happened, by kind."""

    broker: Broker
    workers: Workers
    rng: random.Random
    done: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)

    def run(self, plan: Mapping[str, int]) -> None:
        """All of the plan, in random order.

        Raises:
            Unavailable: something does not come back.
        """
        order = [kind for kind, count in plan.items() for _ in range(count)]
        self.rng.shuffle(order)
        for number, kind in enumerate(order, 1):
            self._pass_time(self.rng.uniform(0.1, 0.8))
            self.done[kind] += any(self._try(kind) for _ in range(TRIES))
            if number % 10 == 0 or number == len(order):
                say(f"  {number} of {len(order)} faults")

    def _try(self, kind: str) -> bool:
        happened = FAULTS[kind](self)
        self.missed[kind] += not happened
        return happened

    def _pass_time(self, seconds: float) -> None:
        self.workers.until(lambda: False, seconds)

    def _ready(self, least: int = 1) -> Worker:
        """A random one of those that hold partitions; `least` of its stream do.

        Raises:
            Unavailable: there is none for a long time.
        """

        def ready() -> list[Worker]:
            return [
                worker
                for stream in STREAMS
                for worker in self.workers.of(stream)
                if worker.process.poll() is None
                and worker.holds()
                and sum(other.holds() > 0 for other in self.workers.of(stream)) >= least
            ]

        self.workers.must(lambda: bool(ready()), LONG_S, f"{least} workers of a stream that hold partitions")
        return self.rng.choice(ready())

    def _ends(self, worker: Worker, code: int) -> bool:
        """Whether the worker ends soon, and so."""
        before = len(worker.ends)
        return self.workers.until(lambda: len(worker.ends) > before, SOON_S) and worker.ends[before] == code

    # From outside

    def worker_killed(self) -> bool:
        """SIGKILL at a random moment of its work."""
        worker = self._ready()
        self._pass_time(self.rng.uniform(0.0, 1.5))
        worker.process.kill()
        return self._ends(worker, -signal.SIGKILL)

    def worker_stopped(self) -> bool:
        """SIGTERM: it saves, and exits with 0."""
        worker = self._ready()
        worker.process.send_signal(signal.SIGTERM)
        return self._ends(worker, 0)

    def broker_killed(self) -> bool:
        """SIGKILL to Kafka, started again after a moment."""
        self.broker.process.kill()
        killed = self.broker.process.wait() == -signal.SIGKILL
        self._pass_time(self.rng.uniform(0.0, 2.0))
        self.broker.restart()
        return killed

    def disk_full(self) -> bool:
        """No byte is free on the disk until Kafka gives up; then there is room again and it is started."""
        seen = self.broker.said(NO_SPACE)
        self.broker.fill_disk()
        try:
            self.workers.until(lambda: self.broker.process.poll() is not None, SOON_S)
            self._pass_time(self.rng.uniform(0.0, 2.0))
        finally:
            self.broker.empty_disk()
        self.broker.process.kill()
        self.broker.process.wait()
        self.broker.restart()
        return self.broker.said(NO_SPACE) > seen

    def rebalance(self) -> bool:
        """A third worker of a stream joins and takes partitions from the others, or the third one leaves."""
        extra = [worker for stream in STREAMS for worker in self.workers.of(stream)[2:]]
        if extra:
            return self._leave(extra[0])
        stream = self.rng.choice(STREAMS)
        joined = self.workers.start(stream, f"{stream}-joins", static=False)
        return self.workers.until(lambda: joined.holds() > 0, LONG_S)

    def _leave(self, extra: Worker) -> bool:
        others = [worker for worker in self.workers.of(extra.stream) if worker is not extra]
        said = sum(len(worker.said("(holds) partitions")) for worker in others)
        code = self.workers.leave(extra.part.name)
        rebalanced = self.workers.until(
            lambda: sum(len(worker.said("(holds) partitions")) for worker in others) > said, LONG_S
        )
        return code == 0 and rebalanced

    # From inside, by order

    def _ordered(self, kind: str, worker: Worker, happened: Callable[[], bool]) -> bool:
        """Order it, and wait until it happened; what did not is ordered no more."""
        order = worker.orders / kind
        order.touch()
        try:
            return self.workers.until(lambda: not order.exists(), SOON_S) and happened()
        finally:
            order.unlink(missing_ok=True)

    def torn_save(self) -> bool:
        """Killed between the chunks of a save, or before its commit record."""
        worker = self._ready()
        kind = self.rng.choice((TORN_CHUNKS, TORN_COMMIT))
        return self._ordered(kind, worker, lambda: self._ends(worker, -signal.SIGKILL))

    def torn_after_unheard(self) -> bool:
        """A save was written whole but its producer never heard so; the next one, to the same slot, is torn."""
        worker = self._ready()
        return self._ordered(UNHEARD, worker, lambda: self._ends(worker, -signal.SIGKILL))

    def paused_in_save(self) -> bool:
        """SIGSTOP in the middle of a save until another worker has all its partitions; then SIGCONT."""
        worker = self._ready(least=2)
        others = [other for other in self.workers.of(worker.stream) if other is not worker]

        def taken_over() -> bool:
            if not self.workers.until(worker.is_stopped, SOON_S):
                return False
            replaced = self.workers.until(lambda: sum(other.holds() for other in others) == PARTITIONS, LONG_S)
            worker.process.send_signal(signal.SIGCONT)
            return replaced and self.workers.until(lambda: bool(worker.said("(FAULT woken)")), SOON_S)

        return self._ordered(PAUSE, worker, taken_over)

    def failed_send(self) -> bool:
        """The send of a result fails: the process must end."""
        worker = self._ready()
        return self._ordered(FAILED_SEND, worker, lambda: self._ends(worker, 1))

    def killed_with_results_held(self) -> bool:
        """Results are on their way for seconds; killed before they arrive."""
        worker = self._ready()
        return self._ordered(HELD_RESULTS, worker, lambda: self._ends(worker, -signal.SIGKILL))

    def lost_record(self) -> bool:
        """A record is lost between the consumer and the shard."""
        worker = self._ready()
        said = len(worker.said("(is lost)"))
        return self._ordered(
            LOST_RECORD, worker, lambda: self.workers.until(lambda: len(worker.said("(is lost)")) > said, 1.0)
        )


FAULTS: dict[str, Callable[[Injector], bool]] = {
    "worker_killed": Injector.worker_killed,
    "broker_killed": Injector.broker_killed,
    "rebalance": Injector.rebalance,
    "paused_in_save": Injector.paused_in_save,
    "torn_save": Injector.torn_save,
    "torn_after_unheard": Injector.torn_after_unheard,
    "failed_send": Injector.failed_send,
    "killed_with_results_held": Injector.killed_with_results_held,
    "lost_record": Injector.lost_record,
    "disk_full": Injector.disk_full,
    "worker_stopped": Injector.worker_stopped,
}
