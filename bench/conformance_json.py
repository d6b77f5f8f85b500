"""What makers of meters publish in JSON, read by mappings alone: those of the package and those of bench/layouts.

Published are payloads, not what they mean: the values expected stand in the payload, and are fetched here by plain
Python, with the maker's unit. A message that is none of a meter (an acknowledgement, a lamp, a gateway's) must be
rejected by every mapping.
"""

import json
import time
from calendar import timegm
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from bench.conformance_result import Result
from connectors.decode.json_decoder import decode_json
from connectors.decode.mapping import JsonMapping, load_mappings, parse_mapping
from connectors.decode.readings import Address, Carries
from schemas.errors import Rejected

LAYOUTS = Path(__file__).parent / "layouts"
FOLDERS = ("json-aiida", "json-tasmota", "json-chirpstack")
RECEIVED_AT = 1_795_507_200_000


@dataclass(frozen=True, slots=True)
class Kind:
    """Messages of one maker: the mapping that reads them, how to know them, and what they say in base units.

    `when` is the time they state, ms UTC; None where they state none.
    """

    mapping: str
    is_of: Callable[[Any], bool]
    says: Callable[[Any], Mapping[str, float]]
    when: Callable[[Any], int | None]


def _utc_ms(text: str) -> int:
    return timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) * 1000


def _shelly_ms(message: Any) -> int:
    return round(float(message["params"]["ts"]) * 1000)


def _tasmota(energy: Any) -> Mapping[str, float]:
    wanted = {
        "ApparentPower": "apparent_power_va",
        "ReactivePower": "reactive_power_var",
        "Voltage": "voltage_v",
        "Current": "current_a",
    }
    known = {name: energy[key] for key, name in wanted.items() if key in energy}
    return {"active_energy_import_wh": energy["Total"] * 1000, "active_power_w": energy["Power"], **known}


def _shelly_em(em: Any) -> Mapping[str, float]:
    phases = {"a": "l1", "b": "l2", "c": "l3"}
    return {
        "active_power_w": em["total_act_power"],
        "apparent_power_va": em["total_aprt_power"],
        **{f"active_power_{phase}_w": em[f"{key}_act_power"] for key, phase in phases.items()},
        **{f"voltage_{phase}_v": em[f"{key}_voltage"] for key, phase in phases.items()},
        **{f"current_{phase}_a": em[f"{key}_current"] for key, phase in phases.items()},
        **{f"power_factor_{phase}": em[f"{key}_pf"] for key, phase in phases.items()},
    }


def _shelly_switch(switch: Any) -> Mapping[str, float]:
    return {
        "active_power_w": switch["apower"],
        "active_energy_import_wh": switch["aenergy"]["total"],
        "active_energy_export_wh": switch["ret_aenergy"]["total"],
        "voltage_v": switch["voltage"],
        "current_a": switch["current"],
    }


def _linky(labels: Any) -> Mapping[str, float]:
    phases = (1, 2, 3)
    return {
        "active_energy_import_wh": labels["EAST"]["value"],
        "active_energy_export_wh": labels["EAIT"]["value"],
        **{f"voltage_l{phase}_v": labels[f"URMS{phase}"]["value"] for phase in phases},
        **{f"current_l{phase}_a": labels[f"IRMS{phase}"]["value"] for phase in phases},
    }


KINDS: tuple[Kind, ...] = (
    Kind(
        "obis_adapter",
        lambda m: "1-0:1.8.0" in m,
        lambda m: {
            "active_energy_import_wh": m["1-0:1.8.0"]["value"],
            "active_power_import_w": m["1-0:1.7.0"]["value"],
        },
        lambda m: int(m["1-0:1.8.0"]["time"]) * 1000,
    ),
    Kind("shelly_3em", lambda m: "em:0" in m.get("params", {}), lambda m: _shelly_em(m["params"]["em:0"]), _shelly_ms),
    Kind(
        "shelly_3em",
        lambda m: "emdata:0" in m.get("params", {}),
        lambda m: {
            "active_energy_import_wh": m["params"]["emdata:0"]["total_act"],
            "active_energy_export_wh": m["params"]["emdata:0"]["total_act_ret"],
        },
        _shelly_ms,
    ),
    Kind(
        "home_hub.shelly_switch",
        lambda m: "switch:3" in m.get("params", {}),
        lambda m: _shelly_switch(m["params"]["switch:3"]),
        _shelly_ms,
    ),
    Kind("obis_adapter.linky", lambda m: "EAST" in m, _linky, lambda m: _utc_ms(m["DATE"]["timestamp"]["date"])),
    Kind(
        "obis_adapter.linky_historic",
        lambda m: "BASE" in m,
        lambda m: {"active_energy_import_wh": m["BASE"]["value"], "current_l1_a": m["IINST"]["value"]},
        lambda m: None,
    ),
    Kind(
        "obis_adapter.sinapsi",
        lambda m: "pod" in m,
        lambda m: {"active_power_import_w": float(m["data"][0]["1-0:1.7.0.255_3,0_2"])},
        lambda m: int(m["data"][0]["ts"]) * 1000,
    ),
    Kind("tasmota_plug", lambda m: "ENERGY" in m, lambda m: _tasmota(m["ENERGY"]), lambda m: _utc_ms(m["Time"])),
    Kind(
        "tasmota_plug.status",
        lambda m: "StatusSNS" in m,
        lambda m: _tasmota(m["StatusSNS"]["ENERGY"]),
        lambda m: _utc_ms(m["StatusSNS"]["Time"]),
    ),
    Kind("tasmota_plug.energy", lambda m: "Total" in m, _tasmota, lambda m: _utc_ms(m["Time"])),
)


def conformance(data: Path) -> list[Result]:
    """Read every message of the published folders."""
    result = Result("json")
    for name, message in messages(data):
        result.telegrams += 1
        kind = next((kind for kind in KINDS if kind.is_of(message)), None)
        if kind is None:
            _must_be_rejected(result, name, message)
        else:
            _compare(result, name, message, kind)
    return [result]


def messages(data: Path) -> Iterator[tuple[str, Any]]:
    """The published messages, each with a name."""
    for folder in FOLDERS:
        for file in sorted((data / "protocol" / folder).glob("*.json")):
            content = json.loads(file.read_text("utf-8"))
            told = [entry["payload"] for entry in content] if isinstance(content, list) else [content]
            yield from ((f"{folder}/{file.name}/{number}", message) for number, message in enumerate(told))


@lru_cache
def layouts() -> Mapping[str, JsonMapping]:
    """The mappings of the package, and those of bench/layouts, named <profile>.<source>."""
    own = {
        file.stem: parse_mapping(file.stem.partition(".")[0], file.read_text("utf-8"))
        for file in sorted(LAYOUTS.glob("*.yaml"))
    }
    return {**load_mappings(), **own}


def _compare(result: Result, name: str, message: Any, kind: Kind) -> None:
    mapping = layouts()[kind.mapping]
    try:
        decoded = decode_json(orjson.dumps(message), _address(mapping), RECEIVED_AT, mapping)
    except Rejected as rejected:
        result.reject(rejected.reason)
        result.wrong.append(f"{name}: {rejected}")
        return
    except Exception as error:
        result.crashed.append(f"{name}: {error!r}")
        return
    result.decoded += 1
    (reading,) = decoded.readings
    when = kind.when(message)
    result.values += 1
    if reading.at == (RECEIVED_AT if when is None else when):
        result.equal += 1
    else:
        result.wrong.append(f"{name}: time is {reading.at}, expected {when}")
    names = mapping.profile.quantities
    values = dict(zip(names, reading.values, strict=True))
    expected = kind.says(message)
    for quantity in {*expected, *(name for name, value in values.items() if value == value)}:
        result.values += 1
        if abs(values[quantity] - expected.get(quantity, float("nan"))) <= 1e-6:
            result.equal += 1
        else:
            result.wrong.append(f"{name}: {quantity} is {values[quantity]}, expected {expected.get(quantity)}")


def _must_be_rejected(result: Result, name: str, message: Any) -> None:
    """No mapping may find a reading in what is none; counted is the reason of the last."""
    reason = None
    for mapping in load_mappings().values():
        try:
            decoded = decode_json(orjson.dumps(message), _address(mapping), RECEIVED_AT, mapping)
            result.wrong.append(f"{name}: {mapping.profile.name} reads {decoded}")
        except Rejected as rejected:
            reason = rejected.reason
        except Exception as error:
            result.crashed.append(f"{name}: {error!r}")
    if reason is not None:
        result.reject(reason)


def _address(mapping: JsonMapping) -> Address:
    return Address("published", mapping.profile.name, "example", Carries.READING)
