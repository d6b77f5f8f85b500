"""What the page says of those who read results: the sink, the router, the dashboards."""

from collections.abc import Iterator, Mapping
from typing import Any

from bench.performance.table import table


def sink(result: Mapping[str, Any]) -> Iterator[str]:
    """The sink beside a bare insert."""
    yield "Avro bytes to ClickHouse, beside the insert of the same columns alone."
    yield ""
    yield from table(
        ("into", "", "readings/s", "readings per CPU-second"),
        (
            (into, name, f"{found[name]['readings_per_s']:,}", f"{found[name]['readings_per_cpu_s']:,}")
            for into, found in result["into"].items()
            for name in ("bare insert", "sink")
        ),
    )
    yield ""
    yield from (
        f"- {into}: {found['ratio_by_cpu']:.0%} of bare by the processors, goal {result['goal']:.0%}: "
        f"{'met' if found['met'] else '**missed**'}; {found['ratio_by_clock']:.0%} by the clock"
        for into, found in result["into"].items()
    )


def sink_away(result: Mapping[str, Any]) -> Iterator[str]:
    """The server away under load."""
    memory = ", ".join(f"{phase} {most:,} MB" for phase, most in result["rss_mb"].items())
    yield (
        f"The server away for {result['away_s']:g} s while {result['rows_per_s']:,} readings a second came: of "
        f"{result['readings_sent']:,} **{result['readings_lost']:,} lost**, {result['dead_letters']} dead letters; "
        f"{result['most_records_behind']:,} records behind at most, caught up in {result['caught_up_s']} s while more "
        f"came. The sink's memory: {memory}."
    )


def router(result: Mapping[str, Any]) -> Iterator[str]:
    """Alerts to a receiver."""
    yield (
        f"Webhooks one after the other, each recorded on Kafka before the next: {result['delivered_per_s']:,} a "
        f"second, {result['ms_each']} ms each. Past what no rule wants: {result['passed_over_per_s']:,} alerts a "
        "second, the router's start included."
    )


def router_away(result: Mapping[str, Any]) -> Iterator[str]:
    """Receivers away."""
    yield (
        f"The mail server and the web server away for {result['away_s']:g} s while alerts came, {result['alerts']:,} "
        "in all; both routers of examples/topology-all.yaml."
    )
    yield ""
    yield from table(
        ("router", "came", "lost", "twice", "waited at the end", "all there after, s"),
        (
            (name, *(result[name][column] for column in ("came", "lost", "twice", "waited", "caught_up_s")))
            for name in ("control_room", "tickets")
        ),
    )


def _ms(figure: float | None) -> str:
    return "beyond the limits" if figure is None else f"{figure:,}"


def dashboards_speed(result: Mapping[str, Any]) -> Iterator[str]:
    """Panels' queries over days of a city."""
    rows, worst = result["size"], result["worst_ms"]
    yield (
        f"{result['days']} days of {max(result['meters']):,} meters that report every {result['interval_s']} s "
        f"({rows['readings_raw']:,} readings, {rows['aggregates_raw']:,} aggregates, {rows['mb_on_disk']:,} MB). "
        f"{result['panels']} panels and variables, each over the range its dashboard opens with and over all days; "
        f"goal {result['goal_ms']:g} ms at the 95th percentile."
    )
    yield ""
    yield from table(
        ("slowest panel", "by the clock, ms", "on the processors, ms"),
        (
            (name, _ms(worst[which]), _ms(worst[f"{which}_cpu"]))
            for which, name in (("opening", "as opened"), ("all", f"over {result['days']} days"))
        ),
    )
    yield ""
    for meters, by_range in result["panels_slower_than_goal"].items():
        for which, name in (("opening", "as opened"), ("all", f"over {result['days']} days")):
            slow = sorted(by_range[which].items(), key=lambda one: -(one[1] or 1e9))
            named = ", ".join(f"{panel} {'(beyond the limits)' if ms is None else f'{ms:,.0f}'}" for panel, ms in slow)
            yield f"- {int(meters):,} meters, {name}: above {result['goal_ms']:g} ms {named or 'none'}."
    yield ""
    grown = sorted(((n, x) for n, x in result["cost_grew_by"].items() if x is not None), key=lambda one: -one[1])
    times = max(result["meters"]) / min(result["meters"])
    yield f"With {times:g} times the meters these cost most more: {', '.join(f'{n} {x}' for n, x in grown[:5])}."
    yield ""
    yield from table(
        ("table", "bytes a row", "naive", "share"),
        ((name, b["bytes"], b["naive"], b["share"]) for name, b in result["bytes_a_row"].items()),
    )
