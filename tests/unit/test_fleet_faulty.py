"""A faulty meter of the fleet shows its fault and nothing else, and what it delivers is found out by meter_fault."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import orjson
import pytest

from flexmeter.commands.fleet import Options
from flexmeter.fleet.faulty import FAULTS, PASSES_BY, FaultyMeter
from flexmeter.fleet.live import District
from flexmeter.fleet.messages import Message
from flexmeter.fleet.outages import Schedule
from flexmeter.fleet.payloads import PHASES
from flexmeter.fleet.replay import Faults
from flexmeter.fleet.world import Moment, World, build_world, step
from schemas.alert import Alert
from schemas.durations import DAY_MS, QUARTER_MS
from streams.registry import OPERATORS
from tests.streams_log import Row, beats, block, feed, shard

BEGUN = 1_750_500_000_000
WORLD = build_world(48, 0, seed=1)


def shown(faulty: FaultyMeter, world: World = WORLD, quarters: int = 8) -> Iterator[tuple[Moment, Moment]]:
    """(truth, what the meters show)"""
    moment = None
    for at in range(BEGUN, BEGUN + quarters * QUARTER_MS, QUARTER_MS):
        moment = step(world, moment, at)
        yield moment, faulty.show(world, moment)


@pytest.mark.parametrize("kind", FAULTS)
def test_the_others_and_the_time_before_show_the_truth(kind: str) -> None:
    faulty = FaultyMeter.somewhere(WORLD, kind, BEGUN + 4 * QUARTER_MS)
    others = np.arange(len(WORLD.households)) != faulty.home
    for truth, said in shown(faulty):
        for name in ("power_w", "voltage_v", "import_wh", "export_wh"):
            assert np.array_equal(getattr(said, name)[others], getattr(truth, name)[others])
            if truth.at < faulty.since:
                assert np.array_equal(getattr(said, name), getattr(truth, name))


@pytest.mark.parametrize("kind", FAULTS)
def test_registers_count_what_is_measured(kind: str) -> None:
    faulty = FaultyMeter.somewhere(WORLD, kind, BEGUN + 2 * QUARTER_MS)
    moments = [said for _, said in shown(faulty)]
    for before, now in pairwise(moments[2:]):
        net = [moment.power_w[faulty.home].sum() for moment in (before, now)]
        counted = sum(max(watts, 0) for watts in net) / 8
        rose = now.import_wh[faulty.home] - before.import_wh[faulty.home]
        assert rose == pytest.approx(0 if kind == "stuck_register" else counted)


def test_each_fault_is_what_it_is_called() -> None:
    def last(kind: str) -> tuple[Moment, Moment, int]:
        faulty = FaultyMeter.somewhere(WORLD, kind, BEGUN)
        *_, (truth, said) = shown(faulty)
        return truth, said, faulty.home

    truth, said, home = last("sudden_drop")
    assert said.power_w[home] == pytest.approx(truth.power_w[home] * (1 - PASSES_BY))
    truth, said, home = last("reversed_phase")
    assert np.abs(said.power_w[home]) == pytest.approx(truth.power_w[home]) and said.power_w[home].min() < 0
    truth, said, home = last("phase_loss")
    assert (said.voltage_v[home] == 0).sum() == 1
    truth, said, home = last("pv_silent")
    assert said.power_w[home].sum() > 0 > truth.power_w[home].sum(), "around noon in June"


def test_who_cannot_have_a_fault_is_told() -> None:
    with pytest.raises(ValueError, match="ask for more homes"):
        FaultyMeter.somewhere(build_world(1, 0, seed=2), "pv_silent", BEGUN)


def readings(messages: Iterator[Message], received_at: int) -> Iterator[Row]:
    for message in messages:
        said = orjson.loads(message.payload)
        at = int(np.datetime64(said["time"].rstrip("Z"), "ms").astype(np.int64))
        energy = (said["energy"]["consumed"] * 1000, said["energy"]["produced"] * 1000)
        phases = [said[what][phase] for what in ("power", "voltage") for phase in PHASES]
        yield Row(message.topic.split("/")[2], at, received_at, (*energy, *phases), interval_ms=10_000)


@pytest.mark.parametrize(("kind", "told"), [("reversed_phase", "reversed_phase"), ("phase_loss", "phase_loss")])
def test_the_history_of_a_faulty_meter_raises_its_alert_and_no_other(kind: str, told: str) -> None:
    faulty = FaultyMeter.somewhere(WORLD, kind, BEGUN - DAY_MS)
    district = District(WORLD, ["malmo"], BEGUN, 10_000, Schedule(every_s=0), Faults(), faulty)
    rows = list(readings(district.history(9), BEGUN))
    assert len(rows) == 9 * 96 and [row.at for row in rows] == sorted(row.at for row in rows)
    log = [block(rows[i : i + 50]) for i in range(0, len(rows), 50)]
    results = feed(shard({"meter_fault": OPERATORS["meter_fault"]}), [*log, *beats(BEGUN, 5)])
    alerts = [result for result in results if isinstance(result, Alert)]
    assert {(alert.kind, alert.state) for alert in alerts} == {(told, "raised")}
    assert all(faulty.since < alert.at <= faulty.since + 12 * 3_600_000 for alert in alerts)


def test_a_folder_gets_the_history_once(tmp_path: Path) -> None:
    """What was delivered before would be late."""
    asked = SimpleNamespace(fault="reversed_phase", history_days=9, folder=tmp_path / "run")
    assert [Options.history_to_send(asked) for _ in range(2)] == [9, 0]  # type: ignore[arg-type]
    assert Options.history_to_send(SimpleNamespace(fault=None, history_days=9, folder=tmp_path)) == 0  # type: ignore[arg-type]
