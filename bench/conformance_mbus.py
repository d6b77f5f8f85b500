"""M-Bus against published telegrams: libmbus' wired frames and wmbusmeters' wireless ones (folder protocol/).

Wired: every record's value is compared, in order, in the normalised unit. A value that EN 13757-3 declares invalid
(digits above nine, invalid bits of a date) but that libmbus prints all the same counts as unequal, not as wrong.

Wireless: the main registers (the totals, and the present power, flow, temperatures, voltages and currents) are compared
by the catalogue's name; the goal is about telegrams that have all of theirs. Each telegram is decoded as a bridge does,
alone: what full frames have shown is not remembered. Not counted are telegrams of manufacturers' own formats and
compact frames of a format that the decoder does not know, which are rejected as unsupported; those without key; and
registers that only the manufacturer's own data of a telegram hold. Registers of telegrams rejected for any other reason
count as unequal.

Frames that libmbus publishes as errors or as unsupported must be rejected.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from bench.conformance_result import TAKEN, Result
from connectors.decode.mbus import decode_mbus, decode_wmbus
from connectors.decode.telegram import Measured, Telegram
from schemas.errors import Reason, Rejected

_LONG_FRAME = 0x68

_BASE: Mapping[str, float] = {"J": 1 / 3600, "kWh": 1000.0, "l": 1e-3}
"""Units that the published XML leaves as they are, in base units."""

_TOTALS = {
    "m3": ("water_volume_m3", "gas_volume_m3", "volume_m3"),
    "kwh": ("active_energy_import_wh", "heat_energy_wh", "cooling_energy_wh"),
    "hca": ("heat_cost_units",),
    "kw": ("active_power_w", "heat_power_w"),
    "m3h": ("water_flow_m3_per_h", "flow_m3_per_h", "gas_flow_m3_per_h"),
}
_KILO = {"kwh": 1000.0, "kw": 1000.0, "kvarh": 1000.0}

_REGISTERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"(total|total_volume|total_water|volume)_(m3)", _TOTALS["m3"]),
    (
        r"(total_energy_consumption|total_energy|total|current|heat|total_heating|total_heat_energy)_(kwh)",
        _TOTALS["kwh"],
    ),
    (r"(current|current_consumption|consumption)_(hca)", _TOTALS["hca"]),
    (r"(power|current_power|current_power_consumption)_(kw)", _TOTALS["kw"]),
    (r"(volume_flow|flow|current_flow|current_volume_flow)_(m3h)", _TOTALS["m3h"]),
    (r"(total_energy_production)_(kwh)", ("active_energy_export_wh",)),
    (r"(current_power_production)_(kw)", ("active_power_export_w",)),
    (r"(flow_temperature|t1_temperature)_(c)", ("forward_temperature_c", "water_temperature_c")),
    (r"(return_temperature|t2_temperature)_(c)", ("return_temperature_c",)),
    (r"(frequency)_(hz)", ("frequency_hz",)),
    *((rf"(voltage_at_phase_{n}|voltage_l{n}_n)_(v)", (f"voltage_l{n}_v",)) for n in (1, 2, 3)),
    *((rf"(current_at_phase_{n}|current_l{n})_(a)", (f"current_l{n}_a",)) for n in (1, 2, 3)),
)
"""Names of the published fields, with their unit, to what the catalogue may call them."""

_SINGLE_PHASE = {"voltage_l1_v": "voltage_v", "current_l1_a": "current_a"}
"""What the catalogue calls a phase that is the only one. wmbusmeters' names have a phase 1 for these meters, too."""


def conformance(data: Path) -> list[Result]:
    """Compare with what is under `data` (the folder that holds protocol/): a row for wired, a row for wireless."""
    return [_wired(data), _wireless(data)]


def published_wired(data: Path) -> Iterator[tuple[bytes, tuple[bytes, ...]]]:
    """Every wired payload under `data`, with its keys: none has any."""
    for file in _wired_files(data):
        yield _octets(file.read_text("utf-8")), ()


def published_wireless(data: Path) -> Iterator[tuple[bytes, tuple[bytes, ...]]]:
    """Every wireless payload under `data`, with its keys."""
    for record in _wireless_records(data):
        payload = _payload(record)
        if payload is not None and not _is_wired(payload):
            yield payload, _keys(record)


def _wired_files(data: Path) -> list[Path]:
    return sorted((data / "protocol" / "mbus").glob("*-frames/*.hex"))


def _wireless_records(data: Path) -> Iterator[dict[str, Any]]:
    for line in (data / "protocol" / "wmbus" / "telegrams.jsonl").read_text("utf-8").splitlines():
        yield json.loads(line)


def _wired(data: Path) -> Result:
    result = Result("mbus", goal=0.99)
    for file in _wired_files(data):
        payload = _octets(file.read_text("utf-8"))
        telegrams = _decoded(result, file.name, partial(decode_mbus, payload, no_key))
        if file.parent.name == "test-frames":
            _compare_records(result, file, telegrams)
            continue
        result.faulty += 1
        if telegrams:
            result.wrong.append(f"{file.name} {TAKEN}")
    return result


def _compare_records(result: Result, file: Path, telegrams: tuple[Telegram, ...] | None) -> None:
    normalised, coded = (
        ElementTree.parse(file.with_suffix(suffix)).getroot().findall("DataRecord") for suffix in (".norm.xml", ".xml")
    )
    result.values += len(normalised)
    if not telegrams:
        return
    measured = [one for telegram in telegrams for one in telegram.measured]
    if len(measured) != len(normalised):
        result.wrong.append(f"{file.name}: {len(measured)} records for {len(normalised)}")
        return
    for record, raw, one in zip(normalised, coded, measured, strict=True):
        # Where nothing was known to normalise, the value stands in the other file only.
        text = record.findtext("Value") if record.find("Value") is not None else raw.findtext("Value")
        unit = record.findtext("Unit") or ""
        if _is_published(one, (text or "").strip(), _BASE.get(unit, 1.0)):
            result.equal += 1
        elif not one.which.startswith("invalid"):
            result.wrong.append(f"{file.name}, record {record.get('id')}: {one.value!r} for {text!r} {unit}")


def _is_published(one: Measured, text: str, base: float) -> bool:
    if isinstance(one.value, str):
        return one.value.strip() == text.removesuffix("Z") or one.value == text.replace(" ", "").lower()
    try:
        return _is_near(one.value, float(text) * base, 1e-6)
    except ValueError:
        return False


def _wireless(data: Path) -> Result:
    result = Result("wmbus", goal=0.9)
    for record in _wireless_records(data):
        payload = _payload(record)
        if payload is None:
            result.telegrams += 1
            result.reject(Reason.ENCODING)  # published with half a byte
            continue
        name = f"{record['n']} ({record['driver']})"
        telegrams = _decoded(result, name, partial(_either, payload, _keys(record)))
        if telegrams is not None:
            _compare_registers(result, name, record, telegrams)
    return result


def _either(payload: bytes, keys: tuple[bytes, ...]) -> tuple[Telegram, ...]:
    """Wired or wireless, as it begins."""
    return (decode_mbus if _is_wired(payload) else decode_wmbus)(payload, lambda _: keys)


def _is_wired(payload: bytes) -> bool:
    return len(payload) > 3 and payload[0] == payload[3] == _LONG_FRAME


def _payload(record: Mapping[str, Any]) -> bytes | None:
    try:
        return _octets(record["telegram"])
    except ValueError:
        return None


def _keys(record: Mapping[str, Any]) -> tuple[bytes, ...]:
    return (bytes.fromhex(record["key"]),) if record["key"] else ()


def _compare_registers(result: Result, name: str, record: dict[str, Any], telegrams: tuple[Telegram, ...]) -> None:
    values, equal = result.values, result.equal
    own_data = any("manufacturer specific" in one.description for telegram in telegrams for one in telegram.measured)
    for field, published, quantities in _registers(record["expected"] or {}):
        found = [telegram.values[name] for telegram in telegrams for name in quantities if name in telegram.values]
        if not found and own_data:
            continue
        result.values += 1
        if any(_is_near(value, published, 1e-6) for value in found):
            result.equal += 1
        elif found:
            result.wrong.append(f"{name}: {field} is {found[-1]} for {published}")
    if result.values > values:
        result.compared += 1
        result.whole += result.values - values == result.equal - equal


def _registers(expected: Mapping[str, Any]) -> Iterator[tuple[str, float, tuple[str, ...]]]:
    """Published main registers: name, value in the base unit, and what the catalogue may call it."""
    has_phases = any("phase_2" in field or "_l2" in field for field in expected)
    for field, value in expected.items():
        for pattern, quantities in _REGISTERS:
            match = re.fullmatch(pattern, field)
            if match and isinstance(value, int | float):
                only = () if has_phases else tuple(_SINGLE_PHASE[one] for one in quantities if one in _SINGLE_PHASE)
                yield field, value * _KILO.get(match[2], 1.0), (*quantities, *only)


def _decoded(result: Result, name: str, decode: Callable[[], tuple[Telegram, ...]]) -> tuple[Telegram, ...] | None:
    """What the decoder says, counted; nothing if it rejected or crashed, None if what it rejected is not compared."""
    result.telegrams += 1
    try:
        telegrams = decode()
    except Rejected as rejected:
        result.reject(rejected.reason)
        return None if rejected.reason in (Reason.UNSUPPORTED, Reason.KEY) else ()
    except Exception as error:
        result.crashed.append(f"{name}: {error!r}")
        return ()
    result.decoded += 1
    return telegrams


def _is_near(value: float, published: float, relative: float) -> bool:
    """Published values have six decimals, of kilo units in places."""
    return abs(value - published) <= relative * max(1.0, abs(published)) + 5e-7


def _octets(text: str) -> bytes:
    return bytes.fromhex("".join(text.split()))


def no_key(meter: str) -> tuple[bytes, ...]:
    """No meter has a key."""
    return ()
