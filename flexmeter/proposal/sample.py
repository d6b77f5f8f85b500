"""A sample taken apart: its values, each with its path, its words and the unit that stands beside it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from connectors.decode import obis
from connectors.decode.json_decoder import DECIMAL
from connectors.decode.mapping import Path
from flexmeter.proposal.words import Words, phase_of, split

Units = Mapping[str, tuple[str, Path]]
"""The key of a value, or of what holds it -> unit, and where it stands."""

_VALUE_KEYS = ("value", "val", "reading", "state", "v")
_UNIT_KEYS = ("unit", "units", "uom", "unit_of_measurement", "u")
_NAME_KEYS = ("obis", "entity_id", "name", "quantity", "register", "type", "code", "n", "id", "readingtype")
_ID_KEYS = frozenset(("id", "meter", "serial", "device", "mac", "src", "meterid", "deviceid", "serialnumber", "eui"))
_PHASES = 3
_DEEPEST_LIST = 3


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of the sample. `words` are those of all keys that lead to it, and of a name that stands beside it.

    `own` are the words nearest to it: of its last key that says something. `unit` is what stands beside it, at
    `unit_path`; both empty where nothing does. `phase` as words.phase_of. `everywhere`: in each reading of the sample.
    """

    path: Path
    value: Any
    words: Words = ()
    own: Words = ()
    unit: str = ""
    unit_path: Path = ()
    code: bytes | None = None
    phase: int = 0
    everywhere: bool = True

    @property
    def number(self) -> float | None:
        """The value, where it is a number or the text of one."""
        is_text = isinstance(self.value, str) and DECIMAL.fullmatch(self.value)
        return float(self.value) if is_text or type(self.value) in (int, float) else None

    @property
    def can_be_written(self) -> bool:
        """Whether a mapping can name its path."""
        return all(step.isprintable() and "${" not in step for step in (*self.path, *self.unit_path))

    @property
    def pointer(self) -> str:
        """The path as a JSON pointer (RFC 6901)."""
        return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in self.path)


@dataclass(frozen=True, slots=True)
class Sample:
    """What a payload holds. `readings` is where its list of readings stands; None = it is one reading.

    `by_id`: the readings stand under the ids of their meters. `around` are the leaves beside the list.
    """

    leaves: Sequence[Leaf]
    readings: Path | None = None
    by_id: bool = False
    around: Sequence[Leaf] = ()


def take_apart(document: Any) -> Sample:
    """The leaves of a document, or of the readings that it lists.

    >>> [leaf.pointer for leaf in take_apart({"power": {"L1": 7}, "ts": 1}).leaves]
    ['/power/L1', '/ts']
    >>> take_apart([{"id": "m1", "power": 7}, {"id": "m2", "power": 8}]).readings
    ()
    """
    found = next((one for one in _lists(document, ()) if Leaf(one[0], None).can_be_written), None)
    if found is None:
        return Sample(_written(_leaves(document, (), (), _units_of(document))))
    path, entries, by_id = found
    own = [leaf for entry in entries for leaf in _written(_leaves(entry, (), (), _units_of(entry)))]
    times = Counter(leaf.path for leaf in own)
    first = {leaf.path: leaf for leaf in reversed(own)}
    leaves = [replace(first[at], everywhere=count == len(entries)) for at, count in times.items()]
    everything = _written(_leaves(document, (), (), {})) if path else []
    return Sample(leaves, path, by_id, [leaf for leaf in everything if leaf.path[: len(path)] != path])


def _written(leaves: Iterable[Leaf]) -> list[Leaf]:
    return [leaf for leaf in leaves if leaf.can_be_written]


def _lists(node: Any, path: Path) -> Iterator[tuple[Path, Sequence[Any], bool]]:
    """Lists, or objects by ids, that look like readings of meters, the outermost first."""
    if isinstance(node, list) and _are_readings(node):
        yield path, node, False
    elif isinstance(node, dict) and _are_by_id(node):
        yield path, list(node.values()), True
    elif isinstance(node, dict) and len(path) < _DEEPEST_LIST:
        for key, below in node.items():
            yield from _lists(below, (*path, key))


def _are_readings(entries: Sequence[Any]) -> bool:
    """Objects that each name a meter or a time, and are not the quantities of one meter."""
    if not entries or not all(isinstance(entry, dict) for entry in entries):
        return False
    if all(_value_key(entry) and _name_of(entry) for entry in entries):
        return False
    keys = [{key.lower().replace("_", "") for key in entry} for entry in entries]
    return all(own & (_ID_KEYS | {"time", "timestamp", "ts", "datetime"}) for own in keys)


def _are_by_id(node: Mapping[str, Any]) -> bool:
    if len(node) < 2 or not all(isinstance(below, dict) and below for below in node.values()):
        return False
    alike = len({frozenset(below) for below in node.values()}) == 1
    ids = all(any(c.isdigit() for c in key) and len(key) > 4 and obis.parsed(key) is None for key in node)
    return alike and ids and not any(_value_key(below) for below in node.values())


def _leaves(node: Any, path: Path, words: Words, units: Units, phase: int = 0) -> Iterator[Leaf]:
    if isinstance(node, dict):
        key = _value_key(node)
        if key is not None:
            yield _stated(node, key, path, words, phase)
        for name, below in node.items():
            if name != key and not (path == () and name == "units") and not (key and name in _UNIT_KEYS):
                yield from _leaves(below, (*path, name), words + split(name), {**units, **_units_in(node, path)}, phase)
    elif isinstance(node, list):
        for place, below in enumerate(node):
            by_place = place + 1 if 1 < len(node) <= _PHASES and _is_bare(below) else phase
            yield from _leaves(below, (*path, str(place)), words, units, by_place)
    elif path:
        unit, unit_path = _unit_beside(path, units)
        key = next((step for step in path[::-1] if not step.isdecimal()), "")
        yield _leaf(Leaf(path, node, words, split(key), unit, unit_path, obis.parsed(key), phase))


def _leaf(leaf: Leaf) -> Leaf:
    """The leaf with its phase: by its own words, else its place in a list, else the keys above it."""
    above = (phase_of(split(step)) for step in leaf.path[-2::-1])
    return replace(leaf, phase=phase_of(leaf.own) or leaf.phase or next(filter(None, above), 0))


def _is_bare(below: Any) -> bool:
    """An entry without a name of its own: by its place it is a phase."""
    return not isinstance(below, dict) or not (_name_of(below) or _ID_KEYS & {key.lower() for key in below})


def _value_key(node: Mapping[str, Any]) -> str | None:
    """The key of the value, in an object that says one value with its unit, time or name."""
    found = next((key for key in node if key.lower() in _VALUE_KEYS), None)
    if found is None and _unit_of(node)[0]:
        found = next((key for key in node if split(key)[-1:] in (("value",), ("reading",))), None)
    if found is None or isinstance(node[found], (dict, list)):
        return None
    return found if _unit_of(node)[0] or _name_of(node) or len(node) <= 2 else None


def _name_of(node: Mapping[str, Any]) -> str:
    """What an object of a value says that the value is."""
    by_key = {key.lower(): value for key, value in node.items()}
    return next((by_key[key] for key in _NAME_KEYS if isinstance(by_key.get(key), str)), "")


def _unit_of(node: Mapping[str, Any]) -> tuple[str, Path]:
    for key, below in node.items():
        if key.lower() in _UNIT_KEYS and isinstance(below, str):
            return below, (key,)
        if key == "attributes" and isinstance(below, dict):
            unit, path = _unit_of(below)
            return unit, (key, *path)
    return "", ()


def _stated(node: Mapping[str, Any], key: str, path: Path, words: Words, phase: int) -> Leaf:
    unit, unit_path = _unit_of(node)
    name = _name_of(node)
    own = split(name) or (split(path[-1]) if path else ())
    code = obis.parsed(name) or (obis.parsed(path[-1]) if path else None)
    where = (*path, *unit_path) if unit else ()
    return _leaf(Leaf((*path, key), node[key], words + split(name), own, unit, where, code, phase))


def _units_of(document: Any) -> Units:
    """Units that stand apart, under `units`, by the first or last key of what they are of."""
    apart = document.get("units") if isinstance(document, dict) else None
    entries = apart.items() if isinstance(apart, dict) else ()
    return {key: (unit, ("units", key)) for key, unit in entries if isinstance(unit, str)}


def _units_in(node: Mapping[str, Any], path: Path) -> Units:
    """Units that stand beside their values, as KEY_unit."""
    found = ((key.removesuffix(ending), key) for key in node for ending in ("_unit", "Unit", "-unit"))
    return {of: (node[key], (*path, key)) for of, key in found if of != key and isinstance(node[key], str)}


def _unit_beside(path: Path, units: Units) -> tuple[str, Path]:
    return units.get(path[-1]) or units.get(path[0]) or ("", ())
