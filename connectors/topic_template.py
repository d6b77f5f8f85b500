"""The address templates of a bridge, such as `malmo/{profile}/{meter}/reading`.

A level in braces names what stands there; every other level is literal. `{profile}` must be among them; without
`{meter}` the payload says whose it is; `{identity}` (MQTT) is the sender, where the broker lets nobody else write such
topics; `{any}` is whatever stands there.
The last level says what payloads under it carry: `reading` or `event`.

Devices that choose their own topics do not say their profile: `tele/{meter}/SENSOR -> tasmota_plug/reading` says it for
them, and what they carry.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from connectors.decode.readings import Address, Carries
from schemas.topology import Bridge

LONGEST_ADDRESS = 512
"""Bytes or characters: a longer topic or path is of no meter, and neither remembered nor repeated in a dead letter."""

SAY_WHO_SENDS = frozenset({"amqp", "coap", "http"})
"""Protocols whose own login names the sender: what one writes into an address proves nothing there."""

_NAMED = ("{profile}", "{meter}", "{identity}")
_ANY = "{any}"
_SAYS = " -> "
_LITERAL = re.compile(r"[^{}+#]*")


@dataclass(frozen=True, slots=True)
class TopicTemplate:
    """One template, taken apart.

    >>> template = TopicTemplate.parse("malmo/{profile}/{meter}/reading")
    >>> template.filter()
    'malmo/+/+/reading'
    >>> address = template.address("malmo/district_heat/H7/reading")
    >>> address.profile, address.meter, address.carries.value
    ('district_heat', 'H7', 'reading')
    >>> template.address("malmo/district_heat/H7/event") is None
    True
    >>> template.topic("district_heat", "H7")
    'malmo/district_heat/H7/reading'
    >>> TopicTemplate.parse("hubs/{identity}/{profile}/reading").address("hubs/hub-7/home_hub/reading").identity
    'hub-7'
    >>> TopicTemplate.parse("tele/{meter}/SENSOR -> tasmota_plug/reading").address("tele/plug-7/SENSOR").profile
    'tasmota_plug'
    """

    levels: tuple[str, ...]
    carries: Carries
    separator: str = "/"
    profile: str = ""
    """The profile of all payloads under it; empty = a level says it."""

    @classmethod
    def parse(cls, text: str, separator: str = "/") -> Self:
        """Take a template apart; ValueError says what is wrong with it."""
        address, arrow, said = text.partition(_SAYS)
        levels = tuple(address.split(separator))
        profile, _, carries = said.partition("/") if arrow else ("", "", levels[-1])
        if (arrow and not profile) or levels.count("{profile}") != (0 if arrow else 1):
            raise ValueError(f"{text!r} needs the level {{profile}} exactly once, or ` -> PROFILE/reading` behind it")
        for level in levels:
            if level in _NAMED and levels.count(level) > 1:
                raise ValueError(f"{text!r} has the level {level} more than once")
            if level not in (*_NAMED, _ANY) and not _LITERAL.fullmatch(level):
                raise ValueError(f"{text!r} has the level {level!r}; in braces are {', '.join((*_NAMED, _ANY))}")
        if carries not in set(Carries):
            raise ValueError(f"the last level of {text!r} must be one of: {', '.join(Carries)}")
        return cls(levels, Carries(carries), separator, profile)

    def filter(self) -> str:
        """The MQTT topic filter (MQTT 5, clause 4.7.1) that lets through what the template describes."""
        return "/".join("+" if level.startswith("{") else level for level in self.levels)

    def binding_key(self) -> str:
        """The binding key of an AMQP topic exchange that lets through what the template describes.

        >>> TopicTemplate.parse("meters.{profile}.{meter}.reading", ".").binding_key()
        'meters.*.*.reading'
        """
        return ".".join("*" if level.startswith("{") else level for level in self.levels)

    def topic(self, profile: str, meter: str) -> str:
        """The topic under which that meter reports."""
        return self.separator.join({"{profile}": profile, "{meter}": meter}.get(level, level) for level in self.levels)

    def address(self, topic: str) -> Address | None:
        """What the topic says; None where it does not fit the template."""
        levels = topic.split(self.separator)
        if len(levels) != len(self.levels):
            return None
        for level, expected in zip(levels, self.levels, strict=True):
            if level != expected and not expected.startswith("{"):
                return None
        named = dict(zip(self.levels, levels, strict=True))
        profile, meter, identity = (named.get(level, "") for level in _NAMED)
        return Address(topic, profile or self.profile, meter, self.carries, identity)


def templates_of(bridge: Bridge) -> list[TopicTemplate]:
    """The templates of a bridge, as its protocol writes addresses; ValueError says what is wrong with one.

    The levels of an AMQP routing key are joined by dots; the slash that a path of HTTP begins with is no level.
    """
    separator = "." if bridge.protocol == "amqp" else "/"
    texts = (text.strip("/") if bridge.protocol == "http" else text for text in bridge.subscribe)
    templates = [TopicTemplate.parse(text, separator) for text in texts]
    if bridge.protocol in SAY_WHO_SENDS and any("{identity}" in template.levels for template in templates):
        raise ValueError(f"no level {{identity}} with {bridge.protocol}, which says by itself who sends")
    return templates


def address_of(topic: str, templates: Sequence[TopicTemplate]) -> Address:
    """The address by the first template that fits; one without profile and meter where none does."""
    for template in templates:
        address = template.address(topic)
        if address is not None:
            return address
    return Address(topic, "", "", Carries.READING)
