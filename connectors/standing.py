"""Conditions that stand, and that every telegram repeats: told once a day."""

from connectors.decode.readings import MeterEvent

TOLD_EVERY_MS = 24 * 3_600_000


class Standing:
    """Remembers which conditions were told, of which meters: as many as there are meters with a fault."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], int] = {}

    def is_news(self, event: MeterEvent, now_ms: int) -> bool:
        """Whether to tell it at `now_ms`; what does not stand always is news.

        >>> low = MeterEvent("m1", 0, 0, "battery_low", "low_power", stands=True)
        >>> standing = Standing()
        >>> [standing.is_news(low, at) for at in (0, 10_000, TOLD_EVERY_MS)]
        [True, False, True]
        """
        if not event.stands:
            return True
        key = (event.meter, event.detail)
        told = self._told.get(key)
        if told is not None and 0 <= now_ms - told < TOLD_EVERY_MS:  # below 0: the clock was set back
            return False
        self._told[key] = now_ms
        return True
