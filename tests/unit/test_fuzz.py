"""The fuzzer finds what there is to find, and a few seconds of it find nothing in the decoders."""

import json
import random
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import fuzz
from bench.fuzz_mutate import damaged, enlarged, mutated, reshaped
from bench.fuzz_targets import targets
from bench.fuzz_worker import MOST_KEPT, Trial
from connectors.registry import TELEGRAMS
from schemas.errors import Reason, Rejected


def summed(payload: bytes) -> tuple[int, ...]:
    """A telegram with a sum in its last byte."""
    if len(payload) < 2 or sum(payload[:-1]) & 0xFF != payload[-1]:
        raise Rejected(Reason.MALFORMED, "sum")
    return (payload[0],)


def test_a_decoder_without_faults() -> None:
    trial = Trial("summed", summed, Rejected)
    trial.damage(b"\x01\x02\x03", summed)
    found = trial.findings
    assert (found.crashes, found.slow, found.silent) == ([], [], [])
    assert found.damaged == 3 + 24
    assert found.inputs == found.damaged + 1 == found.decoded + found.rejected


def test_a_number_that_differs_after_damage_is_a_finding() -> None:
    trial = Trial("careless", summed, Rejected)
    trial.damage(b"\x01\x02", lambda payload: payload[:1])
    assert [text.partition(": ")[2] for text in trial.findings.silent][:2] == ["0002", "0302"]


def doubled(payload: bytes) -> list[bytes]:
    """Telegrams of two bytes, which must be equal."""
    parts = [payload[begin : begin + 2] for begin in range(0, len(payload), 2)]
    return [part for part in parts if len(part) == 2 and part[0] == part[1]]


def test_telegrams_that_are_left_of_several_are_none() -> None:
    trial = Trial("doubled", doubled, Rejected)
    trial.damage(b"\x05\x05\x09\x09", doubled)
    assert trial.findings.damaged == 4 + 32
    assert trial.findings.silent == []


def test_damage_that_mends_a_broken_seed_is_none() -> None:
    trial = Trial("summed", summed, Rejected)
    trial.damage(b"\x01\x03", summed)
    assert (trial.findings.damaged, trial.findings.silent) == (0, [])


def test_anything_raised_but_rejected_is_a_finding() -> None:
    trial = Trial("crashing", lambda payload: (1 // payload[0],), Rejected)
    for _ in range(MOST_KEPT + 5):
        trial.feed(b"\x00")
    assert trial.findings.crashes == ["ZeroDivisionError: integer division or modulo by zero: 00"] * MOST_KEPT


def test_an_input_that_takes_long_is_a_finding() -> None:
    trial = Trial("slow", lambda payload: (sum(range(30_000_000)) if payload else 0,), Rejected)
    for payload in (b"", b"\x01"):
        trial.feed(payload)
    (text,) = trial.findings.slow
    assert text.endswith("ms: 01")


def test_damage_is_every_length_and_every_bit() -> None:
    broken = list(damaged(b"\x00\xff"))
    assert broken[:2] == [b"", b"\x00"]
    assert len(set(broken)) == 2 + 16


def test_mutation_is_repeatable_bounded_and_changes_something() -> None:
    payload, others = b"0123456789" * 30, (b"abc", b"")
    first, second = ([mutated(payload, random.Random(n), others, 200) for n in range(200)] for _ in range(2))
    assert first == second
    assert max(map(len, first)) <= 200
    assert len(set(first)) > 150


def test_reshaping_keeps_to_the_format() -> None:
    chance = random.Random(3)
    made = {json.dumps(reshaped({"a": [1, {"b": 2.5}], "c": "x"}, chance)) for _ in range(300)}
    assert len(made) > 100
    assert reshaped([], chance) == []
    deep: list[object] = []
    for _ in range(300):
        deep = [deep]
    with pytest.raises(ValueError, match="deeper"):
        reshaped(deep, chance)


@pytest.mark.parametrize("protocol", ["senml", "json"])
def test_reshaping_fails_for_nothing_but_what_cannot_be_read(protocol: str) -> None:
    target, chance = targets(Path("nowhere"))[protocol](), random.Random(5)
    made = 0
    assert target.reshape is not None
    for _ in range(3_000):
        payload = mutated(chance.choice(target.seeds), chance, target.seeds, 4_096)
        with suppress(ValueError):
            made += bool(target.reshape(payload, chance))
    assert made > 100


def test_enlarging() -> None:
    assert 900 <= len(enlarged(b'[{"v":1}]', random.Random(1), 1000)) <= 1020
    assert enlarged(b"", random.Random(1), 10) == b"[" * 10


def test_every_protocol_of_the_registry_is_a_target_with_seeds() -> None:
    made = {name: make() for name, make in targets(Path("nowhere")).items()}
    assert made.keys() == {*TELEGRAMS, "json"}
    assert all(target.seeds for target in made.values()), "no golden cases"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"died": "exit code -9"}, "exit code -9"),
        ({"crashes": ["KeyError: 'a': 00"], "slow": [], "silent": [], "grown_blocks": 0}, "KeyError"),
        ({"crashes": [], "slow": ["101 ms: 00"], "silent": [], "grown_blocks": 0}, "101 ms"),
        ({"crashes": [], "slow": [], "silent": ["another reading: 00"], "grown_blocks": 0}, "another"),
        ({"crashes": [], "slow": [], "silent": [], "grown_blocks": 10**7}, "blocks"),
    ],
)
def test_findings_end_it_with_exit_code_1(
    found: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fuzz, "under_fire", lambda protocol, *_: {"protocol": protocol, "inputs": 1, **found})
    result = CliRunner().invoke(fuzz.main, ["senml", "--results", str(tmp_path)])
    assert result.exit_code == 1
    assert words in result.stderr


def test_a_few_seconds_of_it(tmp_path: Path) -> None:
    result = CliRunner().invoke(fuzz.main, ["--minutes", "0.1", "--results", str(tmp_path)])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout.splitlines()[-1])["result"]
    assert {one["protocol"] for one in told["protocols"]} == set(targets(Path("nowhere")))
    assert all(one["inputs"] > one["seeds"] > 0 and one["decoded"] for one in told["protocols"])
    assert json.loads((tmp_path / "fuzz.json").read_text("utf-8"))["result"] == told


def test_without_atheris_chance_alone_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench import fuzz_worker

    told = []
    monkeypatch.setattr(fuzz_worker, "atheris", None)
    fuzz_worker.run("senml", 0.5, 1, Path("nowhere"), told.append)
    (found,) = told
    assert not found.guided
    assert found.inputs > found.seeds > 0
    assert (found.crashes, found.slow) == ([], [])
