"""What all roles share."""

from urllib.request import urlopen

from flexmeter.local.ports import free_port
from flexmeter.role import start_role


def test_metrics_are_served_at_the_address_that_is_told() -> None:
    port = free_port()
    start_role("127.0.0.2", port)
    with urlopen(f"http://127.0.0.2:{port}/metrics", timeout=10) as answer:
        assert b"python_info" in answer.read()
