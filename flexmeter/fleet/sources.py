"""The fleet and a topology's bridges: what each of its devices needs to be let in, and the links to all of them.

Addresses are those of the topology that is shipped: `meters/...` for CoAP, `meters. ...` for AMQP, `v1/...` for HTTPS.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flexmeter.fleet.amqp_client import AmqpClient
from flexmeter.fleet.certificate import keep_certificate
from flexmeter.fleet.coap_client import CoapClient
from flexmeter.fleet.direct_uplink import Client, DirectUplink
from flexmeter.fleet.http_client import HttpClient
from flexmeter.fleet.live import DIRECT_EVERY
from flexmeter.fleet.trust import Trust, write_keys, write_principals, write_psk, write_tokens
from flexmeter.fleet.turin import Town
from flexmeter.fleet.uplink import Uplink
from flexmeter.fleet.uplinks import Uplinks
from schemas.register import Device
from schemas.topology import Bridge, Topology

Bridges = Mapping[str, Bridge]
"""Protocol -> the bridge that the fleet speaks to by it."""


def bridges_of(topology: Topology, protocols: Sequence[str]) -> dict[str, Bridge]:
    """The topology's first bridge of each of these protocols.

    Raises:
        ValueError: there is none.

    """
    found: dict[str, Bridge] = {}
    for protocol in protocols:
        bridge = next((one for one in topology.bridges.values() if one.protocol == protocol), None)
        if bridge is None:
            raise ValueError(f"the topology has no bridge of {protocol}")
        found[protocol] = bridge
    return found


def direct_homes(households: Sequence[Device], bridges: Bridges) -> list[Device]:
    """The households that speak CoAP themselves."""
    return list(households[::DIRECT_EVERY]) if "coap" in bridges else []


def amqp_user(bridges: Bridges) -> str:
    """As whom NILM meters publish; empty without AMQP."""
    return unquote(urlsplit(bridges["amqp"].url).username or "guest") if "amqp" in bridges else ""


def let_in(topology: Topology, bridges: Bridges, town: Town, direct: Sequence[Device], trust: Trust) -> None:
    """Write the files by which the topology's bridges know the fleet's devices, where it names such files."""
    if topology.principals:
        write_principals(Path(topology.principals), town, amqp_user(bridges) or "guest")
    if topology.keys:
        write_keys(Path(topology.keys), town, trust)
    http, coap = (bridges[name].options if name in bridges else {} for name in ("http", "coap"))
    if http.get("tokens_file"):
        write_tokens(Path(http["tokens_file"]), town, trust)
    if http.get("cert_file") and http.get("key_file"):
        keep_certificate(Path(http["cert_file"]), Path(http["key_file"]))
    if coap.get("psk_file"):
        write_psk(Path(coap["psk_file"]), direct, trust)


def links(
    bridges: Bridges, gateways: Uplink | None, direct: Sequence[Device], trust: Trust, stopping: Callable[[], bool]
) -> Uplinks:
    """Ways to all of these bridges, not yet connected."""
    clients: dict[str, Client] = {}
    if direct:
        first = direct[0].meter_id
        clients["coap"] = CoapClient(bridges["coap"].url, lambda meter: (meter.encode(), trust.psk(meter)), first)
    if "http" in bridges:
        clients["http"] = HttpClient(bridges["http"].url, trust.token, bridges["http"].options.get("cert_file", ""))
    if "amqp" in bridges:
        exchange = bridges["amqp"].options.get("exchange") or "amq.topic"
        clients["amqp"] = AmqpClient(bridges["amqp"].url, exchange)
    return Uplinks(gateways, DirectUplink(clients, stopping) if clients else None)
