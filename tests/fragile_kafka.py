"""A Kafka that is there to be mistreated."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen

from flexmeter.local.part import Part, spawn, stop, wait_ready


class FragileKafka:
    """A broker of its own that tests may kill, start again, and stop for a while."""

    def __init__(self, part: Part, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._part = part
        self._process: Popen[bytes] | None = None

    def start(self) -> None:
        """Start it if it does not run; ready on return."""
        if self._process is None:
            self._process = spawn(self._part)
            wait_ready(self._part, self._process)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Connections stay, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """In peace."""
        if self._process is not None:
            stop(self._process, self._part.stop_s)
