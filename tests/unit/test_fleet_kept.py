"""A fleet goes on where the one before it in the folder ended: registers count on, whatever was between."""

import logging
from pathlib import Path

import numpy as np
import pytest

from flexmeter.fleet.faulty import FaultyMeter
from flexmeter.fleet.kept import Keeper
from flexmeter.fleet.live import SLOTS, District
from flexmeter.fleet.outages import Schedule
from flexmeter.fleet.replay import Faults
from flexmeter.fleet.turin import Shown, build_town
from flexmeter.fleet.turin_live import Turin
from flexmeter.fleet.world import Moment, build_world, step

BEGUN = 1_750_500_000_000
INTERVAL_MS = 10_000
HOUR_MS = 3_600_000
WORLD, TOWN = build_world(48, 3, seed=1), build_town(seed=1)
DEVICES = [*WORLD.devices, *TOWN.devices]


def district(begun: int, fault: str | None = None) -> District:
    faulty = FaultyMeter.somewhere(WORLD, fault, begun) if fault else None
    return District(WORLD, ["malmo"], begun, INTERVAL_MS, Schedule(every_s=0), Faults(), faulty)


def turin(begun: int) -> Turin:
    return Turin(TOWN, begun, INTERVAL_MS // SLOTS, lambda holder: bytes(32 if len(holder) == 16 else 16))


def run(*senders: District | Turin, seconds: int = 60) -> None:
    for sender in senders:
        for _ in range(seconds * 1_000 * SLOTS // INTERVAL_MS):
            sender.next_slot()


def registers(shown: Moment | Shown) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """All that only grows."""
    names = [name for name in shown.__dataclass_fields__ if name.endswith(("_wh", "_varh", "_m3"))]
    heat = (shown.heat.energy_mwh, shown.heat.volume_l)
    return np.concatenate([np.atleast_1d(getattr(shown, name)) for name in names] + [*heat])


def ended(path: Path, fault: str | None = None) -> tuple[District, Turin]:
    """A fleet that ran for a minute and kept where it stood."""
    malmo, town = district(BEGUN, fault), turin(BEGUN)
    run(malmo, town)
    Keeper(path, DEVICES).keep(malmo, town, at_once=True)
    return malmo, town


@pytest.mark.parametrize("later_ms", [0, 7_000, HOUR_MS, 72 * HOUR_MS])
def test_registers_count_on(tmp_path: Path, later_ms: int) -> None:
    before = ended(tmp_path / "fleet.npz")
    last_ms = before[0].moment.at  # type: ignore[union-attr]
    after = district(last_ms + later_ms), turin(last_ms + later_ms)
    Keeper(tmp_path / "fleet.npz", DEVICES).resume(*after)
    run(*after, seconds=1)
    for old, new in zip((before[0].moment, before[1].shown), (after[0].moment, after[1].shown), strict=True):
        assert old is not None and new is not None
        assert old.at < new.at
        flowed = registers(new) - registers(old)
        assert (flowed >= 0).all()
        electric = (new.import_wh - old.import_wh) / ((new.at - old.at) / HOUR_MS)
        assert (electric < 12_000).all() and 100 < electric.mean() < 2_000


def test_what_flowed_meanwhile_is_what_would_have_flowed(tmp_path: Path) -> None:
    malmo, _ = ended(tmp_path / "fleet.npz")
    after = district(BEGUN + HOUR_MS)
    Keeper(tmp_path / "fleet.npz", DEVICES).resume(after, None)
    run(after, seconds=1)
    assert malmo.moment is not None and after.moment is not None
    uninterrupted = malmo.moment
    for at in range(malmo.moment.at + 1_000, after.moment.at + 1, 1_000):
        uninterrupted = step(WORLD, uninterrupted, at)
    flowed, would_have = (one.import_wh.sum() - malmo.moment.import_wh.sum() for one in (after.moment, uninterrupted))
    assert flowed == pytest.approx(would_have, rel=0.02)


def test_a_stuck_register_is_stuck_still(tmp_path: Path) -> None:
    malmo, _ = ended(tmp_path / "fleet.npz", "stuck_register")
    after = district(BEGUN + HOUR_MS, "stuck_register")
    Keeper(tmp_path / "fleet.npz", DEVICES).resume(after, None)
    run(after)
    assert malmo.faulty is not None and malmo.faulty.before is not None
    assert after.faulty is not None and after.faulty.before is not None
    home = after.faulty.home
    assert after.faulty.before.import_wh[home] == malmo.faulty.before.import_wh[home]
    assert after.moment is not None and after.moment.import_wh[home] > after.faulty.before.import_wh[home]


def test_what_is_kept_is_what_was_shown(tmp_path: Path) -> None:
    malmo, town = ended(tmp_path / "fleet.npz", "scale_change")
    stood = Keeper(tmp_path / "fleet.npz", DEVICES).kept()
    assert stood is not None and malmo.faulty is not None
    assert repr((stood.malmo, stood.turin, stood.faulty)) == repr((malmo.moment, town.shown, malmo.faulty.before))
    assert stood.fault == "scale_change"


def test_nothing_is_known_of_other_meters_nor_of_a_file_that_is_torn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "fleet.npz"
    assert Keeper(path, DEVICES).kept() is None
    ended(path)
    assert Keeper(path, DEVICES[1:]).kept() is None
    assert caplog.records == []
    path.write_bytes(path.read_bytes()[:-500])
    assert Keeper(path, DEVICES).kept() is None
    assert "registers begin anew" in caplog.text


def test_a_standing_of_a_time_to_come_is_no_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    ended(tmp_path / "fleet.npz")
    earlier = district(BEGUN - HOUR_MS)
    Keeper(tmp_path / "fleet.npz", DEVICES).resume(earlier, None)
    assert (earlier.begun, earlier.moment) == (BEGUN - HOUR_MS, None)
    assert "a time to come" in caplog.text


def test_it_is_kept_now_and_then(tmp_path: Path) -> None:
    malmo, keeper = district(BEGUN), Keeper(tmp_path / "fleet.npz", DEVICES)
    keeper.keep(malmo, None)
    assert not keeper.path.exists(), "nothing was shown yet"
    run(malmo, seconds=1)
    keeper.keep(malmo, None)
    written = keeper.path.read_bytes()
    run(malmo, seconds=1)
    keeper.keep(malmo, None)
    assert keeper.path.read_bytes() == written
    keeper.keep(malmo, None, at_once=True)
    assert keeper.path.read_bytes() != written
