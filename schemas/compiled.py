"""Row-by-row loops at the speed of C: where rows depend on the rows before them, a loop says it more simply than numpy.

Compiled by numba at the first call and kept beside the source (NUMBA_CACHE_DIR: elsewhere), for the next process.
Without `fastmath`, so that floats come out as IEEE 754 has them, the same on every machine. NUMBA_DISABLE_JIT=1 runs
the plain Python instead, for a debugger.

A compiled function calls only compiled functions of its own file: numba does not see that another file has changed.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function, for kernels of its file: it becomes part of them."""
    import numba

    part: Callable[P, R] = numba.njit(function, inline="always")
    return part


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """The function, for Python to call with arrays, numbers and named tuples of them; no keywords.

    It is compiled once for any layout of the arrays. Left to itself numba compiles it for each combination of which of
    them happen to be contiguous and aligned, and a column of state is that if it has one row or none.

    >>> @kernel
    ... def total(values):
    ...     found = 0
    ...     for value in values:
    ...         found += value
    ...     return found
    >>> int(total(np.arange(4)))
    6
    """
    entries: dict[Any, Callable[..., R]] = {}

    @wraps(function)
    def call(*args: Any) -> R:
        key = tuple(map(_shape, args))
        if key not in entries:
            entries[key] = _entry(function, args)
        return entries[key](*args)

    return cast(Callable[P, R], call)


def _entry(function: Callable[..., R], args: tuple[Any, ...]) -> Callable[..., R]:
    """The function compiled for such arguments."""
    import numba  # not before it is needed: it takes a quarter of a second and 60 MB

    if numba.config.DISABLE_JIT:
        return function
    try:
        dispatcher = numba.njit(function, cache=True)
    except RuntimeError:  # there is nowhere to keep it, so each process compiles it again
        dispatcher = numba.njit(function)
    signature = tuple(_any_layout(numba.typeof(arg)) for arg in args)
    dispatcher.compile(signature)
    entry: Callable[..., R] = dispatcher.overloads[signature].entry_point
    return entry


def _shape(arg: Any) -> Any:
    """What decides for which types a kernel is compiled."""
    if isinstance(arg, np.ndarray):
        return arg.dtype.char, arg.ndim
    return tuple(map(_shape, arg)) if isinstance(arg, tuple) else type(arg)


def _any_layout(type_: Any) -> Any:
    """The same type, with arrays of any layout."""
    from numba import types

    if isinstance(type_, types.Array):
        return types.Array(type_.dtype, type_.ndim, "A", readonly=not type_.mutable, aligned=False)
    if isinstance(type_, types.BaseNamedTuple):
        return types.BaseTuple.from_types([_any_layout(each) for each in type_.types], type_.instance_class)
    return type_
