"""The register: which meters there are, and where they hang.

A CSV file in UTF-8 with a header, one line a meter:

    meter_id,profile,substation,feeder,phase,building,usage_point,interval_s,transformer,comm_parent,nilm_consent,time_zone
    malmo-0001,malmo_household,sub-1,sub-1-f2,L1L2L3,b-17,up-0001,10,t-4,gateway-2,2026-03-01,Europe/Stockholm

Only the first two columns are mandatory; a place left empty is unknown, an empty interval is the profile's.
`nilm_consent` is since when (ISO 8601, UTC unless it says otherwise) the home consents to nilm; empty = it does not.
`time_zone` (IANA) is where the meter's clock runs, for telegrams of local time without its offset from UTC.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.catalogue import load_catalogue
from schemas.faults import Fault, Faults, choose_one_of

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
)
MANDATORY = COLUMNS[:2]

# A meter id is a level of an MQTT topic, a segment of a URL, and a word on the command line.
_METER_ID = re.compile(r"[^\s/+#]+")
_PHASE = re.compile(r"(L1)?(L2)?(L3)?")


@dataclass(frozen=True, slots=True)
class Device:
    """A meter and its place in the grid; None where unknown. `phase` is such as L1, or L1L2L3.

    `comm_parent` is the gateway, or the relaying meter, that it is heard through.
    """

    meter_id: str
    profile: str
    substation: str | None
    feeder: str | None
    phase: str | None
    building: str | None
    usage_point: str | None
    interval_ms: int
    transformer: str | None = None
    comm_parent: str | None = None
    nilm_consent_at: int | None = None
    """Since when the home consents to nilm, ms UTC."""
    time_zone: str | None = None
    """Where its clock runs, by its IANA name."""


@dataclass(frozen=True, slots=True)
class Register:
    """All meters by id, in the order of the file."""

    devices: Mapping[str, Device]


def load_register(path: str | Path) -> Register:
    """Read and check the register.

    Raises:
        Faults: everything that is wrong with the file.

    """
    devices: dict[str, Device] = {}
    try:
        lines = Path(path).read_text("utf-8-sig").splitlines()
        faults = list(_header_faults(lines[0] if lines else "")) or list(_take_rows(lines, devices))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        faults = [Fault(0, f"cannot be read: {error}", "give the path of a CSV file in UTF-8")]
    if faults:
        raise Faults(str(path), faults)
    return Register(MappingProxyType(devices))


def _take_rows(lines: list[str], devices: dict[str, Device]) -> Iterator[Fault]:
    """Fill `devices` with the lines that have no fault."""
    substation_of: dict[str, str] = {}
    reader = csv.DictReader(lines, restkey="", restval="")
    for row in reader:
        faults = list(_row_faults(row, reader.line_num, devices, substation_of))
        yield from faults
        if not faults:
            devices[row["meter_id"]] = _device(row)


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


def _row_faults(
    row: Mapping[str, str], line: int, devices: Mapping[str, Device], substation_of: dict[str, str]
) -> Iterator[Fault]:
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
    if row.get("nilm_consent") and _time_ms(row["nilm_consent"]) is None:
        yield Fault(
            line, f"nilm_consent {row['nilm_consent']!r} is no time", "give a day such as 2026-03-01, or nothing"
        )
    if row.get("time_zone") and not is_zone(row["time_zone"]):
        yield Fault(line, f"unknown time zone {row['time_zone']!r}", "write one such as Europe/Stockholm, or nothing")
    yield from _feeder_faults(row, line, substation_of)


def _feeder_faults(row: Mapping[str, str], line: int, substation_of: dict[str, str]) -> Iterator[Fault]:
    """A feeder hangs under one substation: what happens on it is seen in that one partition."""
    feeder, substation = row.get("feeder") or "", row.get("substation") or ""
    if feeder and not substation:
        yield Fault(line, f"feeder {feeder!r} has no substation", "name the substation that it hangs under")
    elif feeder and substation_of.setdefault(feeder, substation) != substation:
        other = substation_of[feeder]
        yield Fault(line, f"feeder {feeder!r} hangs under {substation!r} here, {other!r} above", "make them the same")


def _interval_ms(text: str) -> int | None:
    try:
        milliseconds = round(1000 * float(text))
    except (ValueError, OverflowError):
        return None
    return milliseconds if milliseconds >= 1 else None


def _time_ms(text: str) -> int | None:
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
    )
