"""What is known about how far a row can be trusted."""

from enum import IntFlag


class Quality(IntFlag):
    """Bits of the `quality` columns. 0 is a row that the meter timed itself and nothing was wrong with.

    >>> Quality(6) == Quality.TIME_BY_BRIDGE | Quality.FUTURE
    True
    """

    TIME_BY_GATEWAY = 1
    """A gateway or concentrator gave the time."""
    TIME_BY_BRIDGE = 2
    """The payload had no time; the bridge's arrival time stands in."""
    FUTURE = 4
    """The time lies more than the tolerance ahead of the bridge's clock: kept raw, aggregated nowhere."""
    OUT_OF_RANGE = 8
    """A value lies outside the catalogue's plausible range."""
    REGISTER_RESET = 16
    """A cumulative register went backwards in the window: meter reset or exchanged."""
    GAP = 32
    """The window holds a stretch of more than three reporting intervals without samples."""
    TIME_AMBIGUOUS = 64
    """The meter's wall clock showed that time twice, when summer time ended; it is not certain which one is meant."""
