"""`flexmeter fleet`: many meters that speak the real protocols."""

import json
import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from flexmeter.fleet.coap_client import CoapClient
from flexmeter.fleet.direct_uplink import DirectUplink
from flexmeter.fleet.faulty import FAULTS, FaultyMeter
from flexmeter.fleet.grid import write_register
from flexmeter.fleet.kept import Keeper
from flexmeter.fleet.live import SLOTS, District
from flexmeter.fleet.messages import messages, write_truth
from flexmeter.fleet.outages import Schedule
from flexmeter.fleet.recording import load_recording, write_own_recording
from flexmeter.fleet.replay import Faults, newest_start, plan
from flexmeter.fleet.run import Ledger, Sender, run_live, run_replay
from flexmeter.fleet.sources import amqp_user, bridges_of, direct_homes, let_in, links
from flexmeter.fleet.trust import kept_trust
from flexmeter.fleet.turin import build_town
from flexmeter.fleet.turin_live import Turin
from flexmeter.fleet.uplink import open_uplink
from flexmeter.fleet.uplinks import Uplinks
from flexmeter.fleet.world import build_world
from flexmeter.role import checked_topology, examples, start_role, stopping_on_signals, topology_option
from schemas.durations import DAY_MS
from schemas.errors import Unavailable
from schemas.register import Device
from schemas.topology import Topology

log = logging.getLogger("flexmeter.fleet")

OWN = "own"
_SCHEMES = ("mqtt", "mqtts", "coap", "coaps")


@dataclass(frozen=True, slots=True)
class Options:
    """The command line, field for option."""

    topology_path: Path
    url: str | None
    register_path: Path | None
    folder: Path
    also: tuple[str, ...]
    areas: tuple[str, ...]
    gateways: int
    homes: int
    heat: int
    interval: float
    seed: int
    first_outage: float
    outage_every: float
    outage_lasts: float
    replay: str | None
    days: int
    start: datetime | None
    speed: str
    duplicates: float
    disorder: float
    late: float
    garbage: float
    clock_error: float
    outages: int
    fault: str | None
    history_days: int
    register_only: bool
    metrics_port: int

    @property
    def faults(self) -> Faults:
        """The faults asked for."""
        return Faults(self.duplicates, self.disorder, self.late, self.garbage, self.clock_error, self.outages)

    @property
    def client_id(self) -> str:
        """What the gateways are called: the same after a restart, another for another fleet."""
        return f"fleet-{'-'.join(self.areas)}-{self.seed}"

    def broker(self, topology: Topology) -> str:
        """The broker's URL."""
        urls = [b.url for b in topology.bridges.values() if b.protocol == "mqtt"]
        if not self.url and not urls:
            raise click.UsageError("the topology has no MQTT bridge: say where the broker is with --url")
        url = self.url or urls[0]
        if urlsplit(url).scheme not in _SCHEMES:
            raise click.UsageError(f"--url {url}: begin it with {', '.join(f'{scheme}://' for scheme in _SCHEMES)}")
        return url

    def register_file(self, topology: Topology) -> Path:
        """The register's file: the one that `flexmeter register` takes."""
        return self.register_path or Path(topology.register)

    def recording_folder(self) -> Path:
        """The recording; the fleet's own is made first."""
        if self.replay != OWN:
            return Path(self.replay or "")
        folder = self.folder / "recording"
        write_own_recording(folder, max(30, self.days + 3), self.seed, log.info)
        return folder

    def first_day(self, now: datetime) -> datetime:
        """From when a replay is laid out: the day asked for, or the newest Monday that all of it fits behind."""
        return self.start.replace(tzinfo=UTC) if self.start else newest_start(self.days, now)

    def history_to_send(self) -> int:
        """Days that the faulty meter is still to deliver: those asked for, but once for each folder."""
        sent = self.folder / "history.json"
        if not self.fault or not self.history_days or sent.exists():
            return 0
        self.folder.mkdir(parents=True, exist_ok=True)
        sent.write_text(json.dumps({"fault": self.fault, "days": self.history_days}))
        return self.history_days

    def times_real_time(self) -> float:
        """The speed of a replay."""
        try:
            speed = math.inf if self.speed == "max" else float(self.speed)
        except ValueError:
            speed = math.nan
        if not speed > 0:
            raise click.UsageError(f"--speed is a number above 0, or max; not {self.speed!r}")
        return speed


@click.command(
    epilog=examples(
        "flexmeter fleet --homes 50 --interval 2",
        "flexmeter fleet --also http --also coap --fault reversed_phase --history-days 9",
        "flexmeter fleet --replay own --days 2 --garbage 0.01 --speed 3600",
    )
)
@topology_option
@click.option(
    "--url",
    default=None,
    help="The broker, or a CoAP bridge; by default the broker of the topology's first MQTT bridge.",
)
@click.option(
    "--also",
    multiple=True,
    type=click.Choice(["coap", "http", "amqp"]),
    help="Be also Turin's meters, and homes that speak CoAP, at the topology's bridges of these protocols (live).",
)
@click.option(
    "--register",
    "register_path",
    type=click.Path(path_type=Path),
    default=None,
    help="Where to write the register of its meters; the topology's `register` unless told.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=".run",
    envvar="FLEXMETER_RUN",
    show_default=True,
    help="Where its account is, and what the next fleet goes on from.",
)
@click.option(
    "--area",
    "areas",
    multiple=True,
    default=["malmo"],
    show_default=True,
    help="First level of the topics; several: each has its share of the meters.",
)
@click.option("--gateways", default=4, show_default=True, help="MQTT connections; over CoAP every meter has its own.")
@click.option("--homes", "--meters", "homes", default=200, show_default=True, help="Household meters.")
@click.option("--heat", default=5, show_default=True, help="Thermal substations (live).")
@click.option("--interval", default=10.0, show_default=True, help="Reporting interval in seconds (live).")
@click.option("--seed", default=1, show_default=True, help="The same seed makes the same meters do the same.")
@click.option("--first-outage", default=25.0, show_default=True, help="Seconds until the first outage (live).")
@click.option("--outage-every", default=180.0, show_default=True, help="Seconds between outages; 0 = none (live).")
@click.option("--outage-lasts", default=20.0, show_default=True, help="Seconds that an outage lasts (live).")
@click.option("--replay", default=None, help=f"Replay the recording in this folder; `{OWN}`: of the fleet's own homes.")
@click.option("--days", default=7, show_default=True, help="Days to replay.")
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="First day (replay); unless told, the newest Monday from which they are over by now.",
)
@click.option("--speed", default="max", show_default=True, help="Times real time, or max (replay).")
@click.option("--duplicates", default=0.0, show_default=True, help="Share of the readings that are sent twice, 0 to 1.")
@click.option(
    "--disorder", default=0.0, show_default=True, help="Share that is overtaken within the lateness (replay)."
)
@click.option("--late", default=0.0, show_default=True, help="Share that comes behind the lateness (replay).")
@click.option(
    "--garbage", default=0.0, show_default=True, help="Payloads that nobody can read, as a share of the readings."
)
@click.option(
    "--clock-error", default=0.0, show_default=True, help="Share of the meters with a clock up to an hour off (replay)."
)
@click.option("--outage", "outages", default=0, show_default=True, help="How many outages of feeders (replay).")
@click.option(
    "--fault", type=click.Choice(sorted(FAULTS)), default=None, help="One home's meter has this fault (live)."
)
@click.option(
    "--history-days",
    default=0,
    show_default=True,
    help="That meter first delivers its last days, once, and was in order but for the last of them (live).",
)
@click.option("--register-only", is_flag=True, help="Write the register (and a replay's truth) and end.")
@click.option("--metrics-port", default=0, envvar="FLEXMETER_METRICS_PORT", hidden=True)
def command(**given: Any) -> None:
    """Be many meters: a district with known truth in real time, or a recording as any number of meters.

    What the broker took is told in FOLDER/fleet.json, every second and at the end.
    """
    options = Options(**given)
    start_role("127.0.0.1", options.metrics_port)
    topology = checked_topology(options.topology_path)
    stopping = stopping_on_signals()
    try:
        complete = (_replay if options.replay else _live)(options, topology, stopping)
    except (Unavailable, ValueError) as error:
        raise click.ClickException(str(error)) from error
    if not complete:
        raise click.ClickException("not everything was taken by the broker")


def _live(options: Options, topology: Topology, stopping: threading.Event) -> bool:
    faults = options.faults
    if faults != Faults(duplicates=faults.duplicates, garbage=faults.garbage):
        raise click.UsageError("--disorder, --late, --clock-error and --outage need --replay")
    interval_ms = round(options.interval * 1000)
    world = build_world(options.homes, options.heat, options.seed, interval_ms)
    bridges = bridges_of(topology, options.also)
    town = build_town(options.seed) if bridges else None
    devices = [*world.devices, *(town.devices if town else ())]
    write_register(devices, options.register_file(topology))
    uplink = _uplink(options, topology, stopping)
    begun = time.time_ns() // 1_000_000
    schedule = Schedule(options.first_outage, options.outage_every, options.outage_lasts)
    faulty = FaultyMeter.somewhere(world, options.fault, begun) if options.fault else None
    district = District(world, list(options.areas), begun, interval_ms, schedule, faults, faulty)
    turin: Turin | None = None
    if town is not None:
        trust, at_fault = kept_trust(options.folder / "fleet.secret"), None if faulty is None else faulty.home
        sound = [home for i, home in enumerate(world.households) if i != at_fault]
        direct = direct_homes(sound, bridges)
        let_in(topology, bridges, town, direct, trust)
        uplink = links(bridges, uplink.gateways, direct, trust, stopping.is_set)
        district.direct = frozenset(map(world.households.index, direct))
        turin = Turin(town, begun, interval_ms // SLOTS, trust.key, amqp_user(bridges), frozenset(bridges))
    if options.register_only:
        return True
    history_days = options.history_to_send()
    if faulty is not None:
        faulty.since = begun - min(history_days, 1) * DAY_MS
    return _live_on(options, uplink, district, turin, devices, history_days, stopping)


def _live_on(
    options: Options,
    uplink: Uplinks,
    district: District,
    turin: Turin | None,
    devices: Sequence[Device],
    history_days: int,
    stopping: threading.Event,
) -> bool:
    """From where the fleet before ended, unless it has history to deliver first."""
    keeper = Keeper(options.folder / "fleet.npz", devices)
    if not history_days:
        keeper.resume(district, turin)
    uplink.connect()
    ledger = Ledger(options.folder / "fleet.json", uplink, len(devices))
    senders: list[Sender] = [district, *([turin] if turin is not None else ())]
    history, keep = district.history(history_days), partial(keeper.keep, district, turin)
    complete = run_live(senders, uplink, ledger, stopping.is_set, history, keep)
    keep(at_once=True)
    return complete


def _replay(options: Options, topology: Topology, stopping: threading.Event) -> bool:
    if options.fault:
        raise click.UsageError("--fault is for live mode, without --replay")
    recording = load_recording(options.recording_folder())
    start = options.first_day(datetime.now(UTC))
    replay = plan(recording, options.homes, options.days, options.seed, options.faults, start)
    write_register(replay.devices, options.register_file(topology))
    areas = list(options.areas)
    write_truth(replay, areas, options.seed, options.folder)
    log.info("%d readings of %d meters in %s", replay.readings, len(replay.devices), recording.folder)
    if options.register_only:
        return True
    uplink = _uplink(options, topology, stopping)
    uplink.connect()
    ledger = Ledger(options.folder / "fleet.json", uplink, len(replay.devices), replay.readings)
    sent = messages(replay, areas, options.seed)
    return run_replay(sent, options.times_real_time(), uplink, ledger, stopping.is_set)


def _uplink(options: Options, topology: Topology, stopping: threading.Event) -> Uplinks:
    """To the one broker, or CoAP bridge, that everything goes to unless told."""
    url = options.broker(topology)
    if url.startswith(("coap://", "coaps://")):
        return Uplinks(direct=DirectUplink({"": CoapClient(url)}, stopping.is_set))
    return Uplinks(open_uplink(url, options.gateways, options.client_id, stopping.is_set))
