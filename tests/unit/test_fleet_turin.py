"""Turin's meters: their truth adds up, and what they send is decoded to it, by the decoders that bridges use."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import orjson
import pytest

from connectors.authority import Authority, load_principals
from connectors.coap_keys import load_keys as load_psk
from connectors.decode.readings import Address, Carries, Reading
from connectors.http_content import CONTENTS
from connectors.keys import load_keys
from connectors.registry import DECODERS
from connectors.tokens import identity_of, load_tokens
from flexmeter.fleet.live import District
from flexmeter.fleet.messages import READING, Message
from flexmeter.fleet.outages import Schedule
from flexmeter.fleet.payloads import household_values
from flexmeter.fleet.replay import Faults
from flexmeter.fleet.sources import bridges_of, direct_homes, let_in
from flexmeter.fleet.trust import Trust, kept_trust, senders
from flexmeter.fleet.turin import LINE_LOSS, Shown, Town, build_town, show
from flexmeter.fleet.turin_live import Turin, title_of
from flexmeter.fleet.world import build_world
from schemas.catalogue import load_catalogue
from schemas.topology import load_topology

BEGUN = 1_795_507_200_000
TRUST = Trust(b"r" * 32)
TOWN = build_town(seed=3)
HOLDERS = {title_of(device.meter_id).hex().upper() for device in (*TOWN.st_i, TOWN.station)} | {
    device.meter_id for device in TOWN.water_meters
}
"""Of keys, as write_keys has them."""


def turin(town: Town = TOWN, **settings: object) -> Turin:
    return Turin(town, BEGUN, 500, TRUST.key, **settings)  # type: ignore[arg-type]


def sent(seconds: int, of: Turin) -> list[Message]:
    return [message for _ in range(seconds * 2) for message in of.next_slot()]


def history(seconds: int) -> dict[int, Shown]:
    found: dict[int, Shown] = {}
    last = None
    for second in range(seconds):
        last = found[BEGUN + second * 1000] = show(TOWN, last, BEGUN + second * 1000)
    return found


def decoded(messages: Iterable[Message]) -> list[tuple[str, str, Reading]]:
    """Sender, profile and reading of everything that they hold, by the bridges' decoders."""
    found = []
    for message in messages:
        profile = message.topic.replace(".", "/").split("/")[1]
        content = CONTENTS[message.content]
        make = DECODERS[content.decoder](lambda holder: (TRUST.key(holder),) if holder in HOLDERS else ())
        address = Address(message.topic, profile, _named(message), Carries.READING)
        for payload in content.payloads(message.payload):
            readings = make[profile](payload, address, message.due).readings
            found += [(message.sender, profile, reading) for reading in readings]
    return found


def _named(message: Message) -> str:
    return message.topic.split(".")[2] if message.via == "amqp" else ""


def values_of(profile: str, reading: Reading) -> Mapping[str, float]:
    return dict(zip(load_catalogue().profiles[profile].quantities, reading.values, strict=True))


def test_registers_are_the_integral_of_power_and_the_substation_adds_up() -> None:
    moments = list(history(120).values())
    watts = np.stack([m.power_w.sum(axis=1) for m in moments])
    for name, sign in (("import_wh", 1), ("export_wh", -1)):
        way = np.maximum(sign * watts, 0)
        expected = ((way[1:] + way[:-1]) / 2).sum(axis=0) / 3_600
        counted = getattr(moments[-1], name) - getattr(moments[0], name)
        np.testing.assert_allclose(counted, expected, atol=1e-5)
    below = watts[:, : len(TOWN.st_i)].sum(axis=1) * (1 + LINE_LOSS)
    np.testing.assert_allclose(np.stack([m.station_w.sum() for m in moments]), below)


def test_every_kind_of_meter_is_decoded_to_the_truth() -> None:
    truth = history(60)
    found = decoded(sent(60, turin()))
    assert Counter(profile for _, profile, _ in found) == {
        "turin_electricity_single_phase": 6 * 60,
        "turin_electricity_three_phase": 60,
        "obis_adapter": 2 * 6,
        "nilm_meter": 4 * 60,
        "home_hub": 9 * 6,
        "district_heat_turin": 5 * 2,
        "water": 5 * 2,
    }
    assert {reading.meter for _, _, reading in found} == {device.meter_id for device in TOWN.devices}
    for _, profile, reading in found:
        shown, values = truth[reading.at], values_of(profile, reading)
        for name, expected in expectation(profile, reading.meter, shown).items():
            assert values[name] == pytest.approx(expected, abs=tolerance(name)), (reading.meter, name)


def expectation(profile: str, meter: str, shown: Shown) -> dict[str, float]:
    """What the meter must have measured, of the quantities that tell it apart."""
    order = [device.meter_id for device in (*TOWN.st_i, *TOWN.adapters, *TOWN.nilm)] + TOWN.hubs
    home = order.index(meter) if meter in order else -1
    if profile == "turin_electricity_three_phase":
        phases = {f"active_power_l{k + 1}_w": shown.station_w[k] for k in range(3)}
        return {**phases, "active_energy_import_wh": shown.station_import_wh}
    if profile == "district_heat_turin":
        i = [device.meter_id for device in TOWN.heat_meters].index(meter)
        heat = shown.heat
        return {
            "forward_temperature_c": heat.forward_c[i],
            "return_temperature_c": heat.return_c[i],
            "flow_m3_per_h": heat.flow_m3_per_h[i],
            "heat_power_w": heat.power_kw[i] * 1000,
            "heat_energy_wh": heat.energy_mwh[i] * 1e6,
            "volume_m3": heat.volume_l[i] / 1000,
        }
    if profile == "water":
        i = [device.meter_id for device in TOWN.water_meters].index(meter)
        return {"water_volume_m3": shown.water_m3[i], "water_flow_m3_per_h": shown.water_m3_per_h[i]}
    if profile == "home_hub":
        home = order.index(meter[:8])
        is_plug = "plug" in meter
        return {"active_power_w": shown.power_w[home].sum() / 2} if is_plug else {}
    if profile == "obis_adapter":
        return {"active_energy_import_wh": shown.import_wh[home], "voltage_l2_v": shown.voltage_v[home]}
    return {"active_power_w": shown.power_w[home].sum()}


def tolerance(name: str) -> float:
    """Half of what the telegram's last digit stands for, or one where it is cut off."""
    return {"heat_energy_wh": 1_000, "volume_m3": 0.001, "voltage_l2_v": 0.1, "active_power_w": 1.5}.get(name, 1.0)


def test_same_seed_same_bytes_and_only_what_is_asked_for() -> None:
    assert sent(10, turin()) == sent(10, turin())
    assert sent(10, turin()) != sent(10, turin(build_town(seed=4)))
    assert {message.via for message in sent(10, turin(protocols=frozenset({"amqp"})))} == {"amqp"}


def test_homes_that_speak_coap_say_what_the_others_say_by_mqtt() -> None:
    world = build_world(30, 1, seed=1)
    faults = Faults(duplicates=0.5, garbage=0.5)
    district = District(world, ["malmo"], BEGUN, 10_000, Schedule(2, 100, 5), faults, direct=frozenset({0, 20}))
    kinds: Counter[tuple[str, str]] = Counter()
    for _ in range(40):
        for message in district.next_slot():
            assert (message.via == "coap") == (message.device in (0, 20))
            kinds[message.sender, message.kind] += message.via == "coap"
            if message.via == "coap" and message.kind == READING:
                ((sender, profile, reading),) = decoded([message])
                assert district.moment is not None and sender == reading.meter
                expected = household_values(world, district.moment, message.device)
                assert values_of(profile, reading) == pytest.approx(
                    {name: np.nan if value is None else value for name, value in expected.items()}, nan_ok=True
                )
    assert {sender: kinds[sender, READING] for sender, kind in kinds if kind == READING and sender} == {
        "LGZ1030655933000": 2,
        "LGZ1030655933020": 2,
    }


def test_the_files_that_let_the_fleet_in_are_those_that_bridges_read(tmp_path: Path) -> None:
    files = {
        "FLEXMETER_PRINCIPALS": "principals.csv",
        "FLEXMETER_KEYS": "keys.csv",
        "HTTP_TOKENS_FILE": "tokens.csv",
        "HTTP_CERT_FILE": "https.crt",
        "HTTP_KEY_FILE": "https.key",
        "COAP_PSK_FILE": "psk.csv",
    }
    env = {name: str(tmp_path / file) for name, file in files.items()} | {"COAP_URL": "coaps://127.0.0.1:5684"}
    topology = load_topology("topology.yaml", env)
    bridges = bridges_of(topology, ["http", "amqp", "coap"])
    direct = direct_homes(build_world(30, 1, seed=1).households, bridges)
    trust = kept_trust(tmp_path / "secret")
    let_in(topology, bridges, TOWN, direct, trust)
    assert kept_trust(tmp_path / "secret") == trust != kept_trust(tmp_path / "another")
    principals = load_principals(tmp_path / "principals.csv")
    authority = Authority(lambda: principals, anonymous=False)
    tokens = load_tokens(tmp_path / "tokens.csv")
    for message in sent(30, turin()):
        who = message.sender if message.via == "amqp" else identity_of(trust.token(message.sender), tokens)
        for _, _, reading in decoded([message]):
            assert authority.grant(who).covers(reading.meter)
    assert not authority.grant("ENN-0001").covers("ENN-0002-plug-1")
    title = title_of(TOWN.st_i[0].meter_id).hex().upper()
    assert load_keys(tmp_path / "keys.csv")[title] == (trust.key(title),)
    assert load_psk(tmp_path / "psk.csv") == {one.meter_id.encode(): trust.psk(one.meter_id) for one in direct}
    assert all((tmp_path / name).stat().st_mode & 0o077 == 0 for name in ("keys.csv", "psk.csv", "https.key", "secret"))
    assert senders(TOWN).keys() == set(tokens.values())


def test_a_hub_s_payload_is_a_batch() -> None:
    message = next(message for message in sent(1, turin()) if message.sender == "ENN-0001")
    assert len(orjson.loads(message.payload)["devices"]) == message.holds == 3
