"""What commands say to a mistake, before they ask any server."""

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from flexmeter.commands import fleet, home, recompute, send, topology

TEXT = re.sub("(?m)^  meter.register: .*$", "", (Path(__file__).parents[2] / "topology.yaml").read_text("utf-8"))
"""The project's, without the topic of the register: that is the file."""

REGISTER = """\
meter_id,profile,substation,feeder,phase,usage_point,interval_s
E350-0000000001,malmo_household,sub-1,f1,L1,u1,10
"""


@pytest.mark.parametrize(
    ("command", "argv", "told"),
    [
        (home.command, ["consent", "E350-0000000002"], "no meter 'E350-0000000002' in the register; did you mean "),
        (home.command, ["consent", "m"], "no meter 'm' in the register; add it there first"),
        (home.command, ["withdraw", "E350-0000000002"], "no meter 'E350-0000000002' in the register; did you mean "),
        (home.command, ["label", "m", "kettle", "--power", "2000"], "no meter 'm' in the register; add it there first"),
        (send.command, ["E350-0000000001", "voltage_l1_v=nan"], "'voltage_l1_v=nan': write QUANTITY=NUMBER"),
        (send.command, ["E350-0000000001", "voltage_l1_v=much"], "'voltage_l1_v=much': write QUANTITY=NUMBER"),
        (topology.command, ["check"], "1 fault\n"),
        (fleet.command, ["--url", "localhost:1883"], "--url localhost:1883: begin it with mqtt://, mqtts://, coap://"),
        (recompute.command, ["--name", "grid"], "stream grid asks for nothing to be computed again"),
    ],
)
def test_it_says_what_to_do(command: click.Command, argv: list[str], told: str, tmp_path: Path) -> None:
    register, file = tmp_path / "register.csv", tmp_path / "topology.yaml"
    register.write_text(REGISTER, "utf-8")
    text = TEXT if argv != ["check"] else TEXT.replace("decoder: json", "decoder: jsn", 1)
    file.write_text(text, "utf-8")
    env = {"FLEXMETER_TOPOLOGY": str(file), "FLEXMETER_REGISTER": str(register), "KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    ran = CliRunner().invoke(command, argv, env=env)
    assert ran.exit_code != 0
    assert told in ran.output
