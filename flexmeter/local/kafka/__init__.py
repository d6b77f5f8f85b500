"""One Kafka broker (KRaft, its own controller) on 127.0.0.1, from the jars that install.sh resolved from pom.xml."""

import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from flexmeter.local.part import Part
from flexmeter.local.ports import HOST, free_port, listens
from schemas.errors import Unavailable

JARS = Path(__file__).parents[3] / ".parts" / "kafka"
HEAP = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


def server_properties(folder: Path, port: int, controller_port: int) -> str:
    """The broker's settings: one node, so every internal topic has one copy; loopback only.

    After a SIGKILL the controller, alone and new, waits for the session of the broker that it knew: so that is short.
    Topics are made by us, never by a client that asks for one (auto.create), so that a misspelt name is seen.
    """
    return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{HOST}:{controller_port}
listeners=PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}
advertised.listeners=PLAINTEXT://{HOST}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder / "logs"}
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=4000
auto.create.topics.enable=false
num.partitions=4
num.network.threads=2
num.io.threads=4
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.segment.bytes=67108864
log.cleaner.dedupe.buffer.size=16777216
"""


def java(jars: Path, main: str, *arguments: str) -> list[str]:
    """The command that runs a class of Kafka's."""
    logging = Path(__file__).with_name("log4j2.properties")
    classpath = ["-cp", f"{jars}/*", f"-Dlog4j2.configurationFile={logging}"]
    return ["java", *HEAP, *classpath, main, *arguments]


def kafka(folder: Path, port: int, log: Path, jars: Path = JARS) -> Part:
    """The broker as a part, its folder formatted if it is new. What an earlier start wrote there is kept.

    Raises:
        Unavailable: no jars, no Java, or a folder that cannot be formatted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "server.properties"
    settings.write_text(server_properties(folder.resolve(), port, free_port()))
    if not (folder / "logs" / "meta.properties").exists():
        _format(settings, jars)
    return Part(
        name="kafka",
        argv=java(jars, "kafka.Kafka", str(settings)),
        log=log,
        ready=lambda: listens(port) and _answers(f"{HOST}:{port}"),
        stop_s=20,
    )


def _format(settings: Path, jars: Path) -> None:
    if not any(jars.glob("kafka_*.jar")):
        raise Unavailable("kafka", f"no jars in {jars}: `flexmeter/local/install.sh` resolves them")
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    command = java(jars, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(settings))
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except OSError as error:
        raise Unavailable("kafka", f"{error}: install a Java runtime (17 or later)") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable("kafka", f"its folder was not formatted within {error.timeout:.0f} s; start again") from error
    if done.returncode:
        raise Unavailable("kafka", f"cannot format {settings.parent}\n{done.stdout}{done.stderr}")


def _answers(bootstrap: str) -> bool:
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        return len(client.list_topics(timeout=2).brokers) > 0
    except KafkaException:
        return False
