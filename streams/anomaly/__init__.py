"""Anomalies: a detector that learns each meter's normal online, and the operator that makes alerts of it."""

from streams.anomaly.operator import Anomaly

__all__ = ["Anomaly"]
