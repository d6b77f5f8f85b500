"""Live mode's pure part: who sends when, outages, and the same seed again."""

from collections import Counter

import orjson
import pytest

from flexmeter.fleet.live import SLOTS, District
from flexmeter.fleet.messages import EVENT, GARBAGE, READING, REPEAT, Message
from flexmeter.fleet.outages import Schedule
from flexmeter.fleet.replay import Faults
from flexmeter.fleet.world import build_world

BEGUN = 1_750_500_000_000
INTERVAL_MS = 10_000


def sent(seconds: int, outages: Schedule, faults: Faults, homes: int = 48) -> list[Message]:
    world = build_world(homes, 3, seed=1)
    district = District(world, ["malmo"], BEGUN, INTERVAL_MS, outages, faults)
    return [m for _ in range(seconds * 1000 * SLOTS // INTERVAL_MS) for m in district.next_slot()]


def test_every_device_reports_once_an_interval_spread_over_it() -> None:
    messages = sent(30, Schedule(every_s=0), Faults())
    assert Counter(Counter(m.device for m in messages).values()) == {3: 48 + 2 + 3}
    assert [m.due for m in messages] == sorted(m.due for m in messages)
    a_slot = Counter(m.due for m in messages)
    assert max(a_slot.values()) <= -(-53 // SLOTS)
    profiles = Counter(m.topic.split("/")[1] for m in messages)
    assert profiles == {"malmo_household": 144, "malmo_substation": 6, "district_heat": 9}


def test_an_outage_is_gasps_then_silence_then_restorations() -> None:
    messages = sent(60, Schedule(first_s=20, every_s=100, lasts_s=20), Faults())
    events = [(m, orjson.loads(m.payload)) for m in messages if m.kind == EVENT]
    gasps = [m for m, said in events if said["event"] == "last_gasp"]
    restored = [m for m, said in events if said["event"] == "power_restored"]
    assert 0 < len(gasps) <= len(restored) == 6, "one feeder of eight, some gasps lost"
    assert all(BEGUN + 20_000 <= m.due < BEGUN + 22_500 for m in gasps)
    assert all(BEGUN + 40_000 <= m.due < BEGUN + 43_500 for m in restored)
    struck = {m.device for m in restored}
    silent = [m for m in messages if m.kind == READING and m.device in struck]
    assert not [m for m in silent if BEGUN + 20_000 <= m.due < BEGUN + 40_000]
    assert [m for m in silent if m.due >= BEGUN + 40_000]
    assert all(said["time"].endswith("Z") and said["detail"] == "" for _, said in events)


def test_repeats_and_garbage_on_request() -> None:
    kinds = Counter(m.kind for m in sent(60, Schedule(every_s=0), Faults(duplicates=0.1, garbage=0.1)))
    assert kinds[REPEAT] == pytest.approx(0.1 * kinds[READING], rel=0.5)
    assert kinds[GARBAGE] == pytest.approx(0.1 * kinds[READING], rel=0.5)


def test_same_seed_same_bytes() -> None:
    schedule, faults = Schedule(first_s=5, lasts_s=5), Faults(duplicates=0.05, garbage=0.05)
    assert sent(20, schedule, faults) == sent(20, schedule, faults)
