"""Silence of meters as alerts, one for an area that falls silent together."""

from streams.area_presence.operator import AreaPresence as AreaPresence
