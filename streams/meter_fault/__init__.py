"""Faults of meters and their installation, told from each meter's own readings."""

from streams.meter_fault.operator import MeterFault

__all__ = ["MeterFault"]
