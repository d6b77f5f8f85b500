"""The address templates of a bridge, such as `malmo/{profile}/{meter}/reading`.

A level in braces names what stands there; every other level is literal. The last level says what payloads under it
carry: `reading` or `event`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from connectors.decode.readings import Address, Carries


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
    """

    levels: tuple[str, ...]
    profile_level: int
    meter_level: int
    carries: Carries

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take a template apart; ValueError says what is wrong with it."""
        levels = tuple(text.split("/"))
        for name in ("{profile}", "{meter}"):
            if levels.count(name) != 1:
                raise ValueError(f"{text!r} needs the level {name} exactly once")
        if levels[-1] not in set(Carries):
            raise ValueError(f"the last level of {text!r} must be one of: {', '.join(Carries)}")
        return cls(levels, levels.index("{profile}"), levels.index("{meter}"), Carries(levels[-1]))

    def filter(self) -> str:
        """The MQTT topic filter (MQTT 5, clause 4.7.1) that lets through what the template describes."""
        return "/".join("+" if level.startswith("{") else level for level in self.levels)

    def topic(self, profile: str, meter: str) -> str:
        """The topic under which that meter reports."""
        return "/".join({"{profile}": profile, "{meter}": meter}.get(level, level) for level in self.levels)

    def address(self, topic: str) -> Address | None:
        """What the topic says; None where it does not fit the template."""
        levels = topic.split("/")
        if len(levels) != len(self.levels):
            return None
        for level, expected in zip(levels, self.levels, strict=True):
            if level != expected and not expected.startswith("{"):
                return None
        return Address(topic, levels[self.profile_level], levels[self.meter_level], self.carries)


def address_of(topic: str, templates: Sequence[TopicTemplate]) -> Address:
    """The address by the first template that fits; one without profile and meter where none does."""
    for template in templates:
        address = template.address(topic)
        if address is not None:
            return address
    return Address(topic, "", "", Carries.READING)
