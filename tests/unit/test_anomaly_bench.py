"""The bench of what watching for anomalies costs says by its exit code whether that is few enough."""

from typing import Any

import pytest

from bench import anomaly
from schemas.topology import load_topology


@pytest.mark.parametrize(("goal", "code"), [(1e6, 0), (0.0, 1)])
def test_the_goal_decides_the_exit_code(goal: float, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(anomaly, "report", lambda name, result, packages: told.append(result))
    for name, few in (("METERS", 100), ("TURN_ROWS", 50), ("HOURS", 2), ("GOAL_CORES", goal)):
        monkeypatch.setattr(anomaly, name, few)
    assert anomaly.main(["1"]) == code
    streams = load_topology("topology.yaml", {}).streams
    assert {row["stream"]: row["operators"] for row in told[0]["streams"]} == {
        name: list(streams[name].operators) for name in ("metering", "anomaly")
    }
    assert told[0]["core_share_together"] > 0
