"""A folder as a source: each file in it is a payload, and is deleted when Kafka has it. What is left comes again.

Where a file lies is its address. Whoever writes it lets its name begin with a dot until it is whole, then renames it.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors.decode.trust import LARGEST_PAYLOAD_BYTES
from connectors.options import bridge_fault, check_options
from connectors.source import Delivery
from connectors.topic_template import address_of, templates_of
from schemas.errors import Unavailable
from schemas.topology import Bridge

log = logging.getLogger("connectors.spool")

MOST_AT_ONCE = 32
"""Files that are read at once, of up to a megabyte each."""
LOOK_EVERY_S = 0.2


@dataclass(slots=True, eq=False)
class SpoolDelivery(Delivery):
    """A payload with its file."""

    file: Path = Path()


class SpoolSource:
    """One folder, of which this is the only reader."""

    def __init__(self, bridge: Bridge, instance: str = "") -> None:
        check_options(bridge, ())
        try:
            self._templates = templates_of(bridge)
        except ValueError as error:
            raise bridge_fault(bridge, error, "write folders as {identity}/{profile}/{meter}/reading") from error
        self._folder = Path(bridge.url.partition("://")[2])
        self._found: list[Path] = []
        self._under_way: set[Path] = set()
        self._look_at = 0.0
        self._is_there = False

    def receive(self, timeout_s: float, at_most: int) -> Sequence[SpoolDelivery]:
        """See Source."""
        try:
            if not self._found and time.monotonic() >= self._look_at:
                self._look()
            files = self._found[: min(at_most, MOST_AT_ONCE)]
            given = [self._delivery(file) for file in files]
        except OSError as error:
            self._found, self._look_at, self._is_there = [], 0.0, False
            raise Unavailable(f"folder {self._folder}", str(error)) from error
        del self._found[: len(files)]
        self._under_way.update(files)
        if not given:
            time.sleep(min(timeout_s, LOOK_EVERY_S))
        return given

    def acknowledge(self, delivery: Delivery) -> None:
        """See Source."""
        assert isinstance(delivery, SpoolDelivery)
        try:
            delivery.file.unlink(missing_ok=True)
            self._under_way.discard(delivery.file)
        except OSError as error:
            log.warning("done with, but not deleted, so it will come again: %s", error)

    def close(self) -> None:
        """See Source. Files stay."""

    def _look(self) -> None:
        self._folder.stat()
        if not self._is_there:
            log.info("connected to %s", self._folder)
        self._is_there = True
        new = (file for file in self._folder.rglob("[!.]*") if file not in self._under_way)
        self._found = sorted(file for file in new if file.is_file() and not file.is_symlink())
        self._look_at = time.monotonic() + LOOK_EVERY_S

    def _delivery(self, file: Path) -> SpoolDelivery:
        address = address_of(file.parent.relative_to(self._folder).as_posix(), self._templates)
        with file.open("rb") as opened:
            return SpoolDelivery(opened.read(LARGEST_PAYLOAD_BYTES + 1), address, address.identity, file=file)
