"""The devices of bench.latency: E350 meters, one after the other, each every 10 s, at a real MQTT broker."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from bench.workload import PROFILE, STEP_MS, City, steps
from flexmeter.fleet.messages import READING
from flexmeter.fleet.payloads import household, iso_time
from flexmeter.fleet.uplink import open_uplink
from schemas.arrays import Int64s
from schemas.catalogue import load_catalogue

GATEWAYS = 4
LATENESS_MS = load_catalogue().profiles[PROFILE].lateness_intervals * STEP_MS
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Devices:
    """n meters; `begin_ms` is the event time at which the first of them reports first."""

    meters: int
    begin_ms: int

    def completes(self, meter: Int64s, end: Int64s) -> Int64s:
        """Event times of the messages without which the minutes that end then could not be told.

        A minute is closed by its meter's first row at or after its end, and that row counts once no earlier one can
        come any more: when the meter has reported one that is newer by the profile's lateness.

        >>> Devices(10, 60_000).completes(np.array([0, 3]), np.array([120_000, 120_000])).tolist()
        [180000, 183000]
        """
        first = self.begin_ms + meter * STEP_MS // self.meters
        closed_at: Int64s = first + -(-(end - first) // STEP_MS) * STEP_MS
        return closed_at + LATENESS_MS


def messages(devices: Devices, count: int) -> Iterator[tuple[int, str, bytes]]:
    """Event time, topic and payload of each report, `count` of each meter."""
    city = City.of(devices.meters, 1)
    topics = [f"malmo/{PROFILE}/{meter}/reading" for meter in city.ids]
    for step in islice(steps(city), count):
        at = (devices.begin_ms + step.number * STEP_MS + city.phase_ms).tolist()
        for topic, when, values in zip(topics, at, step.values, strict=True):
            imported, exported, *phases = values.tolist()
            payload = household(iso_time(when), step.number, int(imported), int(exported), phases[:3], phases[3:])
            yield when, topic, payload


def send_all(url: str, devices: Devices, count: int) -> float:
    """As fast as the broker takes them; the CPU-seconds of it."""
    link = open_uplink(url, GATEWAYS, "bench-latency")
    link.connect()
    began = time.process_time()
    for number, (_, topic, payload) in enumerate(messages(devices, count)):
        link.send(number % GATEWAYS, topic, payload, READING)
    if not link.drain(120):
        raise RuntimeError("the broker does not take everything")
    used = time.process_time() - began
    link.close()
    return used


def send_live(url: str, devices: Devices, count: int, begin_s: float) -> float:
    """Each when it is due, the first at `begin_s` of the monotonic clock. The 99th percentile of how many seconds after
    that they were sent.
    """
    link = open_uplink(url, GATEWAYS, "bench-latency")
    link.connect()
    late_s = []
    for number, (at, topic, payload) in enumerate(messages(devices, count)):
        due_s = begin_s + (at - devices.begin_ms) / 1_000
        while (wait_s := due_s - time.monotonic()) > 0:
            link.pump(wait_s)
        late_s.append(-wait_s)
        link.send(number % GATEWAYS, topic, payload, READING)
    if not link.drain(120):
        raise RuntimeError("the broker does not take everything")
    link.close()
    return float(np.percentile(late_s, 99))
