"""A subscriber of the alerts in Python: prints each alert of a kind once, in its newest version.

    pip install confluent-kafka
    KAFKA_BOOTSTRAP=127.0.0.1:9092 python subscribe.py outage

It begins with the oldest alert that Kafka has; the offsets of its group say where it goes on after a restart.
"""

import json
import os
import sys

from confluent_kafka import Consumer


def main(kind: str) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ.get("KAFKA_BOOTSTRAP", "127.0.0.1:9092"),
            "group.id": os.environ.get("GROUP", "example-python"),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([os.environ.get("TOPIC", "alerts")])
    wanted = f"flexmeter.alert.{kind}." if kind else "flexmeter.alert."
    newest: dict[str, int] = {}  # alert id -> its highest number; a real subscriber keeps it where it keeps the alerts
    while True:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            print(message.error(), file=sys.stderr)
            continue
        headers = dict(message.headers() or ())
        if headers["ce_type"].decode().startswith(wanted):  # the header tells; no JSON is read in vain
            handle(json.loads(message.value()), newest)
        consumer.commit(message)  # after it is handled, never before


def handle(alert: dict, newest: dict[str, int]) -> None:
    """Alerts come at least once: a repeat, or a version that was overtaken, is no news."""
    if alert["number"] > newest.get(alert["id"], 0):
        newest[alert["id"]] = alert["number"]
        print(alert["state"], alert["severity"], alert["id"], alert["number"], alert["summary"], flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
