"""How the bridges of a run on this machine are reached, and where the fleet leaves what lets its devices in."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from connectors.registry import SOURCES
from flexmeter.local.ports import HOST, Port
from schemas.topology_model import Topology

PROTOCOLS = tuple(SOURCES)
ALL = "all"


def sources(text: str) -> tuple[str, ...]:
    """What SOURCES names: protocols, separated by commas, or all. MQTT is always among them: Malmö speaks it.

    Raises:
        ValueError: it names something else.

    >>> sources("all") == PROTOCOLS, sources("coap")
    (True, ('coap', 'mqtt'))
    """
    named = PROTOCOLS if text == ALL else tuple(name.strip() for name in text.split(",") if name.strip())
    if unknown := [name for name in named if name not in PROTOCOLS]:
        raise ValueError(f"SOURCES={text!r}: {unknown[0]!r} is none of {', '.join(PROTOCOLS)}; or write {ALL}")
    return tuple(name for name in PROTOCOLS if name in ("mqtt", *named))


def only(topology: Topology, protocols: tuple[str, ...]) -> Topology:
    """The topology without the bridges of other protocols."""
    return replace(topology, bridges={name: one for name, one in topology.bridges.items() if one.protocol in protocols})


def settings(folder: Path, ports: Mapping[str, Port]) -> dict[str, str]:
    """Settings of topology.yaml: HTTPS and DTLS, and the files that `flexmeter fleet --also` writes."""
    access = folder / "access"
    found = {"FLEXMETER_PRINCIPALS": str(access / "principals.csv"), "FLEXMETER_KEYS": str(access / "keys.csv")}
    if "http" in ports:
        found["HTTP_URL"] = f"https://{HOST}:{ports['http'].number}"
        found["HTTP_TOKENS_FILE"] = str(access / "tokens.csv")
        found |= {"HTTP_CERT_FILE": str(access / "https.crt"), "HTTP_KEY_FILE": str(access / "https.key")}
    if "coap" in ports:
        found |= {"COAP_URL": f"coaps://{HOST}:{ports['coap'].number}", "COAP_PSK_FILE": str(access / "psk.csv")}
    return found if ports else {}
