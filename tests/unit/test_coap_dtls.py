"""CoAP within DTLS: who gets a session, whose it is, and what others cannot do."""

import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiocoap import Code, Message
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from connectors import coap_transport
from connectors.coap import CoapSource
from connectors.coap_records import harmless
from flexmeter.local.ports import HOST, free_port
from tests.bridge_process import ROOT
from tests.coap_process import KEYS, write_keys
from tests.unit.test_coap import bridge, heard, received, request

dtls = pytest.importorskip("DTLSSocket.dtls", reason="needs DTLSSocket: pip install 'flexmeter[coap]'")


class Device:
    """tinydtls as a client, at a socket that may be another device's later."""

    def __init__(self, line: socket.socket, identity: str, key: bytes) -> None:
        self.line = line
        self.heard: list[bytes] = []
        self.connected = False
        self._identity = identity.encode()  # tinydtls keeps the pointer
        self._dtls = dtls.DTLS(
            read=self._on_plain, write=self._on_record, event=self._on_event,
            pskId=self._identity, pskStore={self._identity: key},
        )  # fmt: skip
        self._session = self._dtls.connect("::1", 1)

    def __del__(self) -> None:
        self._session = None  # it reaches for its DTLS as it is freed, which the garbage collector may clear before it

    def _on_plain(self, _place: object, data: bytes) -> int:
        self.heard.append(data)
        return len(data)

    def _on_record(self, _place: object, record: bytes) -> int:
        self.line.send(record)
        return len(record)

    def _on_event(self, level: int, code: int) -> None:
        self.connected = self.connected or (level, code) == (0, 0x01DE)

    def pump(self) -> None:
        """Take what has come."""
        try:
            while True:
                self._dtls.handleMessage(self._session, self.line.recv(2_000))
        except BlockingIOError:
            pass

    def send(self, message: bytes) -> None:
        self._dtls.write(self._session, message)

    def close(self) -> None:
        self._dtls.close(self._session)


class Stranger(Device):
    """Says hello and nothing more, which needs no key; `connected` when the server has answered."""

    def _on_record(self, place: object, record: bytes) -> int:
        self.connected = self.connected or record[13] == 16  # ClientKeyExchange
        return len(record) if self.connected else super()._on_record(place, record)


@contextmanager
def listening(folder: Path) -> Iterator[tuple[CoapSource, Callable[[], socket.socket]]]:
    """A source, and what makes sockets connected to it."""
    write_keys(folder, KEYS)
    port, lines = free_port(), []
    source = CoapSource(bridge(f"coaps://{HOST}:{port}", psk_file=str(folder / "psk.csv")))
    source.receive(0, 0)

    def line() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.connect((HOST, port))
        made.settimeout(0)
        lines.append(made)
        return made

    try:
        yield source, line
    finally:
        source.close()
        for made in lines:
            made.close()


def connect(
    source: CoapSource, line: socket.socket, identity: str, key: bytes, turns: int = 200, kind: type[Device] = Device
) -> Device:
    """The device after so many turns, or as soon as it is connected."""
    device = kind(line, identity, key)
    for _ in range(turns):
        source.receive(0.005, 0)
        device.pump()
        if device.connected:
            break
    return device


def handshakes(outcome: str) -> float:
    return REGISTRY.get_sample_value("flexmeter_coap_handshakes_total", {"bridge": "coap", "outcome": outcome}) or 0.0


def test_a_session_is_of_whose_key_it_is(tmp_path: Path) -> None:
    with listening(tmp_path) as (source, line):
        m1, m2 = (connect(source, line(), identity, KEYS[identity]) for identity in ("m1", "m2"))
        m1.send(request(1, b"one"))
        m2.send(request(1, b"two"))
        deliveries = received(source, 2)
        assert {(delivery.identity, delivery.payload) for delivery in deliveries} == {("m1", b"one"), ("m2", b"two")}
        for delivery in deliveries:
            source.acknowledge(delivery)
        for device in (m1, m2):
            for _ in range(100):
                source.receive(0.005, 0)
                device.pump()
                if device.heard:
                    break
            assert [Message.decode(answer).code for answer in device.heard] == [Code.CHANGED]


def test_a_device_that_starts_anew_at_its_old_port_has_a_new_session(tmp_path: Path) -> None:
    with listening(tmp_path) as (source, line):
        place = line()
        connect(source, place, "m1", KEYS["m1"]).send(request(1, b"before"))
        (before,) = received(source, 1)
        again = connect(source, place, "m2", KEYS["m2"])
        assert again.connected
        source.acknowledge(before)  # its answer is for a session that is no more
        again.send(request(1, b"after"))
        (after,) = received(source, 1)
        assert (before.identity, after.identity, after.payload) == ("m1", "m2", b"after")
        again.pump()
        assert again.heard == []


@pytest.mark.parametrize(("identity", "key"), [("m1", KEYS["m2"]), ("m9", KEYS["m1"]), ("m1", b"0123456789abcde")])
def test_without_the_key_there_is_no_session(tmp_path: Path, identity: str, key: bytes) -> None:
    with listening(tmp_path) as (source, line):
        device = connect(source, line(), identity, key, turns=30)
        device.send(request(1, b"forged"))
        assert source.receive(0.05, 512) == []
        assert not device.connected
        assert not source_sessions(source)


def test_what_is_not_encrypted_is_not_heard(tmp_path: Path) -> None:
    with listening(tmp_path) as (source, line):
        place = line()
        begun = connect(source, place, "m1", KEYS["m1"])
        clear = request(1, b"forged")
        for epoch, sequence in [(0, 100), (1, 100), (0, 1), (1, 1)]:
            place.send(struct.pack("!BHHHIH", 23, 0xFEFD, epoch, 0, sequence, len(clear)) + clear)
        place.send(clear)
        assert source.receive(0.05, 512) == []
        begun.send(request(2, b"real"))
        assert [delivery.payload for delivery in received(source, 1)] == [b"real"]


def test_handshakes_that_nobody_finishes_are_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coap_transport, "MOST_HANDSHAKES", 3)
    abandoned = handshakes("abandoned") + handshakes("wrong_key")
    with listening(tmp_path) as (source, line):
        for _ in range(10):
            connect(source, line(), "m1", KEYS["m2"], turns=10)
        transport = transport_of(source)
        assert len(transport._handshakes) <= 3 and len(transport._claims) <= 3
        assert handshakes("abandoned") + handshakes("wrong_key") - abandoned >= 7
        assert connect(source, line(), "m1", KEYS["m1"]).connected


def test_sessions_are_bounded_and_the_most_silent_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coap_transport, "MOST_SESSIONS", 2)
    with listening(tmp_path) as (source, line):
        first = connect(source, line(), "m1", KEYS["m1"])
        connect(source, line(), "m2", KEYS["m2"])
        first.send(request(1, b"still there"))
        assert len(received(source, 1)) == 1
        connect(source, line(), "head-end", KEYS["head-end"])
        source.receive(0.01, 0)
        assert [peer.identity for peer in source_sessions(source)] == ["m1", "head-end"]


def test_who_begins_many_sessions_ends_its_own_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coap_transport, "MOST_SESSIONS_OF_ONE", 2)
    with listening(tmp_path) as (source, line):
        connect(source, line(), "m2", KEYS["m2"])
        mine = [connect(source, line(), "m1", KEYS["m1"]) for _ in range(4)]
        source.receive(0.01, 0)
        assert [peer.identity for peer in source_sessions(source)] == ["m2", "m1", "m1"]
        mine[0].send(request(1, b"of a session that is no more"))
        mine[3].send(request(2, b"of the last"))
        assert [delivery.payload for delivery in received(source, 1)] == [b"of the last"]
        assert transport_of(source)._sessions_of == {"m1": 2, "m2": 1}


def test_a_session_that_its_device_closed_is_the_first_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coap_transport, "MOST_SESSIONS", 2)
    with listening(tmp_path) as (source, line):
        connect(source, line(), "m1", KEYS["m1"])
        connect(source, line(), "m2", KEYS["m2"]).close()
        connect(source, line(), "head-end", KEYS["head-end"])
        source.receive(0.01, 0)
        assert [peer.identity for peer in source_sessions(source)] == ["m1", "head-end"]


def test_a_bridge_that_ends_leaves_no_handshake_open(tmp_path: Path) -> None:
    with listening(tmp_path) as (source, line):
        place = line()
        assert connect(source, place, "nobody", b"", kind=Stranger).connected
        source.close()
        assert (heard(place) or b"")[:1] == b"\x15"  # an alert


def test_handshakes_given_up_do_not_end_the_bridge(tmp_path: Path) -> None:
    # In a process of its own: where alerts reach tinydtls, it ends by SIGFPE.
    code = "from tests.unit import test_coap_dtls as tests; import sys; tests.give_up_handshakes(sys.argv[1])"
    process = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert process.returncode == 0, process.stderr


def give_up_handshakes(folder: str) -> None:
    """Begin three at one port and give each up by an alert, while another device has a session."""
    fatal = struct.pack("!BHHHIHBB", 21, 0xFEFD, 0, 0, 100, 2, 2, 40)
    with listening(Path(folder)) as (source, line):
        device, place = connect(source, line(), "m1", KEYS["m1"]), line()
        for _ in range(3):
            assert connect(source, place, "nobody", b"", kind=Stranger).connected
            place.send(fatal)
            source.receive(0.01, 0)
            while heard(place):
                pass
        device.send(request(1, b"still there"))
        assert [delivery.payload for delivery in received(source, 1)] == [b"still there"]


def record(kind: int, epoch: int, body: bytes) -> bytes:
    return struct.pack("!BHHHIH", kind, 0xFEFD, epoch, 0, 7, len(body)) + body


def message(number: int) -> bytes:
    return struct.pack("!B3sH3s3s", 16, b"\0\0\2", number, b"\0\0\0", b"\0\0\2") + b"\0\0"


HARMLESS = st.one_of(
    st.builds(record, st.sampled_from([20, 23]), st.integers(0, 1), st.binary(max_size=40)),
    st.builds(record, st.just(22), st.just(0), st.builds(message, st.integers(0, 15))),
    st.builds(record, st.just(22), st.just(1), st.binary(max_size=40)),
)
HARMFUL = st.one_of(
    st.builds(record, st.just(21), st.integers(0, 1), st.binary(max_size=40)),
    st.builds(record, st.just(22), st.just(0), st.builds(message, st.integers(16, 65_535))),
)


@given(st.lists(HARMLESS), HARMFUL, st.lists(st.one_of(HARMLESS, HARMFUL)), st.binary(max_size=12))
def test_a_datagram_is_cut_before_what_harms_tinydtls(
    before: list[bytes], harm: bytes, after: list[bytes], rest: bytes
) -> None:
    kept = b"".join(before)
    assert harmless(kept + harm + b"".join(after) + rest) == kept
    assert harmless(kept + rest) == kept + rest


def test_one_sender_has_a_share_of_the_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.coap.MOST_UNDER_WAY_OF_ONE", 2)
    with listening(tmp_path) as (source, line):
        m1, m2 = (connect(source, line(), identity, KEYS[identity]) for identity in ("m1", "m2"))
        for number in range(3):
            m1.send(request(number, b"m1"))
        taken = received(source, 2)
        for _ in range(100):
            source.receive(0.005, 0)
            m1.pump()
            if m1.heard:
                break
        (refusal,) = map(Message.decode, m1.heard)
        assert (refusal.code, refusal.opt.max_age) == (Code.TOO_MANY_REQUESTS, 5)
        m2.send(request(1, b"m2"))
        assert [delivery.identity for delivery in received(source, 1)] == ["m2"]
        source.acknowledge(taken[0])
        m1.send(request(9, b"m1 again"))
        assert [delivery.payload for delivery in received(source, 1)] == [b"m1 again"]


def test_a_key_that_is_taken_back_ends_its_session(tmp_path: Path) -> None:
    with listening(tmp_path) as (source, line):
        device = connect(source, line(), "m1", KEYS["m1"])
        write_keys(tmp_path, {"m2": KEYS["m2"]})
        for _ in range(400):
            source.receive(0.005, 0)
            device.send(request(1, b"late"))
            if not source_sessions(source):
                break
        assert source_sessions(source) == []
        source.receive(0.01, 512)  # what came while the file was not looked at yet
        device.send(request(2, b"too late"))
        assert source.receive(0.05, 512) == []


def transport_of(source: CoapSource) -> coap_transport.SecuredDatagrams:
    assert source._server is not None
    (interface,) = source._server.request_interfaces
    transport = interface.token_interface.message_interface
    assert isinstance(transport, coap_transport.SecuredDatagrams)
    return transport


def source_sessions(source: CoapSource) -> list[coap_transport.Peer]:
    return list(transport_of(source)._sessions.values())
