"""Roles that start before Kafka does, as in a cluster whose parts all start at once."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from flexmeter.local import kafka as local_kafka
from flexmeter.local.part import Part, running, spawn, stop
from flexmeter.local.ports import HOST, free_port
from tests.topologies import TEXT, metering
from tests.waiting import wait_until

pytestmark = pytest.mark.integration

ROLES = {"worker": ["--name", "metering"], "sink": ["--http-port", "0"]}


def role(name: str, folder: Path, topology: Path) -> Part:
    argv = [sys.executable, "-m", "flexmeter", name, "--topology", str(topology), *ROLES[name]]
    return Part(name, argv, folder / f"{name}.log")


def waits(part: Part) -> Callable[[], bool]:
    return lambda: part.log.exists() and "trying again" in part.log.read_text("utf-8")


def test_a_worker_and_a_sink_make_their_topics_once_kafka_is_there(tmp_path: Path) -> None:
    port = free_port()
    path, topology = metering(tmp_path, f"{HOST}:{port}", "wait")
    path.write_text(TEXT.format(bootstrap=f"{HOST}:{port}", prefix="wait").replace("//unused", f"//{tmp_path}/chdb"))
    parts = [role(name, tmp_path, path) for name in ROLES]
    processes = [spawn(part) for part in parts]
    for part in parts:
        wait_until(waits(part), f"{part.name} does not wait")

    with running(local_kafka.kafka(tmp_path / "kafka", port, tmp_path / "kafka.log")):
        admin = AdminClient({"bootstrap.servers": f"{HOST}:{port}"})
        wait_until(lambda: admin.list_topics(timeout=10).topics.keys() >= topology.topics.keys(), "no topics")
        groups = {"flexmeter-metering", "flexmeter-clickhouse"}
        wait_until(lambda: groups <= {one.group_id for one in admin.list_consumer_groups().result().valid}, "no groups")
        for process in processes:
            assert process.poll() is None
            stop(process, 30)
    assert [process.returncode for process in processes] == [0, 0]


@pytest.mark.parametrize("name", ROLES)
def test_one_that_waits_ends_when_told_to(name: str, tmp_path: Path) -> None:
    path, _ = metering(tmp_path, "127.0.0.1:1", "wait")
    path.write_text(path.read_text().replace("//unused", f"//{tmp_path}/chdb"))
    part = role(name, tmp_path, path)
    process = spawn(part)
    wait_until(waits(part), f"{name} does not wait")
    stop(process, 30)
    assert process.returncode == 0
