"""Evenings on odd grids, oddly reported: small, each drawn from a seed. Independent of bench/outage_scenarios.py."""

import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bench.outage_files import Event, Fact
from bench.outage_run import Published, ongoing
from schemas.alert import Alert
from streams.outage.arrivals import News
from streams.outage.days import Days, customers_of
from streams.outage.evidence import Evidence, Kind
from streams.outage.tree import Grid, Node
from streams.outage.watch import OutageWatch

SECOND, MINUTE = 1_000, 60_000
BEGIN = 1_760_000_000_000


@dataclass(frozen=True)
class Evening:
    """What is known of it, and what happened."""

    nodes: Sequence[Node]
    events: Sequence[Event]
    truth: Sequence[Fact] = ()


@dataclass(frozen=True)
class Telling:
    """How meters tell of it."""

    every_s: Sequence[int] = (60,)
    """Reporting intervals; each meter has one of them."""
    gasps: float = 0.7
    restores: float = 0.8
    reads: float = 0.95
    for_min: int = 30
    """How long the evening is."""
    gasping_s: float = 1.5
    """Last gasps are sent within so long."""
    slowest_s: float = 20.0
    clock_s: float = 0.0
    """Clocks are wrong by up to so much."""
    volts: Callable[[random.Random], float] | None = None
    """Readings are voltages; None = they are readings."""
    gateways: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """What fails, and from when to when."""


def told(nodes: Sequence[Node], truth: Sequence[Fact], rng: random.Random, how: Telling | None = None) -> Evening:
    """What meters say of the facts, in order of arrival."""
    how = how or Telling()
    end = BEGIN + how.for_min * MINUTE
    events: list[Event] = []
    for meter in (node for node in nodes if node.meter_id):
        dark = sorted((f.open_ms, f.close_ms or end) for f in truth if f.device_id in way_up(nodes, meter))
        every, skew = rng.choice(how.every_s) * SECOND, int(rng.uniform(-how.clock_s, how.clock_s) * SECOND)
        said = [
            (at, "voltage" if how.volts else "reading")
            for at in range(BEGIN + rng.randrange(every), end, every)
            if rng.random() < how.reads and not any(a <= at <= b for a, b in dark)
        ]
        for opened, closed in dark:
            said += [(opened + int(rng.uniform(0, how.gasping_s) * SECOND), "last_gasp")] * (rng.random() < how.gasps)
            said += [(closed + rng.randrange(4_000), "restored")] * (rng.random() < how.restores)
        for at, kind in said:
            delay = rng.uniform(0, how.slowest_s) if rng.random() < 0.1 else rng.uniform(0.1, 2)
            arrives = at + int(delay * SECOND)
            volts = how.volts(rng) if how.volts and kind == "voltage" else 0.0
            failed, back = how.gateways.get(meter.comm_parent_id, (0, 0))
            if not failed <= arrives < back and arrives < end:
                events.append(Event(arrives, at + skew, kind, meter.meter_id, value=volts))
    return Evening(nodes, in_order(events), truth)


def in_order(events: Iterable[Event]) -> list[Event]:
    """By arrival."""
    return sorted(events, key=lambda event: event.received_at_ms)


def way_up(nodes: Sequence[Node], node: Node) -> set[str]:
    """A node and all that supplies it."""
    parent = {one.node_id: one.parent_id for one in nodes if one.kind != "gateway"}
    found, at = set(), node.node_id
    while at:
        found.add(at)
        at = parent[at]
    return found


def tree(*levels: tuple[str, int], top: str = "", comm: Callable[[int], str] = lambda _: "") -> list[Node]:
    """So many of a kind under each of those before; names say the way down. Meters have usage points of their own."""
    nodes, above, meters = [], [top], 0
    for kind, count in levels:
        below = []
        for parent in above:
            for i in range(count):
                name = f"{parent}{'.' if parent else ''}{kind[:2]}{i}"
                if kind == "meter":
                    nodes.append(Node(name, parent, kind, "", f"M-{name}", f"U-{name}", comm(meters)))
                    meters += 1
                else:
                    nodes.append(Node(name, parent, kind))
                below.append(name)
        above = below
    return nodes


def played(grid: Grid, events: Sequence[Event]) -> Published:
    """What is said of the events: turns of a second, and two minutes more, straight through the watch."""
    watch, out, waiting = OutageWatch(grid), Published(), deque(in_order(events))
    days, customers = Days(), customers_of(grid)
    state, now_ms = watch.empty(), waiting[0].received_at_ms if waiting else 0
    days.begin(customers, now_ms, changed=True)
    last_ms = waiting[-1].received_at_ms + 2 * MINUTE if waiting else 0
    while now_ms < last_ms:
        arrived = []
        while waiting and waiting[0].received_at_ms <= now_ms:
            arrived.append(waiting.popleft())
        if arrived or now_ms >= state.due_ms.min(initial=now_ms):
            for result in watch.turn(state, _news(grid, arrived), now_ms):
                if isinstance(result, Alert):
                    out.alerts.append(result)
                else:
                    days.add(grid.place_of, result)
        now_ms += SECOND
    for going in ongoing(grid, state, now_ms):
        days.add(grid.place_of, going)
    out.reliability += days.told(customers, set(customers), watch.assumed.sustained_ms, 0)
    out.end_ms = now_ms
    return out


_KINDS = {
    "reading": Kind.READING,
    "voltage": Kind.VOLTAGE,
    "restored": Kind.RESTORED,
    "last_gasp": Kind.LAST_GASP,
}


def _news(grid: Grid, events: Iterable[Event]) -> News:
    known = [event for event in events if event.type in _KINDS and event.meter_id in grid.row_of]
    rows = [(grid.row_of[e.meter_id], _KINDS[e.type], e.at_ms, e.received_at_ms) for e in known]
    meter, kind, at, received_at = np.array(rows, np.int64).reshape(len(rows), 4).T
    volts = np.array([event.value if event.type == "voltage" else np.nan for event in known], np.float64)
    return News(Evidence(meter, kind, at, received_at, volts))


USUAL = tree(("substation", 1), ("feeder", 1), ("fuse", 3), ("transformer", 3), ("meter", 4))
FUSE, TRANSFORMER = "su0.fe0.fu1", "su0.fe0.fu2.tr1"


def lasting(device: str, after_min: float = 9, for_min: float = 12) -> Fact:
    """A fact that begins so long after the beginning."""
    opened = BEGIN + int(after_min * MINUTE)
    return Fact(device, opened, opened + int(for_min * MINUTE))


def _gateways(rng: random.Random) -> Evening:
    """Each gateway serves meters from everywhere; one of them fails while a fuse is open."""
    nodes = tree(
        ("substation", 1), ("feeder", 1), ("fuse", 3), ("transformer", 3), ("meter", 4), comm=lambda i: f"g{i % 4}"
    )
    nodes += [Node(f"g{i}", "", "gateway") for i in range(4)]
    failed = {"g2": (BEGIN + 7 * MINUTE, BEGIN + 24 * MINUTE)}
    return told(nodes, [lasting(FUSE)], rng, Telling(gateways=failed))


def _only_gateways_fail(rng: random.Random) -> Evening:
    nodes = tree(
        ("substation", 1), ("feeder", 1), ("fuse", 3), ("transformer", 3), ("meter", 4), comm=lambda i: f"g{i // 12}"
    )
    nodes += [Node(f"g{i}", f"su0.fe0.fu{i}", "gateway") for i in range(3)]
    failed = {"g0": (BEGIN + 8 * MINUTE, BEGIN + 18 * MINUTE), "g1": (BEGIN + 14 * MINUTE, BEGIN + 26 * MINUTE)}
    return told(nodes, [], rng, Telling(gateways=failed))


def _chain(rng: random.Random) -> Evening:
    """Twelve switches one after the other, three meters at each: the eighth opens."""
    nodes, above = [Node("s", "", "substation"), Node("f", "s", "feeder")], "f"
    for i in range(12):
        nodes.append(Node(f"sw{i}", above, "switch"))
        nodes += [Node(f"n{i}-{j}", f"sw{i}", "meter", "", f"m{i}-{j}", f"u{i}-{j}") for j in range(3)]
        above = f"sw{i}"
    return told(nodes, [lasting("sw7")], rng)


def _three_phases(rng: random.Random) -> Evening:
    """Three-phase meters at the transformer, single-phase ones at its phases: one phase fails."""
    nodes = [Node("s", "", "substation"), Node("f", "s", "feeder", "L1L2L3")]
    for t in range(4):
        nodes.append(Node(f"t{t}", "f", "transformer", "L1L2L3"))
        nodes += [Node(f"t{t}m{i}", f"t{t}", "meter", "L1L2L3", f"m{t}-{i}", f"u{t}-{i}") for i in range(3)]
        for phase in ("L1", "L2", "L3"):
            nodes.append(Node(f"t{t}{phase}", f"t{t}", "fuse", phase))
            nodes += [Node(f"t{t}{phase}m{i}", f"t{t}{phase}", "meter", phase, f"m{t}{phase}{i}", "") for i in range(4)]
    return told(nodes, [lasting("t1L2"), lasting("t3", 11, 9)], rng)


def _substations(rng: random.Random) -> Evening:
    """Three substations; in two of them something opens in the same second."""
    nodes = tree(("substation", 3), ("feeder", 2), ("transformer", 3), ("meter", 4))
    return told(nodes, [lasting("su0.fe1"), lasting("su2.fe0.tr1")], rng)


def _simple(*truth: Fact, nodes: Sequence[Node] = USUAL, how: Telling | None = None) -> Callable[..., Evening]:
    return lambda rng: told(nodes, truth, rng, how)


def _low_voltages(usual: float | None, low: tuple[float, float] = (0, 0.02)) -> Callable[[random.Random], Evening]:
    """No last gasps: meters on batteries tell what share of `usual` there is, while a fuse is open. Other voltages are
    told as usual, or not at all (None, and `low` is in V)."""

    def drawn(rng: random.Random) -> Evening:
        volts = None if usual is None else lambda r: r.gauss(usual, usual / 80)
        evening = told(USUAL, [lasting(FUSE)], rng, Telling(gasps=0, volts=volts))
        fact = evening.truth[0]
        lows = [
            Event(at + 300, at, "voltage", node.meter_id, value=(usual or 1) * rng.uniform(*low))
            for node in USUAL
            if node.meter_id and FUSE in way_up(USUAL, node)
            for at in range(fact.open_ms + rng.randrange(20_000), fact.close_ms or 0, MINUTE)
        ]
        return replace(evening, events=in_order([*evening.events, *lows]))

    return drawn


def _volts(usual: float, *truth: Fact) -> Callable[[random.Random], Evening]:
    """Readings are voltages, of which nobody told what is usual."""
    return _simple(*truth, how=Telling(every_s=(30,), volts=lambda r: r.gauss(usual, usual / 60)))


def _at_once(every_s: int, *, minutes: int) -> Callable[[random.Random], Evening]:
    """All meters read at the same moments, as on the quarter of an hour; nothing else is ever told."""

    def drawn(rng: random.Random) -> Evening:
        fact, events = lasting(FUSE, minutes / 4 + 0.5, minutes / 2), list[Event]()
        for node in (node for node in USUAL if node.meter_id):
            for at in range(BEGIN, BEGIN + minutes * MINUTE, every_s * SECOND):
                is_dark = FUSE in way_up(USUAL, node) and fact.open_ms <= at <= (fact.close_ms or 0)
                if not is_dark and rng.random() < 0.97:
                    events.append(Event(at + rng.randrange(100, 2_500), at, "reading", node.meter_id))
        return Evening(USUAL, in_order(events), [fact])

    return drawn


def _spikes(rng: random.Random) -> Evening:
    """Each meter's first voltage is a spike, and now and then another one is."""
    evening, first = _volts(231.0)(rng), dict[str, Event]()
    for event in evening.events:
        first.setdefault(event.meter_id, event)
    spikes = {*map(id, first.values()), *map(id, rng.sample(list(evening.events), 20))}
    return replace(evening, events=[replace(e, value=6553.5) if id(e) in spikes else e for e in evening.events])


def shuffled(rng: random.Random) -> Evening:
    """The file is not in order of arrival."""
    evening = told(USUAL, [lasting(FUSE)], rng)
    keys = {id(event): event.received_at_ms + rng.uniform(0, 20_000) for event in evening.events}
    return replace(evening, events=sorted(evening.events, key=lambda event: keys[id(event)]))


def _repeated(rng: random.Random) -> Evening:
    """Everything comes three times, up to a minute later."""
    evening = told(USUAL, [lasting(TRANSFORMER)], rng)
    again = [replace(e, received_at_ms=e.received_at_ms + rng.randrange(MINUTE)) for e in [*evening.events] * 2]
    return replace(evening, events=in_order([*evening.events, *again]))


def _unknown(rng: random.Random) -> Evening:
    """Meters, nodes and types that nobody has heard of."""
    evening = told(USUAL, [lasting(FUSE)], rng)
    others: list[Event] = []
    for event in rng.sample(list(evening.events), 60):
        others += [replace(event, meter_id="nobody"), replace(event, type="wink")]
        others.append(replace(event, type="planned", node_id="nowhere"))
    return replace(evening, events=in_order([*evening.events, *others]))


def _shared_usage_points(rng: random.Random) -> Evening:
    """Two meters to a customer, and some meters at the feeder itself."""
    nodes = [
        replace(node, usage_point_id=f"U{node.node_id[:-1]}{int(node.node_id[-1]) // 2}") if node.meter_id else node
        for node in USUAL
    ]
    nodes += [Node(f"own{i}", "su0.fe0", "meter", "", f"own{i}", f"own{i}") for i in range(3)]
    return told(nodes, [lasting(TRANSFORMER)], rng)


def _one_meter(rng: random.Random) -> Evening:
    nodes = [Node("only", "", "meter", "", "m", "u")]
    return told(nodes, [lasting("only")], rng, Telling(every_s=(30,), gasps=1, restores=1))


def _two_at_once(rng: random.Random) -> Evening:
    """Transformers of two fuses in the same second."""
    return told(USUAL, [lasting("su0.fe0.fu1.tr0"), lasting("su0.fe0.fu2.tr2")], rng)


def _again(rng: random.Random) -> Evening:
    """The same fuse three times."""
    return told(USUAL, [lasting(FUSE, after, 5) for after in (6, 14, 22)], rng)


def _still_open(rng: random.Random) -> Evening:
    return told(USUAL, [replace(lasting(FUSE), close_ms=None)], rng)


def _silence(rng: random.Random) -> Evening:
    """No last gasp and no restoration ever comes."""
    return told(USUAL, [lasting(FUSE)], rng, Telling(gasps=0, restores=0))


def _lies(rng: random.Random) -> Evening:
    """Every meter restarts once, at any time, and goes on to report."""
    evening = told(USUAL, [], rng, Telling(every_s=(30,)))
    restarts = []
    for node in USUAL:
        if node.meter_id:
            at = BEGIN + rng.randrange(6 * MINUTE, 26 * MINUTE)
            restarts.append(Event(at + 800, at, "last_gasp", node.meter_id))
            restarts.append(Event(at + 9_000, at + 8_000, "restored", node.meter_id))
    return replace(evening, events=in_order([*evening.events, *restarts]))


def campaign(rng: random.Random) -> Evening:
    """All meters behind one gateway restart within half an hour, and no calendar tells; then one of their transformers
    opens."""
    nodes = tree(
        ("substation", 1), ("feeder", 1), ("fuse", 3), ("transformer", 3), ("meter", 4), comm=lambda i: f"g{i // 12}"
    )
    nodes += [Node(f"g{i}", "", "gateway") for i in range(3)]
    evening = told(nodes, [lasting("su0.fe0.fu1.tr0", 35, 6)], rng, Telling(for_min=45))
    restarts = []
    for i, node in enumerate(node for node in nodes if node.comm_parent_id == "g1"):
        at = BEGIN + 6 * MINUTE + 140_000 * i + rng.randrange(20_000)
        restarts.append(Event(at + 700, at, "last_gasp", node.meter_id))
        restarts.append(Event(at + 36_000, at + 35_000, "restored", node.meter_id))
    return replace(evening, events=in_order([*evening.events, *restarts]))


def _momentary_while_gateways_fail(rng: random.Random) -> Evening:
    """What gateways miss meanwhile, and bring back silent, is no outage."""
    nodes = tree(
        ("substation", 1), ("feeder", 1), ("fuse", 3), ("transformer", 3), ("meter", 4), comm=lambda i: f"g{i // 6}"
    )
    nodes += [Node(f"g{i}", "", "gateway") for i in range(6)]
    failed = {"g0": (BEGIN + 7 * MINUTE, BEGIN + 24 * MINUTE), "g3": (BEGIN + 8 * MINUTE, BEGIN + 22 * MINUTE)}
    facts = [lasting("su0.fe0.fu0", 11, 0.2), lasting("su0.fe0", 17, 0.1)]
    return told(nodes, facts, rng, Telling(gateways=failed))


EVENINGS: Mapping[str, Callable[[random.Random], Evening]] = {
    "usual": _simple(lasting(FUSE)),
    "no transformers": _simple(
        lasting("su0.fe0.fu1"), nodes=tree(("substation", 1), ("feeder", 1), ("fuse", 4), ("meter", 6))
    ),
    "no feeders": _simple(lasting("su0.tr1"), nodes=tree(("substation", 1), ("transformer", 5), ("meter", 6))),
    "feeders without substation": _simple(
        lasting("fe1.tr0"), nodes=tree(("feeder", 2), ("transformer", 3), ("meter", 5))
    ),
    "gateways across the grid": _gateways,
    "a chain of switches": _chain,
    "three phases": _three_phases,
    "three substations": _substations,
    **{f"low voltage, {usual} V": _low_voltages(usual) for usual in (63.5, 100, 230, 6_600)},
    "low voltage, a third is left": _low_voltages(120, (0.3, 0.4)),
    "voltages only where they are low": _low_voltages(None, (0, 12)),
    "voltages of 0 only where there is none": _low_voltages(None, (0, 0)),
    **{f"readings of {usual} V": _volts(usual, lasting(TRANSFORMER)) for usual in (100, 121, 20_000)},
    "every 10 s": _simple(lasting(TRANSFORMER, 4, 6), how=Telling(every_s=(10,), gasps=0.3, for_min=14)),
    "every hour": _simple(lasting(FUSE), how=Telling(every_s=(3_600,), gasps=0.8, for_min=40)),
    "each at its own interval": _simple(lasting(FUSE), how=Telling(every_s=(10, 60, 300, 900))),
    "no restorations": _simple(lasting(FUSE), how=Telling(restores=0)),
    "for hours": _simple(lasting(FUSE, 20, 160), how=Telling(every_s=(900,), restores=0, for_min=190)),
    "gasps spread": _simple(lasting(FUSE), how=Telling(gasping_s=5)),
    "no readings": _simple(lasting(FUSE), how=Telling(reads=0, gasps=0.9)),
    "silence": _silence,
    "silence, all read at once every minute": _at_once(60, minutes=40),
    "silence, all read at once every quarter": _at_once(900, minutes=240),
    "one customer, by the restoration": _simple(lasting(f"{TRANSFORMER}.me2"), how=Telling(gasps=0, restores=1)),
    "restorations alone": _simple(lasting(TRANSFORMER, 14, 7), how=Telling(every_s=(300,), gasps=0, for_min=35)),
    "wrong clocks": _simple(lasting(FUSE), how=Telling(clock_s=3)),
    "late": _simple(lasting(FUSE), how=Telling(slowest_s=60)),
    "repeated": _repeated,
    "unknown meters": _unknown,
    "shared usage points": _shared_usage_points,
    "one meter": _one_meter,
    "two at once": _two_at_once,
    "again and again": _again,
    "still open": _still_open,
}
"""Evenings with outages that can all be found."""
QUIET: Mapping[str, Callable[[random.Random], Evening]] = {
    "only gateways fail": _only_gateways_fail,
    "nothing happens": _simple(),
    "readings get lost": _simple(how=Telling(reads=0.4)),
    **{f"nothing happens at {usual} V": _volts(usual) for usual in (57.7, 63.5, 112, 6_600)},
    "meters that always tell 0 V": _volts(0.0),
    "nothing is heard": lambda _: Evening(USUAL, []),
    "a grid without meters": lambda _: Evening([Node("s", "", "substation")], []),
}
"""Evenings without an outage."""
MOMENTARY: Mapping[str, Callable[[random.Random], Evening]] = {
    "seconds": _simple(lasting(FUSE, for_min=0.1), lasting(TRANSFORMER, 20, 0.5)),
    "while gateways fail": _momentary_while_gateways_fail,
    "restarts": _lies,
    "spikes": _spikes,
}
"""Evenings in which nothing lasts."""
