"""What the page says of the proof, of faults, of broken telegrams, and of hours."""

from collections.abc import Iterator, Mapping
from typing import Any

from bench.performance.table import table


def faults(result: Mapping[str, Any]) -> Iterator[str]:
    """Everything that can break."""
    injected = result["injected"]
    yield (
        f"{sum(injected.values())} faults under load, through two streams in a row: **{result['faults']}** to an "
        "uninterrupted run and to an independent computation "
        f"({result['readings']:,} readings, {result['facts']:,} facts)."
    )
    yield ""
    yield from table(("fault", "injected"), ((name.replace("_", " "), count) for name, count in injected.items()))
    yield ""
    yield (
        f"Repeated records {result['repeated_records']:,}; longest pause of a partition {result['longest_pause_s']} s; "
        f"restore {result['restore_s']['median']} s at the median, {result['restore_s']['longest']} s at most."
    )


def proof(result: Mapping[str, Any]) -> Iterator[str]:
    """A week of recorded readings through everything."""
    sent, shards = result["account"]["sent"], result["account"]["shards"]
    yield (
        f"{result['hourly_rows']:,} hourly rows of {sent['meters']} meters in ClickHouse beside an independent "
        f"computation from the recording: **{result['proof']}**. {sent['sent']:,} readings were sent, "
        f"{sent['duplicates']:,} of them twice, and {sent['garbage']:,} payloads that cannot be read. "
        f"{shards['released']:,} readings are in results and {shards['pending']:,} wait to be; "
        f"{shards['duplicates']:,} repeats were dropped and {result['account']['dead_letters']:,} dead letters kept."
    )
    if result["killed"]:
        killed = ", ".join(f"{one['part']} ({one['lag']:,})" for one in result["killed"])
        yield f"Killed under load (readings then on their way): {killed}."


def fuzz(result: Mapping[str, Any]) -> Iterator[str]:
    """Broken and invented telegrams."""
    yield f"{result['inputs']:,} inputs, {result['findings']} findings."
    yield ""
    yield from table(
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


def soak(result: Mapping[str, Any]) -> Iterator[str]:
    """Hours of a live district."""
    yield f"{result['hours']:g} hours of {result['homes']:,} homes; growth from the second quarter to the last."
    yield ""
    yield from table(
        ("process", "memory, MB", "growth"),
        ((name, m["median_mb"], f"{m['growth']:.1%}") for name, m in result["memory"].items()),
    )
    yield ""
    yield from (f"- {fault}" for fault in result["faults"] or ["nothing grew that should not, nothing ended"])
