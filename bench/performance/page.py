"""The page, put together of what bench/results hold. A figure that is not there has not been measured."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.performance import engine, intake, outages, outlets, trust
from bench.report import RESULTS

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
Whole = Mapping[str, Any]
"""A results file: bench, command (since it is kept), measured_at, machine, versions, result."""
Tell = Callable[[Mapping[str, Any]], Iterator[str]]
"""What a result comes to, line by line."""

HEAD = """# Performance

<!-- Written by `python -m bench.performance` from bench/results; run the command of a section to measure anew. -->

Each figure stands with the command that measures it, the machine, how busy that was, and the date. Machines are noisy:
compare what was measured in one run, and read ratios rather than absolute figures.
"""

SECTIONS: Mapping[str, tuple[str, str, Tell]] = {
    "engine": ("The engine beside its peers", "make bench-engine", engine.engine),
    "engine_blocks": ("The size of a block", "python -m bench.engine_blocks", engine.engine_blocks),
    "engine-parts": ("Where the engine's time goes", "python -m bench.engine_parts", engine.engine_parts),
    "metering": ("Metering", "python -m bench.metering", engine.metering),
    "restart": ("Restart, and a second worker", "python -m bench.restart", engine.restart),
    "latency": ("Latency", "python -m bench.latency", engine.latency),
    "bridge": ("MQTT bridge", "python -m bench.bridge", intake.bridge),
    "amqp": ("AMQP bridge", "python -m bench.amqp", intake.bridge),
    "http": ("HTTPS bridge", "python -m bench.http", intake.bridge),
    "coap": ("CoAP bridge", "python -m bench.coap", intake.bridge),
    "register": ("Register", "python -m bench.register", intake.register),
    "last-gasp": ("Last gasps behind a backlog", "python -m bench.last_gasp", outages.last_gasp),
    "outage_speed": ("Outages, and a storm of them", "python -m bench.outage_speed", outages.outage_speed),
    "overload": ("Overload", "python -m bench.overload", intake.overload),
    "fuzz": ("Fuzzing", "make fuzz MINUTES=10", trust.fuzz),
    "sink": ("Sink", "python -m bench.sink", outlets.sink),
    "router": ("Router", "python -m bench.router", outlets.router),
    "router-away": ("Receivers away", "python -m bench.router_away", outlets.router_away),
    "sink-away": ("ClickHouse away", "python -m bench.sink_away --minutes 10", outlets.sink_away),
    "dashboards-speed": ("Dashboards", "python -m bench.dashboards_speed", outlets.dashboards_speed),
    "codec": ("Codec", "python -m bench.codec", intake.codec),
    "decode": ("Decoders", "python -m bench.decode", intake.decoders),
    "proof": ("Proof", "make proof", trust.proof),
    "proof-kills": ("Proof while parts die", "make proof KILLS=1", trust.proof),
    "faults": ("Faults", "make faults", trust.faults),
    "soak": ("Soak", "make soak HOURS=2", trust.soak),
}
"""Name of the results -> title, the command that makes them, what the page says of them."""


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
        told = f"`{whole.get('command', command)}`, {_where(whole)}."
        lines += [*tell(whole["result"]), "", told, ""]
        if (folder / f"{name}.png").exists():
            lines += [f"![{title}](../bench/results/{name}.png)", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _where(whole: Whole) -> str:
    machine = whole["machine"]
    return f"{whole['measured_at'][:10]}, {machine['processor']}, {machine['cores']} cores, load {machine['load_1min']}"
