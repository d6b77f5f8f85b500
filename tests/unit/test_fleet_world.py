"""The world's truth: what is added up elsewhere must add up here first."""

from pathlib import Path

import numpy as np
import pytest

from connectors.decode.json_decoder import decode_json
from connectors.decode.mapping import load_mappings
from connectors.decode.readings import Address, Carries
from flexmeter.fleet import payloads
from flexmeter.fleet.grid import build_grid, usage_point_id, write_register
from flexmeter.fleet.homes import power_w
from flexmeter.fleet.world import Moment, World, build_world, step
from schemas.catalogue import load_catalogue
from schemas.durations import DAY_MS
from schemas.register import load_register

NOON = 1_750_500_000_000 // DAY_MS * DAY_MS + DAY_MS // 2
STEP_MS = 10_000


def history(world: World, steps: int, dark: dict[int, set[str]] | None = None) -> list[Moment]:
    moments: list[Moment] = []
    for k in range(steps):
        moments.append(step(world, moments[-1] if moments else None, NOON + k * STEP_MS, (dark or {}).get(k, ())))
    return moments


def test_same_seed_same_bytes() -> None:
    def sent(seed: int) -> list[bytes]:
        world = build_world(12, 2, seed)
        last = history(world, 3)[-1]
        homes = [payloads.household_of(world, last, i, 3) for i in range(12)]
        return (
            homes + [payloads.station_of(last, i, 3) for i in (0, 1)] + [payloads.heat_of(last, i, 3) for i in (0, 1)]
        )

    assert sent(1) == sent(1)
    assert sent(1) != sent(2)


def test_registers_are_the_integral_of_power() -> None:
    world = build_world(40, 0, seed=3)
    moments = history(world, 30)
    watts = np.stack([m.power_w.sum(axis=1) for m in moments])
    for name, sign in (("import_wh", 1), ("export_wh", -1)):
        way = np.maximum(sign * watts, 0)
        expected = ((way[1:] + way[:-1]) / 2).sum(axis=0) * STEP_MS / 3_600_000
        counted = getattr(moments[-1], name) - getattr(moments[0], name)
        np.testing.assert_allclose(counted, expected, atol=1e-6)
    assert (watts < 0).any(), "some roof feeds in on a summer's noon"


def test_a_station_shows_its_meters_and_the_losses() -> None:
    world = build_world(40, 0, seed=3)
    moment = history(world, 1)[0]
    for station, device in enumerate(world.stations):
        below = [i for i, d in enumerate(world.households) if d.substation == device.substation]
        lines = [f for f, s in enumerate(world.station_of_feeder) if s == station]
        expected = moment.power_w[below].sum(axis=0) + moment.loss_w[lines].sum(axis=0)
        np.testing.assert_allclose(moment.station_w[station], expected)
    assert (moment.loss_w > 0).all()


def test_voltage_falls_with_load() -> None:
    world = build_world(80, 0, seed=3)
    moment = step(world, None, NOON + 6 * 3_600_000)
    connected = world.homes.connected
    assert ((moment.voltage_v > 205) & (moment.voltage_v < 245))[connected].all()
    loaded = (moment.power_w > 1500) & connected
    idle = (np.abs(moment.power_w) < 100) & connected
    assert moment.voltage_v[loaded].mean() < moment.voltage_v[idle].mean()


def test_heat_is_consistent() -> None:
    world = build_world(0, 4, seed=3)
    first, *_, last = history(world, 20)
    heat = last.heat
    np.testing.assert_allclose(heat.power_kw, 1.15 * heat.flow_m3_per_h * (heat.forward_c - heat.return_c))
    assert (heat.volume_l > first.heat.volume_l).all()
    assert (heat.energy_mwh > first.heat.energy_mwh).all()
    assert (heat.peak_kw >= heat.power_kw).all()


def test_a_dark_feeder_draws_nothing() -> None:
    world = build_world(40, 0, seed=3)
    feeder = world.feeders[0]
    before, first, during, after = history(world, 4, {1: {feeder}, 2: {feeder}})
    struck = world.feeder_of == 0
    assert struck.any()
    assert not during.on[struck].any()
    assert during.on[~struck].all()
    np.testing.assert_array_equal(during.import_wh[struck], first.import_wh[struck])
    assert not during.loss_w[0].any()
    assert during.station_w[world.station_of_feeder[0]].sum() != before.station_w[world.station_of_feeder[0]].sum()
    assert after.on.all()


def test_a_day_of_a_home_is_plausible() -> None:
    world = build_world(50, 0, seed=5)
    midnight = NOON - DAY_MS // 2
    watts = np.stack([power_w(world.homes, midnight + m * 60_000) for m in range(0, 1440, 5)]).clip(0).sum(axis=2)
    kwh = watts.mean(axis=0) * 24 / 1000
    assert 3 < np.median(kwh) < 15
    assert watts.max() > 2500


@pytest.mark.parametrize("profile", ["malmo_household", "malmo_substation", "district_heat"])
def test_what_is_sent_is_read_without_a_fault(profile: str) -> None:
    world = build_world(6, 2, seed=1)
    moment = history(world, 2)[-1]
    payload = {
        "malmo_household": payloads.household_of(world, moment, 0, 1),
        "malmo_substation": payloads.station_of(moment, 0, 1),
        "district_heat": payloads.heat_of(moment, 0, 1),
    }[profile]
    address = Address(f"malmo/{profile}/X/reading", profile, "X", Carries.READING)
    [reading] = decode_json(payload, address, moment.at, load_mappings()[profile]).readings
    values = dict(zip(load_catalogue().profiles[profile].quantities, reading.values, strict=True))
    assert reading.at == moment.at
    assert reading.quality & 8 == 0, "in the plausible range"
    if profile == "malmo_household":
        assert values["active_power_l1_w"] == pytest.approx(moment.power_w[0, 0], abs=0.05)
        assert values["active_energy_import_wh"] == pytest.approx(moment.import_wh[0], abs=1)
    elif profile == "malmo_substation":
        assert values["active_power_import_w"] - values["active_power_export_w"] == pytest.approx(
            moment.station_w[0].sum(), abs=0.1
        )
    else:
        assert values["heat_power_w"] == pytest.approx(moment.heat.power_kw[0] * 1000, abs=1)
        assert values["volume_m3"] == pytest.approx(moment.heat.volume_l[0] / 1000, abs=0.001)


def test_the_register_is_read_back(tmp_path: Path) -> None:
    devices = build_grid(300, 3, seed=1)
    write_register(devices, tmp_path / "run" / "register.csv")
    assert list(load_register(tmp_path / "run" / "register.csv").devices.values()) == devices
    assert {d.phase for d in devices if d.profile == "malmo_household"} == {"L1", "L2", "L3", "L1L2L3"}


def test_a_usage_point_has_a_valid_check_digit() -> None:
    digits = [int(d) for d in usage_point_id(12_345)]
    assert len(digits) == 18
    assert sum(d * (3 if i % 2 == 0 else 1) for i, d in enumerate(digits)) % 10 == 0
