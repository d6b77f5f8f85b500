"""`flexmeter topology create`: what a cluster's first worker needs of Kafka."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from confluent_kafka.admin import AdminClient

from flexmeter.commands.topology import command
from schemas.topology import load_topology

pytestmark = pytest.mark.integration

TOPOLOGY = Path(__file__).parents[2] / "topology.yaml"


def test_it_makes_what_is_missing_and_names_what_does_not_fit(kafka: str, tmp_path: Path) -> None:
    env = {"KAFKA_BOOTSTRAP": kafka}
    wanted = {name: topic.partitions for name, topic in load_topology(TOPOLOGY, env).topics.items()}
    for _ in range(2):  # what is there already is no fault
        made = CliRunner().invoke(command, ["create", "--topology", str(TOPOLOGY)], env=env)
        assert made.exit_code == 0, made.output
    found = AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics
    assert {name: len(found[name].partitions) for name in wanted} == wanted

    other = tmp_path / "topology.yaml"
    other.write_text(TOPOLOGY.read_text("utf-8").replace("partitions: 4", "partitions: 8"), "utf-8")
    refused = CliRunner().invoke(command, ["create", "--topology", str(other)], env=env)
    assert refused.exit_code == 1
    assert "topic 'meter.readings' has 4 partitions in Kafka and 8 here" in refused.output


def test_it_says_that_kafka_is_away() -> None:
    refused = CliRunner().invoke(
        command, ["create", "--topology", str(TOPOLOGY)], env={"KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    )
    assert refused.exit_code == 1
    assert "kafka" in refused.output
