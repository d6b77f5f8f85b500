"""Kills the bridges, the workers of `metering`, the sink and Kafka of a running proof, each while it has work left.

The replay is cut into a piece for each victim, and one more. While a piece is sent at full speed, faster than the
pipeline takes it, its victim is killed as soon as there is lag in front of it. At the end of the piece the fleet is
held (SIGSTOP) until all that was sent has arrived, so that each victim is killed in a pipeline that works.
"""

import signal
from dataclasses import dataclass, field

from bench.proof_stack import ProofStack, say
from schemas.errors import Unavailable

LEAST_LAG = 10
"""More than the beats that are always under way."""
VICTIMS = (
    "bridge-mqtt_malmo_north",
    "worker-metering-1",
    "sink-clickhouse",
    "kafka",
    "bridge-mqtt_malmo_south",
    "worker-metering-2",
)


@dataclass(slots=True)
class Killer:
    """Who is still to be killed, and who was, with the lag at that moment."""

    stack: ProofStack
    readings: int
    left: list[str] = field(default_factory=lambda: list(VICTIMS))
    killed: list[dict[str, object]] = field(default_factory=list)
    hold_at: int | None = None
    held: bool = False

    def step(self, sent: int, stored: int) -> None:
        """Kill, hold or go on, as it is time. `sent` = readings the broker took, `stored` = readings in ClickHouse."""
        piece = self.readings // (len(VICTIMS) + 1)
        if self.held:
            if stored >= sent:
                self._hold(False)
        elif self.hold_at is not None:
            if sent >= self.hold_at:
                self._hold(True)
        elif self.left and sent > stored and sent >= piece * len(self.killed) + piece // 3 and self._kill():
            self.hold_at = piece * len(self.killed) if self.left else None

    def _kill(self) -> bool:
        """SIGKILL to the next one, if it has something left to do."""
        name = self.left[0]
        try:
            lag = self.stack.lag(name)
        except Unavailable:
            return False
        if lag < LEAST_LAG:
            return False
        self.stack.signal(name, signal.SIGKILL)
        self.left.pop(0)
        self.killed.append({"part": name, "lag": lag})
        say(f"  SIGKILL to {name}, with {lag} still to do")
        return True

    def _hold(self, held: bool) -> None:
        self.held, self.hold_at = held, None
        self.stack.signal("fleet", signal.SIGSTOP if held else signal.SIGCONT)
