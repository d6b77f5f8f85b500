"""Everything that bridges and sinks can be made of, by the names that topology.yaml uses."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from connectors.amqp import AmqpSource
from connectors.coap import CoapSource
from connectors.decode.dlms.decoder import decode_dlms
from connectors.decode.json_decoder import decode_json
from connectors.decode.mapping import load_mappings
from connectors.decode.mbus import decode_mbus, decode_wmbus
from connectors.decode.obligation import decode_clear
from connectors.decode.p1 import decode_p1
from connectors.decode.readings import Decode
from connectors.decode.senml import decode_senml
from connectors.decode.telegram import DecodeTelegrams, Keys, no_keys
from connectors.decode.telegram_rows import decode_rows
from connectors.decode.timing import Clocks, no_clocks
from connectors.http import HttpSource
from connectors.mqtt import MqttSource
from connectors.router import mail, webhook
from connectors.router.receiver import Receiver
from connectors.rows import ROWS
from connectors.source import Source
from connectors.store import Store
from schemas.catalogue import load_catalogue
from schemas.topology import Bridge, Router

SOURCES: Mapping[str, Callable[[Bridge, str], Source]] = {
    "amqp": AmqpSource,
    "coap": CoapSource,
    "http": HttpSource,
    "mqtt": MqttSource,
}
"""protocol -> what receives; the text is the instance, empty for the only one."""


TELEGRAMS: Mapping[str, DecodeTelegrams] = {
    "senml": decode_senml,
    "mbus": decode_mbus,
    "wmbus": decode_wmbus,
    "dlms": decode_dlms,
    "p1": decode_p1,
}
"""standard protocol -> what its payloads say of themselves."""

TEXT_PROTOCOLS = frozenset({"json", "senml", "p1"})
"""Those whose payloads may be text, as those of json always are; of all others hexadecimal digits are written."""


def json_decoders(keys: Keys = no_keys, clocks: Clocks = no_clocks) -> Mapping[str, Decode]:
    """A decoder for each profile that has a mapping, for meters without keys: JSON is never encrypted. Its mapping says
    what times mean.
    """
    decoders = {profile: partial(decode_json, mapping=mapping) for profile, mapping in load_mappings().items()}
    if keys is no_keys:
        return decoders
    return {profile: partial(decode_clear, decode=decode, keys=keys) for profile, decode in decoders.items()}


def telegram_decoders(
    decode: DecodeTelegrams, keys: Keys = no_keys, clocks: Clocks = no_clocks
) -> Mapping[str, Decode]:
    """A decoder for each profile, which takes from the telegrams of a standard protocol what the profile reports."""
    return {
        name: partial(decode_rows, decode=decode, keys=keys, clocks=clocks, profile=profile)
        for name, profile in load_catalogue().profiles.items()
    }


DECODERS: Mapping[str, Callable[..., Mapping[str, Decode]]] = {
    "json": json_decoders,
    **{protocol: partial(telegram_decoders, decode) for protocol, decode in TELEGRAMS.items()},
}
"""decoder -> what makes its decoders, one for each profile, with the meters' keys and what is known of their clocks."""


def _embedded(url: str) -> Store:
    from connectors.chdb_store import ChdbStore

    return ChdbStore(Path(url.removeprefix("chdb://")))


def _server(url: str) -> Store:
    from connectors.clickhouse_server import ClickHouseServer

    return ClickHouseServer(url)


STORES: Mapping[str, Callable[[str], Store]] = {"chdb": _embedded, "clickhouse": _server, "clickhouses": _server}
"""URL scheme -> store; its library is imported when it is asked for."""

STORED_RECORDS = frozenset(record.__name__ for record in ROWS)
"""The records that ClickHouse has tables for."""

RECEIVERS: Mapping[str, Callable[[Router], Receiver]] = {
    "smtp": mail.Mail,
    "smtps": mail.Mail,
    "http": webhook.Webhook,
    "https": webhook.Webhook,
}
"""URL scheme -> what delivers alerts there."""

RECEIVER_FAULTS: Mapping[str, Callable[[Router], Iterable[tuple[str, str, str]]]] = {
    "smtp": mail.faults,
    "smtps": mail.faults,
    "http": webhook.faults,
    "https": webhook.faults,
}
"""URL scheme -> what finds faults in such a router's settings."""
