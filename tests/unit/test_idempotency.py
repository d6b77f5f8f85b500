"""What is remembered of requests with a key: for an hour, and no more than so many, of so many bytes."""

from http import HTTPStatus

from connectors.http_answer import Answer
from connectors.idempotency import MOST_BYTES, MOST_REMEMBERED, REMEMBERED_S, Answers


def answered(answers: Answers, number: int, now_s: float = 0.0, size: int = 10) -> None:
    key = ("hub", "/v1", str(number))
    assert answers.begin(key, b"body", now_s) is None
    answers.end(key, Answer(HTTPStatus.ACCEPTED, b"x" * size))


def is_known(answers: Answers, number: int, now_s: float = 0.0) -> bool:
    return answers.begin(("hub", "/v1", str(number)), b"body", now_s) is not None


def test_an_answer_is_remembered_for_an_hour() -> None:
    answers = Answers()
    answered(answers, 1)
    assert is_known(answers, 1, REMEMBERED_S) and not is_known(answers, 1, REMEMBERED_S + 1)


def test_the_oldest_goes_first() -> None:
    answers = Answers()
    for number in range(MOST_REMEMBERED + 1):
        answered(answers, number)
    assert is_known(answers, 2) and not is_known(answers, 0)


def test_answers_that_are_long_are_fewer() -> None:
    answers, size = Answers(), 100_000
    for number in range(1_000):
        answered(answers, number, size=size)
    oldest = 1_000 - MOST_BYTES // size
    assert is_known(answers, 999) and is_known(answers, oldest + 2) and not is_known(answers, oldest - 2)
