"""Everything that bridges and sinks can be made of, by the names that topology.yaml uses."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from connectors.decode.json_decoder import decode_json
from connectors.decode.mapping import load_mappings
from connectors.decode.readings import Decode
from connectors.mqtt import MqttSource
from connectors.rows import ROWS
from connectors.source import Source
from connectors.store import Store
from schemas.topology import Bridge

SOURCES: Mapping[str, Callable[[Bridge, str], Source]] = {
    "mqtt": MqttSource,
}
"""protocol -> what receives; the text is the instance, empty for the only one."""


def json_decoders() -> Mapping[str, Decode]:
    """A decoder for each profile that has a mapping."""
    return {profile: partial(decode_json, mapping=mapping) for profile, mapping in load_mappings().items()}


DECODERS: Mapping[str, Callable[[], Mapping[str, Decode]]] = {
    "json": json_decoders,
}
"""decoder -> what makes its decoders, one for each profile."""


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
