"""docs/performance.md, written from bench/results: `python -m bench.performance`.

A test fails when the page no longer says what the results say. A figure that is not there has not been measured.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.report import RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
Whole = Mapping[str, Any]
"""A results file: bench, measured_at, machine, versions, result."""

HEAD = """# Performance

<!-- Written by `python -m bench.performance` from bench/results; run the command of a section to measure anew. -->

Each figure stands with the command that measures it, the machine, how busy that was, and the date. Machines are noisy:
compare what was measured in one run, and read ratios rather than absolute figures.
"""


def engine(result: Mapping[str, Any]) -> Iterator[str]:
    """The engine beside its peers."""
    yield (
        f"A 1-minute mean of 8 quantities of {result['meters']:,} meters, state saved; readings per CPU-second of the "
        "process ([how each is set up](../bench/peers/README.md))."
    )
    yield ""
    found = result["contestants"]
    ordered = sorted(found.items(), key=lambda item: -item[1]["readings_per_cpu_s"])
    yield from _table(
        ("contestant", "median", "lowest", "highest", "repeats"),
        (
            (name, f"{f['readings_per_cpu_s']:,}", f"{f['lowest']:,}", f"{f['highest']:,}", f["repeats"])
            for name, f in ordered
        ),
    )
    yield ""
    yield from (
        f"- {'met' if goal['met'] else '**missed**'}: {goal['goal']} ({goal['beside']}): {goal['ratio']}"
        for goal in result["goals"]
    )


def engine_blocks(result: Mapping[str, Any]) -> Iterator[str]:
    """The size of a block."""
    yield "The same, by the rows that a block holds, and with the blocks that ten bridges make of live readings."
    yield ""
    found = result["rows_a_block"]
    yield from _table(
        ("rows a block", "readings per CPU-second"), ((n, f"{f['readings_per_cpu_s']:,}") for n, f in found.items())
    )


def metering(result: Mapping[str, Any]) -> Iterator[str]:
    """The stream that carries the load."""
    yield "All operators of stream `metering` together, the worker as it runs, by the size of the city."
    yield ""
    yield from _table(
        ("meters", "rows per CPU-second", "lowest", "highest"),
        (
            (f"{int(n):,}", f"{f['readings_per_cpu_s']:,}", f"{f['lowest']:,}", f"{f['highest']:,}")
            for n, f in result["rows"].items()
        ),
    )
    state = result["state"]
    each = ", ".join(f"{name} {size:,}" for name, size in state["bytes_a_meter"].items())
    shard = sum(state["bytes_a_meter_of_the_shard"].values())
    yield ""
    yield (
        f"Bytes of state of an E350: {each}; the shard's own {shard:,}. Saved and compressed a meter takes "
        f"{state['saved_bytes_a_meter']:,} bytes, as much as its readings in "
        f"{state['saves_cost_as_much_as_the_input_every_s']} s: a worker saves no oftener than that. To save a meter "
        f"takes {state['save_cpu_us_a_meter']} us of CPU, to bring it back {state['restore_cpu_us_a_meter']} us."
    )
    yield ""
    yield from (f"- {'met' if met else '**missed**'}: {goal}" for goal, met in result["goals"].items())


def restart(result: Mapping[str, Any]) -> Iterator[str]:
    """Restore, catching up, and a second worker."""
    yield (
        "A worker that knows the whole city is asked to end, and saves; started anew, it holds its state after so "
        "long, and has worked off what came meanwhile after so long again."
    )
    yield ""
    yield from _table(
        ("meters", "saved s", "restored s", "backlog, s of live time", "caught up s"),
        (
            (f"{int(n):,}", f["saved_s"], f["restored_s"], f["backlog_s_of_live_time"], f["caught_up_s"])
            for n, f in result["restart"].items()
        ),
    )
    rates = result["readings_per_s_by_workers"]
    yield ""
    yield (
        f"One worker works off {rates['1']:,} readings a second of wall time, two {rates['2']:,} "
        f"({result['two_by_one']} times), with the broker on the same cores."
    )


def latency(result: Mapping[str, Any]) -> Iterator[str]:
    """From a block on Kafka to its results."""
    highest = f"{result['highest_readings_per_s']:,} readings/s"
    yield f"From a block on Kafka to the results of its turn, at shares of {highest}."
    yield ""
    yield from _table(
        ("share", "readings/s", "p50 ms", "p99 ms"),
        ((share, f"{f['readings_per_s']:,}", f["p50_ms"], f["p99_ms"]) for share, f in result["at"].items()),
    )


def bridge(result: Mapping[str, Any]) -> Iterator[str]:
    """A bridge beside a bare client or server of its protocol."""
    yield "The bridge decodes, packs, produces and acknowledges after Kafka; the bare one counts, or answers at once."
    yield ""
    contestants = {name: one for name, one in result.items() if isinstance(one, Mapping)}
    yield from _table(
        ("", "messages/s", "us of CPU a message"),
        (
            (
                name,
                f"{one.get('messages_per_s', one.get('requests_per_s')):,}",
                one.get("cpu_us_per_message", one.get("cpu_us_per_request")),
            )
            for name, one in contestants.items()
        ),
    )
    yield ""
    by_cpu = f", by CPU {result['cpu_ratio']}" if "cpu_ratio" in result else ""
    yield f"Ratio {result['ratio']}{by_cpu}, goal {result['goal']}."


def last_gasp(result: Mapping[str, Any]) -> Iterator[str]:
    """Alerts behind a backlog."""
    yield (
        "From when a bridge goes on (where the readings wait in Kafka, or for an answer: from the last gasps) to the "
        f"first alert, with {result['queued']:,} readings in front; goal {result['goal_s']} s."
    )
    yield ""
    yield from _table(
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
    yield from _table(("", "p50", "p99", "most"), rows)
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


def overload(result: Mapping[str, Any]) -> Iterator[str]:
    """Ten times what Kafka takes."""
    yield f"Kafka throttled for {result['seconds']:.0f} s, readings offered all the same; then let go."
    yield ""
    yield from _table(
        ("bridge", "offered/s", "Kafka took/s", "acknowledged", "refused", "lost", "memory before, MB", "at most, MB"),
        (
            (
                name,
                f"{one['offered_per_s']:,}",
                f"{one['kafka_took_per_s']:,}",
                f"{one['acknowledged']:,}",
                f"{one['refused']:,}",
                one["lost"],
                one["before_mb"],
                one["peak_mb"],
            )
            for name, one in result["bridges"].items()
        ),
    )
    yield ""
    yield from (f"- {fault}" for fault in result["findings"] or ["memory bounded, nothing acknowledged lost"])


def fuzz(result: Mapping[str, Any]) -> Iterator[str]:
    """Broken and invented telegrams."""
    yield f"{result['inputs']:,} inputs, {result['findings']} findings."
    yield ""
    yield from _table(
        ("protocol", "inputs", "decoded", "rejected", "slowest ms", "crashes"),
        (
            (
                one["protocol"],
                f"{one['inputs']:,}",
                f"{one.get('decoded', 0):,}",
                f"{one.get('rejected', 0):,}",
                one.get("slowest_ms", ""),
                one.get("died") or len(one["crashes"]),
            )
            for one in result["protocols"]
        ),
    )


def sink(result: Mapping[str, Any]) -> Iterator[str]:
    """The sink beside a bare insert."""
    yield "Avro bytes to ClickHouse, beside the insert of the same columns alone."
    yield ""
    yield from _table(
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
    yield from _table(
        ("router", "came", "lost", "twice", "waited at the end", "all there after, s"),
        (
            (name, *(result[name][column] for column in ("came", "lost", "twice", "waited", "caught_up_s")))
            for name in ("control_room", "tickets")
        ),
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
    yield from _table(
        ("slowest panel", "by the clock, ms", "on the processors, ms"),
        (
            (name, f"{worst[which]:,}", f"{worst[f'{which}_cpu']:,}")
            for which, name in (("opening", "as opened"), ("all", f"over {result['days']} days"))
        ),
    )
    yield ""
    slow = result["panels_slower_than_goal"]
    yield f"Slower than the goal: {', '.join(slow) if slow else 'none'}."
    grown = sorted(result["cost_grew_by"].items(), key=lambda item: -item[1])
    times = max(result["meters"]) / min(result["meters"])
    yield f"With {times:g} times the meters these cost most more: {', '.join(f'{n} {x}' for n, x in grown[:5])}."
    yield ""
    yield from _table(
        ("table", "bytes a row", "naive", "share"),
        ((name, b["bytes"], b["naive"], b["share"]) for name, b in result["bytes_a_row"].items()),
    )


def codec(result: Mapping[str, Any]) -> Iterator[str]:
    """Blocks by numpy and by fastavro."""
    yield f"Blocks of {result['profile']}, rows a second of CPU: numpy beside fastavro, byte for byte the same."
    yield ""
    yield from _table(
        ("rows a block", "encode", "x fastavro", "decode", "x fastavro"),
        (
            (
                b["rows"],
                f"{b['encode_numpy_rows_per_s']:,}",
                b["encode_ratio"],
                f"{b['decode_numpy_rows_per_s']:,}",
                b["decode_ratio"],
            )
            for b in result["blocks"]
        ),
    )


def decoders(result: Mapping[str, Any]) -> Iterator[str]:
    """Telegrams by protocol."""
    yield from _table(
        ("protocol", "telegrams/s", "us a telegram", "beside it"),
        (
            (
                p["protocol"],
                f"{p['telegrams_per_s']:,}",
                p["us_per_telegram"],
                f"{p['library']}: {p['library_us_per_telegram']} us" if p["library"] else "",
            )
            for p in result["protocols"]
        ),
    )


def faults(result: Mapping[str, Any]) -> Iterator[str]:
    """Everything that can break."""
    injected = result["injected"]
    yield (
        f"{sum(injected.values())} faults under load, through two streams in a row: **{result['faults']}** to an "
        "uninterrupted run and to an independent computation "
        f"({result['readings']:,} readings, {result['facts']:,} facts)."
    )
    yield ""
    yield from _table(("fault", "injected"), ((name.replace("_", " "), count) for name, count in injected.items()))
    yield ""
    yield (
        f"Repeated records {result['repeated_records']:,}; longest pause of a partition {result['longest_pause_s']} s; "
        f"restore {result['restore_s']['median']} s at the median, {result['restore_s']['longest']} s at most."
    )


def register(result: Mapping[str, Any]) -> Iterator[str]:
    """The register of a large utility."""
    yield (
        f"`flexmeter register` of a file with {result['meters']:,} meters ({result['file_mb']:g} MB); goal: each time "
        f"under {result['goal_s']:g} s: {'met' if result['goal_met'] else '**missed**'}."
    )
    yield ""
    yield from _table(
        ("on the topic before", "by the clock, s", "of CPU, s", "memory, MB"),
        ((name, ran["wall_s"], ran["cpu_s"], ran["most_mb"]) for name, ran in result["commands"].items()),
    )
    yield ""
    memory = result["bridge_mb"]
    yield (
        f"A bridge that runs knows all of them {result['running_bridge_knows_all_after_s']} s after the command, one "
        f"more {result['running_bridge_knows_one_more_after_s']} s after; one that starts has read them after "
        f"{result['starting_bridge_knows_all_after_s']} s. It holds {memory['started']} MB, with one meter "
        f"{memory['one meter']} MB: {result['bytes_a_meter']} bytes a meter."
    )


def soak(result: Mapping[str, Any]) -> Iterator[str]:
    """Hours of a live district."""
    yield f"{result['hours']:g} hours of {result['homes']:,} homes; growth from the second quarter to the last."
    yield ""
    yield from _table(
        ("process", "memory, MB", "growth"),
        ((name, m["median_mb"], f"{m['growth']:.1%}") for name, m in result["memory"].items()),
    )
    yield ""
    yield from (f"- {fault}" for fault in result["faults"] or ["nothing grew that should not, nothing ended"])


SECTIONS: Mapping[str, tuple[str, str, Callable[[Mapping[str, Any]], Iterator[str]]]] = {
    "engine": ("The engine beside its peers", "make bench-engine", engine),
    "engine_blocks": ("The size of a block", "python -m bench.engine_blocks", engine_blocks),
    "metering": ("Metering", "python -m bench.metering", metering),
    "restart": ("Restart, and a second worker", "python -m bench.restart", restart),
    "latency": ("Latency", "python -m bench.latency", latency),
    "bridge": ("MQTT bridge", "python -m bench.bridge", bridge),
    "amqp": ("AMQP bridge", "python -m bench.amqp", bridge),
    "http": ("HTTPS bridge", "python -m bench.http", bridge),
    "coap": ("CoAP bridge", "python -m bench.coap", bridge),
    "register": ("Register", "python -m bench.register", register),
    "last-gasp": ("Last gasps behind a backlog", "python -m bench.last_gasp", last_gasp),
    "outage_speed": ("Outages, and a storm of them", "python -m bench.outage_speed", outage_speed),
    "overload": ("Overload", "python -m bench.overload", overload),
    "fuzz": ("Fuzzing", "make fuzz MINUTES=10", fuzz),
    "sink": ("Sink", "python -m bench.sink", sink),
    "router": ("Router", "python -m bench.router", router),
    "router-away": ("Receivers away", "python -m bench.router_away", router_away),
    "sink-away": ("ClickHouse away", "python -m bench.sink_away --minutes 10", sink_away),
    "dashboards-speed": ("Dashboards", "python -m bench.dashboards_speed", dashboards_speed),
    "codec": ("Codec", "python -m bench.codec", codec),
    "decode": ("Decoders", "python -m bench.decode", decoders),
    "faults": ("Faults", "make faults", faults),
    "soak": ("Soak", "make soak HOURS=2", soak),
}
"""Name of the results -> title, command, what the page says of them."""


def page(folder: Path = RESULTS) -> str:
    """The whole page, from the results that are there."""
    lines = [HEAD]
    for name, (title, command, tell) in SECTIONS.items():
        lines += [f"## {title}", ""]
        file = folder / f"{name}.json"
        if not file.exists():
            lines += [f"Not measured yet: `{command}`.", ""]
            continue
        whole: Whole = json.loads(file.read_text("utf-8"))
        lines += [*tell(whole["result"]), "", f"`{command}`, {_where(whole)}.", ""]
        if (folder / f"{name}.png").exists():
            lines += [f"![{title}](../bench/results/{name}.png)", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _where(whole: Whole) -> str:
    machine = whole["machine"]
    return f"{whole['measured_at'][:10]}, {machine['processor']}, {machine['cores']} cores, load {machine['load_1min']}"


def _table(head: Sequence[str], rows: Iterator[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(map(str, row))} |" for row in rows)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
