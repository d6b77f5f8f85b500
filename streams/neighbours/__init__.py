"""Meters compared with those of the same kind under the same substation."""

from streams.neighbours.operator import Neighbours

__all__ = ["Neighbours"]
