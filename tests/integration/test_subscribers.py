"""The examples of examples/subscribers, as somebody else would run them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.router.webhook import Webhook
from flexmeter.local.ports import HOST, free_port, listens
from schemas.errors import Unavailable
from schemas.topology import Router, Rule
from tests.router_process import RULES, RouterPlace, an_alert

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[2] / "examples" / "subscribers"
ALERTS = [
    an_alert("a"),
    an_alert("a", 2),
    an_alert("a"),
    an_alert("b", kind="anomaly", severity="warning"),
    an_alert("c", substation="ms-2", severity="info"),
    an_alert("a", 3, "cleared", severity="info"),
]
AREAS = ("ms-1", "ms-2")
LINES = {
    "a": ["raised critical a 1 a is dark", "updated critical a 2 a is dark", "cleared info a 3 a is dark"],
    "b": ["raised warning b 1 b is dark"],
    "c": ["raised info c 1 c is dark"],
}


def needs(program: str, package: str) -> str:
    place = shutil.which(program)
    if place is None:
        pytest.skip(f"{program} is not there: apt-get install {package}")
    return place


@contextmanager
def running(command: list[str], place: RouterPlace, **env: str) -> Iterator[Path]:
    """The example at work, and the file of what it prints."""
    out = place.folder / "router.log"  # wait_until shows it where it waits in vain
    settings = {"KAFKA_BOOTSTRAP": place.bootstrap, "TOPIC": place.topic("alerts"), "GROUP": place.prefix, **env}
    with out.open("wb") as file:
        process = subprocess.Popen(
            command, env={**os.environ, **settings}, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield out
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def prints(command: list[str], place: RouterPlace, expected: list[str], areas: Sequence[str] = AREAS) -> None:
    """Of these areas it prints these lines and no others before an alert that comes last in each partition."""
    kind = "anomaly" if "anomaly" in command else "outage"
    ends = [an_alert(f"last-{name}", kind=kind, substation=name) for name in areas]
    place.put(*ALERTS, *ends)
    with running(command, place) as out:
        place.wait_until(lambda: all(f"{end.id} is dark" in out.read_text() for end in ends))
    lines = [line for line in out.read_text().splitlines() if " is dark" in line and "last" not in line]
    assert sorted(lines) == sorted(expected)
    assert [line for line in lines if " a " in line] == [line for line in expected if " a " in line]


def place_of(kafka: str, folder: Path, name: str) -> RouterPlace:
    return RouterPlace(folder, kafka, name, "http://unused", (RULES,))


def test_python(kafka: str, tmp_path: Path) -> None:
    place = place_of(kafka, tmp_path, "python")
    prints([sys.executable, str(EXAMPLES / "subscribe.py"), "outage"], place, LINES["a"] + LINES["c"])


def test_shell(kafka: str, tmp_path: Path) -> None:
    needs("kcat", "kcat")
    needs("jq", "jq")
    place = place_of(kafka, tmp_path, "shell")
    repeats = [LINES["a"][0], *LINES["a"][:2], *LINES["b"]]  # it keeps nothing, so it shows repeats
    place.put(*ALERTS, an_alert("last"))
    with running([str(EXAMPLES / "subscribe.sh"), "warning"], place) as out:
        place.wait_until(lambda: "last is dark" in out.read_text())
    assert sorted(out.read_text().splitlines()[:-1]) == sorted(repeats)


def test_javascript(kafka: str, tmp_path: Path) -> None:
    node = needs("node", "nodejs")
    if not (EXAMPLES / "node_modules").is_dir():
        pytest.skip("its packages are not there: cd examples/subscribers && npm ci")
    place = place_of(kafka, tmp_path, "javascript")
    prints([node, str(EXAMPLES / "subscribe.mjs"), "ms-1"], place, LINES["a"] + LINES["b"], ("ms-1",))


def test_a_receiver_of_webhooks(tmp_path: Path) -> None:
    port, secret = free_port(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    out = tmp_path / "out"
    command = [sys.executable, str(EXAMPLES / "receive_webhook.py"), str(port)]
    with out.open("wb") as file:
        process = subprocess.Popen(command, env={**os.environ, "WEBHOOK_SECRET": secret}, stdout=file, stderr=file)
    try:
        while not listens(port):
            assert process.poll() is None, out.read_text()
        for options, genuine in (({"secret": secret}, True), ({"secret": secret}, True), ({}, False)):
            webhook = Webhook(Router("r", f"http://{HOST}:{port}/", "", "", "", "", (Rule(),), options))
            try:
                webhook.deliver([an_alert("a")])
                assert genuine
            except Unavailable as refused:
                assert not genuine and "HTTP 401" in str(refused)
            finally:
                webhook.close()
    finally:
        process.kill()
        process.wait()
    assert out.read_text().count("raised critical a 1 a is dark") == 1
