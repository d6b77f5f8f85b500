from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from connectors.registry import RECEIVERS, SOURCES
from flexmeter.commands.topology import command
from flexmeter.known import known
from schemas.faults import Faults
from schemas.topology import Topology, load_topology, parse_topology
from schemas.topology_check import scheme

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases" / "topology"


def test_the_topology_that_is_shipped() -> None:
    topology = load_topology(ROOT / "topology.yaml", env={})
    assert topology.kafka.bootstrap == "127.0.0.1:9092"
    assert topology.streams["metering"].input == "meter.readings"
    assert topology.topics["state.grid"].retention_hours is None
    assert topology.topic_of("Account", topology.streams["grid"].outputs).name == "accounts"
    with pytest.raises(KeyError):
        topology.topic_of("AggregateBlock", topology.streams["grid"].outputs)


def each_bridge_can_be_made(topology: Topology) -> None:
    for bridge in topology.bridges.values():
        SOURCES[bridge.protocol](bridge, "")
    assert [bridge.name for bridge in topology.bridges.values() if bridge.anonymous] == ["mqtt_malmo"]


def test_the_bridges_that_are_shipped_can_be_made() -> None:
    each_bridge_can_be_made(load_topology(ROOT / "topology.yaml", env={}, known=known()))


def test_the_example_shows_every_kind_of_bridge_and_router_and_each_can_be_made() -> None:
    topology = load_topology(ROOT / "examples" / "topology-all.yaml", env={}, known=known())
    missing = set(SOURCES) - {bridge.protocol for bridge in topology.bridges.values()}
    assert not missing, f"examples/topology-all.yaml has no bridge of {missing}: docs/adding-a-bridge.md"
    each_bridge_can_be_made(topology)
    for router in topology.routers.values():
        RECEIVERS[scheme(router.url)](router).close()
    assert {scheme(router.url) for router in topology.routers.values()} == {"smtp", "http"}
    assert "alert.deliveries" in topology.sinks["clickhouse"].inputs


@pytest.mark.parametrize(
    ("url", "said", "held_s"),
    [
        ("smtps://mail.example.org", "", 60),
        ("smtp://mail.example.org", "", 60),
        ("smtp://mail.example.org", ", hold_off_s: 0", 0),
        ("https://tickets.example.org/", "", 0),
        ("https://tickets.example.org/", ", hold_off_s: 5", 5),
    ],
)
def test_mails_hold_off_unless_a_rule_says_otherwise(url: str, said: str, held_s: int) -> None:
    text = (ROOT / "examples" / "topology-all.yaml").read_text()
    text = text.replace("${SMTP_URL:-smtp://127.0.0.1:2525}", url).replace(
        "{severity: critical}", f"{{kinds: [outage]{said}}}"
    )
    (_, rule) = parse_topology("topology.yaml", text, {}).routers["control_room"].rules
    assert rule.hold_off_s == held_s


def test_variables_come_from_the_environment() -> None:
    env = {"KAFKA_BOOTSTRAP": "kafka:9093", "KAFKA_SECURITY": "SSL", "MQTT_URL": ""}
    topology = load_topology(ROOT / "topology.yaml", env)
    assert (topology.kafka.bootstrap, topology.kafka.security) == ("kafka:9093", "SSL")
    assert topology.bridges["mqtt_malmo"].url == "mqtt://127.0.0.1:1883", "empty counts as not set"


def test_a_value_from_the_environment_is_not_expanded_again() -> None:
    topology = load_topology(ROOT / "topology.yaml", {"FLEXMETER_REGISTER": "${HOME}/r.csv"})
    assert topology.register == "${HOME}/r.csv"


@pytest.mark.parametrize("content", [None, b"\xff", b"", b"a: \x00", b"a: [1\n", b"a: 1\n---\nb: 2\n"])
def test_unreadable_file_is_a_fault(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "topology.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Faults):
        load_topology(path, env={})


def test_check_names_all_five_faults_and_fails() -> None:
    result = CliRunner().invoke(command, ["check", "--topology", str(CASES / "five_faults" / "topology.yaml")])
    assert result.exit_code == 1
    for fault in ("'presense'", "'evidense'", "a list of 2", "3 partitions", "colour: unknown key"):
        assert fault in result.output
    assert "5 faults" in result.output


def test_check_finds_no_fault_in_what_is_shipped() -> None:
    result = CliRunner().invoke(command, ["check", "--topology", str(ROOT / "topology.yaml")])
    assert (result.exit_code, result.exception) == (0, None)
    assert "no fault" in result.output


def test_show_draws_the_flow_and_hides_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQTT_URL", "mqtts://bridge:secret@broker:8883")
    result = CliRunner().invoke(command, ["show", "--topology", str(ROOT / "topology.yaml")])
    assert result.exit_code == 0
    line = next(line for line in result.output.splitlines() if "-> meter.readings" in line)
    assert line.startswith("bridge mqtt_malmo")
    assert "-> stream " in line
    assert "-> stream metering" in result.output
    assert "mqtts://bridge@broker:8883" in result.output
    assert "secret" not in result.output


SHIPPED = (ROOT / "topology.yaml").read_text("utf-8")
SCRAPS = [
    "",
    "\n",
    "  ",
    ":",
    "- ",
    "[",
    "}",
    '"',
    "&a ",
    "*a",
    "!x ",
    "? ",
    "${",
    "~",
    "0x",
    "2026-99-99",
    "://",
    "\t",
    "é",
]


@given(
    st.lists(
        st.tuples(st.integers(0, len(SHIPPED)), st.integers(0, 12), st.sampled_from(SCRAPS)), min_size=1, max_size=4
    )
)
def test_whatever_a_typing_slip_makes_of_it_is_a_fault_or_a_topology(slips: list[tuple[int, int, str]]) -> None:
    text = SHIPPED
    for at, length, scrap in slips:
        text = text[:at] + scrap + text[at + length :]
    try:
        parse_topology("topology.yaml", text, env={}, known=known())
    except Faults as faults:
        assert faults.faults
