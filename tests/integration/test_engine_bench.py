"""bench.engine on a real broker: its own operator, and Faust in both forms, come to the direct computation."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.contestants import PEERS, contestants
from bench.engine import Bench
from bench.workload import write_schemas

pytestmark = pytest.mark.integration

KNOWN = {contestant.name: contestant for contestant in contestants()}
FAUST = [sys.executable, str(PEERS / "faust" / "minute_mean.py")]


@pytest.fixture
def bench(kafka: str, tmp_path: Path) -> Bench:
    write_schemas(tmp_path / "schemas")
    return Bench(kafka, tmp_path, seconds=1.0)


@pytest.mark.parametrize("name", ["flexmeter", "flexmeter_rolling_load", "faust_records", "faust_blocks"])
def test_means_are_those_of_the_direct_computation(bench: Bench, name: str) -> None:
    contestant = KNOWN[name]
    bench.check(replace(contestant, argv=lambda: FAUST) if name.startswith("faust") else contestant)
    assert bench.wrong == {}


def test_who_writes_nothing_is_found(bench: Bench) -> None:
    bench.check(replace(KNOWN["flexmeter"], argv=lambda: [sys.executable, "-c", "print('ready')"]))
    assert "ended with 0" in bench.wrong["flexmeter"]
