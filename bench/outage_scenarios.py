"""Scenarios to try outage location on: two grids, what happens on them, and what of it is heard.

Its parameters are its own: nothing here is taken from streams/outage/assumptions.py. Everything is drawn from one seed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bench.outage_files import Event, Fact
from schemas.durations import MINUTE_MS
from streams.outage.tree import Node

BEGIN_MS = 1_735_689_600_000


@dataclass(frozen=True)
class Plan:
    """What a scenario is to hold."""

    grid: str = "ieee8500"
    seed: int = 1
    hours: float = 3.0
    outages: int = 20
    momentaries: int = 20
    delivery: float = 0.8
    restored_delivery: float = 0.85
    reading_delivery: float = 0.95
    interval_s: float = 300
    correlated: float = 0.15
    """Chance that a transformer's last gasps are lost together."""
    nested: float = 0.15
    """Share of outages in which another device under the first stays open longer."""
    slowest_s: float = 60
    duplicates: float = 0.03
    gateway_failures: int = 2
    campaigns: int = 0
    campaigns_planned: bool = True
    planned_works: int = 0
    lies_a_meter_day: float = 0.01
    loads: bool = True
    perfect: bool = False
    """Everything is heard, at once and with exact times."""


@dataclass
class World:
    """A grid, and for each device the meters under it."""

    nodes: list[Node]
    under: dict[str, list[int]] = field(default_factory=dict)
    meters: list[Node] = field(default_factory=list)
    path: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parent = {node.node_id: node.parent_id for node in self.nodes if node.kind != "gateway"}
        self.meters = [node for node in self.nodes if node.meter_id]
        for row, meter in enumerate(self.meters):
            at = meter.node_id
            while at:
                self.under.setdefault(at, []).append(row)
                at = parent[at]
        for node_id in parent:
            path, at = [], node_id
            while at:
                path.append(at)
                at = parent[at]
            self.path[node_id] = path


def ieee8500_like(rng: np.random.Generator) -> World:
    """One long feeder with five reclosers, fused single-phase laterals, small transformers; mesh radio."""
    nodes = [Node("sub", "", "substation"), Node("fdr", "sub", "feeder", "L1L2L3")]
    nodes += [Node(f"gw{g}", "", "gateway") for g in range(18)]
    meter, switches = 0, list[str]()
    for s in range(5):
        above = "fdr" if s < 2 else switches[int(rng.integers(len(switches)))]
        switches.append(f"rec{s}")
        nodes.append(Node(f"rec{s}", above, "switch", "L1L2L3"))
        for f in range(14):
            fuse, phase = f"fuse{s}-{f}", f"L{1 + int(rng.integers(3))}"
            nodes.append(Node(fuse, f"rec{s}", "fuse", phase))
            for t in range(1 + int(rng.integers(6))):
                transformer = f"tx{s}-{f}-{t}"
                nodes.append(Node(transformer, fuse, "transformer", phase))
                for _ in range(1 + int(rng.poisson(4))):
                    nodes.append(Node(f"svc{meter}", transformer, "service", phase))
                    gateway = f"gw{min(17, (s * 14 + f) // 4)}" if rng.random() < 0.8 else f"gw{rng.integers(18)}"
                    nodes.append(Node(f"n{meter}", f"svc{meter}", "meter", phase, f"m{meter}", f"up{meter}", gateway))
                    meter += 1
    return World(nodes)


def european_low_voltage(rng: np.random.Generator) -> World:
    """Two medium-voltage feeders, 10/0.4 kV transformers with fused low-voltage lines; power-line carrier."""
    nodes = [Node("sub", "", "substation")]
    meter = 0
    for m in range(2):
        nodes.append(Node(f"mv{m}", "sub", "feeder", "L1L2L3"))
        for t in range(7):
            transformer = f"ts{m}-{t}"
            nodes.append(Node(transformer, f"mv{m}", "transformer", "L1L2L3"))
            nodes.append(Node(f"dc{m}-{t}", transformer, "gateway"))
            for f in range(4 + int(rng.integers(4))):
                line = f"lv{m}-{t}-{f}"
                nodes.append(Node(line, transformer, "fuse", "L1L2L3"))
                for b in range(5 + int(rng.integers(8))):
                    service = f"{line}-{b}"
                    nodes.append(Node(service, line, "service", "L1L2L3"))
                    for _ in range(int(rng.integers(3, 9)) if rng.random() < 0.2 else 1):
                        name = f"m{meter}"
                        nodes.append(Node(f"n{meter}", service, "meter", "", name, f"up{meter}", f"dc{m}-{t}"))
                        meter += 1
    return World(nodes)


GRIDS = {"ieee8500": ieee8500_like, "european": european_low_voltage}
WEIGHTS = {"feeder": 1.0, "switch": 2.0, "fuse": 8.0, "transformer": 6.0, "service": 4.0}
"""Which devices open, by kind: shares of events, spread over the devices of the kind."""


@dataclass(frozen=True)
class Scenario:
    """What `write_scenario` writes."""

    nodes: Sequence[Node]
    events: Sequence[Event]
    truth: Sequence[Fact]


def scenario(plan: Plan) -> Scenario:
    """Draw a scenario."""
    rng = np.random.default_rng(plan.seed)
    world = GRIDS[plan.grid](rng)
    end_ms = BEGIN_MS + int(plan.hours * 3_600_000)
    works = list(_works(world, plan, rng, end_ms))
    truth = sorted([*_facts(world, plan, rng, end_ms), *(fact for fact, _ in works)], key=lambda fact: fact.open_ms)
    dark = _dark(world, truth, end_ms)
    gateways = list(_gateway_failures(world, plan, rng, end_ms))
    gateways += [] if plan.perfect else _gateways_without_supply(world, truth)
    campaigns = list(_campaigns(world, plan, rng, end_ms))
    events = [event for _, event in works]
    events += _power_events(world, plan, rng, truth, dark)
    events += _readings(world, plan, rng, dark, end_ms)
    events += [event for found in campaigns for event in found]
    events += _lies(world, plan, rng, end_ms)
    events += _loads(world, plan, rng, dark, end_ms) if plan.loads else []
    comm = {node.meter_id: node.comm_parent_id for node in world.meters}
    heard = [
        event
        for event in events
        if event.received_at_ms <= end_ms and not _lost_at_gateway(event, comm.get(event.meter_id, ""), gateways)
    ]
    copies = [] if plan.perfect else list(_copies(heard, plan, rng))
    known = [replace(fact, close_ms=None) if (fact.close_ms or 0) > end_ms else fact for fact in truth]
    return Scenario(world.nodes, sorted([*heard, *copies], key=lambda event: event.received_at_ms), known)


def _facts(world: World, plan: Plan, rng: np.random.Generator, end_ms: int) -> Iterator[Fact]:
    """Interruptions, no two of which are on one way down at once, but for nested ones."""
    kinds = {node.node_id: node.kind for node in world.nodes if node.node_id in world.under}
    devices = [node_id for node_id, kind in kinds.items() if kind in WEIGHTS]
    numbers = {kind: sum(kinds[d] == kind for d in devices) for kind in WEIGHTS}
    chances = np.array([WEIGHTS[kinds[device]] / numbers[kinds[device]] for device in devices])
    busy: list[tuple[int, int, str]] = []
    wanted = [True] * plan.outages + [False] * plan.momentaries
    rng.shuffle(wanted)
    for sustained in wanted:
        for _ in range(50):
            device = devices[int(rng.choice(len(devices), p=chances / chances.sum()))]
            lasts = int(rng.uniform(8, 45) * MINUTE_MS) if sustained else int(rng.exponential(9_000)) + 400
            lasts = min(lasts, 45 * MINUTE_MS if sustained else 55_000)
            opened = int(rng.uniform(BEGIN_MS + 20 * MINUTE_MS, end_ms - 30 * MINUTE_MS))
            window = (opened - 4 * MINUTE_MS, opened + lasts + 4 * MINUTE_MS)
            if not any(a < window[1] and b > window[0] and _related(world, device, d) for a, b, d in busy):
                break
        else:
            continue
        busy.append((*window, device))
        yield Fact(device, opened, opened + lasts)
        below = [d for d in devices if device in world.path[d] and d != device and kinds[d] != "service"]
        if sustained and below and rng.random() < plan.nested:
            other = below[int(rng.integers(len(below)))]
            longer = opened + lasts + int(rng.uniform(8, 25) * MINUTE_MS)
            busy.append((opened, longer + 4 * MINUTE_MS, device))
            yield Fact(other, opened + int(rng.uniform(0, 0.5) * lasts), longer)


def _related(world: World, one: str, other: str) -> bool:
    return one in world.path[other] or other in world.path[one]


def _works(world: World, plan: Plan, rng: np.random.Generator, end_ms: int) -> Iterator[tuple[Fact, Event]]:
    """Planned work: announced an hour before, and done in the announced window."""
    transformers = [node.node_id for node in world.nodes if node.kind == "transformer"]
    for _ in range(plan.planned_works):
        device = transformers[int(rng.integers(len(transformers)))]
        begins = int(rng.uniform(BEGIN_MS + 20 * MINUTE_MS, end_ms - 40 * MINUTE_MS))
        ends = begins + 30 * MINUTE_MS
        told = BEGIN_MS + 1_000
        yield (
            Fact(device, begins + 2 * MINUTE_MS, ends - 3 * MINUTE_MS),
            Event(told, told, "planned", node_id=device, from_ms=begins, to_ms=ends),
        )


def _dark(world: World, truth: Sequence[Fact], end_ms: int) -> list[list[tuple[int, int]]]:
    """When each meter has no supply: disjoint, in order."""
    raw: list[list[tuple[int, int]]] = [[] for _ in world.meters]
    for fact in truth:
        for row in world.under.get(fact.device_id, ()):
            raw[row].append((fact.open_ms, fact.close_ms or end_ms))
    return [_union(intervals) for intervals in raw]


def _union(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for begin, end in sorted(intervals):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def _power_events(
    world: World, plan: Plan, rng: np.random.Generator, truth: Sequence[Fact], dark: Sequence[Sequence[tuple[int, int]]]
) -> Iterator[Event]:
    """Last gasps and restorations, as far as they get through."""
    transformer = [next((p for p in world.path[m.node_id] if p.startswith(("tx", "ts"))), "") for m in world.meters]
    lost: dict[tuple[str, int], bool] = {}
    quality = np.clip(rng.normal(1, 0.15, len(world.meters)), 0.5, 1.2)
    for row, meter in enumerate(world.meters):
        for begin, end in dark[row]:
            area = (transformer[row], begin)
            if area not in lost:
                lost[area] = rng.random() < plan.correlated
            chance = min(0.99, plan.delivery * quality[row]) * (0.1 if lost[area] else 1)
            if end - begin < 1_000:
                chance *= 0.7
            if plan.perfect or rng.random() < chance:
                at = begin + (0 if plan.perfect else int(rng.uniform(50, 1_500) + rng.normal(0, 200)))
                yield Event(_arrival(at, plan, rng), at, "last_gasp", meter.meter_id)
            if plan.perfect or rng.random() < plan.restored_delivery:
                at = end + (0 if plan.perfect else int(rng.exponential(2_000)))
                yield Event(_arrival(at, plan, rng), at, "restored", meter.meter_id)


def _arrival(at: int, plan: Plan, rng: np.random.Generator) -> int:
    """Most events within seconds; one in ten waits for a mesh that has to find its ways again."""
    if plan.perfect:
        return at
    slow = rng.random() < 0.1
    delay = rng.uniform(5, plan.slowest_s) if slow else min(rng.lognormal(0.0, 0.8), plan.slowest_s)
    return at + int(1_000 * delay)


def _readings(
    world: World, plan: Plan, rng: np.random.Generator, dark: Sequence[Sequence[tuple[int, int]]], end_ms: int
) -> Iterator[Event]:
    """Readings of supplied meters, some of them voltages."""
    interval = int(plan.interval_s * 1_000)
    for row, meter in enumerate(world.meters):
        times = np.arange(BEGIN_MS + int(rng.integers(interval)), end_ms, interval)
        times = times + rng.integers(0, max(1, min(interval // 20, 2_000)), len(times))
        kept = np.ones(len(times), np.bool_) if plan.perfect else rng.random(len(times)) < plan.reading_delivery
        for begin, end in dark[row]:
            kept &= (times < begin) | (times > end)
        delays = np.zeros(len(times)) if plan.perfect else rng.exponential(400, len(times))
        late = rng.random(len(times)) < (0 if plan.perfect else 0.005)
        delays[late] = rng.uniform(1_000, 1_000 * plan.slowest_s, int(late.sum()))
        volts = rng.normal(231, 2.5, len(times))
        measured = rng.random(len(times)) < 0.1
        for i in np.flatnonzero(kept):
            at = int(times[i])
            if measured[i]:
                yield Event(at + int(delays[i]), at, "voltage", meter.meter_id, value=round(float(volts[i]), 1))
            else:
                yield Event(at + int(delays[i]), at, "reading", meter.meter_id)


def _gateway_failures(
    world: World, plan: Plan, rng: np.random.Generator, end_ms: int
) -> Iterator[tuple[str, int, int]]:
    gateways = [node.node_id for node in world.nodes if node.kind == "gateway"]
    for _ in range(plan.gateway_failures):
        begin = int(rng.uniform(BEGIN_MS + 15 * MINUTE_MS, end_ms - 40 * MINUTE_MS))
        yield gateways[int(rng.integers(len(gateways)))], begin, begin + int(rng.uniform(10, 40) * MINUTE_MS)


def _gateways_without_supply(world: World, truth: Sequence[Fact]) -> Iterator[tuple[str, int, int]]:
    """A gateway dies a few seconds after what supplies it, and needs a while to come up again."""
    for node in world.nodes:
        for fact in truth:
            if node.kind == "gateway" and fact.device_id in world.path.get(node.parent_id, ()):
                yield node.node_id, fact.open_ms + 6_000, (fact.close_ms or fact.open_ms) + 4_000


def _lost_at_gateway(event: Event, gateway: str, failures: Sequence[tuple[str, int, int]]) -> bool:
    return any(gateway == failed and begin <= event.received_at_ms < end for failed, begin, end in failures)


def _campaigns(world: World, plan: Plan, rng: np.random.Generator, end_ms: int) -> Iterator[list[Event]]:
    """Firmware campaigns: the meters of a gateway restart, one after the other, and gasp."""
    gateways = [node.node_id for node in world.nodes if node.kind == "gateway"]
    for _ in range(plan.campaigns):
        gateway = gateways[int(rng.integers(len(gateways)))]
        begin = int(rng.uniform(BEGIN_MS + 15 * MINUTE_MS, end_ms - 40 * MINUTE_MS))
        end = begin + 20 * MINUTE_MS
        told = BEGIN_MS + 2_000
        found = []
        if plan.campaigns_planned:
            found.append(Event(told, told, "planned", node_id=gateway, from_ms=begin, to_ms=end))
        for meter in world.meters:
            if meter.comm_parent_id == gateway and rng.random() < 0.6:
                at = int(rng.uniform(begin, end - 3 * MINUTE_MS))
                found.append(Event(_arrival(at, plan, rng), at, "last_gasp", meter.meter_id))
                back = at + int(rng.uniform(20_000, 90_000))
                found.append(Event(_arrival(back, plan, rng), back, "restored", meter.meter_id))
        yield found


def _lies(world: World, plan: Plan, rng: np.random.Generator, end_ms: int) -> Iterator[Event]:
    """Meters that restart by themselves."""
    if plan.perfect:
        return
    for meter in world.meters:
        for _ in range(int(rng.poisson(plan.lies_a_meter_day * plan.hours / 24))):
            at = int(rng.uniform(BEGIN_MS, end_ms))
            yield Event(_arrival(at, plan, rng), at, "last_gasp", meter.meter_id)
            if rng.random() < 0.7:
                back = at + int(rng.uniform(3_000, 60_000))
                yield Event(_arrival(back, plan, rng), back, "restored", meter.meter_id)


def _loads(
    world: World, plan: Plan, rng: np.random.Generator, dark: Sequence[Sequence[tuple[int, int]]], end_ms: int
) -> Iterator[Event]:
    """Power at the substation and at each feeder, every 30 s: what is supplied, with noise."""
    size = rng.gamma(2, 250, len(world.meters))
    measured = [node.node_id for node in world.nodes if node.kind in ("substation", "feeder")]
    for at in range(BEGIN_MS, end_ms, 30_000):
        for node_id in measured:
            watts = sum(
                size[row] for row in world.under[node_id] if not any(begin <= at < end for begin, end in dark[row])
            )
            noisy = max(0.0, watts * (1 + rng.normal(0, 0.02)))
            yield Event(at + 500, at, "substation_load", node_id=node_id, value=round(float(noisy), 1))


def _copies(events: Sequence[Event], plan: Plan, rng: np.random.Generator) -> Iterator[Event]:
    """Messages that come twice."""
    for event in events:
        if event.meter_id and rng.random() < plan.duplicates:
            later = event.received_at_ms + int(rng.uniform(100, 8_000))
            yield Event(later, event.at_ms, event.type, event.meter_id, value=event.value)
