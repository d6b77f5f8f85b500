"""State in words: what `flexmeter state` shows of a meter."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.catalogue import Quantity

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = ("at", "since", "until", "watermark")


def time(ms: int) -> str | None:
    """ISO 8601, UTC; None for 0, which stands for never.

    >>> time(1_795_507_200_000)
    '2026-11-24T08:00:00.000+00:00'
    """
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds") if ms else None


def readable(state: Any, quantities: Sequence[Quantity]) -> dict[str, Any]:
    """One record of a state, field by field: times as text, a number for each quantity under its name.

    >>> import numpy as np
    >>> readable(np.array((1_795_507_200_000, 3), [("raised_at", "i8"), ("changes", "i4")]), ())
    {'raised_at': '2026-11-24T08:00:00.000+00:00', 'changes': 3}
    """
    return {name: _value(name, state[name], quantities) for name in state.dtype.names or ()}


def _value(name: str, value: Any, quantities: Sequence[Quantity]) -> Any:
    if value.dtype.names:
        return readable(value, quantities) if value.ndim == 0 else [readable(one, quantities) for one in value]
    if name.rpartition("_")[2] in _TIMES:
        return time(int(value)) if value.ndim == 0 else [time(int(one)) for one in value if one]
    if quantities and value.shape == (len(quantities),):
        return {quantity.name: one for quantity, one in zip(quantities, value.tolist(), strict=True)}
    return value.tolist()
