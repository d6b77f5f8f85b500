"""The options of a bridge in topology.yaml, of which each protocol knows its own."""

from collections.abc import Collection, Iterable

from schemas.faults import Fault, Faults, choose_one_of
from schemas.topology import Bridge

RATE_OPTIONS = ("rate_per_s", "burst")
"""How fast a sender may send: see rate_limit.py."""
OLDEST_DAYS = "oldest_days"
"""How old a reading may be: see age.py."""
COMMON_OPTIONS = (*RATE_OPTIONS, OLDEST_DAYS)
"""Those that every protocol knows."""


def unknown_options(bridge: Bridge, known: Collection[str]) -> list[tuple[str, str]]:
    """Fault and remedy of each option that neither the protocol nor every protocol knows."""
    known = (*known, *COMMON_OPTIONS)
    return [(f"unknown option {key!r}", choose_one_of(key, known)) for key in bridge.options if key not in known]


def check_options(bridge: Bridge, known: Collection[str]) -> None:
    """Raise Faults for them."""
    unknown = unknown_options(bridge, known)
    if unknown:
        raise bridge_faults(bridge, unknown)


def bridge_faults(bridge: Bridge, found: Iterable[tuple[object, str]]) -> Faults:
    """Everything that is wrong with a bridge's entry in topology.yaml: what, and its remedy."""
    return Faults("topology", [Fault(0, f"bridge {bridge.name}: {what}", remedy) for what, remedy in found])


def bridge_fault(bridge: Bridge, message: object, remedy: str) -> Faults:
    """The one thing that is wrong with it."""
    return bridge_faults(bridge, [(message, remedy)])
