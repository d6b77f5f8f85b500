"""Decoders on published telegrams, and that the trial sees every kind of fault."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from click.testing import CliRunner

from bench import conformance, conformance_json, conformance_senml
from bench.conformance_result import Result
from connectors.decode.senml import decode_senml
from connectors.decode.telegram import Keys, Telegram
from schemas.errors import Reason, Rejected

DATA = Path(os.environ.get("FLEXMETER_DATA", "../shared/data"))
published = pytest.mark.skipif(not (DATA / "protocol").is_dir(), reason="no published telegrams (FLEXMETER_DATA)")


@published
@pytest.mark.parametrize("protocol", conformance.PROTOCOLS)
def test_published_telegrams(protocol: str) -> None:
    for result in conformance.PROTOCOLS[protocol](DATA):
        assert (result.wrong, result.crashed) == ([], [])
        assert result.telegrams == result.decoded + sum(result.rejected.values())
        assert result.telegrams > 0


@published
@pytest.mark.parametrize("protocol", ["senml", "json"])
def test_every_value_of_text_formats_is_equal(protocol: str) -> None:
    for result in conformance.PROTOCOLS[protocol](DATA):
        assert result.values == result.equal > 0


def changed(payload: bytes, keys: Keys) -> tuple[Telegram, ...]:
    first, *others = decode_senml(payload, keys)
    one, *rest = first.measured
    return (dataclasses.replace(first, measured=(dataclasses.replace(one, value=-1.0), *rest)), *others)


def late(payload: bytes, keys: Keys) -> tuple[Telegram, ...]:
    return tuple(dataclasses.replace(one, at=one.at and one.at + 1) for one in decode_senml(payload, keys))


def shortened(payload: bytes, keys: Keys) -> tuple[Telegram, ...]:
    return decode_senml(payload, keys)[:-1]


def rejecting(payload: bytes, keys: Keys) -> tuple[Telegram, ...]:
    raise Rejected(Reason.FIELD, "no")


def crashing(payload: bytes, keys: Keys) -> tuple[Telegram, ...]:
    raise KeyError("v")


@published
@pytest.mark.parametrize("decode", [changed, late, shortened, rejecting, crashing])
def test_senml_faults_are_seen(decode: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(conformance_senml, "decode_senml", decode)
    monkeypatch.setattr(conformance, "report", lambda *args, **kwargs: None)
    results = conformance_senml.conformance(DATA)
    assert any(result.crashed if decode is crashing else result.wrong for result in results)
    assert CliRunner().invoke(conformance.main, ["--data", str(DATA), "senml"]).exit_code == 1


@published
@pytest.mark.parametrize("raised", [Rejected(Reason.FIELD, "no"), ZeroDivisionError()])
def test_json_faults_are_seen(raised: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*args: Any) -> Any:
        raise raised

    monkeypatch.setattr(conformance_json, "decode_json", decode)
    (result,) = conformance_json.conformance(DATA)
    assert result.wrong if isinstance(raised, Rejected) else result.crashed


def test_without_data_it_says_so(tmp_path: Path) -> None:
    result = CliRunner().invoke(conformance.main, ["--data", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (0, "")
    assert str(tmp_path) in result.stderr


def test_a_goal_that_is_missed_is_told_and_is_no_success(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "protocol").mkdir()
    monkeypatch.setattr(conformance, "report", lambda *args, **kwargs: None)
    for whole, code, outcome in ((9, 0, "met"), (8, 1, "MISSED")):
        one = Result("wmbus", telegrams=10, decoded=10, values=30, equal=29, goal=0.9, compared=10, whole=whole)
        monkeypatch.setitem(conformance.PROTOCOLS, "mbus", Mock(return_value=[one]))
        result = CliRunner().invoke(conformance.main, ["--data", str(tmp_path), "mbus"])
        assert (result.exit_code, result.output.splitlines()[-1].split(": ")[-1]) == (code, outcome)


@published
def test_every_faulty_frame_of_libmbus_is_rejected() -> None:
    wired, wireless = conformance.PROTOCOLS["mbus"](DATA)
    folders = (DATA / "protocol/mbus" / name for name in ("error-frames", "unsupported-frames"))
    assert wired.faulty == sum(len(list(folder.glob("*.hex"))) for folder in folders) > 0
    assert 0 < wireless.whole <= wireless.compared <= wireless.telegrams


def test_the_table_shows_every_count() -> None:
    one = Result("mbus", telegrams=96, decoded=76, values=1203, equal=1201, wrong=["a", "b"], crashed=["c"])
    for reason in ("checksum", "checksum", "malformed"):
        one.reject(reason)
    _, row = conformance.table([one])
    assert row.split() == ["mbus", "96", "76", "1203", "1201", "2", "1", "2", "checksum,", "1", "malformed"]
