"""Words that a command does not take as something else: it says so, and does nothing."""

import shlex

import pytest
from click.testing import CliRunner

from flexmeter.cli import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("alerts --severity warning silence --kind outage --for 4h", "--severity stands before silence"),
        ("alerts --topology topology.yaml ack outage/x/1/1", "--topology stands before ack"),
        ("erase ''", "nothing is erased"),
        ("erase ' '", "nothing is erased"),
        ("recompute --linger 0", "'--linger'"),
        ("recompute --name metering --database localhost:8123", "'localhost:8123' begins with none of"),
    ],
)
def test_it_is_told(words: str, said: str) -> None:
    told = CliRunner().invoke(main, shlex.split(words))
    assert told.exit_code == 2
    assert said in told.output
