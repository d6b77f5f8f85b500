"""Waiting for what must come. How long is no claim: it is what a busy machine may need."""

from collections.abc import Callable
from time import monotonic, sleep

from connectors.source import Delivery, Source


def wait_until(reached: Callable[[], object], why: str | Callable[[], str], within_s: float = 60) -> None:
    """Look until it is so; else fail with these words, or with what is said then."""
    deadline = monotonic() + within_s
    while not reached():
        assert monotonic() < deadline, why if isinstance(why, str) else why()
        sleep(0.05)


def received(source: Source, count: int) -> list[Delivery]:
    """The next so many deliveries."""
    found: list[Delivery] = []

    def enough() -> bool:
        found.extend(source.receive(0.1, count - len(found)))
        return len(found) >= count

    wait_until(enough, lambda: f"{len(found)} of {count}")
    return found
