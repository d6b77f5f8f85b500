"""Waiting for what is away: a broker, a database, a receiver that must be there before anything can be done."""

import logging
import threading
import time
from collections.abc import Callable

from schemas.errors import Unavailable

log = logging.getLogger(__name__)

BACKOFF_S = (0.2, 10.0)
"""The first pause, and the longest that doubling it may come to."""


class Stopped(Exception):
    """Asked to stop while the world was away."""


def until_available(
    attempt: Callable[[], object],
    stop: threading.Event,
    on_away: Callable[[Unavailable], object] = lambda away: None,
    backoff_s: tuple[float, float] = BACKOFF_S,
) -> None:
    """Repeat the attempt, with growing pauses, for as long as it finds the world away.

    The log has each answer of what is away once, however often it comes, and that it is back. The attempt is made at
    least once, also where `stop` is set: what was begun may be finished. `on_away` hears of every failure.

    Raises:
        Stopped: `stop` was set while the world was away.

    >>> answers = iter([Unavailable("kafka", "connection refused"), None])
    >>> def ask() -> None:
    ...     if (away := next(answers)) is not None:
    ...         raise away
    >>> until_available(ask, threading.Event(), print, (0.0, 0.0))
    kafka is unavailable: connection refused
    """
    pause_s, longest_s = backoff_s
    told: dict[str, str] = {}
    since = time.monotonic()
    while (away := _failure(attempt)) is not None:
        on_away(away)
        if str(away) not in told:
            log.warning("%s; trying again until it answers", away)
            told[str(away)] = away.what
        if stop.wait(pause_s):
            raise Stopped
        pause_s = min(2 * pause_s, longest_s)
    for what in dict.fromkeys(told.values()):
        log.info("%s is back, after %.1f s", what, time.monotonic() - since)


def _failure(attempt: Callable[[], object]) -> Unavailable | None:
    try:
        attempt()
    except Unavailable as away:
        return away
    return None
