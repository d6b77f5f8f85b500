"""What the guesses of one sample say about each other: units that agree, and sums that are no quantity of their own."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from flexmeter.proposal.meaning import Guess, Unguessed, of_both_tariffs
from flexmeter.proposal.units import Unit, from_product
from schemas.catalogue import quantities
from schemas.units import units_like

_PHASES = ("", "_l1", "_l2", "_l3")
_POWER = re.compile(r"active_power(_l[123])?(?:_import|_export)?_w")
_OF_ALL = {"voltage_v": "voltage_l1_v", "current_a": "current_l1_a"}
"""A value of a single-phase connection, and the phase beside which it is a sum or mean."""


def in_agreement(guesses: Sequence[Guess]) -> list[Guess]:
    """The guesses, with units that were only guessed settled by the others.

    Voltage times current tells the unit of power, and so of apparent and reactive power; energies, and powers
    otherwise, are in the unit that the largest of them is in.
    """
    power = _of_power(guesses)
    settled = list(guesses)
    if power is not None:
        thousands = power.name == "kW"
        for base, thousand in (("W", "kW"), ("VA", "kVA"), ("var", "kvar")):
            unit = Unit(thousand if thousands else base, power.why if base == "W" else "as the active power", 1)
            settled = _with(settled, unit, lambda one, base=base: _base_of(one) == base and one.unit.sure < 2)  # type: ignore[misc]
    for base in ("Wh", "varh", "W", "var", "VA"):
        alike = [one for one in settled if _base_of(one) == base and not one.unit.sure and one.leaf.number is not None]
        if alike:
            largest = max(alike, key=lambda one: abs(one.leaf.number or 0.0))
            settled = _with(settled, largest.unit, alike.__contains__)
    return settled


def with_totals(guesses: Sequence[Guess], others: Iterable[Unguessed]) -> list[Guess]:
    """The guesses, and totals of two tariffs that the sample does not have itself."""
    there = {one.quantity for one in guesses}
    tariffs: dict[str, list[Unguessed]] = {}
    for other in others:
        if other.tariff_of and other.tariff_of not in there:
            tariffs.setdefault(other.tariff_of, []).append(other)
    return [*guesses, *(of_both_tariffs(*parts) for parts in tariffs.values() if len(parts) == 2)]


def without_sums(guesses: Iterable[Guess]) -> list[Guess]:
    """The guesses without a voltage or current of all phases together, where those of phases are there."""
    there = {one.quantity for one in guesses}
    return [one for one in guesses if _OF_ALL.get(one.quantity) not in there]


def _of_power(guesses: Sequence[Guess]) -> Unit | None:
    known = {one.quantity: _in_base(one) for one in guesses if one.leaf.number is not None}
    products = {phase: abs(known.get(f"voltage{phase}_v", 0) * known.get(f"current{phase}_a", 0)) for phase in _PHASES}
    powers = {found[1] or "": one.leaf.number for one in guesses if (found := _POWER.fullmatch(one.quantity))}
    phases = [phase for phase in _PHASES[1:] if products[phase] and powers.get(phase) is not None]
    unit = from_product([powers[phase] or 0.0 for phase in phases], [products[phase] for phase in phases])
    if unit is None and powers.get("") is not None:
        unit = from_product([powers[""] or 0.0], [sum(products.values())])
    return unit


def _with(guesses: Iterable[Guess], unit: Unit, wanted: Callable[[Guess], bool]) -> list[Guess]:
    return [
        replace(one, unit=unit, why=(*one.why[:-1], unit.why), sure=max(one.sure, unit.sure)) if wanted(one) else one
        for one in guesses
    ]


def _base_of(one: Guess) -> str:
    return quantities()[one.quantity].unit


def _in_base(one: Guess) -> float:
    return (one.leaf.number or 0.0) * units_like(_base_of(one)).get(one.unit.name, 1.0)
