"""paho's client with fewer system calls: it reads a packet in four of them, and writes each acknowledgement in one.

Private parts of paho-mqtt 2 that this leans on, all of them; a test fails when they change: `_sock_recv`, `_sock_send`
and `_sock_close` (client.py, class Client) are the only places that touch the socket once it is connected.
"""

from contextlib import suppress

import paho.mqtt.client as paho

_READ_BYTES = 65_536
_MOST_HELD_BACK_BYTES = 65_536


class BufferedClient(paho.Client):
    """Reads ahead what the socket has, and holds back what it writes until `flush`.

    Made to be driven by `loop_read`, `loop_write` and `loop_misc`: before waiting for the socket, ask `has_read_ahead`.
    """

    _ahead = b""
    _position = 0
    _held_back = b""

    @property
    def has_read_ahead(self) -> bool:
        """Whether bytes are here that the socket no longer shows."""
        return self._position < len(self._ahead)

    @property
    def has_held_back(self) -> bool:
        """Whether `flush` has something to write."""
        return bool(self._held_back)

    def flush(self) -> None:
        """Write what was held back, as far as the socket takes it. A lost connection shows at the next read."""
        while self._held_back and self.socket() is not None:
            try:
                sent = super()._sock_send(self._held_back)
            except OSError:  # BlockingIOError among them: it takes no more now
                return
            self._held_back = self._held_back[sent:]

    def _sock_recv(self, bufsize: int) -> bytes:
        if not self.has_read_ahead:
            self._ahead, self._position = super()._sock_recv(_READ_BYTES), 0
        begin = self._position
        self._position = min(begin + bufsize, len(self._ahead))
        return self._ahead[begin : self._position]

    def _sock_send(self, buf: bytes | bytearray) -> int:
        self._held_back += buf
        if len(self._held_back) > _MOST_HELD_BACK_BYTES:
            self.flush()
        return len(buf)

    def _sock_close(self) -> None:
        with suppress(OSError):
            self.flush()
        self._ahead, self._position, self._held_back = b"", 0, b""
        super()._sock_close()
