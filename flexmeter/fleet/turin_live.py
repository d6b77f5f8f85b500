"""What Turin's meters, hubs and concentrators send in each slot of live mode: pure.

| who | what | how often | by |
|---|---|---|---|
| concentrator of the ST-I meters | encrypted DLMS pushes, each of the last five seconds | 5 s | HTTPS |
| gateway of the buildings | M-Bus telegrams of heat meters | 30 s | HTTPS |
| concentrator of the water meters | encrypted wireless M-Bus telegrams | 30 s | HTTPS |
| adapters at the customer interface | P1 telegrams | 10 s | HTTPS |
| hubs | JSON of the devices behind them | 10 s | HTTPS |
| NILM meters | JSON | 1 s | AMQP |
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import floor

import orjson

from flexmeter.fleet.messages import READING, Message
from flexmeter.fleet.payloads import iso_time
from flexmeter.fleet.speak import dlms, mbus, p1
from flexmeter.fleet.turin import ADAPTER, HEAT, HUB, NILM, SLOW_MS, ST_I, STATION, WATER, Shown, Town, show
from flexmeter.fleet.world import between

BATCH_S = 5
EVERY_S = 10
ELECTRICITY, HEAT_GATEWAY, WATER_CONCENTRATOR = "concentrator-st-i", "gateway-heat", "concentrator-water"

_ENERGIES = ("1-0:1.8.0", "1-0:2.8.0")
_ST_I_CODES = ("1-0:16.7.0", *_ENERGIES)
_STATION_CODES = ("1-0:16.7.0", "1-0:36.7.0", "1-0:56.7.0", "1-0:76.7.0", *_ENERGIES)

Key = Callable[[str], bytes]
"""The key of a meter, by the identity that its telegrams have."""


def title_of(meter: str) -> bytes:
    """System title of an ST-I meter (IEC 62056-5-3, 4.3.4): the maker's three letters, and its number.

    >>> title_of("STC0000010001").hex()
    '5354430000002711'
    """
    return meter[:3].encode() + int(meter[3:]).to_bytes(5, "big")


@dataclass(slots=True)
class Turin:
    """A town and where it stands. `begun` is the start, ms UTC; `slot` counts from there; `protocols` are in use."""

    town: Town
    begun: int
    slot_ms: int
    key: Key
    amqp_user: str = "guest"
    protocols: frozenset[str] = frozenset({"http", "amqp"})
    slot: int = 0
    second: int = 0
    shown: Shown | None = None
    batch: list[Shown] = field(default_factory=list)

    def next_slot(self) -> list[Message]:
        """What is sent in the next slot, in order of `due`."""
        self.slot += 1
        end = self.slot * self.slot_ms
        messages: list[Message] = []
        while self.second * 1000 < end:
            self.shown = show(self.town, self.shown, self.begun // 1000 * 1000 + self.second * 1000)
            self.batch = [*self.batch, self.shown][-BATCH_S:]
            messages += (one for one in self._due(self.shown) if one.via in self.protocols)
            self.second += 1
        return messages

    def go_on(self, shown: Shown) -> None:
        """Count on from what a fleet before this one showed last."""
        self.shown = shown
        for at in between(shown.at, self.begun // 1000 * 1000):
            self.shown = show(self.town, self.shown, at)

    def _due(self, shown: Shown) -> Iterator[Message]:
        number = shown.at // 1000
        yield from self._nilm(shown, number)
        if self.second % BATCH_S == BATCH_S - 1:
            yield from self._pushes(number)
        yield from self._adapters(shown)
        yield from self._hubs(shown, number)
        if self.second * 1000 % SLOW_MS == 0:
            access = shown.at // SLOW_MS
            yield _batch(shown.at, HEAT, "mbus", HEAT_GATEWAY, self._heat(shown, access))
            yield _batch(shown.at, WATER, "wmbus", WATER_CONCENTRATOR, self._water(shown, access))

    def _nilm(self, shown: Shown, sequence: int) -> Iterator[Message]:
        first = len(self.town.st_i) + len(self.town.adapters)
        for index, device in enumerate(self.town.nilm):
            watts = round(float(shown.power_w[first + index].sum()), 1)
            volts = round(float(shown.voltage_v[first + index]), 2)
            reactive = round(0.22 * abs(watts), 1)
            current = round((watts**2 + reactive**2) ** 0.5 / volts, 3)
            document = {"time": shown.at / 1000, "seq": sequence, "current": current, "voltage": volts}
            document |= {"active_power": watts, "reactive_power": reactive}
            key = f"meters.{NILM}.{device.meter_id}.reading"
            yield Message(shown.at, index, key, orjson.dumps(document), READING, "amqp", sender=self.amqp_user)

    def _pushes(self, counter: int) -> Iterator[Message]:
        """Of the homes, and of the substation: a batch each."""
        homes = [self._push(device.meter_id, counter, _ST_I_CODES, i) for i, device in enumerate(self.town.st_i)]
        station = [self._push(self.town.station.meter_id, counter, _STATION_CODES, None)]
        at = self.batch[-1].at
        yield _batch(at, ST_I, "dlms", ELECTRICITY, homes, len(self.batch))
        yield _batch(at, STATION, "dlms", ELECTRICITY, station, len(self.batch))

    def _push(self, meter: str, counter: int, codes: Sequence[str], home: int | None) -> bytes:
        title = title_of(meter)
        rows = [_row(shown, home) for shown in self.batch]
        return dlms.push(meter, title, self.key(title.hex().upper()), counter, codes, rows)

    def _adapters(self, shown: Shown) -> Iterator[Message]:
        first = len(self.town.st_i)
        for index, device in enumerate(self.town.adapters):
            if (self.second + index) % EVERY_S:
                continue
            home = first + index
            watts, volts = shown.power_w[home], shown.voltage_v[home]
            values = {
                "1-0:1.8.0": f"{floor(shown.import_wh[home]) / 1000:010.3f}*kWh",
                "1-0:2.8.0": f"{floor(shown.export_wh[home]) / 1000:010.3f}*kWh",
                "1-0:1.7.0": f"{max(watts.sum(), 0) / 1000:06.3f}*kW",
                "1-0:2.7.0": f"{max(-watts.sum(), 0) / 1000:06.3f}*kW",
                **{f"1-0:{c}.7.0": f"{volts:05.1f}*V" for c in (32, 52, 72)},
                **{f"1-0:{c}.7.0": f"{abs(w) / volts:06.2f}*A" for c, w in zip((31, 51, 71), watts, strict=True)},
            }
            payload = p1.telegram(device.meter_id, shown.at, values)
            yield _post(shown.at, ADAPTER, "vnd.flexmeter.p1", device.meter_id, payload, 1)

    def _hubs(self, shown: Shown, sequence: int) -> Iterator[Message]:
        first = len(shown.power_w) - len(self.town.hubs)
        for index, hub in enumerate(self.town.hubs):
            if (self.second + index) % EVERY_S:
                continue
            home = first + index
            half = round(float(shown.power_w[home].sum()) / 2, 1)
            counted = floor(shown.import_wh[home] / 2) / 1000
            plugs = [{"id": f"{hub}-plug-{n}", "power": half, "energy": {"consumed": counted}} for n in (1, 2)]
            room = {"id": f"{hub}-room-1", "temperature": round(20 + float(shown.voltage_v[home] - 231) / 2, 1)}
            entries = [{"time": iso_time(shown.at), **one} for one in (*plugs, room)]
            document = {"hub": hub, "time": iso_time(shown.at), "seq": sequence, "devices": entries}
            yield _post(shown.at, HUB, "json", hub, orjson.dumps(document), len(entries))

    def _heat(self, shown: Shown, access: int) -> list[bytes]:
        heat = shown.heat
        return [
            mbus.heat(
                device.meter_id,
                access,
                energy_wh=float(heat.energy_mwh[i]) * 1e6,
                volume_l=float(heat.volume_l[i]),
                flow_m3_per_h=float(heat.flow_m3_per_h[i]),
                power_w=float(heat.power_kw[i]) * 1000,
                peak_w=float(heat.peak_kw[i]) * 1000,
                forward_c=float(heat.forward_c[i]),
                return_c=float(heat.return_c[i]),
            )
            for i, device in enumerate(self.town.heat_meters)
        ]

    def _water(self, shown: Shown, access: int) -> list[bytes]:
        return [
            mbus.water(
                device.meter_id,
                access,
                self.key(device.meter_id),
                volume_m3=float(shown.water_m3[i]),
                flow_m3_per_h=float(shown.water_m3_per_h[i]),
                temperature_c=12.5 + i / 10,
            )
            for i, device in enumerate(self.town.water_meters)
        ]


def _row(shown: Shown, home: int | None) -> dlms.Row:
    """What a push says of one second: of a home, or of the substation."""
    if home is not None:
        energies = floor(shown.import_wh[home]), floor(shown.export_wh[home])
        return shown.at, round(float(shown.power_w[home].sum())), *energies
    phases = [round(float(watts)) for watts in shown.station_w]
    return shown.at, sum(phases), *phases, floor(shown.station_import_wh), floor(shown.station_export_wh)


def _post(at: int, profile: str, content: str, sender: str, payload: bytes, holds: int) -> Message:
    return Message(at, 0, f"v1/{profile}/reading", payload, READING, "http", f"application/{content}", sender, holds)


def _batch(at: int, profile: str, protocol: str, sender: str, telegrams: Sequence[bytes], each: int = 1) -> Message:
    """A concentrator's request: telegrams in hexadecimal digits, each of so many readings."""
    body = orjson.dumps([telegram.hex() for telegram in telegrams])
    return _post(at, profile, f"vnd.flexmeter.{protocol}+json", sender, body, each * len(telegrams))
