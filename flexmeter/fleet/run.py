"""The two loops of the fleet: live and replay. Both keep an account of what the brokers and bridges took."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile
from pathlib import Path
from typing import Any, Protocol

import orjson

from flexmeter.fleet.messages import EVENT, GARBAGE, READING, REPEAT, Message
from flexmeter.fleet.uplinks import Uplinks

log = logging.getLogger("flexmeter.fleet")

ACCOUNT_EVERY_S = 0.5
TOLD_EVERY_S = 5.0
DRAIN_S = 15.0


@dataclass(slots=True)
class Ledger:
    """`fleet.json`: what brokers and bridges have taken so far, by kind; written anew twice a second.

    `sent` counts readings once each; `duplicates` their repeats; `expected` is how many readings there will be, 0 while
    nobody knows. `done` is set when all was sent and taken.
    """

    path: Path
    uplink: Uplinks
    meters: int
    expected: int = 0
    written_at: float = 0.0
    told_at: float = 0.0
    begun: float = 0.0

    def keep(self, done: bool = False) -> None:
        """Write the account if it is time, and say now and then how far we are."""
        now = time.monotonic()
        self.begun = self.begun or now
        if done or now - self.written_at >= ACCOUNT_EVERY_S:
            self.written_at = now
            self._write(done)
        if done or now - self.told_at >= TOLD_EVERY_S:
            self.told_at = now
            self._tell(now)

    def account(self) -> dict[str, Any]:
        """The figures."""
        taken = self.uplink.acknowledged
        figures: dict[str, Any] = {kind: taken[kind] for kind in (READING, REPEAT, GARBAGE, EVENT)}
        return figures | {"refused": self.uplink.refused, "meters": self.meters, "expected": self.expected}

    def _write(self, done: bool) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(orjson.dumps(self.account() | {"done": done, "under_way": self.uplink.under_way}))
        os.replace(fresh, self.path)

    def _tell(self, now: float) -> None:
        taken = self.uplink.acknowledged.total()
        rate = taken / max(now - self.begun, 1e-9)
        part = f" ({100 * self.uplink.acknowledged[READING] / self.expected:.0f} %)" if self.expected else ""
        log.info("%d taken%s, %.0f a second", taken, part, rate)


class Sender(Protocol):
    """Devices that send by themselves."""

    def next_slot(self) -> list[Message]:
        """What they send in the next slot of time, in order of `due`; all senders of a run have the same slots."""


def run_live(
    senders: Sequence[Sender],
    uplink: Uplinks,
    ledger: Ledger,
    stopping: Callable[[], bool],
    history: Iterable[Message] = (),
    after_slot: Callable[[], None] = lambda: None,
) -> bool:
    """Send the history, then in real time until told to stop; then finish what is under way. False if some of it could
    not be. `after_slot` is called whenever all of a slot was sent.
    """
    for message in takewhile(lambda _: not stopping(), history):
        uplink.send(message)
        ledger.keep()
    while not stopping():
        for message in sorted(chain.from_iterable(one.next_slot() for one in senders), key=lambda message: message.due):
            _wait_until(message.due, uplink, ledger, stopping)
            if stopping():
                break
            uplink.send(message)
        ledger.keep()
        after_slot()
    return finish(uplink, ledger)


def run_replay(
    messages: Iterator[Message], speed: float, uplink: Uplinks, ledger: Ledger, stopping: Callable[[], bool]
) -> bool:
    """Send in order, `speed` times as fast as it happened (infinity: as fast as it goes). False if not all was sent."""
    begun, first = time.time(), None
    for number, message in enumerate(messages):
        if first is None:
            first = message.due
        if speed != float("inf"):
            _wait_until(int(begun * 1000 + (message.due - first) / speed), uplink, ledger, stopping)
        if stopping():
            break
        uplink.send(message)
        if number % 256 == 0:
            ledger.keep()
    return finish(uplink, ledger) and ledger.account()[READING] == ledger.expected


def _wait_until(due: int, uplink: Uplinks, ledger: Ledger, stopping: Callable[[], bool]) -> None:
    """Wait until the wall clock shows `due` (ms UTC)."""
    while not stopping() and (left := due / 1000 - time.time()) > 0:
        uplink.pump(min(left, 0.1))
        ledger.keep()


def finish(uplink: Uplinks, ledger: Ledger) -> bool:
    """Wait for the answers to all that was sent; False if some did not come."""
    done = uplink.drain(DRAIN_S)
    if not done:
        log.error("%d messages are not acknowledged", uplink.under_way)
    ledger.keep(done=True)
    uplink.close()
    return done
