"""How one profile's JSON is laid out: `mappings/<profile>.yaml`, or a file of the user's own, read and checked once.

profile: {medium: ...}           of the user's own files: a profile that they bring (schemas.catalogue); left out where
                                 the file is named after a profile that there is, whose mapping it replaces
readings: {path: /devices}       a list of readings, or an object of readings by the ids of their meters; without path:
                                 the payload itself; left out where a payload is one reading
meter: {path: /id}               whose reading it is; left out where the address, or the key of a reading, says that
time:                            left out where the payloads have no time
  path: /time                    a JSON pointer (RFC 6901): "/channels/0/value" leads into a list
  format: iso8601                or epoch_s, epoch_ms
  by: meter                      or gateway: whose clock it is
  offset: "+01:00"               from UTC, of ISO times that do not state it; left out: such a time is rejected
sequence: {path: /seq}           the device's own counter; may be left out
text_numbers: true               numbers may come as text: "230.1"; may be left out
quantities:                      catalogue name ->
  active_energy_import_wh:
    path: /energy/consumed
    unit: kWh                    the unit of the number where the payload does not state one
    unit_path: /units/energy     where the payload states one; may be left out
    plus: /energy/low            a second number in the same unit, to be added: of another tariff; may be left out
    required: true               false: may be absent; null is "not measured" either way
events:                          may be left out
  path: /event                   the code, in payloads whose address says event
  detail_path: /detail           the device's own words; may be left out
  alarms_path: /alarms           a list of codes that comes with readings; may be left out
  codes: {LAST_GASP: last_gasp}  the device's code -> kind of schemas.events

Paths lead from the reading; those to meter, time and sequence, where nothing is there, from the whole payload.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from enum import StrEnum
from functools import lru_cache, partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

from connectors.decode.trust import Ranges, plausible
from schemas.catalogue import SOURCES, Profile, Quantity, load_catalogue, own_profile, source_files
from schemas.errors import Rejected
from schemas.events import load_events
from schemas.faults import Fault, Faults, choose_one_of, of_file
from schemas.topology_reader import Document, Finding, Section
from schemas.units import to_base

Path = tuple[str, ...]
"""The steps to a value: keys of objects; digits are positions where a list stands."""


class TimeFormat(StrEnum):
    """How a payload writes its time."""

    ISO8601 = "iso8601"
    EPOCH_S = "epoch_s"
    EPOCH_MS = "epoch_ms"


class TimeBy(StrEnum):
    """Whose clock gave the time."""

    METER = "meter"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class TimeField:
    """Where and how the payload says when."""

    path: Path
    format: TimeFormat
    by: TimeBy
    zone: timezone | None
    """The offset from UTC of texts that state none."""


@dataclass(frozen=True, slots=True)
class QuantityField:
    """Where one quantity stands, in which unit unless the payload states another, and whether it may be absent.

    `plus` is where a number stands that is to be added.
    """

    quantity: Quantity
    path: Path
    unit: str
    unit_path: Path | None
    required: bool
    plus: Path | None = None


@dataclass(frozen=True, slots=True)
class EventFields:
    """Where events stand and what their codes mean."""

    path: Path | None
    detail_path: Path | None
    alarms_path: Path | None
    codes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class JsonMapping:
    """One profile's layout. `quantities` has an entry for each of the profile's, None where the payload lacks it."""

    profile: Profile
    ranges: Ranges
    readings: Path | None
    """Where the list of readings stands; () = it is the payload itself, None = a payload is one reading."""
    meter: Path | None
    time: TimeField | None
    sequence: Path | None
    text_numbers: bool
    quantities: tuple[QuantityField | None, ...]
    events: EventFields | None
    sums: tuple[tuple[int, QuantityField], ...] = ()
    """Position of a quantity, and what is to be added to it."""


@lru_cache(maxsize=1)
def load_mappings() -> Mapping[str, JsonMapping]:
    """Every mapping by profile: those that are part of this package, and the user's own, which go first.

    Raises:
        Faults: everything that is wrong with the files.

    >>> load_mappings()["district_heat"].quantities[0].path
    ('temperature', 'forward')
    """
    package = sorted((files("connectors.decode") / "mappings").iterdir(), key=lambda entry: entry.name)
    return MappingProxyType({**_parsed("connectors/decode/mappings", package), **own_mappings()})


@lru_cache(maxsize=1)
def own_mappings() -> Mapping[str, JsonMapping]:
    """The user's own mappings, by profile; raises Faults with all faults of all files, those of profiles first."""
    load_catalogue()
    return MappingProxyType(_parsed(SOURCES, source_files()))


def _parsed(source: str, entries: Iterable[Traversable]) -> dict[str, JsonMapping]:
    faults: list[Fault] = []
    mappings: dict[str, JsonMapping] = {}
    for file in entries:
        profile = file.name.removesuffix(".yaml")
        try:
            mappings[profile] = parse_mapping(profile, file.read_text("utf-8"))
        except Faults as found:
            faults += of_file(file.name, found)
    if faults:
        raise Faults(source, faults)
    return mappings


def parse_mapping(name: str, text: str) -> JsonMapping:
    """Check the text of the file for the profile of that name; raises Faults with all its faults."""
    document = Document(f"{name}.yaml", {})
    mapping = document.read(text, partial(_mapping, document, name))
    document.raise_faults()
    return mapping


def parse_pointer(text: str) -> Path:
    """Take a JSON pointer apart (RFC 6901, clause 3); ValueError if it is none.

    >>> parse_pointer("/channels/0/1-0:1.8.0"), parse_pointer("/a~1b~0c")
    (('channels', '0', '1-0:1.8.0'), ('a/b~c',))
    """
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is no JSON pointer")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/"))


def _mapping(document: Document, name: str, root: Section) -> JsonMapping:
    profile = own_profile(document, name, root) or load_catalogue().profiles.get(name)
    if profile is None:
        remedy = f"name the file after a profile ({choose_one_of(name, load_catalogue().profiles)}), or add a section"
        raise Faults(document.source, [Fault(0, f"there is no profile {name!r}", f"{remedy} `profile`")])
    document.raise_faults()
    fields = root.one("quantities", partial(_quantities, document, profile))
    return JsonMapping(
        profile=profile,
        ranges=plausible(profile.quantities),
        readings=root.one("readings", partial(_readings, document)) if "readings" in root.names() else None,
        meter=root.one("meter", partial(_pointed, document, "meter")) if "meter" in root.names() else None,
        time=root.one("time", partial(_time, document)) if "time" in root.names() else None,
        sequence=root.one("sequence", partial(_pointed, document, "sequence")) if "sequence" in root.names() else None,
        text_numbers=root.flag("text_numbers", False),
        quantities=fields,
        events=root.one("events", partial(_events, document)) if "events" in root.names() else None,
        sums=tuple((i, replace(one, path=one.plus)) for i, one in enumerate(fields) if one and one.plus),
    )


def _readings(document: Document, section: Section) -> Path:
    return _optional_path(document, section, ("readings",), "path") or ()


def _pointed(document: Document, name: str, section: Section) -> Path:
    return _path(document, section, (name,))


def _time(document: Document, section: Section) -> TimeField:
    written = _choice(document, ("time", "format"), section.text("format", TimeFormat.ISO8601), [*map(str, TimeFormat)])
    by = _choice(document, ("time", "by"), section.text("by", TimeBy.METER), [*map(str, TimeBy)])
    zone = _zone(document, section.text("offset", "")) if "offset" in section.names() else None
    return TimeField(_path(document, section, ("time",)), TimeFormat(written), TimeBy(by), zone)


def _zone(document: Document, offset: str) -> timezone | None:
    try:
        zone = datetime.strptime(offset, "%z").tzinfo
    except ValueError:
        zone = None
    if not isinstance(zone, timezone):
        document.findings.append(Finding(("time", "offset"), f"{offset!r} is no offset", 'write "+01:00" in quotes'))
        return None
    return zone


def _quantities(document: Document, profile: Profile, section: Section) -> tuple[QuantityField | None, ...]:
    names = profile.quantities
    if not section.names():
        document.findings.append(Finding(("quantities",), "no quantity is mapped", f"map some of: {', '.join(names)}"))
    return tuple(_optional_quantity(document, section, name) for name in names)


def _optional_quantity(document: Document, section: Section, name: str) -> QuantityField | None:
    if name in section.names():
        return section.one(name, partial(_quantity, document, name))
    section.flag(name, False)  # asked for, so that a name misspelt is told this one
    return None


def _quantity(document: Document, name: str, section: Section) -> QuantityField:
    at = ("quantities", name)
    quantity = load_catalogue().quantities[name]
    unit = section.text("unit", quantity.unit)
    try:
        to_base(0.0, unit, quantity)
    except Rejected as rejected:
        document.findings.append(Finding((*at, "unit"), rejected.detail, "write one of these"))
    return QuantityField(
        quantity=quantity,
        path=_path(document, section, at),
        unit=unit,
        unit_path=_optional_path(document, section, at, "unit_path"),
        required=section.flag("required", True),
        plus=_optional_path(document, section, at, "plus"),
    )


def _events(document: Document, section: Section) -> EventFields:
    codes = section.options("codes")
    if not codes:
        document.findings.append(Finding(("events",), "no event code is mapped", "write codes: {DEVICE_CODE: kind}"))
    for code, kind in codes.items():
        _choice(document, ("events", "codes", code), kind, list(load_events()))
    return EventFields(
        path=_optional_path(document, section, ("events",), "path"),
        detail_path=_optional_path(document, section, ("events",), "detail_path"),
        alarms_path=_optional_path(document, section, ("events",), "alarms_path"),
        codes=codes,
    )


def _path(document: Document, section: Section, at: Path, key: str = "path") -> Path:
    text = section.text(key, remedy="write where it stands, such as /energy/consumed")
    try:
        return parse_pointer(text) if text else ()
    except ValueError as error:
        document.findings.append(Finding((*at, key), str(error), f"begin with a slash: /{text.replace('.', '/')}"))
        return ()


def _optional_path(document: Document, section: Section, at: Path, key: str) -> Path | None:
    if key in section.names():
        return _path(document, section, at, key)
    section.text(key, "")  # asked for, so that a key misspelt is told this one
    return None


def _choice(document: Document, at: Path, word: str, known: list[str]) -> str:
    """The word, or the first of the known ones after reporting it."""
    if word in known:
        return word
    if word:
        document.findings.append(Finding(at, f"{word!r} is not known here", choose_one_of(word, known)))
    return known[0]
