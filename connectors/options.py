"""The options of a bridge in topology.yaml, of which each protocol knows its own."""

from collections.abc import Collection

from schemas.faults import Fault, Faults, choose_one_of
from schemas.topology import Bridge

RATE_OPTIONS = ("rate_per_s", "burst")
"""How fast a sender may send: see rate_limit.py."""
OLDEST_DAYS = "oldest_days"
"""How old a reading may be: see age.py."""
COMMON_OPTIONS = (*RATE_OPTIONS, OLDEST_DAYS)
"""Those that every protocol knows."""


def check_options(bridge: Bridge, known: Collection[str]) -> None:
    """Raise Faults for options that neither the protocol nor every protocol knows."""
    known = (*known, *COMMON_OPTIONS)
    unknown = [
        Fault(0, f"bridge {bridge.name}: unknown option {key!r}", choose_one_of(key, known))
        for key in bridge.options
        if key not in known
    ]
    if unknown:
        raise Faults("topology", unknown)


def bridge_fault(bridge: Bridge, message: object, remedy: str) -> Faults:
    """What is wrong with a bridge's entry in topology.yaml."""
    return Faults("topology", [Fault(0, f"bridge {bridge.name}: {message}", remedy)])
