"""`flexmeter recompute` starts in any order with the others, Kafka included."""

import sys
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from flexmeter.local import kafka as local_kafka
from flexmeter.local.part import Part, running, spawn, stop
from flexmeter.local.ports import HOST, free_port
from tests.integration.test_roles_wait import wait_until, waits
from tests.topologies import metering

pytestmark = pytest.mark.integration


def recompute(folder: Path, topology: Path) -> Part:
    argv = [sys.executable, "-m", "flexmeter", "recompute", "--topology", str(topology), "--name", "metering"]
    return Part("recompute", argv, folder / "recompute.log")


def test_it_makes_the_topics_of_its_stream_once_kafka_is_there(tmp_path: Path) -> None:
    port = free_port()
    path, topology = metering(tmp_path, f"{HOST}:{port}", "late")
    part = recompute(tmp_path, path)
    process = spawn(part)
    wait_until(waits(part), "it does not wait")
    stream = topology.streams["metering"]
    with running(local_kafka.kafka(tmp_path / "kafka", port, tmp_path / "kafka.log")):
        admin = AdminClient({"bootstrap.servers": f"{HOST}:{port}"})
        wait_until(lambda: admin.list_topics(timeout=10).topics.keys() >= set(stream.outputs), "no topics")
        wait_until(
            lambda: (
                "flexmeter-recompute-metering" in {one.group_id for one in admin.list_consumer_groups().result().valid}
            ),
            "no group",
        )
        assert process.poll() is None
        stop(process, 30)
    assert process.returncode == 0


def test_it_ends_when_told_to_while_it_waits(tmp_path: Path) -> None:
    path, _ = metering(tmp_path, "127.0.0.1:1", "late")
    part = recompute(tmp_path, path)
    process = spawn(part)
    wait_until(waits(part), "it does not wait")
    stop(process, 30)
    assert process.returncode == 0
