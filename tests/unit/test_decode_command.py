import json
from pathlib import Path

from click.testing import CliRunner

from flexmeter.commands.decode import command

CASES = Path(__file__).parent.parent / "cases" / "json"


def test_a_file() -> None:
    result = CliRunner().invoke(command, ["--profile", "district_heat", str(CASES / "heat_reading" / "payload")])
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    answer = json.loads(line)
    assert answer["quantities"]["heat_energy_wh"] == 123_456_789.0
    assert answer["quality"] == ["time_by_gateway"]


def test_one_answer_for_each_line_and_exit_code_1_for_a_rejection() -> None:
    good = (CASES / "household_reading" / "payload").read_bytes()
    lines = [good, b"{}", b"\xff", good]
    result = CliRunner().invoke(command, ["--profile", "malmo_household", "--lines", "-"], input=b"\n".join(lines))
    assert result.exit_code == 1
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer.get("rejected") for answer in answers] == [None, "field", "encoding", None]


def test_an_event() -> None:
    payload = (CASES / "household_last_gasp" / "payload").read_bytes()
    result = CliRunner().invoke(command, ["--profile", "malmo_household", "--event", "--meter", "m7", "-"], payload)
    answer = json.loads(result.stdout)
    assert (answer["meter"], answer["time"], answer["status"]) == ("m7", "2026-11-24T08:00:00.000Z", ["last_gasp"])
    assert (answer["quantities"], answer["detail"]) == ({}, "reserve 4.1 V")


def test_a_profile_without_mapping() -> None:
    result = CliRunner().invoke(command, ["--profile", "water", "-"], input=b"")
    assert result.exit_code == 2
    assert "malmo_household" in result.stderr
