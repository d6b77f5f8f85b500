"""What the page says of the engine: beside its peers, by the size of blocks and city, restarted, and how soon."""

from collections.abc import Iterator, Mapping
from typing import Any

from bench.performance.table import table

VERDICTS = {True: "met", False: "**missed**", None: "no goal"}


def engine(result: Mapping[str, Any]) -> Iterator[str]:
    """The engine beside its peers."""
    yield (
        f"A 1-minute mean of 8 quantities of {result['meters']:,} meters, state saved; readings per CPU-second of the "
        "process ([how each is set up](../bench/peers/README.md))."
    )
    yield ""
    found = result["contestants"]
    ordered = sorted(found.items(), key=lambda item: -item[1]["readings_per_cpu_s"])
    yield from table(
        ("contestant", "median", "lowest", "highest", "repeats"),
        (
            (name, f"{f['readings_per_cpu_s']:,}", f"{f['lowest']:,}", f"{f['highest']:,}", f["repeats"])
            for name, f in ordered
        ),
    )
    yield ""
    yield from (
        f"- {VERDICTS[goal['met']]}: {goal['goal']} ({goal['beside']}): {goal['ratio']}" for goal in result["goals"]
    )


def engine_blocks(result: Mapping[str, Any]) -> Iterator[str]:
    """The size of a block."""
    yield "The same, by the rows that a block holds, and with the blocks that ten bridges make of live readings."
    yield ""
    found = result["rows_a_block"]
    yield from table(
        ("rows a block", "readings per CPU-second"), ((n, f"{f['readings_per_cpu_s']:,}") for n, f in found.items())
    )


def engine_parts(result: Mapping[str, Any]) -> Iterator[str]:
    """What the engine's own work takes."""
    yield (
        "CPU time of the engine's own work in us a reading, without Kafka: a partition of "
        f"{result['meters']:,} meters, blocks of {result['block_rows']} readings. What the worker takes beyond that is "
        "for Kafka's protocol, Faust, sending and saving."
    )
    yield ""
    parts = ("decode", "shard", "encode")
    yield from table(
        ("operators", *parts, "readings per CPU-second"),
        (
            (name, *(f"{f[part]:.2f}" for part in parts), f"{f['readings_per_cpu_s']:,}")
            for name, f in result["parts"].items()
        ),
    )


def metering(result: Mapping[str, Any]) -> Iterator[str]:
    """The stream that carries the load."""
    yield (
        "All operators of stream `metering` together, the worker as it runs, by the size of the city; beside them the "
        "floor of bench.engine, which reads and decodes the same blocks with fastavro, and no more."
    )
    yield ""
    yield from table(
        ("meters", "rows per CPU-second", "lowest", "highest", "floor", "x floor"),
        (
            (
                f"{int(n):,}",
                *(f"{f[key]:,}" for key in ("readings_per_cpu_s", "lowest", "highest")),
                f"{f['floor_per_cpu_s']:,}",
                f"{f['readings_per_cpu_s'] / f['floor_per_cpu_s']:.2f}",
            )
            for n, f in result["rows"].items()
        ),
    )
    state = result["state"]
    each = ", ".join(f"{name} {size:,}" for name, size in state["bytes_a_meter"].items())
    shard = sum(state["bytes_a_meter_of_the_shard"].values())
    yield ""
    yield (
        f"Bytes of state of an E350: {each}; the shard's own {shard:,}. Saved and compressed a meter takes "
        f"{state['saved_bytes_a_meter']:,} bytes, as much as its readings before compression in "
        f"{state['saves_cost_as_much_as_the_input_every_s']} s: a worker saves no oftener than that. To save a meter "
        f"takes {state['save_cpu_us_a_meter']} us of CPU, to bring it back {state['restore_cpu_us_a_meter']} us."
    )
    yield from _traffic(result.get("traffic"))
    yield ""
    yield from (f"- {'met' if met else '**missed**'}: {goal}" for goal, met in result["goals"].items())


def _traffic(moved: Mapping[str, Any] | None) -> Iterator[str]:
    if moved is None:
        return
    yield ""
    yield (
        f"State beside input, as both lie compressed on the broker: over {moved['saves']} saves of partitions with "
        f"{moved['meters']:,} meters {moved['state_bytes'] / 1e6:,.1f} MB were written while "
        f"{moved['input_bytes'] / 1e6:,.1f} MB were read, {moved['ratio']} times as much."
    )


def restart(result: Mapping[str, Any]) -> Iterator[str]:
    """Restore, catching up, and a second worker."""
    yield (
        "A worker that knows the whole city is asked to end, and saves; started anew, it holds its state after so "
        "long, and has worked off what came meanwhile after so long again."
    )
    yield ""
    yield from table(
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
    """From a device to its result."""
    highest = result["highest"]
    yield (
        "From when a device's message is due, which completes a 1-minute aggregate, until a consumer has that: through "
        "mosquitto, the MQTT bridge, Kafka and the worker, at shares of the highest rate, "
        f"{highest['messages_per_s']:,} messages a second."
    )
    if "cpu_us_a_message" in highest:
        each = ", ".join(f"{name} {used}" for name, used in highest["cpu_us_a_message"].items())
        yield (
            f"There a message takes so many us of CPU, all on the same cores: {each}; the slowest part is the "
            f"{highest['slowest_part']}."
        )
    yield ""
    yield from table(
        ("share", "messages/s", "meters", "p50 ms", "p99 ms", "results", "missing", "devices late, p99 ms"),
        (
            (
                share,
                f"{f['messages_per_s']:,}",
                f"{f['meters']:,}",
                _ms(f["p50_ms"]),
                _ms(f["p99_ms"]),
                f"{f['results']:,}",
                f["results_missing"],
                f["devices_late_p99_ms"],
            )
            for share, f in result["at"].items()
        ),
    )


def _ms(waited: int | None) -> str:
    return "never" if waited is None else f"{waited:,}"
