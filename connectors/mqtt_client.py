"""paho's client, quicker at what a bridge does with every message.

paho reads a packet in four system calls and writes each acknowledgement in one; and it makes an object with tables of
its own of each message's properties, which nobody here reads. Without both a message costs half as much.

Private parts of paho-mqtt 2 that this leans on, all of them; a test fails when they change: `_sock_recv`, `_sock_send`
and `_sock_close` (client.py, class Client) are the only places that touch the socket once it is connected;
`_handle_publish` gets a packet behind its fixed header in `_in_packet`.
"""

from collections.abc import Callable
from contextlib import suppress

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.exception import MalformedPacket

_READ_BYTES = 65_536
_MOST_HELD_BACK_BYTES = 65_536


Take = Callable[[bytes, bytes, int], None]
"""What is called for each message: topic, payload, and packet identifier; that is 0 for QoS 0."""


class BufferedClient(paho.Client):
    """Reads ahead what the socket has, and holds back what it writes until `flush`. Messages go to `take`.

    Made to be driven by `loop_read`, `loop_write` and `loop_misc`: before waiting for the socket, ask `has_read_ahead`.
    """

    take: Take
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

    def acknowledge(self, packet_id: int) -> None:
        """PUBACK with success (MQTT 5, 3.4.2.1: both reason and properties may be left out)."""
        if self.socket() is not None:
            self._sock_send(b"\x40\x02" + packet_id.to_bytes(2, "big"))

    def _handle_publish(self) -> MQTTErrorCode:
        """Topic, packet identifier, properties, payload (MQTT 5, 3.3.2)."""
        qos = self._in_packet["command"] >> 1 & 3
        if qos == 2:  # nobody subscribes to that here
            return super()._handle_publish()
        packet = bytes(self._in_packet["packet"])
        topic_ends = 2 + int.from_bytes(packet[:2], "big")
        properties = topic_ends + 2 * qos
        length, payload = _variable_length(packet, properties)
        if payload + length > len(packet):
            raise MalformedPacket
        packet_id = int.from_bytes(packet[topic_ends:properties], "big")
        self.take(packet[2:topic_ends], packet[payload + length :], packet_id)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

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


def _variable_length(packet: bytes, position: int) -> tuple[int, int]:
    """A Variable Byte Integer (MQTT 5, 1.5.5) and the position behind it; none is longer than four bytes.

    >>> _variable_length(bytes([0xC1, 0x02]), 0)
    (321, 2)
    """
    length = 0
    for place, octet in enumerate(packet[position : position + 4]):
        length |= (octet & 0x7F) << 7 * place
        if octet < 0x80:
            return length, position + place + 1
    raise MalformedPacket
