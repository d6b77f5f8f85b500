"""The catalogue, the events and the units agree with each other."""

import re

import pytest

from schemas.catalogue import Kind, Profile, Quantity, load_catalogue
from schemas.events import EventKind, load_events
from schemas.units import SUFFIXES, units_like

CATALOGUE = load_catalogue()
QUANTITIES = list(CATALOGUE.quantities.values())
PROFILES = list(CATALOGUE.profiles.values())
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def name_of(thing: Quantity | Profile | EventKind) -> str:
    return thing.name


@pytest.mark.parametrize("quantity", QUANTITIES, ids=name_of)
class TestQuantity:
    def test_name_ends_with_its_unit(self, quantity: Quantity) -> None:
        assert NAME.fullmatch(quantity.name)
        if quantity.unit == "1":
            assert not quantity.name.endswith(tuple(suffix for suffix in SUFFIXES.values() if suffix))
        else:
            assert quantity.name.endswith(SUFFIXES[quantity.unit])

    def test_range_and_resolution_fit_exact_integers(self, quantity: Quantity) -> None:
        assert quantity.minimum < quantity.maximum
        assert quantity.resolution > 0
        steps = max(abs(quantity.minimum), abs(quantity.maximum)) / quantity.resolution
        assert steps < 2**53, "a double could not hold every step"

    def test_register_starts_at_nothing(self, quantity: Quantity) -> None:
        if quantity.kind is Kind.REGISTER:
            assert quantity.minimum == 0

    def test_obis_fits_kind(self, quantity: Quantity) -> None:
        """IEC 62056-6-1: D = 8 is a time integral, D = 7 an instantaneous value."""
        if quantity.obis is None:
            return
        medium, kind = re.fullmatch(r"([145678])-0:\d+\.(\d)\.0", quantity.obis).groups()  # type: ignore[union-attr]
        if medium == "1":
            assert kind == ("8" if quantity.unit in ("Wh", "varh") else "7")
        else:
            assert kind == "0"

    def test_is_reported_by_a_profile(self, quantity: Quantity) -> None:
        assert any(quantity.name in profile.quantities for profile in PROFILES)


@pytest.mark.parametrize("profile", PROFILES, ids=name_of)
class TestProfile:
    def test_quantities_exist_once(self, profile: Profile) -> None:
        assert NAME.fullmatch(profile.name)
        assert profile.quantities
        assert set(profile.quantities) <= CATALOGUE.quantities.keys()
        assert len(set(profile.quantities)) == len(profile.quantities)

    def test_rhythm(self, profile: Profile) -> None:
        assert profile.interval_ms >= 1000
        assert 0 < profile.lateness_intervals < profile.idle_intervals

    def test_medium(self, profile: Profile) -> None:
        assert profile.medium in ("electricity", "heat", "cooling", "water", "gas")


def test_obis_codes_are_unique() -> None:
    codes = [quantity.obis for quantity in QUANTITIES if quantity.obis]
    assert len(codes) == len(set(codes))


def test_household_is_what_the_engine_expects() -> None:
    assert CATALOGUE.profiles["malmo_household"].quantities == (
        "active_energy_import_wh",
        "active_energy_export_wh",
        "active_power_l1_w",
        "active_power_l2_w",
        "active_power_l3_w",
        "voltage_l1_v",
        "voltage_l2_v",
        "voltage_l3_v",
    )


def test_every_unit_leads_to_itself_first() -> None:
    for unit in SUFFIXES:
        assert next(iter(units_like(unit).items())) == (unit, 1.0)
    assert {quantity.unit for quantity in QUANTITIES} == SUFFIXES.keys()


@pytest.mark.parametrize("event", load_events().values(), ids=name_of)
def test_event(event: EventKind) -> None:
    assert NAME.fullmatch(event.name)
    assert event.clears is None or event.clears in load_events()
    assert event.cim is None or re.fullmatch(r"3(\.\d+){3}", event.cim)
