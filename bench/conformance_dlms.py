"""DLMS/COSEM push and P1 telegrams against what their publishers say is in them.

    python -m bench.conformance_dlms [FOLDER]      FOLDER: protocol data, FLEXMETER_DATA or ../shared/data

push_vectors.json names fields; FIELDS has the OBIS code of each. The maker's name is not compared: no telegram says it.
A time from the header of a notification is not there where only the body was published.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench.conformance_result import Result
from connectors.decode.dlms.decoder import decode_dlms
from connectors.decode.dlms.security import is_ciphered, opened, read_envelope
from connectors.decode.p1 import decode_p1
from connectors.decode.telegram import Keys, Measured, Telegram
from schemas.errors import Reason, Rejected
from schemas.units import units_like

Row = Mapping[str, Any]

_PHASES = {"": 0, "_l1": 20, "_l2": 40, "_l3": 60}
_POWERS = {"active_power_import": 1, "active_power_export": 2, "reactive_power_import": 3, "reactive_power_export": 4}
FIELDS = {
    "list_ver_id": "0.2.129",
    "meter_type": "96.1.7 96.1.1",
    **{f"{name}{phase}": f"{c + offset}.7.0" for name, c in _POWERS.items() for phase, offset in _PHASES.items()},
    **{f"{name}_total": f"{c}.8.0" for name, c in _POWERS.items()},
    **{f"current{phase}": f"{11 + offset}.7.0" for phase, offset in _PHASES.items()},
    **{f"voltage{phase}": f"{12 + offset}.7.0" for phase, offset in _PHASES.items()},
    "power_factor": "13.7.0",
    "frequency": "14.7.0",
}
"""Field of push_vectors.json -> C.D.E of the code that has it; several: the first that is there."""

P1_CODES = {
    "P1_MESSAGE_HEADER": "1-3:0.2.8",
    "ELECTRICITY_USED_TARIFF_1": "1-0:1.8.1",
    "ELECTRICITY_USED_TARIFF_2": "1-0:1.8.2",
    "ELECTRICITY_DELIVERED_TARIFF_1": "1-0:2.8.1",
    "ELECTRICITY_DELIVERED_TARIFF_2": "1-0:2.8.2",
    "ELECTRICITY_ACTIVE_TARIFF": "0-0:96.14.0",
    "EQUIPMENT_IDENTIFIER": "0-0:96.1.1",
    "EQUIPMENT_IDENTIFIER_GAS": "0-1:96.1.0",
    "CURRENT_ELECTRICITY_USAGE": "1-0:1.7.0",
    "CURRENT_ELECTRICITY_DELIVERY": "1-0:2.7.0",
    "SHORT_POWER_FAILURE_COUNT": "0-0:96.7.21",
    "LONG_POWER_FAILURE_COUNT": "0-0:96.7.9",
    "TEXT_MESSAGE_CODE": "0-0:96.13.1",
    "TEXT_MESSAGE": "0-0:96.13.0",
    "DEVICE_TYPE": "0-1:24.1.0",
    "GAS_METER_READING": "7-0:3.0.0",
    "HOURLY_GAS_METER_READING": "7-0:3.0.0",
    **{f"VOLTAGE_SAG_L{phase}_COUNT": f"1-0:{12 + 20 * phase}.32.0" for phase in (1, 2, 3)},
    **{f"VOLTAGE_SWELL_L{phase}_COUNT": f"1-0:{12 + 20 * phase}.36.0" for phase in (1, 2, 3)},
    **{f"INSTANTANEOUS_VOLTAGE_L{phase}": f"1-0:{12 + 20 * phase}.7.0" for phase in (1, 2, 3)},
    **{f"INSTANTANEOUS_CURRENT_L{phase}": f"1-0:{11 + 20 * phase}.7.0" for phase in (1, 2, 3)},
    **{f"INSTANTANEOUS_ACTIVE_POWER_L{phase}_POSITIVE": f"1-0:{1 + 20 * phase}.7.0" for phase in (1, 2, 3)},
    **{f"INSTANTANEOUS_ACTIVE_POWER_L{phase}_NEGATIVE": f"1-0:{2 + 20 * phase}.7.0" for phase in (1, 2, 3)},
}
"""Name in telegrams.json -> OBIS code."""

UNKNOWN = "a field that has no code here"
"""Nothing has this code: a field that neither table knows counts as wrong."""

# amshan writes a time without offset as the meter does; energies in Wh, powers in W, as FLEXMETER does.
_BASES = {unit: (base, factor) for base in ("Wh", "W", "V", "A", "m3") for unit, factor in units_like(base).items()}


def conformance(data: Path) -> list[Result]:
    """Try the decoders on `data`/protocol/dlms and `data`/protocol/dsmr."""
    return [_pushes(data / "protocol" / "dlms"), _security(data / "protocol" / "dlms"), _p1(data / "protocol" / "dsmr")]


def pushes(data: Path) -> Iterator[bytes]:
    """Every published push, in the clear and ciphered, for whoever wants telegrams to begin from."""
    folder = data / "protocol" / "dlms"
    for file in ("push_vectors.json", "security_vectors.json"):
        yield from (bytes.fromhex(row["hex"]) for row in _rows(folder / file) if "hex" in row)


def p1_telegrams(data: Path) -> Iterator[bytes]:
    """Every published P1 telegram."""
    yield from (row["telegram"].encode() for row in _rows(data / "protocol" / "dsmr" / "telegrams.json"))


def is_guarded(payload: bytes) -> bool:
    """Whether a push has a checksum (HDLC, M-Bus) or an authentication tag, so that no flipped bit may go unseen."""
    if payload[:1] in (b"\x7e", b"\x68"):
        return True
    try:
        return is_ciphered(payload) and read_envelope(payload).is_proven
    except Rejected:
        return False


def is_p1_guarded(payload: bytes) -> bool:
    """Whether a P1 telegram has a CRC."""
    return payload[-6:-5] == b"!"


def _pushes(folder: Path) -> Result:
    result = Result("dlms push")
    for row in _rows(folder / "push_vectors.json"):
        payload = bytes.fromhex(row["hex"])
        telegrams = _decoded(result, f"{row['meter']} {row['test']}", partial(decode_dlms, payload, _no_keys))
        if telegrams:
            _compare(result, row["test"], row["expected"], partial(_field, telegrams[0], row["form"]))
    return result


def _field(telegram: Telegram, form: str, name: str) -> Any:
    """What a telegram says of a field; None where it is not of the telegram."""
    if name == "meter_manufacturer":
        return None
    if name == "meter_id":
        return telegram.meter
    if name == "meter_datetime":
        if telegram.at is not None:
            return datetime.fromtimestamp(telegram.at / 1000, UTC)
        return telegram.local_time or (None if form != "llc_pdu" else "")
    found = (_coded(telegram.measured, code, ":") for code in FIELDS.get(name, UNKNOWN).split())
    return next((one.value for one in found if one is not None), "")


def _security(folder: Path) -> Result:
    result = Result("dlms security")
    for row in _rows(folder / "security_vectors.json"):
        key = bytes.fromhex(row["key"]) + bytes.fromhex(row.get("auth_key", row["key"]))
        if "hex" in row:
            payload = bytes.fromhex(row["hex"])
            telegrams = _decoded(result, row["name"], partial(decode_dlms, payload, _keys(key)))
            holders = {one.key_holder for one in telegrams}
            _count(result, row["name"], {row["system_title"].upper()}, holders)
            _count(result, f"{row['name']}, a wrong key", Reason.DECRYPT, _reason(payload, bytes(len(key))))
        else:
            title, counter = bytes.fromhex(row["system_title"]), bytes.fromhex(row["invocation_counter"])
            content = b"\x30" + counter + bytes.fromhex(row["cipher"])
            envelope = read_envelope(bytes((0xDB, 8)) + title + bytes((len(content),)) + content)
            plain = _decoded(result, row["name"], partial(opened, envelope, _keys(key)))
            _count(result, row["name"], [bytes.fromhex(row["plain"])], plain)
    return result


def _p1(folder: Path) -> Result:
    result = Result("dsmr p1")
    for row in _rows(folder / "telegrams.json"):
        payload = row["telegram"].encode()
        telegrams = _decoded(result, row["name"], partial(decode_p1, payload, _no_keys))
        for test in row["tests"] if telegrams else ():
            expected = test["expected"]
            values = {name[: -len(".value")]: value for name, value in expected.items() if name.endswith(".value")}
            wanted = {name: _in_base(value, expected.get(f"{name}.unit")) for name, value in values.items()}
            wanted = {name: value for name, value in wanted.items() if value is not None}
            _compare(result, row["name"], wanted, partial(_p1_field, telegrams))
    return result


def _in_base(value: Any, unit: str | None) -> Any:
    return value if unit is None or value is None else float(value) * _BASES[unit][1]


def _p1_field(telegrams: list[Telegram], name: str) -> Any:
    if name == "P1_MESSAGE_TIMESTAMP":
        return datetime.fromtimestamp((telegrams[0].at or 0) / 1000, UTC)
    for telegram in telegrams:
        found = _coded(telegram.measured, P1_CODES.get(name, UNKNOWN), "")
        if found is not None:
            return found.value
    return ""


def _coded(measured: tuple[Measured, ...], code: str, before: str) -> Measured | None:
    """The first value that a code describes; `before` stands before the code in the description."""
    return next((one for one in measured if one.description.partition(" ")[0].endswith(before + code)), None)


def _decoded(result: Result, name: str, decode: Callable[[], Iterable[Any]]) -> list[Any]:
    result.telegrams += 1
    try:
        found = list(decode())
    except Rejected as rejected:
        result.reject(rejected.reason)
        result.wrong.append(f"{name}: {rejected}")
        return []
    except Exception as error:
        result.crashed.append(f"{name}: {error!r}")
        return []
    result.decoded += 1
    return found


def _reason(payload: bytes, key: bytes) -> Reason | None:
    try:
        decode_dlms(payload, _keys(key))
    except Rejected as rejected:
        return rejected.reason
    return None


def _compare(result: Result, name: str, expected: Row, said: Callable[[str], Any]) -> None:
    for field, wanted in expected.items():
        found = said(field)
        if found is not None:
            _count(result, f"{name}: {field}", wanted, found)


def _count(result: Result, what: str, wanted: Any, found: Any) -> None:
    result.values += 1
    if _is_equal(wanted, found):
        result.equal += 1
    else:
        result.wrong.append(f"{what} is {found!r}, expected {wanted!r}")


def _is_equal(wanted: Any, found: Any) -> bool:
    if isinstance(found, datetime):
        return datetime.fromisoformat(wanted) == found
    if isinstance(found, int | float):
        return abs(float(wanted) - found) <= 1e-9 * max(1.0, abs(found))
    return bool(wanted == found or str(wanted) == found)


def _rows(file: Path) -> Iterator[Row]:
    yield from json.loads(file.read_text("utf-8"))


def _keys(*keys: bytes) -> Keys:
    return lambda title: keys


_no_keys = _keys()


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("FLEXMETER_DATA", "../shared/data")
    for one in conformance(Path(folder)):
        print(json.dumps(asdict(one)))
