import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from connectors.registry import TELEGRAMS, TEXT_PROTOCOLS
from flexmeter.commands.decode import command

CASES = Path(__file__).parent.parent / "cases" / "json"
PAGE = Path(__file__).parents[2] / "docs" / "decoding.md"
EXAMPLES = re.findall(r"^\$ echo '(.*)' \| flexmeter decode (.*)\n((?:\{.*\n)+)", PAGE.read_text("utf-8"), re.MULTILINE)


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


@pytest.mark.parametrize(("payload", "options", "expected"), EXAMPLES, ids=[payload[:20] for payload, *_ in EXAMPLES])
def test_the_page_shows_what_is_printed(payload: str, options: str, expected: str) -> None:
    result = CliRunner().invoke(command, shlex.split(options), input=f"{payload}\n".encode())
    assert result.stdout == expected


def test_the_page_names_every_key() -> None:
    assert len(EXAMPLES) == PAGE.read_text("utf-8").count("$ echo")
    keys = {key for *_, expected in EXAMPLES for line in expected.splitlines() for key in json.loads(line)}
    assert all(f"`{key}`" in PAGE.read_text("utf-8") for key in keys)


def test_every_line_has_its_answer_with_its_number() -> None:
    text = b'[{"n":"m1/voltage_v","v":230}]'
    lines = [text, b"", text.hex().encode(), b"81 a2 006a 45312f766f6c74616765 02 18e6", b"zz", text]
    result = CliRunner().invoke(command, ["--protocol", "senml", "-"], input=b"\r\n".join(lines) + b"\r\n")
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["line"] for answer in answers] == [1, 2, 3, 4, 5, 6]
    assert [answer.get("rejected") for answer in answers] == [None, "empty", None, None, "malformed", None]
    assert answers[0] | {"line": 3} == answers[2]
    assert result.exit_code == 1


def test_a_line_of_json_is_text_whatever_it_consists_of() -> None:
    good = (CASES / "household_reading" / "payload").read_bytes()
    lines = b"\n".join([b"123", b"7b7d", b"1234", good.hex().encode()])
    household = ["--profile", "malmo_household"]

    def rejected(*options: str, content: bytes = lines) -> list[str | None]:
        result = CliRunner().invoke(command, [*household, *options, "-"], input=content)
        return [json.loads(line).get("rejected") for line in result.stdout.splitlines()]

    assert rejected() == ["field", "malformed", "field", "malformed"]  # a number is JSON, but no reading
    assert rejected(content=b"1234") == ["field"]
    assert rejected("--hex") == ["malformed", "field", "malformed", None]


def test_a_document_over_several_lines_is_one_telegram() -> None:
    pack = b'[\n{"n":"m1/voltage_v","v":230}\n]\n'
    assert CliRunner().invoke(command, ["--protocol", "senml", "-"], input=pack).exit_code == 0
    assert (
        len(CliRunner().invoke(command, ["--protocol", "senml", "--lines", "-"], input=pack).stdout.splitlines()) == 3
    )


def test_json_needs_a_profile() -> None:
    result = CliRunner().invoke(command, ["-"], input=b"{}")
    assert result.exit_code == 2
    assert "--profile" in result.stderr


def test_a_zone_must_be_known() -> None:
    result = CliRunner().invoke(command, ["--protocol", "senml", "--zone", "Europe/Malmo", "-"], input=b"[]")
    assert result.exit_code == 2
    assert "Europe/Malmo" in result.stderr


def test_a_key_is_hexadecimal() -> None:
    result = CliRunner().invoke(command, ["--protocol", "senml", "--key", "00F", "-"], input=b"[]")
    assert result.exit_code == 2
    assert "hexadecimal" in result.stderr


@pytest.mark.parametrize("protocol", TELEGRAMS)
def test_every_protocol_answers_to_garbage(protocol: str) -> None:
    result = CliRunner().invoke(command, ["--protocol", protocol, "-"], input=b"00ff\nno telegram\n")
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["line"] for answer in answers] == [1, 2]
    assert all("rejected" in answer for answer in answers)


def test_text_protocols_are_protocols() -> None:
    assert {*TELEGRAMS, "json"} >= TEXT_PROTOCOLS
