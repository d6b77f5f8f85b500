"""The register as a topic: the command that fills it, and bridges that follow it while they run."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from connectors.kafka import Outlet
from flexmeter.commands.register import command
from flexmeter.local.metrics import Series, scrape
from flexmeter.local.ports import free_port
from flexmeter.registered import registered
from schemas.blocks import Beat, DeadLetter, ReadingBlock
from schemas.codec import encode
from schemas.master_data import Device
from schemas.partition import partition_of
from tests.bridge_process import REGISTER, Place, make_place, publisher
from tests.numbered_readings import reading
from tests.waiting import wait_until

pytestmark = pytest.mark.integration

METERS = Series("flexmeter_register_meters")


def run(place: Place, text: str, *arguments: str, said: str | None = None) -> Result:
    """The command on a file that says this; `said` is what a person answers."""
    file = place.folder / "meters.csv"
    file.write_text(text)
    return CliRunner().invoke(command, [str(file), "--topology", str(place.path), *arguments], input=said)


def ends(place: Place) -> int:
    """How many records the topic was given."""
    return place.ends("register")


def put(place: Place, meter: str, value: bytes) -> None:
    """A record of somebody else's."""
    topic = place.topology.topics[place.topic("register")]
    outlet = Outlet(place.topology.kafka, "test")
    outlet.produce(topic.name, partition_of(meter, topic.partitions), value, key=meter.encode())
    assert outlet.close(30)


def known(place: Place) -> dict[str, str | None]:
    return {meter: device.substation for meter, device in registered(place.topology).devices.items()}


def test_a_file_is_brought_to_the_topic_by_what_differs(kafka: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, kafka, "mqtt://127.0.0.1:1", "brought", register_topic=True)
    first = run(place, REGISTER, "--yes")
    assert first.exit_code == 0, first.output
    assert (
        "5 meters, no fault; on the topic brought.meter.register: 0\n  added    5: m1, m2, m3, m4, h1\n" in first.output
    )
    assert known(place) == {"m1": "sub-1", "m2": "sub-1", "m3": "sub-2", "m4": None, "h1": None}

    again = run(place, REGISTER, "--yes")
    assert again.exit_code == 0
    assert "nothing to do" in again.output
    assert ends(place) == 5

    other = REGISTER.replace("m3,malmo_household,sub-2,sub-2-f1\n", "").replace(
        "m4,malmo_household,,", "m4,water,sub-1,"
    )
    moved = run(place, other + "m5,water,,\n", "--yes")
    assert "  added    1: m5\n  changed  1: m4 (profile, substation, interval_s)\n" in moved.output
    assert "  missing  1: m3; they stay: --remove removes them\n" in moved.output
    assert known(place) == {"m1": "sub-1", "m2": "sub-1", "m3": "sub-2", "m4": "sub-1", "h1": None, "m5": None}
    assert ends(place) == 7

    gone = run(place, other + "m5,water,,\n", "--yes", "--remove")
    assert "  removed  1: m3\n" in gone.output
    assert known(place).keys() == {"m1", "m2", "m4", "h1", "m5"}
    assert ends(place) == 8


def test_nothing_is_done_unless_all_is_well_and_wanted(kafka: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, kafka, "mqtt://127.0.0.1:1", "unwanted", register_topic=True)
    faulty = run(place, REGISTER + "m5,steam,,\nm1,water,,\n", "--yes")
    assert faulty.exit_code == 1
    assert "2 faults, nothing was done" in faulty.output
    assert "meters.csv:7: unknown profile 'steam'" in faulty.output
    assert "meters.csv:8: meter 'm1' stands twice" in faulty.output
    dry = run(place, REGISTER, "--dry-run")
    assert (dry.exit_code, "added    5" in dry.output) == (0, True)
    refused = run(place, REGISTER, said="n\n")
    assert refused.exit_code == 1
    assert "Do that?" in refused.output
    assert ends(place) == 0
    assert run(place, REGISTER, said="y\n").exit_code == 0
    assert ends(place) == 5


def test_a_bridge_comes_to_know_a_new_meter_and_forgets_a_removed_one(
    kafka: str, mosquitto: str, tmp_path: Path
) -> None:
    place, port = make_place(tmp_path, kafka, mosquitto, "follows", register_topic=True), free_port()

    def knows(count: int) -> None:
        wait_until(
            lambda: METERS.total(scrape(port)) == count, lambda: f"the bridge knows no {count} meters\n{place.log()}"
        )

    def send(meter: str, number: int) -> None:
        with publisher(mosquitto) as publish:
            publish(f"follows/malmo_household/{meter}/reading", reading(number))

    with place.running("--metrics-port", str(port)):
        wait_until(lambda: "no meter is on the topic" in place.log(), "the bridge does not wait for the register")
        assert "connected" not in place.log()
        assert run(place, REGISTER, "--yes").exit_code == 0
        wait_until(lambda: "connected" in place.log(), lambda: f"the bridge does not begin\n{place.log()}")
        knows(5)
        send("m9", 1)
        place.placed("dead", DeadLetter, lambda letters: [one.reason for one in letters] == ["unknown_meter"])
        assert run(place, REGISTER + "m9,malmo_household,sub-2,\n", "--yes").exit_code == 0
        knows(6)
        send("m9", 2)
        (found,) = place.placed("readings", ReadingBlock, lambda blocks: len(blocks) == 1)
        assert isinstance(found.record, ReadingBlock)
        assert (found.record.meters, found.record.substations) == (["m9"], ["sub-2"])
        assert run(place, REGISTER, "--yes", "--remove").exit_code == 0
        knows(5)
        send("m9", 3)
        place.placed("dead", DeadLetter, lambda letters: [one.reason for one in letters] == ["unknown_meter"] * 2)
        assert place.log().count("connected") == 1, "it was not started anew"


def test_a_record_that_cannot_be_used_changes_nothing(
    kafka: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = make_place(tmp_path, kafka, "mqtt://127.0.0.1:1", "unusable", register_topic=True)
    assert run(place, REGISTER, "--yes").exit_code == 0
    before = registered(place.topology)
    put(place, "m1", b"no record")
    put(place, "m2", encode(Device("m3", "water", None, None, None, None, None, 1_000)))
    put(place, "m3", encode(Device("m3", "of_a_later_version", None, None, None, None, None, 1_000)))
    put(place, "m4", encode(Beat("m4", 1)))
    assert registered(place.topology) == before
    assert caplog.text.count("is passed over") == 4


def test_what_is_new_fits_to_what_stays(kafka: str, tmp_path: Path) -> None:
    place = make_place(tmp_path, kafka, "mqtt://127.0.0.1:1", "fits", register_topic=True)
    header = "meter_id,profile,substation,feeder,usage_point,valid_from,valid_to\n"
    assert run(place, f"{header}old,water,s1,f1,u1,,2026-05-01\n", "--yes").exit_code == 0
    clash = run(place, f"{header}new,water,s2,f1,u1,2026-04-01,\n", "--yes")
    assert clash.exit_code == 1
    assert "with what stays: feeder 'f1' of 'new' hangs under 's2' here, 's1' before" in clash.output
    assert "'old' and 'new' hang under usage point 'u1' at one time" in clash.output
    assert known(place) == {"old": "s1"}
    assert run(place, f"{header}new,water,s1,f1,u1,2026-05-01,\n", "--yes").exit_code == 0
    assert known(place) == {"old": "s1", "new": "s1"}
    alone = run(place, f"{header}new,water,s2,f1,u1,2026-04-01,\n", "--yes", "--remove")
    assert alone.exit_code == 0, alone.output
    assert known(place) == {"new": "s2"}
