"""The register: which meters there are, and where they hang.

A CSV file in UTF-8 with a header, one line a meter, of which only `meter_id` and `profile` are mandatory:

    meter_id,profile,substation,feeder,phase,building,usage_point,interval_s,transformer,comm_parent,nilm_consent,time_zone
    malmo-0001,malmo_household,sub-1,sub-1-f2,L1L2L3,b-17,up-0001,10,t-4,gateway-2,2026-03-01,Europe/Stockholm

docs/register.md says what each column means. A place left empty is unknown. Times are ISO 8601, UTC unless they say
otherwise.
"""

import csv
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.catalogue import load_catalogue
from schemas.faults import Fault, Faults, choose_one_of
from schemas.master_data import Device
from schemas.register_rules import Beside

__all__ = [
    "COLUMNS",
    "MANDATORY",
    "Device",
    "Register",
    "is_zone",
    "load_register",
    "multipliers",
    "sharing_words",
]

COLUMNS = (
    "meter_id",
    "profile",
    "substation",
    "feeder",
    "phase",
    "building",
    "usage_point",
    "interval_s",
    "transformer",
    "comm_parent",
    "nilm_consent",
    "time_zone",
    "ct_ratio",
    "vt_ratio",
    "valid_from",
    "valid_to",
    "key",
    "owner",
)
MANDATORY = COLUMNS[:2]

# A meter id is a level of an MQTT topic, a segment of a URL, and a word on the command line.
_METER_ID = re.compile(r"[^\s/+#]+")
_PHASE = re.compile(r"(L1)?(L2)?(L3)?")
_RATIO = re.compile(r"\d{1,9}(\.\d{1,9})?(/\d{1,9}(\.\d{1,9})?)?")
_SHARED = ("profile", "substation", "feeder", "phase", "building", "transformer", "comm_parent", "time_zone", "owner")
_TIMES = ("nilm_consent", "valid_from", "valid_to")
_RATIOS = ("ct_ratio", "vt_ratio")


@dataclass(frozen=True, slots=True)
class Register:
    """All meters by id, in the order of the file."""

    devices: Mapping[str, Device]

    def valid_at(self, at: int) -> "Register":
        """Those that hang there at that time, ms UTC."""
        return Register({meter: device for meter, device in self.devices.items() if device.is_valid_at(at)})


def multipliers(device: Device) -> tuple[float, ...] | None:
    """By what a meter behind instrument transformers multiplies each quantity of its profile; None where by nothing.

    A voltage by the ratio of the voltage transformers, a current by that of the current transformers, power and energy
    by both; all else (frequency, power factor, counts) stays.

    >>> one = Device("m", "nilm_meter", None, None, None, None, None, 1_000, ct_ratio=40.0, vt_ratio=100.0)
    >>> load_catalogue().profiles["nilm_meter"].quantities
    ('current_a', 'voltage_v', 'active_power_w', 'reactive_power_var')
    >>> multipliers(one)
    (40.0, 100.0, 4000.0, 4000.0)
    """
    if device.ct_ratio == device.vt_ratio == 1.0:
        return None
    both = device.ct_ratio * device.vt_ratio
    by_unit = {"A": device.ct_ratio, "V": device.vt_ratio, **dict.fromkeys(("W", "var", "VA", "Wh", "varh"), both)}
    catalogue = load_catalogue()
    return tuple(
        by_unit.get(catalogue.quantities[name].unit, 1.0) for name in catalogue.profiles[device.profile].quantities
    )


def sharing_words(device: Device) -> Device:
    """The same, with one object for each word that many meters have in common: a large register takes half."""
    words: dict[str, Any] = {name: sys.intern(word) for name in _SHARED if (word := getattr(device, name))}
    return replace(device, **words)


def load_register(path: str | Path) -> Register:
    """Read and check the register; - is standard input.

    Raises:
        Faults: everything that is wrong with the file.

    """
    devices: dict[str, Device] = {}
    try:
        read_bytes = sys.stdin.buffer.read if str(path) == "-" else Path(path).read_bytes
        lines = read_bytes().decode("utf-8-sig").splitlines()
        faults = list(_header_faults(lines[0] if lines else "")) or list(_take_rows(lines, devices))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        faults = [Fault(0, f"cannot be read: {error}", "give the path of a CSV file in UTF-8")]
    if faults:
        raise Faults(str(path), faults)
    return Register(MappingProxyType(devices))


def _take_rows(lines: list[str], devices: dict[str, Device]) -> Iterator[Fault]:
    """Fill `devices` with the lines that have no fault of their own."""
    beside = Beside()
    reader = csv.DictReader(lines, restkey="", restval="")
    for row in reader:
        faults = list(_row_faults(row, reader.line_num, devices))
        if not faults:
            device = sharing_words(_device(row))
            faults = list(beside.faults(device, reader.line_num))
            devices[device.meter_id] = device
        yield from faults


def _header_faults(header: str) -> Iterator[Fault]:
    names = next(csv.reader([header]), [])
    for name in names:
        if name not in COLUMNS:
            yield Fault(1, f"unknown column {name!r}", choose_one_of(name, set(COLUMNS) - set(names)))
        elif names.count(name) > 1:
            yield Fault(1, f"column {name!r} stands twice", "remove one of the two")
    for name in MANDATORY:
        if name not in names:
            yield Fault(1, f"column {name!r} is missing", f"begin the file with {','.join(COLUMNS)}")


def _row_faults(row: Mapping[str, str], line: int, devices: Mapping[str, Device]) -> Iterator[Fault]:
    meter_id, profile = row["meter_id"], row["profile"]
    profiles = load_catalogue().profiles
    if row.get(""):
        yield Fault(line, "more values than the header has columns", "put a value that holds a comma in double quotes")
    if not _METER_ID.fullmatch(meter_id):
        yield Fault(line, f"meter id {meter_id!r} is not usable", "give an id without spaces, '/', '+' and '#'")
    elif meter_id in devices:
        yield Fault(line, f"meter {meter_id!r} stands twice", "remove one of the two lines")
    if profile not in profiles:
        yield Fault(line, f"unknown profile {profile!r}", choose_one_of(profile, profiles))
    phase = row.get("phase") or ""
    if not _PHASE.fullmatch(phase):
        yield Fault(line, f"phase {phase!r} is not known", "write L1, L2, L3 or several such as L1L2L3")
    if _interval_ms(row.get("interval_s") or "1") is None:
        yield Fault(line, f"interval {row['interval_s']!r} is not usable", "give seconds of at least 0.001, or nothing")
    if row.get("feeder") and not row.get("substation"):
        yield Fault(line, f"feeder {row['feeder']!r} has no substation", "name the substation that it hangs under")
    if row.get("time_zone") and not is_zone(row["time_zone"]):
        yield Fault(line, f"unknown time zone {row['time_zone']!r}", "write one such as Europe/Stockholm, or nothing")
    yield from _time_faults(row, line)
    yield from _ratio_faults(row, line)


def _time_faults(row: Mapping[str, str], line: int) -> Iterator[Fault]:
    for name in _TIMES:
        if row.get(name) and _time_ms(row[name]) is None:
            yield Fault(line, f"{name} {row[name]!r} is no time", "give a day such as 2026-03-01, or nothing")
    begin, end = _time_ms(row.get("valid_from") or ""), _time_ms(row.get("valid_to") or "")
    if begin is not None and end is not None and end <= begin:
        yield Fault(line, f"valid_to {row['valid_to']!r} is not after valid_from", "give a later time, or nothing")


def _ratio_faults(row: Mapping[str, str], line: int) -> Iterator[Fault]:
    for name in _RATIOS:
        text = row.get(name) or ""
        profile = load_catalogue().profiles.get(row["profile"])
        if text and _ratio(text) is None:
            yield Fault(line, f"{name} {text!r} is no ratio", "give a number above 0, or such as 200/5, or nothing")
        elif text and _ratio(text) != 1 and profile is not None and profile.medium != "electricity":
            yield Fault(line, f"{name} of a meter of {profile.medium}", "leave it empty: no instrument transformer")


def _interval_ms(text: str) -> int | None:
    try:
        milliseconds = round(1000 * float(text))
    except (ValueError, OverflowError):
        return None
    return milliseconds if milliseconds >= 1 else None


def _time_ms(text: str) -> int | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


@cache
def is_zone(name: str) -> bool:
    """Whether the IANA database has that time zone.

    >>> is_zone("Europe/Stockholm"), is_zone("Europe"), is_zone("/etc")
    (True, False, False)
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _ratio(text: str) -> float | None:
    """A number, or as it stands on the plate of a transformer.

    >>> _ratio("200/5"), _ratio("1.5"), _ratio("0"), _ratio("1/0"), _ratio("1e9")
    (40.0, 1.5, None, None, None)
    """
    if not _RATIO.fullmatch(text):
        return None
    primary, _, secondary = text.partition("/")
    by = float(secondary or 1)
    return float(primary) / by or None if by else None


def _device(row: Mapping[str, str]) -> Device:
    profile = load_catalogue().profiles[row["profile"]]
    return Device(
        meter_id=row["meter_id"],
        profile=row["profile"],
        substation=row.get("substation") or None,
        feeder=row.get("feeder") or None,
        phase=row.get("phase") or None,
        building=row.get("building") or None,
        usage_point=row.get("usage_point") or None,
        interval_ms=_interval_ms(row.get("interval_s") or "") or profile.interval_ms,
        transformer=row.get("transformer") or None,
        comm_parent=row.get("comm_parent") or None,
        nilm_consent_at=_time_ms(row.get("nilm_consent") or ""),
        time_zone=row.get("time_zone") or None,
        ct_ratio=_ratio(row.get("ct_ratio") or "") or 1.0,
        vt_ratio=_ratio(row.get("vt_ratio") or "") or 1.0,
        valid_from=_time_ms(row.get("valid_from") or ""),
        valid_to=_time_ms(row.get("valid_to") or ""),
        key=row.get("key") or None,
        owner=row.get("owner") or None,
    )
