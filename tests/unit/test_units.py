import pytest

from schemas.catalogue import load_catalogue
from schemas.errors import Reason, Rejected
from schemas.units import to_base

QUANTITIES = load_catalogue().quantities


@pytest.mark.parametrize(
    ("value", "unit", "quantity", "expected"),
    [
        (1234.567, "kWh", "active_energy_import_wh", 1_234_567.0),
        (12, "Wh", "active_energy_import_wh", 12.0),
        (0.5, "GJ", "heat_energy_wh", 138_888.888888889),
        (3.6, "MJ", "heat_energy_wh", 1000.0),
        (0.7, "kW", "active_power_l1_w", 700.0),
        (-2, "kvar", "reactive_power_var", -2000.0),
        (1234.5, "l", "volume_m3", 1.2345),
        (2, "l/s", "flow_m3_per_h", 7.2),
        (10, "l/min", "flow_m3_per_h", 0.6),
        (273.15, "K", "return_temperature_c", 0.0),
        (32, "°F", "return_temperature_c", 0.0),
        (212, "F", "return_temperature_c", 100.0),
        (97, "%", "power_factor_l1", 0.97),
    ],
)
def test_converts(value: float, unit: str, quantity: str, expected: float) -> None:
    assert to_base(value, unit, QUANTITIES[quantity]) == expected


@pytest.mark.parametrize("unit", ["kg", "kwh", "W", "", "mWh"])
def test_refuses_a_unit_of_something_else(unit: str) -> None:
    with pytest.raises(Rejected) as rejected:
        to_base(1, unit, QUANTITIES["active_energy_import_wh"])
    assert rejected.value.reason is Reason.UNIT
    assert repr(unit) in rejected.value.detail
    assert "kWh" in rejected.value.detail
