"""What one value of a sample probably is: a quantity of the catalogue, in a unit, for these reasons, and how sure."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from connectors.decode import obis
from flexmeter.proposal import words as vocabulary
from flexmeter.proposal.sample import Leaf
from flexmeter.proposal.units import Unit, by_maker, by_size, canonical, decimals_of, dimension_of, unit_in
from flexmeter.proposal.words import Words, has
from schemas.catalogue import OBIS_MEDIA, quantities
from schemas.units import units_of

SURE = ("guess", "likely", "sure")
"""By how sure a guess is: 0, 1, 2."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A value taken for a quantity."""

    leaf: Leaf
    quantity: str
    unit: Unit
    why: tuple[str, ...]
    sure: int
    plus: Leaf | None = None
    """What is to be added: of the other tariff."""


@dataclass(frozen=True, slots=True)
class Unguessed:
    """A value that is not mapped, and why."""

    leaf: Leaf
    why: str
    tariff_of: str = ""
    """The quantity of whose total it is one tariff."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the sample as a whole says: its medium; whether something is `used` or `returned`, beside what is delivered.

    `allowed` are the quantities that may be mapped; empty = all.
    """

    medium: str
    used: bool
    returned: bool
    allowed: Collection[str]


def context_of(leaves: Sequence[Leaf], allowed: Collection[str], medium: str = "") -> Context:
    """The context that the leaves make; a `medium` that is known goes before what they say.

    >>> context_of([Leaf(("t_return",), 41.2, ("t", "return"), ("t", "return"), "°C")], ()).medium
    'heat'
    """
    used, returned = (any(has(leaf.words, some) for leaf in leaves) for some in (vocabulary.USED, vocabulary.RETURNED))
    votes: Counter[str] = Counter()
    for leaf in leaves:
        if leaf.number is not None and not has(leaf.own, vocabulary.NO_MEASUREMENT):
            votes[medium_of(leaf)] += 3
            said, weight = _hinted(leaf)
            votes[said] += weight
    del votes[""]
    likeliest = votes.most_common(1)[0][0] if votes.total() else "electricity"
    return Context(medium or likeliest, used, returned, allowed)


def medium_of(leaf: Leaf) -> str:
    """The medium that the leaf itself names; empty where none."""
    if leaf.code is not None and leaf.code[0]:
        return OBIS_MEDIA.get(leaf.code[0], "")
    return next((medium for medium, names in vocabulary.MEDIA.items() if has(leaf.words, names)), "")


def _hinted(leaf: Leaf) -> tuple[str, int]:
    """The medium that is usual for what is measured, and how much that says."""
    dimension = _dimension(leaf)
    if dimension in ("voltage", "current", "frequency", "reactive power", "apparent power", "power factor"):
        return "electricity", 2
    if dimension == "temperature" and (has(leaf.own, vocabulary.FORWARD) or has(leaf.own, vocabulary.RETURN)):
        return "heat", 4
    return {"volume": ("water", 2), "flow": ("water", 2), "power": ("electricity", 1)}.get(dimension, ("", 0))


def guess(leaf: Leaf, context: Context) -> Guess | Unguessed:
    """What the leaf is, or why it is not mapped."""
    if leaf.unit and not canonical(leaf.unit):
        return Unguessed(leaf, f"in {leaf.unit!r}, which is no unit that is known here")
    found = _by_code(leaf, leaf.code) if leaf.code is not None else _by_words(leaf, context)
    if isinstance(found, Unguessed):
        return found
    if isinstance(found, str):
        return Unguessed(leaf, found)
    name, why, sure = found
    if has(leaf.words, vocabulary.DELIVERED) and not (context.used or context.returned):
        why, sure = (*why, "delivered to whom? taken for: to the customer"), min(sure, 1)
    if context.allowed and name not in context.allowed:
        return Unguessed(leaf, f"looks like {name}, which the profile does not have")
    unit = _unit(leaf, name, _dimension(leaf))
    if unit.name not in units_of(quantities()[name].unit):
        return Unguessed(leaf, f"looks like {name}, but is in {unit.name}")
    return Guess(leaf, name, unit, (*why, unit.why), min(sure, unit.sure))


Found = tuple[str, tuple[str, ...], int] | str | Unguessed
"""Quantity, reasons, and how sure; or why it is none."""


def _by_code(leaf: Leaf, code: bytes) -> Found:
    quantity, which, description = obis.meaning(code)
    if quantity is None:
        return f"OBIS {description}: the catalogue has no such quantity"
    if which:
        is_tariff = which in ("tariff 1", "tariff 2")
        return Unguessed(leaf, f"OBIS {description}: {which}, not the total", quantity.name if is_tariff else "")
    return quantity.name, (f"OBIS {description}",), 2


def _by_words(leaf: Leaf, context: Context) -> Found:
    medium = medium_of(leaf) or context.medium
    dimension = _dimension(leaf)
    if not dimension:
        return "not recognised"
    if has(leaf.own, vocabulary.NO_MEASUREMENT):
        return "counts or states something that is no measurement"
    if has(leaf.own, vocabulary.BEHIND):
        return "of something behind the meter"
    if medium != context.medium:
        return f"of a {medium} meter: give that a mapping and an address of its own"
    of_another = has(leaf.own, vocabulary.OTHER_PERIOD) or has(leaf.words, vocabulary.ELSEWHERE)
    is_heat_peak = medium == "heat" and dimension == "power" and has(leaf.own, vocabulary.HIGHEST)
    if of_another and not is_heat_peak:
        return "a statistic or another period, not the present value"
    if medium == "electricity":
        return _electric(leaf, dimension, context)
    return _of_carrier(leaf, dimension, medium, is_heat_peak)


def _dimension(leaf: Leaf) -> str:
    """What is measured: by the unit, else by the words of the key, else by those of the keys above it."""
    unit = canonical(leaf.unit) or unit_in(leaf.own)
    names_a_phase = leaf.own in (("a",), ("b",), ("c",))
    own = "" if names_a_phase else _said(leaf.own)
    return (dimension_of(unit) if unit != "%" else "") or own or _said(leaf.words)


def _said(own: Words) -> str:
    letters = len(own) <= 2  # of a formula: u_l1, i1, P
    words = {word.rstrip("0123456789") if len(word) == 2 and word != "m3" else word for word in own}
    words = {word for word in words if len(word) > 1 or letters}
    energy = bool(words & vocabulary.ENERGY)
    now = bool(words & vocabulary.NOW)
    usage = bool(words & (vocabulary.IMPORT | vocabulary.EXPORT | vocabulary.DELIVERED))
    if words & vocabulary.FACTOR:
        return "power factor"
    if words & vocabulary.FREQUENCY:
        return "frequency"
    if words & vocabulary.REACTIVE:
        return "reactive energy" if energy or {"varh", "kvarh"} & words else "reactive power"
    if words & vocabulary.APPARENT and not energy and (words & vocabulary.POWER or words & {"apparent", "va", "kva"}):
        return "apparent power"
    for dimension, names in (("voltage", vocabulary.VOLTAGE), ("temperature", vocabulary.TEMPERATURE),
                             ("flow", vocabulary.FLOW), ("volume", vocabulary.VOLUME)):  # fmt: skip
        if words & names:
            return dimension
    if own[-2:] == ("power", "current") or own[-3:-1] == ("power", "current"):
        return "current"
    if now and (energy or usage):
        return "power"
    if energy or ({"emeter", "emeters"} & words and "total" in words and not words & vocabulary.POWER):
        return "energy"
    if words & vocabulary.POWER:
        return "power"
    return "current" if words & vocabulary.CURRENT else ""


def _direction(leaf: Leaf, context: Context) -> str:
    for words in (leaf.own, leaf.words):
        if has(words, vocabulary.DELIVERED):
            return "export" if context.used else "import"
        if has(words, vocabulary.EXPORT):
            return "export"
        if has(words, vocabulary.IMPORT):
            return "import"
    return ""


def _electric(leaf: Leaf, dimension: str, context: Context) -> Found:
    direction, phase = _direction(leaf, context), leaf.phase
    said = f"{dimension}{f' of L{phase}' if phase > 0 else ''}"
    if phase < 0:
        return f"{dimension} of the neutral or between phases: the catalogue has no such quantity"
    if dimension == "energy" and phase == 0:
        return _energy(leaf, direction)
    if dimension == "reactive energy" and phase == 0:
        name, why = f"reactive_energy_{direction or 'import'}_varh", (said, _told(direction))
        return name, why, 2 if direction else 0
    if dimension in ("power", "reactive power") and phase == 0:
        stem, unit = ("active_power", "w") if dimension == "power" else ("reactive_power", "var")
        name = f"{stem}_{direction}_{unit}" if direction else f"{stem}_{unit}"
        return name, (said, direction or "both directions, drawn is positive"), 2 if direction else 1
    if dimension == "frequency":
        return "frequency_hz", (said,), 1 if phase else 2
    if dimension == "power" and direction:
        return f"{said}, {direction}: the catalogue has the net power of a phase; map it there if nothing is fed in"
    stem, unit = _BY_PHASE.get(dimension, ("", ""))
    name = f"{stem}{f'_l{phase}' if phase else ''}{unit}"
    return (name, (said,), 2) if name in quantities() else f"{said}: the catalogue has no such quantity"


_BY_PHASE = {
    "power": ("active_power", "_w"),
    "voltage": ("voltage", "_v"),
    "current": ("current", "_a"),
    "power factor": ("power_factor", ""),
    "apparent power": ("apparent_power", "_va"),
}


def _energy(leaf: Leaf, direction: str) -> Found:
    if has(leaf.own[-1:], vocabulary.TARIFF) or has(leaf.own, vocabulary.TARIFF - set("1234")):
        of_two = has(leaf.own, ("1", "2", "t1", "t2")) and bool(direction)
        return Unguessed(leaf, "energy of one tariff", f"active_energy_{direction}_wh" if of_two else "")
    if has(leaf.own, vocabulary.BETWEEN) or "net" in leaf.own:
        return "active_energy_net_wh", ("energy, import less export",), 1
    if "sum" in leaf.own and not direction:
        return "active_energy_total_wh", ("energy, sum of both directions",), 1
    return f"active_energy_{direction or 'import'}_wh", ("energy", _told(direction)), 2 if direction else 1


def _told(direction: str) -> str:
    return direction or "import or export? it is not said"


def _of_carrier(leaf: Leaf, dimension: str, medium: str, is_peak: bool) -> Found:
    """Of heat, cooling, water or gas."""
    if dimension == "temperature" and medium in ("heat", "cooling"):
        if has(leaf.own, vocabulary.BETWEEN):
            return "difference of temperatures: it follows from the two"
        ways = [("forward", vocabulary.FORWARD), ("return", vocabulary.RETURN)]
        way = next((way for way, names in ways[::-1] if has(leaf.own, names)), "") or next(
            (way for way, names in ways[::-1] if has(leaf.words, names)), ""
        )
        return (f"{way}_temperature_c", (f"{way} temperature",), 2) if way else "temperature of what?"
    stem = {"heat": "", "cooling": ""}.get(medium, f"{medium}_")
    of_heat = {"energy": f"{medium}_energy_wh", "power": f"{medium}_power{'_peak' if is_peak else ''}_w"}
    of_flow = {"volume": f"{stem}volume_m3", "flow": f"{stem}flow_m3_per_h", "temperature": f"{stem}temperature_c"}
    name = (of_flow | of_heat).get(dimension, "")
    if name not in quantities():
        return f"{dimension} of a {medium} meter: the catalogue has no such quantity"
    return name, (f"{dimension} of a {medium} meter",), 2


def of_both_tariffs(one: Unguessed, other: Unguessed) -> Guess:
    """The total of two tariffs."""
    unit = _unit(one.leaf, one.tariff_of, _dimension(one.leaf))
    return Guess(one.leaf, one.tariff_of, unit, ("tariffs 1 and 2 added up", unit.why), min(1, unit.sure), other.leaf)


def _unit(leaf: Leaf, name: str, dimension: str) -> Unit:
    """The unit: stated beside the value, in its key, known of its maker, or what the number looks like."""
    if stated := canonical(leaf.unit):
        return Unit(stated, f"stated: {leaf.unit}", 2)
    if in_key := unit_in(leaf.own):
        return Unit(in_key, "the key says the unit", 2)
    quantity = quantities()[name]
    maker = by_maker(dimension, leaf.words) if leaf.words else None
    return maker or by_size(quantity, leaf.number, decimals_of(leaf.value))
