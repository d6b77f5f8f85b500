"""The real parts, each started once a test run, on free loopback ports, in a temporary folder, and ended after it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from flexmeter.local import clickhouse as local_clickhouse
from flexmeter.local import kafka as local_kafka
from flexmeter.local import mosquitto as local_mosquitto
from flexmeter.local import rabbitmq as local_rabbitmq
from flexmeter.local.part import running
from flexmeter.local.ports import HOST, free_port
from tests.certificates import Authority
from tests.doors import USERS, guard
from tests.fragile_kafka import FragileKafka
from tests.rabbit import Rabbit

# No test asserts a time: the machine may be busy.
settings.register_profile("flexmeter", deadline=None)
settings.load_profile("flexmeter")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files come first, then what starts real parts: a long file begun last would run on alone at the end."""
    marked = {mark: {item.path for item in items if item.get_closest_marker(mark)} for mark in ("slow", "integration")}
    items.sort(key=lambda item: [item.path not in paths for paths in marked.values()])


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap address of a Kafka broker. Topics are not made by asking for them: create yours."""
    folder, port = tmp_path_factory.mktemp("kafka"), free_port()
    with running(local_kafka.kafka(folder, port, folder / "kafka.log")):
        yield f"{HOST}:{port}"


@pytest.fixture(scope="session")
def one_fragile_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FragileKafka]:
    """For the fixture below."""
    folder, port = tmp_path_factory.mktemp("fragile"), free_port()
    broker = FragileKafka(local_kafka.kafka(folder, port, folder / "kafka.log"), f"{HOST}:{port}")
    yield broker
    broker.end()


@pytest.fixture(scope="module")
def fragile_kafka(one_fragile_kafka: FragileKafka) -> Iterator[FragileKafka]:
    """A broker that is there to be mistreated, one for all tests that do so; it runs."""
    one_fragile_kafka.start()
    yield one_fragile_kafka


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an MQTT broker."""
    folder, port = tmp_path_factory.mktemp("mosquitto"), free_port()
    with running(local_mosquitto.mosquitto(folder, port, folder / "mosquitto.log")):
        yield f"mqtt://{HOST}:{port}"


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    """RabbitMQ, with both of its doors."""
    folder, port, tls_port = tmp_path_factory.mktemp("rabbitmq"), free_port(), free_port()
    authority = Authority(folder)
    own = authority.sign("server")
    lines = {
        "listeners.ssl.1": f"{HOST}:{tls_port}",
        "ssl_options.cacertfile": authority.file,
        "ssl_options.certfile": own.certificate,
        "ssl_options.keyfile": own.key,
        "ssl_options.verify": "verify_peer",
        "ssl_options.fail_if_no_peer_cert": "true",
    }
    more = "\n".join(f"{name} = {value}" for name, value in lines.items())
    with running(local_rabbitmq.rabbitmq(folder, port, folder / "rabbitmq.log", USERS, more)):
        yield Rabbit(f"{HOST}:{port}", f"{HOST}:{tls_port}", authority)


@pytest.fixture(scope="session")
def rabbitmq(rabbit: Rabbit) -> str:
    """host:port of a RabbitMQ with the users of tests.doors."""
    return rabbit.plain


@pytest.fixture(scope="session")
def guarded_mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of an MQTT broker with the users of tests.doors, each of whom writes under its own name alone."""
    folder, port = tmp_path_factory.mktemp("guarded"), free_port()
    security = guard(folder, USERS)
    with running(local_mosquitto.mosquitto(folder, port, folder / "mosquitto.log", security)):
        yield f"{HOST}:{port}"


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a clickhouse-server (Debian's 18.16) for the native protocol."""
    folder: Path = tmp_path_factory.mktemp("clickhouse")
    port = free_port()
    with running(local_clickhouse.clickhouse(folder, port, free_port(), folder / "clickhouse.log")):
        yield f"clickhouse://{HOST}:{port}"
