"""What is published of DLMS and P1, where it is at hand; and that the trial itself can fail."""

import os
from pathlib import Path

import pytest

from bench import conformance_dlms
from connectors.decode.telegram import Telegram

DATA = Path(os.environ.get("FLEXMETER_DATA", "../shared/data"))
published = pytest.mark.skipif(
    not (DATA / "protocol" / "dlms").is_dir(), reason="no published telegrams (FLEXMETER_DATA)"
)


@published
def test_everything_is_decoded_and_equal() -> None:
    for result in conformance_dlms.conformance(DATA):
        assert (result.wrong, result.crashed, result.rejected) == ([], [], {})
        assert result.telegrams == result.decoded > 0
        assert result.values == result.equal > 0


@published
def test_every_published_telegram_can_be_begun_from() -> None:
    pushes, telegrams = list(conformance_dlms.pushes(DATA)), list(conformance_dlms.p1_telegrams(DATA))
    assert pushes and telegrams
    assert any(map(conformance_dlms.is_guarded, pushes)) and not all(map(conformance_dlms.is_guarded, pushes))
    assert any(map(conformance_dlms.is_p1_guarded, telegrams)) and not all(
        map(conformance_dlms.is_p1_guarded, telegrams)
    )


@published
def test_a_wrong_value_and_a_crash_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(payload: bytes, keys: object) -> tuple[Telegram, ...]:
        return (Telegram("?", "", 0, -1, (), ()),)

    def crash(payload: bytes, keys: object) -> tuple[Telegram, ...]:
        raise ZeroDivisionError

    monkeypatch.setattr(conformance_dlms, "decode_dlms", nothing)
    monkeypatch.setattr(conformance_dlms, "decode_p1", crash)
    pushes, _, p1 = conformance_dlms.conformance(DATA)
    assert pushes.equal == 0 and len(pushes.wrong) == pushes.values > 0
    assert len(p1.crashed) == p1.telegrams > 0
