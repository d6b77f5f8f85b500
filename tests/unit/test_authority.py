"""Principals, keys and other tables: what they allow, what is wrong with them, and that they are read again."""

import logging
import os
from pathlib import Path

import pytest

from connectors.authority import Audit, Authority, Principals, Refused, load_principals
from connectors.keys import load_keys
from connectors.watched import AGAIN_S, Watched
from schemas.events import load_events
from schemas.faults import Fault, Faults

SECRET = "000102030405060708090A0B0C0D0E0F"


def principals(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["identity,meters", *lines]))
    return path


def test_lines_of_one_identity_add_up_and_everyone_has_what_everyone_has(tmp_path: Path) -> None:
    path = principals(tmp_path / "p.csv", "# ours", "c1,m1 m2", "", "c1,x-*", "*,{identity} {identity}-*", "head,*")
    loaded = load_principals(path)
    authority = Authority(lambda: loaded, anonymous=False)
    asked = ["m1", "m2", "m3", "x-9", "c1", "c1-a", "c10"]
    assert [meter for meter in asked if authority.grant("c1").covers(meter)] == ["m1", "m2", "x-9", "c1", "c1-a"]
    assert [meter for meter in asked if authority.grant("m3").covers(meter)] == ["m3"]
    assert [meter for meter in asked if authority.grant("head").covers(meter)] == asked
    assert [meter for meter in asked if authority.grant("").covers(meter)] == []


def test_all_faults_of_the_principals_in_one_report(tmp_path: Path) -> None:
    path = principals(tmp_path / "p.csv", ",m1", "c1,", "c2,a*b")
    with pytest.raises(Faults) as faults:
        load_principals(path)
    assert [fault.line for fault in faults.value.faults] == [2, 3, 4]


@pytest.mark.parametrize("text", ["", "meters,identity\n", "identity,meters\na,b,c\n", 'identity,meters\n"', "\xff"])
def test_what_is_no_table(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(Faults):
        load_principals(path)


def test_no_fault_tells_a_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.csv"
    path.write_text(f"meter,key\nm1,{SECRET}0\n,{SECRET}\nm2,{SECRET[:-1]}G\nm3,env:NO_SUCH\nm4,{SECRET}\n")
    with pytest.raises(Faults) as faults:
        load_keys(path)
    assert [fault.line for fault in faults.value.faults] == [2, 3, 4, 5]
    assert SECRET[:8] not in str(faults.value)
    path.write_text(f"meter,key\nm1,{SECRET},{SECRET}\n{SECRET}\n")
    with pytest.raises(Faults) as faults:
        load_keys(path)
    assert SECRET[:8] not in str(faults.value)


def test_a_meters_keys_newest_first_from_the_file_or_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "keys.csv"
    path.write_text(f"meter,key\nm1,env:NEW\nm1,{SECRET}\nm2,{SECRET}\n")
    keys = load_keys(path, {"NEW": "ff" * 16})
    assert keys == {"m1": (b"\xff" * 16, bytes.fromhex(SECRET)), "m2": (bytes.fromhex(SECRET),)}


def test_a_changed_file_counts_at_the_next_look_and_a_faulty_one_never(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = principals(tmp_path / "p.csv", "c1,m1")
    file = Watched(path, load_principals)
    authority = Authority(lambda: file.value, anonymous=False)
    assert authority.grant("c1").covers("m1")
    assert not file.refresh(0.0)
    replace(path, "identity,meters\nc1,m3\n", 2)
    assert not file.refresh(0.5), "it looks once a second"
    assert file.refresh(1.5)
    assert authority.grant("c1").covers("m3")
    with caplog.at_level(logging.ERROR):
        replace(path, "identity,meters\nc1,\n", 3)
        assert not file.refresh(3.0)
        assert not file.refresh(3.0 + AGAIN_S)
        assert len(caplog.records) == 1, "the same fault is told once"
        path.unlink()
        assert not file.refresh(3.0 + 2 * AGAIN_S)
    assert len(caplog.records) == 2
    assert authority.grant("c1").covers("m3")
    replace(path, "identity,meters\nc1,m4\n", 3)
    assert file.refresh(3.0 + 3 * AGAIN_S)
    assert authority.grant("c1").covers("m4")


def test_a_file_that_could_not_be_read_is_tried_again_though_it_stays_as_it_is(tmp_path: Path) -> None:
    path = principals(tmp_path / "p.csv", "c1,m1")
    answers: list[str | Faults] = ["old", Faults("p.csv", [Fault(0, "no descriptor left", "close some")]), "new"]

    def load(_path: Path) -> str:
        answer = answers.pop(0)
        if isinstance(answer, Faults):
            raise answer
        return answer

    file = Watched(path, load)
    replace(path, "identity,meters\nc1,m3\n", 2)
    assert (file.refresh(1.0), file.value) == (False, "old")
    assert (file.refresh(1.0 + AGAIN_S), file.value) == (True, "new")


def replace(path: Path, text: str, second: int) -> None:
    path.write_text(text)
    os.utime(path, (second, second))


def test_a_refusal_is_told_once_a_minute_of_each_sender_and_meter() -> None:
    audit = Audit()
    first = audit.event(Refused("thief", "m1"), 60_000)
    assert first is not None
    assert (first.meter, first.detail, first.at) == ("m1", "thief", 60_000)
    assert first.kind in load_events()
    assert audit.event(Refused("thief", "m1"), 119_999) is None
    assert audit.event(Refused("thief", "m2"), 119_999) is not None
    assert audit.event(Refused("thief", "m1"), 120_000) is not None


def test_two_senders_refused_for_a_meter_at_once_are_two_events_of_two_times() -> None:
    audit = Audit()
    told = [audit.event(Refused(thief, "m1"), 60_000) for thief in ("one", "two")]
    assert [(event.detail, event.at) for event in told if event] == [("one", 60_000), ("two", 60_001)]


def test_refusals_are_bounded() -> None:
    audit = Audit()
    told = [audit.event(Refused("thief", f"m{number}"), 60_000) for number in range(5_000)]
    assert sum(event is not None for event in told) == 1_000


def test_a_substituted_identity_is_no_pattern() -> None:
    grant = Principals({"*": ("{identity}",)}).grant("m*")
    assert not grant.covers("m1")
