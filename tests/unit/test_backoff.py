"""Waiting for what is away: what is tried, what is told, and that it can be ended."""

import logging
import threading
from collections.abc import Iterable

import pytest

from connectors.backoff import Stopped, until_available
from schemas.errors import Unavailable

REFUSED, DENIED = Unavailable("kafka", "connection refused"), Unavailable("kafka", "authentication failed")


class Answers:
    """What an attempt finds, one answer after another; at the end the world is there."""

    def __init__(self, answers: Iterable[Exception]) -> None:
        self._answers = iter(answers)
        self.asked = 0

    def __call__(self) -> None:
        self.asked += 1
        if (answer := next(self._answers, None)) is not None:
            raise answer


class Pauses(threading.Event):
    """Notes the pauses instead of making them; is set at the last of `until`."""

    def __init__(self, until: int | None = None) -> None:
        super().__init__()
        self.made: list[float] = []
        self._until = until

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.made.append(timeout)
        return len(self.made) == self._until


def told(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.message for record in caplog.records if record.levelno == level]


def test_each_answer_is_told_once_and_then_that_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    heard: list[Unavailable] = []
    until_available(Answers([REFUSED, REFUSED, DENIED, REFUSED]), Pauses(), heard.append)
    assert told(caplog, logging.WARNING) == [f"{one}; trying again until it answers" for one in (REFUSED, DENIED)]
    (back,) = told(caplog, logging.INFO)
    assert back.startswith("kafka is back, after ")
    assert heard == [REFUSED, REFUSED, DENIED, REFUSED]


def test_what_is_there_is_not_spoken_of(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    pauses, answers = Pauses(), Answers([])
    until_available(answers, pauses)
    assert (answers.asked, pauses.made, caplog.records) == (1, [], [])


def test_pauses_double_up_to_the_longest() -> None:
    pauses = Pauses()
    until_available(Answers([REFUSED] * 5), pauses, backoff_s=(1.0, 5.0))
    assert pauses.made == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_it_ends_when_told_to() -> None:
    answers = Answers([REFUSED] * 9)
    with pytest.raises(Stopped):
        until_available(answers, Pauses(until=3))
    assert answers.asked == 3


def test_what_was_begun_is_tried_once_also_after_the_stop() -> None:
    stop, answers = threading.Event(), Answers([])
    stop.set()
    until_available(answers, stop)
    assert answers.asked == 1


def test_a_fault_of_ours_is_no_absence() -> None:
    pauses = Pauses()
    with pytest.raises(ZeroDivisionError):
        until_available(Answers([REFUSED, ZeroDivisionError()]), pauses)
    assert len(pauses.made) == 1
