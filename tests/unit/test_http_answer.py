"""What a request is answered by what became of its payloads; repeats with an idempotency key; content types."""

import itertools
from http import HTTPStatus

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.decode.readings import Address, Carries
from connectors.http_answer import MOST_NAMED, outcome
from connectors.http_content import CONTENTS, MOST_PAYLOADS
from connectors.idempotency import MOST_REMEMBERED, REMEMBERED_S, Answers
from connectors.registry import DECODERS
from connectors.source import Delivery
from schemas.errors import Reason, Rejected

KEY = ("hub", "/v1", "k")
TAKEN = outcome([Delivery(b"", Address("", "", "", Carries.READING))])


def deliveries(*reasons: Reason | None) -> list[Delivery]:
    address = Address("v1/p/reading", "p", "", Carries.READING)
    return [Delivery(b"", address, rejected=Rejected(reason, "why") if reason else None) for reason in reasons]


@pytest.mark.parametrize(
    ("reasons", "status"),
    [
        ([None, None], 202),
        ([Reason.MALFORMED], 400),
        ([Reason.FORBIDDEN], 403),
        ([Reason.UNKNOWN_PROFILE], 404),
        ([Reason.TOO_LARGE], 413),
        ([Reason.UNKNOWN_METER], 422),
        ([Reason.DECRYPT, None], 422),
        ([Reason.FORBIDDEN, None, Reason.FORBIDDEN], 403),
        ([Reason.FORBIDDEN, Reason.MALFORMED], 422),
    ],
)
def test_the_status_says_what_is_to_be_done(reasons: list[Reason | None], status: int) -> None:
    answer = outcome(deliveries(*reasons))
    document = orjson.loads(answer.body)
    assert answer.status == status
    assert document["accepted"] == reasons.count(None)
    if status == 202:
        return
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert document["status"] == status
    assert [(one["index"], one["reason"]) for one in document["rejected"]] == [
        (index, reason.value) for index, reason in enumerate(reasons) if reason
    ]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_the_senders_fault(reason: Reason) -> None:
    assert 400 <= outcome(deliveries(reason)).status < 500


def test_an_answer_is_bounded_however_much_is_wrong() -> None:
    document = orjson.loads(outcome(deliveries(*[Reason.VALUE] * 5_000)).body)
    assert len(document["rejected"]) == MOST_NAMED
    assert document["detail"].startswith("5000 of 5000")


def test_a_repeat_has_the_answer_of_the_first_and_another_body_is_told() -> None:
    answers = Answers()
    assert answers.begin(KEY, b"body", 0) is None
    under_way = answers.begin(KEY, b"body", 1)
    assert under_way is not None
    assert under_way.status == HTTPStatus.CONFLICT
    answers.end(KEY, TAKEN)
    assert answers.begin(KEY, b"body", 2) is TAKEN
    with pytest.raises(Rejected, match="key_reused: the idempotency key 'k'"):
        answers.begin(KEY, b"other", 2)
    assert answers.begin(("thief", "/v1", "k"), b"body", 2) is None, "keys are each sender's own"


def test_an_answer_that_asks_to_come_again_is_not_remembered() -> None:
    from connectors.http_answer import busy

    answers = Answers()
    answers.begin(KEY, b"body", 0)
    answers.end(KEY, busy(HTTPStatus.SERVICE_UNAVAILABLE, "later"))
    assert answers.begin(KEY, b"body", 1) is None


def test_answers_are_forgotten_by_age_and_by_number() -> None:
    answers = Answers()
    answers.begin(KEY, b"body", 0)
    answers.end(KEY, TAKEN)
    assert answers.begin(KEY, b"body", REMEMBERED_S + 1) is None
    for number in range(MOST_REMEMBERED + 5):
        answers.begin(("hub", "/v1", str(number)), b"", REMEMBERED_S + 2)
    assert answers.begin(("hub", "/v1", "4"), b"", REMEMBERED_S + 3) is None


@given(st.sampled_from(sorted(CONTENTS)), st.binary(max_size=200))
def test_a_body_is_taken_apart_or_rejected_whatever_its_bytes(name: str, body: bytes) -> None:
    try:
        payloads = CONTENTS[name].payloads(body)
    except Rejected:
        return
    assert payloads


def test_content_types_name_decoders_that_there_are() -> None:
    assert {content.decoder for content in CONTENTS.values()} <= {"", *DECODERS}


def test_telegrams_as_lines_and_lists() -> None:
    assert list(CONTENTS["application/x-ndjson"].payloads(b'{"a":1}\n\n{"a":2}\r\n')) == [b'{"a":1}', b'{"a":2}']
    assert CONTENTS["application/vnd.flexmeter.wmbus+json"].payloads(b'["2E44","0A"]') == [b"\x2e\x44", b"\x0a"]
    for body in (b"{}", b"[]", b"[1]", b'["0"]', b"no json"):
        with pytest.raises(Rejected):
            CONTENTS["application/vnd.flexmeter.wmbus+json"].payloads(body)
    too_many = b"\n".join(itertools.repeat(b"{}", MOST_PAYLOADS + 1))
    with pytest.raises(Rejected, match="too_large"):
        CONTENTS["application/x-ndjson"].payloads(too_many)
