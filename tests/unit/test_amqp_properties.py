"""A message's user is found among whichever other properties it has; pika reads messages with our reader."""

import itertools
from importlib.metadata import version
from typing import Any

import pika
import pytest
from pika import frame

from connectors.amqp_properties import UserOnly

OTHERS: dict[str, Any] = {
    "content_type": "application/json", "content_encoding": "gzip", "headers": {"a": {"b": 1}}, "delivery_mode": 2,
    "priority": 9, "correlation_id": "c", "reply_to": "", "expiration": "60000", "message_id": "m" * 255,
    "timestamp": 1 << 63, "type": "t", "app_id": "behind", "cluster_id": "it",
}  # fmt: skip


def read(**properties: Any) -> UserOnly:
    encoded = b"".join(pika.BasicProperties(**properties).encode())
    return UserOnly().decode(encoded)


@pytest.mark.parametrize("count", [0, 1, 2, len(OTHERS)])
def test_the_user_is_found_whatever_stands_before_it(count: int) -> None:
    for names in itertools.combinations(OTHERS, count):
        others = {name: OTHERS[name] for name in names}
        assert read(user_id="hub-7", **others).user_id == "hub-7"
        assert read(**others).user_id is None


def test_pika_reads_with_it() -> None:
    assert version("pika").startswith("1.")
    sent = frame.Header(1, 0, pika.BasicProperties(user_id="hub-7", content_type="x")).marshal()
    _, found = frame.decode_frame(sent)
    assert isinstance(found, frame.Header) and isinstance(found.properties, UserOnly)
    assert found.properties.user_id == "hub-7"
