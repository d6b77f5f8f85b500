"""What bench.overload calls a fault, it finds; what is as it should be, it leaves alone."""

from pathlib import Path

import pytest

from bench.overload import GOAL_TIMES, MOST_GROWTH_MB, Outcome, faults, topology_text
from bench.overload_load import Heard
from schemas.topology import load_topology

ACKNOWLEDGED = set(range(100))


def outcome(
    taken: int = 100, lost: int = 0, grown_mb: float = 0.0, acknowledged: frozenset[int] = frozenset(ACKNOWLEDGED)
) -> dict[str, float]:
    heard = Heard(offered=GOAL_TIMES * 100, acknowledged=set(acknowledged), refused=5)
    return Outcome(heard, taken, lost, 90.0, 90.0 + grown_mb).told(seconds=10)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (outcome(), []),
        (outcome(grown_mb=MOST_GROWTH_MB), []),
        (outcome(taken=102), ["x: only 9.8 times what Kafka takes was offered"]),
        (outcome(lost=1), ["x: 1 readings that were acknowledged are lost"]),
        (outcome(acknowledged=frozenset()), ["x: no reading was acknowledged"]),
        (outcome(grown_mb=MOST_GROWTH_MB + 1), ["x: memory grew from 90.0 MB to 341.0 MB"]),
    ],
)
def test_every_goal_can_be_missed(told: dict[str, float], words: list[str]) -> None:
    assert faults({"x": told}) == words


def test_its_topology_is_one(tmp_path: Path) -> None:
    (tmp_path / "topology.yaml").write_text(topology_text())
    topology = load_topology(tmp_path / "topology.yaml", {})
    assert topology.kafka.options["batch.size"] == "1"
    assert topology.bridges["coap_malmo"].anonymous


def test_the_figures_are_by_the_second() -> None:
    told = outcome(taken=50)
    assert (told["offered_per_s"], told["kafka_took_per_s"], told["times"], told["refused"]) == (100, 5, 20.0, 5)
