"""Everything a bridge can be made of, by the names that topology.yaml uses."""

from collections.abc import Callable, Mapping
from functools import partial

from connectors.decode.json_decoder import decode_json
from connectors.decode.mapping import load_mappings
from connectors.decode.readings import Decode
from connectors.mqtt import MqttSource
from connectors.source import Source
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
