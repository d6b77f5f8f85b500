"""Files that are read again when they change: keys, tokens and principals, rotated without a restart."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from schemas.faults import Faults

log = logging.getLogger("connectors.watched")

EVERY_S = 1.0
AGAIN_S = 10.0
"""From one attempt at a faulty file to the next: reading a large one takes a while."""

T = TypeVar("T")
_Stamp = tuple[int, int, int]


class Watched(Generic[T]):
    """What `load` makes of a file, and of others `beside` it that belong to it.

    A file that has become faulty is reported, and what it said before stays valid, so `load` must change nothing before
    it knows that the file is good.
    """

    def __init__(self, path: Path, load: Callable[[Path], T], beside: Sequence[Path] = ()) -> None:
        self._path = path
        self._load = load
        self._files = (path, *beside)
        self._stamps = self._look()
        self._next_s = 0.0
        self._told = ""
        self.value = load(path)
        """As of the last time it could be read."""

    def refresh(self, now_s: float) -> bool:
        """Look, at most once a second of a clock that only goes forward; whether there is a new value."""
        if now_s < self._next_s:
            return False
        self._next_s = now_s + EVERY_S
        stamps = self._look()
        if stamps == self._stamps:
            return False
        try:
            self.value = self._load(self._path)
        except Faults as faults:
            self._next_s = now_s + AGAIN_S
            if str(faults) != self._told:
                log.error("not taken over, the one before stays valid:\n%s", faults)
            self._told = str(faults)
            return False
        self._stamps, self._told = stamps, ""
        log.info("read %s again", self._path)
        return True

    def _look(self) -> Sequence[_Stamp]:
        return tuple(map(_stamp, self._files))


def _stamp(path: Path) -> _Stamp:
    """What tells one state of a file from another, links followed: they are how Kubernetes swaps secrets."""
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino
