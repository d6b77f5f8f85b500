"""How the bench of outages' times counts what was not told, and how it is said."""

from bench.outage_speed import NEVER, Seen, _spread, _waits
from bench.performance.outages import outage_speed
from schemas.alert import Alert


def said(seen: Seen, name: str, read_ms: int, number: int, device: str, phase: str) -> None:
    evidence = {"phase": phase, "ending": None, "start_ms": 1_000}
    alert = Alert(name, number, "outage", "warning", "updated", device, None, None, read_ms, 1_000, "", evidence)
    seen.alerts[name].append((read_ms, alert))


def test_an_outage_waits_for_its_first_alert_whatever_device_that_named() -> None:
    seen = Seen()
    said(seen, "a", 1_250, 1, "fuse", "provisional")
    said(seen, "a", 7_500, 2, "t1", "located")
    said(seen, "b", 1_400, 1, "t2", "provisional")
    assert _waits(seen, "t1", 900) == (0.25, 6.5)
    assert _waits(seen, "t2", 900) == (0.4, NEVER)
    assert _waits(seen, "t3", 900) == (NEVER, NEVER)


def test_what_was_never_told_is_the_slowest() -> None:
    assert _spread([0.2, 0.1, 0.3]) == {"p50": 0.2, "p99": 0.3, "most": 0.3}
    assert _spread([0.1] * 97 + [NEVER] * 3) == {"p50": 0.1, "p99": None, "most": None}


def test_the_page_says_what_subscribers_got_and_which_goal_is_missed() -> None:
    waits = {"p50": 0.2, "p99": 0.3, "most": 0.4}
    told = {"outages": 9, "told": 8, "first_gasp_to_first_alert_s": waits, "first_gasp_to_located_s": waits}
    storm = {
        "gasps": 1_000, "gasps_counted": 1_000, "outages": 64, "outages_with_one_alert": 64, "alerts": 70,
        "alerts_merged": 5, "alerts_taken_back": 1, "first_alert_s": 0.5, "lag_back_to_zero_s": 6.2,
    }  # fmt: skip
    goals = {"every outage told": False, "storm: nothing lost": True}
    text = "\n".join(outage_speed({"meters": 8_000, "episodes": told, "storm": storm, "goals": goals}))
    assert "70 alerts were raised, 5 of them merged into others and 1 taken back" in text
    assert text.endswith("Missed: every outage told.")
