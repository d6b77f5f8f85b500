"""Faults of a file that a person wrote: all of them in one report, each with its line and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault. `line` counts from 1; 0 is the file as a whole."""

    line: int
    message: str
    remedy: str


class Faults(Exception):
    """Everything that is wrong with the file `source`, in the order of its lines.

    >>> print(Faults("register.csv", [Fault(3, "meter 'm1' stands twice", "remove one of the two lines")]))
    register.csv:3: meter 'm1' stands twice; remove one of the two lines
    """

    def __init__(self, source: str, faults: Iterable[Fault]) -> None:
        self.source = source
        self.faults = sorted(set(faults))
        super().__init__("\n".join(self._sentence(fault) for fault in self.faults))

    def _sentence(self, fault: Fault) -> str:
        place = f"{self.source}:{fault.line}" if fault.line else self.source
        return f"{place}: {fault.message}; {fault.remedy}"


def of_file(name: str, faults: Faults) -> list[Fault]:
    """The faults of one file among several, for the report of all.

    >>> of_file("water.yaml", Faults("", [Fault(3, "no unit", "add one")]))
    [Fault(line=0, message='water.yaml:3: no unit', remedy='add one')]
    """
    places = ((f"{name}:{fault.line}" if fault.line else name, fault) for fault in faults.faults)
    return [Fault(0, f"{place}: {fault.message}", fault.remedy) for place, fault in places]


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant.

    >>> closest("rolling_lod", ["rolling_load", "presence"])
    'rolling_load'
    """
    return next(iter(get_close_matches(word, sorted(known), n=1)), None)


def choose_one_of(word: str, known: Iterable[str]) -> str:
    """The remedy for a word that is not among the known ones.

    >>> choose_one_of("rolling_lod", ["rolling_load", "presence"])
    "did you mean 'rolling_load'?"
    >>> choose_one_of("x", ["presence", "rolling_load"])
    'use one of: presence, rolling_load'
    """
    names = sorted(known)
    meant = closest(word, names)
    if meant:
        return f"did you mean {meant!r}?"
    return f"use one of: {', '.join(names)}" if names else "none exists"
