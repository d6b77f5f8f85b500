"""A small topology on a real broker, with topics of its own, for tests that run roles."""

from pathlib import Path

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
    """The file and what it says."""
    path = folder / "topology.yaml"
    path.write_text(TEXT.format(bootstrap=bootstrap, prefix=prefix))
    return path, load_topology(path)
