"""From the standard's descriptions to the catalogue's quantities, by what the meter meters."""

from collections.abc import Mapping
from types import MappingProxyType

from connectors.decode.mbus.blocks import Block, Function
from schemas.catalogue import load_catalogue

Described = tuple[str, tuple[str, ...]]
"""A description (value_codes.py) and the words of its VIFEs."""

_HEAT_CARRIER: Mapping[Described, str] = {
    ("volume", ()): "volume_m3",
    ("volume flow", ()): "flow_m3_per_h",
    ("flow temperature", ()): "forward_temperature_c",
    ("return temperature", ()): "return_temperature_c",
}

QUANTITIES: Mapping[str, Mapping[Described, str]] = MappingProxyType(
    {
        "electricity": {
            ("energy", ()): "active_energy_import_wh",
            ("energy", ("forward",)): "active_energy_import_wh",
            ("energy", ("backward",)): "active_energy_export_wh",
            ("energy", ("absolute",)): "active_energy_total_wh",
            ("energy", ("import less export",)): "active_energy_net_wh",
            ("reactive energy", ()): "reactive_energy_import_varh",
            ("reactive energy", ("forward",)): "reactive_energy_import_varh",
            ("reactive energy", ("backward",)): "reactive_energy_export_varh",
            ("power", ()): "active_power_w",
            ("power", ("forward",)): "active_power_import_w",
            ("power", ("backward",)): "active_power_export_w",
            ("reactive power", ()): "reactive_power_var",
            ("reactive power", ("forward",)): "reactive_power_import_var",
            ("reactive power", ("backward",)): "reactive_power_export_var",
            ("apparent power", ()): "apparent_power_va",
            ("voltage", ()): "voltage_v",
            ("current", ()): "current_a",
            ("frequency", ()): "frequency_hz",
            **{("power", (f"phase L{n}",)): f"active_power_l{n}_w" for n in (1, 2, 3)},
            **{("voltage", (f"phase L{n}",)): f"voltage_l{n}_v" for n in (1, 2, 3)},
            **{("current", (f"phase L{n}",)): f"current_l{n}_a" for n in (1, 2, 3)},
        },
        "heat": {
            **_HEAT_CARRIER,
            ("energy", ()): "heat_energy_wh",
            ("energy", ("forward",)): "heat_energy_wh",
            ("energy", ("backward",)): "cooling_energy_wh",
            ("power", ()): "heat_power_w",
            ("heat cost units", ()): "heat_cost_units",
        },
        "cooling": {**_HEAT_CARRIER, ("energy", ()): "cooling_energy_wh"},
        "water": {
            ("volume", ()): "water_volume_m3",
            ("volume flow", ()): "water_flow_m3_per_h",
            ("flow temperature", ()): "water_temperature_c",
        },
        "gas": {("volume", ()): "gas_volume_m3", ("volume flow", ()): "gas_flow_m3_per_h"},
        "room": {("external temperature", ()): "indoor_temperature_c"},
    }
)


def named(block: Block, medium: str) -> tuple[str, str]:
    """The catalogue's name (or none) of what a record holds, and what tells it apart from the present total.

    >>> from connectors.decode.mbus.blocks import read_block
    >>> named(read_block(bytes.fromhex("4C13")), "water"), named(read_block(bytes.fromhex("1B2B")), "heat")
    (('water_volume_m3', 'storage 1'), ('heat_power_peak_w', ''))
    """
    meaning = block.meaning
    apart = _apart(block)
    if (medium, meaning.description, meaning.words, apart) == ("heat", "power", (), ["maximum"]):
        return "heat_power_peak_w", ""
    quantity = QUANTITIES.get(medium, {}).get((meaning.description, meaning.words), "")
    if quantity and load_catalogue().quantities[quantity].unit != meaning.unit:
        quantity = ""  # such as energy per hour
    return quantity, ", ".join(apart if quantity else [*apart, *meaning.words])


def _apart(block: Block) -> list[str]:
    apart = []
    if block.function is not Function.INSTANTANEOUS:
        apart.append(block.function.name.lower().replace("_", " "))
    if block.storage:
        apart.append(f"storage {block.storage}")
    if block.tariff:
        apart.append(f"tariff {block.tariff}")
    if block.subunit:
        apart.append(f"subunit {block.subunit}")
    return apart
