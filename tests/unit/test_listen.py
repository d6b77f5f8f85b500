"""Who listens to a Kafka that is away."""

from dataclasses import replace

import pytest

from flexmeter import listen
from schemas.errors import Unavailable
from schemas.topology import Kafka, load_topology

SHIPPED = load_topology("topology.yaml", env={})


def test_kafka_away_is_told_once_however_often_the_client_tries(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listen, "_ANSWER_S", 1.0)
    topology = replace(SHIPPED, kafka=Kafka("127.0.0.1:1", "PLAINTEXT", {}))
    with pytest.raises(Unavailable):
        listen.Listener(topology, [(topology.topics["dead.letters"], 0)], from_start=True)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["kafka is unavailable"]
