"""The CoAP source by itself: what it makes of datagrams, and what it lets no sender do."""

import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest
from aiocoap import Code, Message
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from connectors import coap_transport
from connectors.authority import Refused
from connectors.coap import CoapDelivery, CoapSource
from connectors.coap_blocks import FORGOTTEN_AFTER_S, OVERHEAD_BYTES, Bodies, Crowded, Incomplete
from connectors.coap_codes import answer, busy, failure
from connectors.coap_keys import load_keys
from flexmeter.local.ports import HOST, free_port
from schemas.errors import Reason, Rejected, Unavailable
from schemas.faults import Faults
from schemas.topology import Bridge

T = TypeVar("T")
PATHS = ("meters/{profile}/{meter}/reading", "meters/{profile}/{meter}/event")


def bridge(url: str, **options: str) -> Bridge:
    return Bridge("coap", "coap", url, PATHS, "senml", "readings", "events", "dead", 500, options)


@contextmanager
def listening(scheme: str = "coap", **options: str) -> Iterator[tuple[CoapSource, socket.socket]]:
    """A source, and a socket connected to it."""
    port = free_port()
    source = CoapSource(bridge(f"{scheme}://{HOST}:{port}", **options))
    source.receive(0, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect((HOST, port))
        sender.settimeout(0)
        try:
            yield source, sender
        finally:
            source.close()


def request(
    number: int,
    payload: bytes,
    path: str = "meters/water/M1/reading",
    kind: int = 0,
    block: bytes = b"",
    more: Sequence[tuple[int, bytes]] = (),
) -> bytes:
    """A POST whose message id and token are that number; RFC 7252, 3."""
    options, last = b"", 0
    written = [(11, segment.encode()) for segment in path.split("/")] + ([(27, block)] if block else [])
    for option, value in sorted([*written, *more], key=lambda one: one[0]):
        options += (
            bytes([min(option - last, 13) << 4 | len(value)])
            + (bytes([option - last - 13]) if option - last > 12 else b"")
            + value
        )
        last = option
    head = struct.pack("!BBHH", 0x42 | kind << 4, 0x02, number, number)
    return head + options + (b"\xff" + payload if payload else b"")


def until(source: CoapSource, look: Callable[[], T | None], turns: int = 400) -> T:
    """Let the source work until something is there."""
    for _ in range(turns):
        found = look()
        if found is not None:
            return found
        source.receive(0.01, 0)
    raise AssertionError("it does not come")


def heard(sender: socket.socket) -> bytes | None:
    try:
        return sender.recv(2_000)
    except BlockingIOError:
        return None


def received(source: CoapSource, count: int) -> list[CoapDelivery]:
    found: list[CoapDelivery] = []
    for _ in range(400):
        found += source.receive(0.01, 512)
        if len(found) >= count:
            return found
    raise AssertionError(f"{len(found)} of {count}")


def test_a_request_is_answered_when_it_is_acknowledged_and_once() -> None:
    with listening() as (source, sender):
        sender.send(request(7, b"one"))
        (delivery,) = received(source, 1)
        assert (delivery.payload, delivery.address.meter, delivery.identity) == (b"one", "M1", "")
        sender.send(request(7, b"one"))  # sent again before its answer
        assert source.receive(0.05, 512) == []
        assert heard(sender) is None
        source.acknowledge(delivery)
        first = until(source, lambda: heard(sender))
        assert Message.decode(first).code is Code.CHANGED
        assert (first[0] >> 4 & 3, first[2:6]) == (2, b"\0\7\0\7")  # an acknowledgement, with id and token
        sender.send(request(7, b"one"))  # its answer was lost
        assert until(source, lambda: heard(sender)) == first


def test_what_takes_longer_is_answered_in_a_message_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coap_transport.Tuning, "EMPTY_ACK_DELAY", 0.0)
    with listening() as (source, sender):
        sender.send(request(7, b"one"))
        (delivery,) = received(source, 1)
        assert until(source, lambda: heard(sender)) == b"\x60\x00\x00\x07"
        source.acknowledge(delivery)
        response = until(source, lambda: heard(sender))
        assert (response[0] >> 4 & 3, response[1], response[4:6]) == (0, 0x44, b"\0\7")


def test_no_more_than_was_asked_for_is_given() -> None:
    with listening() as (source, sender):
        for number in range(5):
            sender.send(request(number, b"x"))
        until(source, lambda: len(source._arrived) == 5 or None)
        assert [len(source.receive(0, n)) for n in (0, 2, 2, 2)] == [0, 2, 2, 1]


@pytest.mark.parametrize("path", ["/".join(["segment"] * 80), "/" * 600])
def test_a_path_beyond_the_longest_address_is_not_found_and_not_remembered(path: str) -> None:
    with listening() as (source, sender):
        sender.send(request(7, b"x", path))
        assert Message.decode(until(source, lambda: heard(sender))).code is Code.NOT_FOUND
        assert source._known_address.cache_info().currsize == 0


@pytest.mark.parametrize(
    ("option", "code"), [(5, Code.BAD_OPTION), (201, Code.BAD_OPTION), (35, Code.PROXYING_NOT_SUPPORTED)]
)
def test_a_critical_option_that_is_not_known_is_not_passed_over(option: int, code: Code) -> None:
    with listening() as (source, sender):
        sender.send(request(7, b"x", more=[(option, b"")]))
        assert Message.decode(until(source, lambda: heard(sender))).code is code
        sender.send(request(8, b"x", kind=1, more=[(201, b"")]))
        assert source.receive(0.05, 512) == [] and heard(sender) is None
        sender.send(request(9, b"taken", more=[(3, b"host"), (15, b"a=1"), (202, b"elective")]))
        assert received(source, 1)[0].payload == b"taken"


def test_an_overload_is_refused_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.coap.MOST_UNDER_WAY", 3)
    with listening() as (source, sender):
        for number in range(5):
            sender.send(request(number, b"x", kind=1))
        taken = received(source, 3)
        refusals = [Message.decode(until(source, lambda: heard(sender))) for _ in range(2)]
        assert [(refusal.code, refusal.opt.max_age) for refusal in refusals] == [(Code.SERVICE_UNAVAILABLE, 5)] * 2
        for delivery in taken:
            source.acknowledge(delivery)
        sender.send(request(9, b"y"))
        assert [delivery.payload for delivery in received(source, 1)] == [b"y"]
    lost = REGISTRY.get_sample_value("flexmeter_coap_answers_total", {"bridge": "coap", "code": "5.03", "type": "NON"})
    assert lost is not None and lost >= 2


def test_events_go_first_and_are_taken_while_readings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.coap.MOST_UNDER_WAY", 8)
    with listening() as (source, sender):
        for number in range(8):
            sender.send(request(number, b"reading"))
        sender.send(request(8, b"gasp", path="meters/water/M1/event"))
        until(source, lambda: len(source._arrived) == 9 or None)
        assert [delivery.payload for delivery in source.receive(0, 3)] == [b"gasp", b"reading", b"reading"]
        monkeypatch.setattr(source, "_patience_s", -1.0)
        monkeypatch.setattr("connectors.coap.MOST_UNDER_WAY", 100)
        sender.send(request(9, b"refused"))
        sender.send(request(10, b"another gasp", path="meters/water/M1/event"))
        until(source, lambda: len(source._arrived) == 7 or None)
        assert source.receive(0, 1)[0].payload == b"another gasp"


def test_bytes_under_way_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.coap.MOST_BYTES_UNDER_WAY", 1_500)
    with listening() as (source, sender):
        for number in range(3):
            sender.send(request(number, bytes(1_000)))
        assert len(received(source, 2)) == 2
        assert Message.decode(until(source, lambda: heard(sender))).code is Code.SERVICE_UNAVAILABLE


def test_a_sender_that_brings_more_than_its_rate_is_told_when_to_come_again() -> None:
    with listening(rate_per_s="0.01", burst="2") as (source, sender):
        sender.send(request(1, b"x"))
        for number in range(3):
            sender.send(request(2 + number, b"y" * 16, block=bytes([number << 4 | (number < 2) << 3])))
            until(source, lambda: heard(sender) if number < 2 else source._arrived[1:] or None)  # noqa: B023
        assert [delivery.payload for delivery in received(source, 2)] == [b"x", b"y" * 48], "a body counts once"
        sender.send(request(9, b"x"))
        refused = Message.decode(until(source, lambda: heard(sender)))
        assert refused.code is Code.TOO_MANY_REQUESTS
        assert refused.opt.max_age is not None and refused.opt.max_age > 50
        sender.send(request(10, b"gasp", "meters/water/M1/event"))
        assert [delivery.payload for delivery in received(source, 1)] == [b"gasp"], "events are not limited"


def test_who_leaves_many_bodies_unfinished_is_told_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.coap.MOST_BYTES_IN_BLOCKS_OF_ONE", 2 * OVERHEAD_BYTES)
    first_of_more = bytes([0x08])
    with listening() as (source, sender):
        codes = []
        for number in range(2):
            sender.send(request(number, b"y" * 16, f"meters/water/M{number}/reading", block=first_of_more))
            codes.append(Message.decode(until(source, lambda: heard(sender))).code)
    assert codes == [Code.CONTINUE, Code.SERVICE_UNAVAILABLE]


def test_patience_ends_and_the_next_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as (source, sender):
        sender.send(request(1, b"one"))
        (delivery,) = received(source, 1)
        monkeypatch.setattr(source, "_patience_s", -1.0)
        refusal = Message.decode(until(source, lambda: heard(sender)))
        assert (refusal.code, refusal.opt.max_age) == (Code.SERVICE_UNAVAILABLE, 30)
        sender.send(request(2, b"two"))
        assert Message.decode(until(source, lambda: heard(sender))).code is Code.SERVICE_UNAVAILABLE
        source.acknowledge(delivery)  # Kafka has it after all: nobody waits for that any more
        sender.send(request(3, b"three"))
        assert [delivery.payload for delivery in received(source, 1)] == [b"three"]


def test_who_waits_at_the_end_is_told_so() -> None:
    with listening() as (source, sender):
        sender.send(request(1, b"one"))
        received(source, 1)
        source.close()
        answered = heard(sender)
    assert answered is not None and Message.decode(answered).code is Code.SERVICE_UNAVAILABLE


_numbers = count(30_000)
_open: list[tuple[CoapSource, socket.socket]] = []


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_whatever_comes_the_source_goes_on(noise: bytes, looks_real: bool) -> None:
    source, sender = _open[0]
    sender.send(b"\x42\x02\0\1\0\1" + noise if looks_real else noise)
    sender.send(request(next(_numbers), b"after"))
    for _ in range(400):
        for delivery in source.receive(0.01, 512):
            source.acknowledge(delivery)
            if delivery.payload == b"after":
                return
    raise AssertionError(noise.hex())


@pytest.fixture(autouse=True, scope="module")
def _one_for_all_noise() -> Iterator[None]:
    with listening() as pair:
        _open.append(pair)
        yield


def test_another_has_the_port() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        source = CoapSource(bridge(f"coap://{HOST}:{taken.getsockname()[1]}"))
        with pytest.raises(Unavailable, match="cannot listen"):
            source.receive(0, 1)
        source.close()


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("coaps://h", {}, "coaps:// needs the option psk_file"),
        ("coap://h", {"psk_file": "x"}, "coap:// has no use for the option psk_file"),
        ("coap://h", {"psk": "x"}, "unknown option 'psk'"),
        ("http://h", {}, "is no coap://host"),
    ],
)
def test_settings_that_do_not_fit(url: str, options: dict[str, str], said: str) -> None:
    with pytest.raises(Faults, match=said):
        CoapSource(bridge(url, **options))


def test_keys_are_checked_and_never_told(tmp_path: Path) -> None:
    good = "identity,key\nm1," + "ab" * 16 + "\n"
    (tmp_path / "psk.csv").write_text(good)
    assert load_keys(tmp_path / "psk.csv") == {b"m1": b"\xab" * 16}
    (tmp_path / "psk.csv").write_text(
        good + "m1," + "cd" * 16 + "\nm2," + "ef" * 17 + "\nm3,secretsecret\n" + "m" * 33 + "," + "12" * 16 + "\n"
    )
    with pytest.raises(Faults) as raised:
        load_keys(tmp_path / "psk.csv")
    assert [fault.line for fault in raised.value.faults] == [3, 4, 5, 6]
    assert not any(secret in str(raised.value) for secret in ("cdcd", "efef", "secretsecret", "1212"))


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=20), st.integers(0, 30))
def test_blocks_make_the_body_or_are_refused(blocks: list[bytes], skipped: int) -> None:
    bodies = Bodies(longest_bytes=1_000, most_bytes=10_000, most_bytes_of_one=10_000)
    body = None
    for number, block in enumerate(blocks):
        if number == skipped and number:
            with pytest.raises(Incomplete):
                bodies.take("m1", "x", 16 * (number + 1), block, more=True, now_s=0)
            return
        body = bodies.take("m1", "x", 16 * number, block, more=number + 1 < len(blocks), now_s=0)
    assert body == b"".join(blocks)
    assert len(bodies) == 0


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20), st.integers(0, 200), st.integers(0, 99)), max_size=200)
)
def test_bodies_under_way_are_bounded(begun: list[tuple[int, int, int, int]]) -> None:
    bodies, now_s = Bodies(longest_bytes=150, most_bytes=5_000, most_bytes_of_one=1_500), 0.0
    for sender, path, length, pause_s in begun:
        now_s += pause_s
        try:
            bodies.take(sender, (sender, path), 0, bytes(length), more=True, now_s=now_s)
        except Rejected as rejected:
            assert rejected.reason is Reason.TOO_LARGE and length > 150
        except Crowded:
            assert bodies._bytes_of[sender] + length + OVERHEAD_BYTES > 1_500
        kept = list(bodies._bodies.values())
        assert sum(body.size for body in kept) == bodies._bytes == bodies._bytes_of.total() <= 5_000
        assert all(taken <= 1_500 for taken in bodies._bytes_of.values())
        assert all(now_s - body.touched_s <= FORGOTTEN_AFTER_S for body in kept)


def test_who_begins_many_bodies_fills_its_own_share_alone() -> None:
    bodies = Bodies(longest_bytes=1_000, most_bytes=10_000, most_bytes_of_one=2_500)
    assert bodies.take("neighbour", "theirs", 0, b"begun", more=True, now_s=0) is None
    refused = 0
    for path in range(100):
        try:
            bodies.take("greedy", path, 0, bytes(700), more=True, now_s=1)
        except Crowded:
            refused += 1
    assert refused == 98
    assert bodies.take("neighbour", "theirs", 5, b" and ended", more=False, now_s=2) == b"begun and ended"
    assert bodies.take("greedy", "again", 0, bytes(700), more=True, now_s=1 + FORGOTTEN_AFTER_S + 1) is None


def test_codes() -> None:
    assert {reason: answer(Rejected(reason, "")).code.dotted for reason in Reason} == {
        **dict.fromkeys(Reason, "4.22"),
        **dict.fromkeys([Reason.EMPTY, Reason.ENCODING, Reason.MALFORMED, Reason.CHECKSUM], "4.00"),
        Reason.FORBIDDEN: "4.03",
        Reason.UNKNOWN_PROFILE: "4.04",
        Reason.UNKNOWN_METER: "4.04",
        Reason.TOO_LARGE: "4.13",
    }
    assert answer(Refused("m2", "m1")).code is Code.FORBIDDEN
    assert answer(Refused("", "m1")).code is Code.UNAUTHORIZED
    assert busy(30, "why").opt.max_age == 30
    assert len(failure(Code.BAD_REQUEST, "ü" * 1_000).payload) == 512


def test_what_was_answered_is_remembered_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coap_transport, "MOST_REMEMBERED", 2)
    with listening() as (source, sender):
        for number in (1, 2, 3, 3, 1):
            sender.send(request(number, bytes([number])))
        assert [delivery.payload for delivery in received(source, 4)] == [b"\1", b"\2", b"\3", b"\1"]
