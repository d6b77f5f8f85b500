"""What the page says of the way in: bridges, the register they read, decoders, blocks, and more than Kafka takes."""

from collections.abc import Iterator, Mapping
from typing import Any

from bench.performance.table import table


def bridge(result: Mapping[str, Any]) -> Iterator[str]:
    """A bridge beside a bare client or server of its protocol."""
    yield "The bridge decodes, packs, produces and acknowledges after Kafka; the bare one counts, or answers at once."
    yield ""
    contestants = {name: one for name, one in result.items() if isinstance(one, Mapping)}
    yield from table(
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
    over = f", over {result['connections']:,} connections" if "connections" in result else ""
    yield f"Ratio {result['ratio']}{by_cpu}{over}, goal {result['goal']}."


def register(result: Mapping[str, Any]) -> Iterator[str]:
    """The register of a large utility."""
    yield (
        f"`flexmeter register` of a file with {result['meters']:,} meters ({result['file_mb']:g} MB); goal: each time "
        f"under {result['goal_s']:g} s: {'met' if result['goal_met'] else '**missed**'}."
    )
    yield ""
    yield from table(
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


def overload(result: Mapping[str, Any]) -> Iterator[str]:
    """Ten times what Kafka takes."""
    yield f"Kafka throttled for {result['seconds']:.0f} s, readings offered all the same; then let go."
    yield ""
    yield from table(
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


def codec(result: Mapping[str, Any]) -> Iterator[str]:
    """Blocks by numpy and by fastavro."""
    yield f"Blocks of {result['profile']}, rows a second of CPU: numpy beside fastavro, byte for byte the same."
    yield ""
    yield from table(
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
    yield from table(
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
