"""What waits to be delivered, and up to where offsets may be committed. Pure: no clock, no I/O.

Versions of one alert are delivered in their order; different alerts do not wait for each other. An offset is committed
when everything before it is done with, so a restart reads again whatever was waiting; what had been delivered out of
turn meanwhile is known from the deliveries.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from connectors.origin import Origin
from connectors.router.deliveries import Deliveries, Outcome
from connectors.router.marks import Marks
from connectors.router.matching import CLEARED, hold_off_s
from schemas.alert import Alert, AlertDelivery
from schemas.topology_model import Rule

FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 1_000, 60_000

Partition = tuple[str, int]


@dataclass(slots=True)
class Letter:
    """One version of an alert on its way to the receiver."""

    alert: Alert
    payload: bytes
    origin: Origin
    came_ms: int
    """When it came onto the topic."""
    due_ms: int
    attempts: int = 0


@dataclass(slots=True)
class Waiting:
    """The letters that wait, in the order of their arrival."""

    rules: Sequence[Rule]
    marks: Marks
    deliveries: Deliveries
    _letters: dict[Origin, Letter] = field(default_factory=dict)
    _of_alert: dict[str, list[Letter]] = field(default_factory=dict)
    _open: dict[Partition, dict[int, None]] = field(default_factory=dict)
    _next: dict[Partition, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._letters)

    def take(self, letter: Letter, now_ms: int) -> list[AlertDelivery]:
        """Take the next alert of a partition, due when it came; what that settles, to be recorded.

        A repeat, and what no rule wants, is done with at once. A version that is held off gives way to a newer one.
        """
        alert = letter.alert
        self.pass_over(letter.origin)
        earlier = self._of_alert.get(alert.id, [])
        if alert.number <= max([self.deliveries.number(alert.id), *(one.alert.number for one in earlier)]):
            return []
        held = [one for one in earlier if one.due_ms > now_ms and not one.attempts]
        wait_s = hold_off_s(self.rules, alert, self.deliveries.told(alert.id) or len(earlier) > len(held))
        if wait_s is not None:
            if wait_s:
                letter.came_ms = min([letter.came_ms, *(one.came_ms for one in held)])
                letter.due_ms = letter.came_ms + 1_000 * wait_s
            self._add(letter)
        return self.settle(held, Outcome.SUPERSEDED, now_ms)

    def pass_over(self, origin: Origin) -> None:
        """Note that the record was read, whatever it held."""
        self._next[origin.topic, origin.partition] = origin.offset + 1

    def due(self, now_ms: int, most: int) -> tuple[list[Letter], list[AlertDelivery]]:
        """At most so many letters that are to be delivered now; and what of those that were due is settled instead."""
        ready: list[Letter] = []
        unwanted: list[Letter] = []
        spared: dict[Outcome, list[Letter]] = {Outcome.ACKNOWLEDGED: [], Outcome.SILENCED: []}
        blocked: set[str] = set()
        going: set[str] = set()
        for letter in self._letters.values():
            alert = letter.alert
            if len(ready) >= most:
                break
            if alert.id in blocked or letter.due_ms > now_ms:
                blocked.add(alert.id)
                continue
            told = alert.id in going or self.deliveries.told(alert.id)
            mark = self.marks.of(alert, now_ms)
            if hold_off_s(self.rules, alert, told) is None:
                unwanted.append(letter)
            elif mark and alert.state != CLEARED:
                spared[Outcome(mark)].append(letter)
            else:
                ready.append(letter)
                going.add(alert.id)
        self._remove(unwanted)
        return ready, [
            record for outcome, letters in spared.items() for record in self.settle(letters, outcome, now_ms)
        ]

    def settle(self, letters: Iterable[Letter], outcome: Outcome, now_ms: int) -> list[AlertDelivery]:
        """Be done with these; what is to be recorded of them."""
        gone = list(letters)
        self._remove(gone)
        return [self.deliveries.record(one.alert.id, one.alert.number, outcome, now_ms) for one in gone]

    def defer(self, letters: Iterable[Letter], now_ms: int) -> None:
        """Try these again later, after a pause that doubles with each attempt."""
        for letter in letters:
            letter.due_ms = now_ms + min(FIRST_PAUSE_MS << min(letter.attempts, 16), LONGEST_PAUSE_MS)
            letter.attempts += 1

    def next_offsets(self) -> dict[Partition, int]:
        """For each partition: the offset before which everything is done with."""
        return {place: next(iter(self._open.get(place, ())), end) for place, end in self._next.items()}

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Another member of the group has these partitions now."""
        for place in partitions:
            mine = [
                letter for letter in self._letters.values() if (letter.origin.topic, letter.origin.partition) == place
            ]
            self._remove(mine)
            self._next.pop(place, None)

    def oldest_ms(self) -> int | None:
        """When the alert that has waited longest came."""
        return min((letter.came_ms for letter in self._letters.values()), default=None)

    def _add(self, letter: Letter) -> None:
        origin = letter.origin
        self._letters[origin] = letter
        self._of_alert.setdefault(letter.alert.id, []).append(letter)
        self._open.setdefault((origin.topic, origin.partition), {})[origin.offset] = None

    def _remove(self, letters: Iterable[Letter]) -> None:
        for letter in letters:
            origin, alert = letter.origin, letter.alert.id
            del self._letters[origin]
            del self._open[origin.topic, origin.partition][origin.offset]
            self._of_alert[alert].remove(letter)
            if not self._of_alert[alert]:
                del self._of_alert[alert]
