"""`make proof` in its short form: from MQTT to ClickHouse, equal to independent arithmetic, also while parts die."""

import subprocess
import sys

import orjson
import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.mark.timeout(580)
@pytest.mark.parametrize("kills", [False, True])
def test_what_users_query_is_what_was_sent(kills: bool) -> None:
    command = [sys.executable, "-m", "bench.proof", "--short", *(["--kills"] if kills else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=560)
    assert done.returncode == 0, done.stdout + done.stderr
    result = orjson.loads(done.stdout.splitlines()[-1])["result"]
    assert result["proof"] == "all equal"
    assert result["hourly_rows"] > 4_000
    assert len(result["killed"]) == (6 if kills else 0)
    assert all(victim["lag"] > 0 for victim in result["killed"])
