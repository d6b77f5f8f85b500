"""Files that are read again when they change: keys, tokens and principals, rotated without a restart."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from schemas.faults import Faults

log = logging.getLogger("connectors.watched")

EVERY_S = 1.0

T = TypeVar("T")
_Stamp = tuple[int, int, int]


class Watched(Generic[T]):
    """What `load` makes of a file. A file that has become faulty is reported, and what it said before stays valid."""

    def __init__(self, path: Path, load: Callable[[Path], T]) -> None:
        self._path = path
        self._load = load
        self._stamp = self._look()
        self._next_s = 0.0
        self.value = load(path)
        """As of the last time it could be read."""

    def refresh(self, now_s: float) -> bool:
        """Look, at most once a second of a clock that only goes forward; whether there is a new value."""
        if now_s < self._next_s:
            return False
        self._next_s = now_s + EVERY_S
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self.value = self._load(self._path)
        except Faults as faults:
            log.error("not taken over, the one before stays valid:\n%s", faults)
            return False
        log.info("read %s again", self._path)
        return True

    def _look(self) -> _Stamp:
        """What tells one state of the file from another, links followed: they are how Kubernetes swaps secrets."""
        try:
            found = os.stat(self._path)
        except OSError:
            return 0, 0, 0
        return found.st_mtime_ns, found.st_size, found.st_ino
