"""What the page says of last gasps and of outages: how soon their alerts are raised."""

from collections.abc import Iterator, Mapping
from typing import Any

from bench.performance.table import table


def last_gasp(result: Mapping[str, Any]) -> Iterator[str]:
    """Alerts behind a backlog."""
    yield (
        "From when a bridge goes on (where the readings wait in Kafka, or for an answer: from the last gasps) to the "
        f"first alert, with {result['queued']:,} readings in front; goal {result['goal_s']} s."
    )
    yield ""
    yield from table(
        ("the readings wait at", "median s", "worst s", "readings still waiting then"),
        (
            (place, one["median_s"], one["worst_s"], f"{one['still_waiting']:,}")
            for place, one in result["waiting_at"].items()
        ),
    )


def outage_speed(result: Mapping[str, Any]) -> Iterator[str]:
    """Outages one after the other, and a storm of them."""
    told, storm = result["episodes"], result["storm"]
    yield (
        f"{result['meters']:,} meters that report every 10 s; {told['outages']} transformers lose supply one after the "
        f"other, {told['told']} are told. Seconds from the first last gasp's writing to Kafka until the alert was read:"
    )
    yield ""
    waits = (("first alert", "first_gasp_to_first_alert_s"), ("located", "first_gasp_to_located_s"))
    rows = ((name, told[key]["p50"], told[key]["p99"], told[key]["most"]) for name, key in waits)
    yield from table(("", "p50", "p99", "most"), rows)
    yield ""
    yield (
        f"A storm of {storm['gasps']:,} last gasps within 10 s, behind live readings: {storm['gasps_counted']:,} "
        f"counted; {storm['outages']} outages, {storm['outages_with_one_alert']} with one alert that stands; "
        f"{storm['alerts']} alerts were raised, {storm['alerts_merged']} of them merged into others and "
        f"{storm['alerts_taken_back']} taken back. The first alert after {storm['first_alert_s']} s; lag back to zero "
        f"{storm['lag_back_to_zero_s']} s after the last gasp."
    )
    missed = [goal for goal, met in result["goals"].items() if not met]
    yield ""
    yield f"Missed: {', '.join(missed)}." if missed else "All goals are met."
