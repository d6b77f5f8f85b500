"""The buffered MQTT client against paho as it is, and its bytes in and out over a real socket pair."""

import inspect
import socket
from collections.abc import Iterator
from importlib.metadata import version

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from connectors.mqtt_client import BufferedClient


@pytest.fixture
def line() -> Iterator[tuple[BufferedClient, socket.socket]]:
    """A client whose socket is one end of a pair; the other end is the broker's."""
    client = BufferedClient(CallbackAPIVersion.VERSION2)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    client._sock = ours
    yield client, theirs
    for end in (ours, theirs):
        end.close()


def test_paho_touches_its_socket_where_we_think() -> None:
    assert version("paho-mqtt").startswith("2.")
    source = inspect.getsource(paho.Client)
    assert source.count("self._sock.recv(") == 1 and "self._sock.recv(" in inspect.getsource(paho.Client._sock_recv)
    assert source.count("self._sock.send(") == 1 and "self._sock.send(" in inspect.getsource(paho.Client._sock_send)
    assert "self._sock_close()" in inspect.getsource(paho.Client._do_on_disconnect) + inspect.getsource(
        paho.Client._packet_write
    )


def test_what_is_read_ahead_comes_out_in_pieces(line: tuple[BufferedClient, socket.socket]) -> None:
    client, theirs = line
    theirs.sendall(b"abcdef")
    assert [client._sock_recv(size) for size in (1, 2)] == [b"a", b"bc"]
    assert client.has_read_ahead
    assert [client._sock_recv(size) for size in (100,)] == [b"def"]
    assert not client.has_read_ahead
    with pytest.raises(BlockingIOError):
        client._sock_recv(1)
    theirs.close()
    assert client._sock_recv(1) == b""


def test_what_is_written_leaves_with_flush_and_in_order(line: tuple[BufferedClient, socket.socket]) -> None:
    client, theirs = line
    assert (client._sock_send(b"one"), client._sock_send(b"two")) == (3, 3)
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(10)
    client.flush()
    assert theirs.recv(10) == b"onetwo"
    assert not client.has_held_back


def test_a_socket_that_takes_no_more_is_waited_for(line: tuple[BufferedClient, socket.socket]) -> None:
    client, theirs = line
    sent = bytes(range(256)) * 8_000
    client._sock_send(sent)
    assert client.has_held_back
    got = b""
    while client.has_held_back:
        got += theirs.recv(1_000_000)
        client.flush()
    theirs.setblocking(False)
    while len(got) < len(sent):
        got += theirs.recv(1_000_000)
    assert got == sent


def test_closing_writes_the_rest_and_forgets_what_was_read(line: tuple[BufferedClient, socket.socket]) -> None:
    client, theirs = line
    theirs.sendall(b"old")
    client._sock_recv(1)
    client._sock_send(b"bye")
    client._sock_close()
    assert theirs.recv(10) == b"bye"
    assert not client.has_read_ahead and not client.has_held_back


def publish_packet(topic: bytes, payload: bytes, qos: int, packet_id: int, properties: bytes = b"") -> bytes:
    """A PUBLISH of MQTT 5, 3.3."""
    body = len(topic).to_bytes(2, "big") + topic + (packet_id.to_bytes(2, "big") if qos else b"")
    body += bytes([len(properties)]) + properties + payload
    length = len(body)
    head = bytes([0x30 | qos << 1])
    while True:
        head += bytes([length & 0x7F | (0x80 if length > 127 else 0)])
        length >>= 7
        if not length:
            return head + body


def read_all(client: BufferedClient) -> list[tuple[bytes, bytes, int]]:
    taken: list[tuple[bytes, bytes, int]] = []
    client._protocol = paho.MQTTv5
    client.take = lambda *message: taken.append(message)
    while client.loop_read() == 0 and client.has_read_ahead:
        pass
    return taken


@pytest.mark.parametrize("properties", [b"", b"\x02\x00\x00\x00\x09", b"\x26\x00\x01k\x00\x01v"])
@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("size", [0, 5, 20_000])
def test_messages_are_taken_apart(
    line: tuple[BufferedClient, socket.socket], qos: int, size: int, properties: bytes
) -> None:
    client, theirs = line
    payload = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    theirs.sendall(publish_packet(b"a/b", payload, qos, 513, properties) + publish_packet(b"c", b"", 1, 7))
    assert read_all(client) == [(b"a/b", payload, 513 * qos), (b"c", b"", 7)]


@pytest.mark.parametrize("packet", [b"\x32\x05\x00\x01a\x00\x07", b"\x32\x06\x00\x01a\x00\x07\x05", b"\x30\x00"])
def test_a_message_that_is_cut_off_ends_the_connection(
    line: tuple[BufferedClient, socket.socket], packet: bytes
) -> None:
    client, theirs = line
    theirs.sendall(packet)
    assert read_all(client) == []
    assert client.socket() is None


def test_acknowledgements_are_those_of_mqtt_5(line: tuple[BufferedClient, socket.socket]) -> None:
    client, theirs = line
    client.acknowledge(513)
    client.acknowledge(7)
    client.flush()
    assert theirs.recv(100) == b"\x40\x02\x02\x01\x40\x02\x00\x07"
