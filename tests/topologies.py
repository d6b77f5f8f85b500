"""Topologies whose topics are a test's own, for tests that run roles on a broker they share."""

from pathlib import Path
from typing import Any

import yaml

from schemas.topology import Topology, load_topology

TEXT = """
kafka:
  bootstrap: {bootstrap}
register: register.csv
topics:
  {prefix}.readings:   {{records: [ReadingBlock, Beat], by: meter, partitions: 4, retention_hours: 24}}
  {prefix}.evidence:   {{records: [EventBlock, Beat], by: substation, partitions: 4, retention_hours: 24}}
  {prefix}.aggregates: {{records: [AggregateBlock], by: meter, partitions: 4, retention_hours: 24}}
  {prefix}.presence:   {{records: [PresenceBlock], by: meter, partitions: 4, retention_hours: 24}}
  {prefix}.accounts:   {{records: [Account], by: partition, partitions: 4, retention_hours: 24}}
  {prefix}.requests:   {{records: [RecomputeRequestBlock], by: meter, partitions: 4, retention_hours: 24}}
  {prefix}.dead:       {{records: [DeadLetter], by: source, partitions: 4, retention_hours: 24}}
  {prefix}.state:      {{records: [StateChunk, StateCommit], by: partition, partitions: 4, compact: true}}
bridges:
  mqtt_malmo:
    protocol: mqtt
    url: mqtt://127.0.0.1:1
    subscribe: ["malmo/{{profile}}/{{meter}}/reading"]
    decoder: json
    readings: {prefix}.readings
    events: {prefix}.evidence
    dead_letters: {prefix}.dead
streams:
  metering:
    input: {prefix}.readings
    operators: [rolling_load, presence]
    outputs: [{prefix}.aggregates, {prefix}.presence, {prefix}.requests, {prefix}.accounts]
    dead_letters: {prefix}.dead
    state: {prefix}.state
sinks:
  clickhouse:
    url: chdb://unused
    inputs: [{prefix}.evidence, {prefix}.aggregates, {prefix}.presence, {prefix}.accounts, {prefix}.requests,
             {prefix}.dead]
    dead_letters: {prefix}.dead
"""


def metering(folder: Path, bootstrap: str, prefix: str) -> tuple[Path, Topology]:
    """A small topology: its file, and what that says."""
    path = folder / "topology.yaml"
    path.write_text(TEXT.format(bootstrap=bootstrap, prefix=prefix))
    return path, load_topology(path)


def own_copy(prefix: str) -> dict[str, Any]:
    """The repository's topology with a prefix before each topic's name, wherever that stands."""
    topology: dict[str, Any] = yaml.safe_load(Path("topology.yaml").read_text("utf-8"))
    names = set(topology["topics"])

    def renamed(node: Any) -> Any:
        if isinstance(node, dict):
            return {renamed(key): renamed(value) for key, value in node.items()}
        if isinstance(node, list):
            return [renamed(item) for item in node]
        return f"{prefix}.{node}" if isinstance(node, str) and node in names else node

    copy: dict[str, Any] = renamed(topology)
    return copy
