"""The readings and last gasps of bench.last_gasp, and how they come to a bridge that answers its senders itself.

HTTPS: sixteen hubs, each request what one meter measured, line by line. CoAP: a confirmable request a reading. What is
told to come again does; what is refused for good ends the run.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from urllib.parse import urlsplit

from bench.bridge import METERS, meter
from bench.coap_load import post_all, request
from bench.overload_load import HUBS
from flexmeter.fleet.direct_uplink import DirectUplink
from flexmeter.fleet.http_client import HttpClient
from flexmeter.fleet.messages import EVENT, READING, Message
from flexmeter.fleet.payloads import event, household, iso_time

PROTOCOLS = ("mqtt", "amqp", "http", "coap")
_WINDOW = 1_000
"""Requests under way at once."""
_JSON = 50
PER_FEEDER = 20
"""Meters of each feeder that may lose supply."""


def feeder_of(via: str, number: int, feeders: int) -> str:
    """The feeder of one of the meters that may lose supply."""
    return f"{via}-f{number % feeders}"


def ours(feeders: int) -> range:
    """The numbers of the meters that may lose supply; those below bring the readings that wait."""
    return range(METERS, METERS + PER_FEEDER * feeders)


def name(via: str, number: int) -> str:
    """A meter's id."""
    return f"{via[0].upper()}{meter(number)}"


def message(via: str, number: int, kind: str, payload: bytes) -> Message:
    """From the meter of that number."""
    carries = "event" if kind == EVENT else "reading"
    root = {"mqtt": "malmo", "amqp": "meters", "http": "v1", "coap": "meters"}[via]
    topic = f"{root}/malmo_household/{name(via, number)}/{carries}"
    if via == "amqp":
        return Message(0, number, topic.replace("/", "."), payload, kind, via, sender="guest")
    return Message(0, number, topic, payload, kind)


def readings(via: str, meters: range, times_ms: Iterable[int]) -> Iterator[Message]:
    """Of each of the meters at each of these times."""
    for at in times_ms:
        payload = household(iso_time(at), at // 1_000, at // 1_000, 0, [230.0, 0.0, 0.0], [230.0, 230.0, 230.0])
        yield from (message(via, number, READING, payload) for number in meters)


def queue(via: str, begin_ms: int, end_ms: int, count: int) -> Iterator[Message]:
    """So many readings of the others, after `begin_ms` and up to `end_ms`."""
    turns = count // METERS
    return readings(
        via, range(METERS), (begin_ms + (end_ms - begin_ms) * turn // turns for turn in range(1, turns + 1))
    )


def gasps(via: str, feeder: int, feeders: int) -> Iterator[Message]:
    """Of every meter of one feeder, now."""
    at = now_ms()
    lost = (number for number in ours(feeders) if number % feeders == feeder)
    return (message(via, number, EVENT, event(at, "last_gasp")) for number in lost)


def now_ms() -> int:
    """The time now."""
    return time.time_ns() // 1_000_000


def send_http(url: str, messages: Iterable[Message]) -> None:
    """Return when all are answered."""
    link = DirectUplink({"http": HttpClient(url, lambda hub: f"token-{hub.removeprefix('hub-')}")})
    link.connect()
    for message in batches(messages):
        link.send(message)
    complete = link.drain(120)
    refused = link.refused
    link.close()
    if refused or not complete:
        raise RuntimeError(f"{refused} requests are refused; all answered: {complete}")


def batches(messages: Iterable[Message]) -> Iterable[Message]:
    """One request for each address, by the hub of its device.

    >>> one = Message(0, 17, "v1/p/M17/reading", b"{}", "sent")
    >>> [(found.payload, found.sender, found.holds) for found in batches([one, one])]
    [(b'{}\\n{}', 'hub-1', 2)]
    """
    for _, found in groupby(sorted(messages, key=lambda message: message.topic), key=lambda message: message.topic):
        group = list(found)
        yield group[0]._replace(
            payload=b"\n".join(message.payload for message in group),
            content="application/x-ndjson",
            via="http",
            sender=f"hub-{group[0].device % HUBS}",
            holds=len(group),
        )


def send_coap(url: str, messages: Iterable[Message]) -> None:
    """Return when all are answered."""
    parts = urlsplit(url)
    requests = [request(n, message.topic, _JSON, message.payload) for n, message in enumerate(messages)]
    load = post_all(str(parts.hostname), parts.port or 5683, requests, _WINDOW)
    if load.refused:
        raise RuntimeError(f"{load.refused} requests are refused")


SENDERS: Mapping[str, Callable[[str, Iterable[Message]], None]] = {"http": send_http, "coap": send_coap}
"""By protocol: what sends to a bridge's url."""


def send_queue(via: str, url: str, begin_ms: int, end_ms: int, count: int) -> None:
    """To a bridge that answers: see `queue`."""
    SENDERS[via](url, queue(via, begin_ms, end_ms, count))
