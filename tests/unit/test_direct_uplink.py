"""Devices that speak for themselves: nothing is given up but by being refused, and a sender's messages keep order."""

from collections import defaultdict

import pytest

from flexmeter.fleet.direct_uplink import NO_ANSWER, REFUSED, TAKEN, Answer, DirectUplink
from flexmeter.fleet.messages import GARBAGE, READING, Message
from schemas.errors import Unavailable


class Bridge:
    """Answers as it was told, a list for each topic; then takes everything."""

    def __init__(self, **answers: list[Answer]) -> None:
        self.answers = defaultdict(list, answers)
        self.heard: list[tuple[str, bytes, int]] = []
        self.closed = False

    async def open(self) -> None:
        if self.answers["open"]:
            raise TimeoutError

    async def send(self, message: Message, number: int) -> Answer:
        self.heard.append((message.topic, message.payload, number))
        return self.answers[message.topic].pop(0) if self.answers[message.topic] else TAKEN

    async def close(self) -> None:
        self.closed = True


def message(topic: str, payload: bytes, kind: str = READING, holds: int = 1) -> Message:
    return Message(0, 0, topic, payload, kind, "http", sender="hub-1", holds=holds)


def test_what_is_put_off_comes_again_with_its_number_and_before_what_follows() -> None:
    bridge = Bridge(a=[Answer(False, 0.01), NO_ANSWER._replace(again_s=0.01)])
    link = DirectUplink({"http": bridge})
    link.connect()
    for topic, payload in (("a", b"1"), ("a", b"2"), ("b", b"3")):
        assert link.send(message(topic, payload, holds=5))
    assert link.under_way == 3
    assert link.drain(20)
    assert [heard for heard in bridge.heard if heard[0] == "a"] == [("a", b"1", 0)] * 3 + [("a", b"2", 1)]
    assert ("b", b"3", 2) in bridge.heard
    assert link.acknowledged == {READING: 15}
    link.close()
    assert bridge.closed


def test_what_is_refused_is_counted_and_not_sent_again() -> None:
    bridge = Bridge(a=[REFUSED])
    link = DirectUplink({"http": bridge})
    link.send(message("a", b"x", GARBAGE))
    assert link.drain(20)
    assert (link.refused, link.acknowledged, len(bridge.heard)) == (1, {}, 1)
    link.close()


def test_what_is_under_way_at_the_end_is_given_up() -> None:
    bridge = Bridge(a=[Answer(False, 60.0)])
    link = DirectUplink({"http": bridge})
    link.send(message("a", b"x"))
    link.pump(0.01)
    assert not link.drain(0.01)
    assert link.under_way == 1
    link.close()
    assert bridge.closed


def test_nobody_there_is_told() -> None:
    link = DirectUplink({"http": Bridge(open=[REFUSED])})
    with pytest.raises(Unavailable, match="http is unavailable: no answer"):
        link.connect()
    link.close()
