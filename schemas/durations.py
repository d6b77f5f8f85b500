"""Lengths of time in ms, as all times here are."""

MINUTE_MS = 60_000
QUARTER_MS = 900_000
"""Quarter of an hour: the period of balance and of billing."""
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
