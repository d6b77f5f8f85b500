"""OBIS codes: read, written, and what they mean to the catalogue."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.decode.obis import meaning, measured, measured_column, medium_of, net_powers, parsed, written
from schemas.catalogue import load_catalogue


def code(text: str) -> bytes:
    found = parsed(text)
    assert found is not None
    return found


@given(st.binary(min_size=6, max_size=6))
def test_written_and_read(octets: bytes) -> None:
    assert parsed(written(octets)) == octets


@given(st.text("0123456789.-:*", max_size=20))
def test_any_text(text: str) -> None:
    found = parsed(text)
    assert found is None or len(found) == 6


@pytest.mark.parametrize("text", ["", "1.8.0", "1-0:1.8", "1-0:1.8.0.256", "1-0:1.8.0*", "x1-0:1.8.0", "1-0:1.8.0 "])
def test_what_is_no_whole_code(text: str) -> None:
    assert parsed(text) is None


def test_every_code_of_the_catalogue_means_its_quantity() -> None:
    for quantity in load_catalogue().quantities.values():
        if quantity.obis is not None:
            found = meaning(code(quantity.obis))
            assert (found.quantity, found.which) == (quantity, "")


@pytest.mark.parametrize(
    ("text", "name", "which", "description"),
    [
        ("1-1:1.8.0", "active_energy_import_wh", "", "1-1:1.8.0 active power import, integral over time"),
        ("1-0:1.8.3", "active_energy_import_wh", "tariff 3", "1-0:1.8.3 active power import, integral over time"),
        ("1-0:2.8.1*4", "active_energy_export_wh", "tariff 1, billing period 4", None),
        ("1-0:32.7.1", None, "", "1-0:32.7.1 voltage L1"),  # a gauge has no tariff
        ("1-0:1.8.64", None, "", None),
        ("1-0:41.7.0", None, "", "1-0:41.7.0 active power import L2"),
        ("1-0:72.36.0", None, "", "1-0:72.36.0 voltage L3, swells"),
        ("0-0:96.1.0", None, "", "0-0:96.1.0 serial number"),
        ("1-0:99.97.0", None, "", "1-0:99.97.0"),
        ("6-0:1.0.0", "heat_energy_wh", "", "6-0:1.0.0"),
    ],
)
def test_meaning(text: str, name: str | None, which: str, description: str | None) -> None:
    found = meaning(code(text))
    assert (found.quantity and found.quantity.name, found.which) == (name, which)
    assert description is None or found.description == description


def test_a_unit_that_does_not_fit_is_told_as_it_is() -> None:
    one = measured(code("1-0:1.8.0"), 5, "kV")
    assert (one.quantity, one.value, one.unit) == ("", 5000.0, "V")


def test_a_column_is_the_same_as_its_numbers() -> None:
    numbers = [0, 1.001, 7]
    for unit in ("kWh", "Wh", "V", "?"):
        each = [measured(code("1-0:1.8.0"), one, unit) for one in numbers]
        assert measured_column(code("1-0:1.8.0"), numbers, unit) == each


@pytest.mark.parametrize(
    ("texts", "units", "names"),
    [
        (["1-0:1.7.0", "1-0:2.7.0"], ["W", "kW"], ["active_power_w"]),
        (["1-1:41.7.0", "1-1:42.7.0"], ["W", "W"], ["active_power_l2_w"]),
        (["1-0:1.7.0", "1-0:2.7.0", "1-0:16.7.0"], ["W", "W", "W"], []),  # the meter says it itself
        (["1-0:1.7.0"], ["W"], []),
        (["1-0:1.7.0", "1-0:2.7.0"], ["W", "A"], []),
        (["1-0:1.7.0", "1-1:2.7.0"], ["W", "W"], []),  # of two channels
    ],
)
def test_net_powers(texts: list[str], units: list[str], names: list[str]) -> None:
    codes = [code(text) for text in texts]
    said = [measured(one, 3, unit) for one, unit in zip(codes, units, strict=True)]
    assert [one.quantity for one in net_powers(codes, said)] == names


def test_medium() -> None:
    assert medium_of([b"", code("0-0:96.1.0"), code("1-0:0.2.129")]) == ""
    assert medium_of([code("1-0:0.2.129"), code("7-0:3.0.0")]) == "gas"
