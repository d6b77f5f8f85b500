"""What `flexmeter run` shows and concludes."""

import json
import math
from pathlib import Path

from pytest import MonkeyPatch
from rich.console import Console

from flexmeter.local import status
from flexmeter.local.access import only
from flexmeter.local.account import Arrived, Sent, missing, not_taken, sent, summary, verdict
from flexmeter.local.roles import Place, part, roles
from flexmeter.local.screen import picture, plain
from flexmeter.local.stack import keep_last_logs
from flexmeter.local.status import Snapshot, Stage, behind, rate
from schemas.topology import load_topology

EARLIER = Snapshot(10.0, [Stage("fleet", 1000), Stage("sink-clickhouse", 900, 4)])
NOW = Snapshot(
    12.0,
    [Stage("fleet", 1200), Stage("sink-clickhouse", 1100, 3)],
    p50_ms=812.0,
    p99_ms=1203.4,
    aggregates=[
        {"meter": "M1", "quantity": "active_power_l1_w", "window": "PT15M", "at": "08:15", "count": 9, "mean": 1.25}
    ],
    alerts=[{"at": "08:16:01", "severity": "critical", "state": "raised", "summary": "M1 lost power"}],
)


def drawn(what: object, width: int = 120) -> str:
    console = Console(width=width, record=True, force_terminal=False)
    with console.capture() as text:
        console.print(what)
    return text.get()


def test_a_line_has_rates_lags_and_latency() -> None:
    line = plain(EARLIER, NOW)
    assert "fleet 100/s" in line
    assert "sink-clickhouse 100/s lag 3" in line
    assert "p50 812 ms p99 1,203 ms" in line


def test_a_stage_that_was_not_seen_shows_no_rate() -> None:
    line = plain(
        Snapshot(0.0, [Stage("fleet", None)]), Snapshot(2.0, [Stage("fleet", 5)], missing="kafka is unavailable")
    )
    assert "fleet -/s" in line
    assert "kafka is unavailable" in line
    assert math.isnan(rate(EARLIER, NOW, "nobody"))


def test_the_picture_shows_everything() -> None:
    text = drawn(picture(EARLIER, NOW, "http://127.0.0.1:8123/", ["worker-metering ended (signal 9)"], 40))
    for word in (
        "sink-clickhouse",
        "100",
        "812 ms",
        "active_power_l1_w",
        "M1 lost power",
        "signal 9",
        "127.0.0.1:8123",
    ):
        assert word in text


def test_the_picture_fits_a_small_terminal() -> None:
    stages = [Stage(f"worker-{number}", number) for number in range(11)]
    alerts = [{"at": "08:16:01", "severity": "critical", "state": "raised", "summary": "M1 lost power " * 9}] * 5
    kinds: list[dict[str, object]] = KINDS * 7
    now = Snapshot(12.0, stages, aggregates=[*NOW.aggregates] * 5, alerts=alerts, kinds=kinds)
    lines = drawn(picture(EARLIER, now, "http://127.0.0.1:8123/", [], 23), width=80).splitlines()
    assert len(lines) == 23
    for word in (
        "page: http://127.0.0.1:8123/",
        "worker-10",
        "08:16:01  critical",
        "M1 lost power",
        "active_power_l1_w",
        "https_turin",
    ):
        assert any(word in line for line in lines), word


def test_markup_in_data_is_shown_as_it_is() -> None:
    alert = {"at": "08:00:00", "severity": "info", "state": "raised", "summary": "[red]x[/nonsense]"}
    text = drawn(picture(EARLIER, Snapshot(12.0, [], alerts=[alert]), "http://127.0.0.1:8123/", [], 40))
    assert "[red]x[/nonsense]" in text


def test_the_account_of_a_fleet_that_said_nothing_yet_is_zero(tmp_path: Path) -> None:
    assert sent(tmp_path / "fleet.json") == Sent()
    (tmp_path / "fleet.json").write_text('{"sent": 1')
    assert sent(tmp_path / "fleet.json") == Sent()


def test_whatever_was_sent_and_is_not_there_is_missing(tmp_path: Path) -> None:
    said = {"sent": 10, "garbage": 2, "duplicates": 3, "events": 1, "meters": 5}
    (tmp_path / "fleet.json").write_text(json.dumps(said))
    told = sent(tmp_path / "fleet.json")
    assert told == Sent(readings=10, duplicates=3, garbage=2, events=1, meters=5)
    assert missing(told, Arrived(10, 2, 1)) == {}
    assert missing(told, Arrived(11, 3, 1)) == {}
    assert missing(told, Arrived(8, 1, 0)) == {"readings": 2, "garbage payloads": 1, "events": 1}
    (tmp_path / "fleet.json").write_text(json.dumps(said | {"refused": 7, "under_way": 4, "done": True}))
    told = sent(tmp_path / "fleet.json")
    assert (missing(told, Arrived(10, 2, 1)), not_taken(told)) == ({}, {"refused": 7, "never answered": 4})


KINDS: list[dict[str, object]] = [
    {"source": "https_turin", "profile": "water", "meters": "5", "readings": "12"},
    {"source": "https_turin", "profile": "home_hub", "meters": "9", "readings": "1200"},
]


def test_what_each_source_brings_is_told_once() -> None:
    now = Snapshot(12.0, [], kinds=KINDS)
    assert "  https_turin brings water, home_hub" in plain(EARLIER, now)
    assert "brings" not in plain(now, now)
    assert all(word in drawn(picture(EARLIER, now, "http://127.0.0.1:8123/", [], 40)) for word in ("water", "1200"))
    assert summary(Sent(), Arrived(), KINDS)[2:] == [
        "  https_turin        12 readings of 5 water",
        "  https_turin     1,200 readings of 9 home_hub",
    ]


def test_the_verdict_names_losses_before_what_is_not_done() -> None:
    assert verdict({"readings": 2, "events": 1}, {"refused": 1}, {"worker-grid": 5}) == "LOST: 2 readings, 1 events"


def test_takers_start_before_givers_and_are_told_where_things_are() -> None:
    place = Place(Path("/elsewhere/run"), 19, 20, 21)
    topology = load_topology("topology.yaml", place.settings({}))
    running = roles(topology, lambda: 22)
    names = [role.name for role in running]
    workers = [f"worker-{stream}" for stream in topology.streams]
    assert {"worker-metering", "worker-grid", "worker-anomaly", "worker-nilm"} <= set(workers)
    bridges = [f"bridge-{name}" for name in topology.bridges]
    assert names == ["sink-clickhouse", *workers, "recompute-metering", *bridges]
    assert [role.name for role in roles(only(topology, ("mqtt",)), lambda: 22)][-1] == "bridge-mqtt_malmo"
    told = part(running[0], place, Path("topology.yaml"), {"KAFKA_BOOTSTRAP": "broker.example:9092"}).env
    assert told["KAFKA_BOOTSTRAP"] == "127.0.0.1:19"
    assert told["CLICKHOUSE_URL"] == "chdb:///elsewhere/run/clickhouse"
    assert told["FLEXMETER_METRICS_PORT"] == "22"


def test_routers_run_where_rules_are_configured_and_nobody_waits_for_their_receivers(monkeypatch: MonkeyPatch) -> None:
    place = Place(Path("/elsewhere/run"), 19, 20, 21)
    topology = load_topology("examples/topology-all.yaml", place.settings({}))
    running = [role for role in roles(topology, lambda: 22) if role.command == "router"]
    assert [role.name for role in running] == ["router-control_room", "router-tickets"]
    monkeypatch.setattr(status, "ends", lambda *_: ({}, {}))
    assert behind(place, topology, running, {}) == {}


def test_the_logs_of_the_run_before_are_kept_once(tmp_path: Path) -> None:
    for text in ("one", "two"):
        (tmp_path / "kafka.log").write_text(text)
        keep_last_logs(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["kafka.log.1"]
    assert (tmp_path / "kafka.log.1").read_text() == "two"
