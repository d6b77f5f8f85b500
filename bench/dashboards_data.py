"""Days of a made-up city in ClickHouse, by INSERT ... SELECT: plausible numbers through the tables that the sink fills.

Of ten meters seven are homes, two heat substations, one a water meter; five hundred hang at each substation, on ten
feeders. Powers and flows follow the hour of the day with noise in steps of the catalogue's resolution, registers rise.
Everything that a panel reads is there; of the aggregates the windows of those quantities that some panel asks for in
them. The others would lie elsewhere in the order of the table, which begins with window and quantity.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from schemas.catalogue import Catalogue, Kind, Quantity

SHARES = (("malmo_household", "m % 10 < 7"), ("district_heat_turin", "m % 10 IN (7, 8)"), ("water", "m % 10 = 9"))
HOMES = "m % 10 < 7"
WINDOWS_S = {"1min": 60, "rolling_15min": 60, "15min": 900, "1h": 3_600}
DAY_S = 86_400
FEWEST = 40
_METER = "concat('LGZ', toString(1030655000000 + m))"
_NOISE = "(cityHash64(m, t, {salt}) % 1000 / 1000)"
_DAYTIME = "(1 + sin(t / 13750 + m % 7) / 2)"


Windows = Mapping[str, Sequence[Quantity]]
"""Window -> the quantities whose aggregates are filled in it."""


def asked_for(catalogue: Catalogue, queries: Iterable[str]) -> Windows:
    """What these queries read of the aggregates; `voltages_10min` is a view of the one-minute means."""
    found: dict[str, set[str]] = {window: set() for window in WINDOWS_S}
    for sql in queries:
        named = set(re.findall(r"\w+", sql))
        for window in re.findall(r"window = '(\w+)'", sql):
            found[window] |= named & set(catalogue.quantities)
        if "voltages_10min" in named:
            found["1min"] |= {name for name in catalogue.quantities if re.fullmatch(r"voltage_(l\d_)?v", name)}
    return {window: [catalogue.quantities[name] for name in sorted(names)] for window, names in found.items() if names}


def rows_a_day(catalogue: Catalogue, count: int, interval_s: int, windows: Windows) -> dict[str, int]:
    """How many rows of the large tables a day brings."""
    homes = sum(m % 10 < 7 for m in range(10)) * count // 10
    of_profiles = {"malmo_household": homes, "district_heat_turin": 2 * count // 10, "water": count // 10}
    aggregates = sum(
        meters * DAY_S // max(WINDOWS_S[window], interval_s)
        for profile, meters in of_profiles.items()
        for window, quantities in windows.items()
        for quantity in quantities
        if quantity.name in catalogue.profiles[profile].quantities
    )
    return {"readings_raw": count * DAY_S // interval_s, "aggregates_raw": aggregates}


def meters(count: int) -> list[str]:
    """Who there is, where they hang, and which homes have consented."""
    profile = f"multiIf({', '.join(f'{which}, {_text(name)}' for name, which in SHARES)}, '')"
    return [
        f"INSERT INTO flexmeter.meters_raw (meter, profile, feeder, substation, interval_ms, version) "
        f"SELECT {_METER}, {profile}, concat('F', toString(m % 10)), concat('S', toString(intDiv(m, 500))), 300000, 1 "
        f"FROM {_numbers('m', count)}",
        "INSERT INTO flexmeter.home_requests_raw (meter, at, kind, number, power_w, appliance, version) "
        f"SELECT {_METER}, now64(3), 'consent', 0, 0, '', 1 FROM {_numbers('m', count)} WHERE {HOMES}",
        _devices(count),
    ]


def _devices(count: int) -> str:
    """Of each substation itself, its ten feeders, and 97 transformers below them."""
    return f"""INSERT INTO flexmeter.grid_nodes_raw
        (substation, node, part, parent, kind, phase, customers, meters, published_at, version)
        SELECT concat('S', toString(m)), multiIf(n = 0, concat('S', toString(m)), n < 11, concat('F', toString(n - 1)),
        concat('T-', toString(n - 11))), 0, multiIf(n = 0, '', n < 11, concat('S', toString(m)),
        concat('F', toString((n - 11) % 10))), multiIf(n = 0, 'substation', n < 11, 'feeder', 'transformer'), '',
        if(n < 11, 0, 5), if(n < 11, 0, 5), now64(3), 1
        FROM {_numbers("m", -(-count // 500))} ARRAY JOIN range(108) AS n"""


def day(catalogue: Catalogue, count: int, begin_s: int, interval_s: int, windows: Windows) -> Iterator[str]:
    """What a day brings: readings, the aggregates of every window, and what becomes of them."""
    for number, (profile, which) in enumerate(SHARES):
        quantities = [catalogue.quantities[name] for name in catalogue.profiles[profile].quantities]
        yield _readings(profile, which, quantities, count, begin_s, interval_s, number)
        for window, wanted in windows.items():
            if own := [quantity for quantity in quantities if quantity in wanted]:
                length_s = WINDOWS_S[window]
                yield _aggregates(which, own, count, begin_s, max(length_s, interval_s), window, length_s)
    yield from _rest(count, begin_s)


def _readings(
    profile: str, which: str, quantities: Sequence[Quantity], count: int, begin_s: int, interval_s: int, number: int
) -> str:
    names = ", ".join(f"`{quantity.name}`" for quantity in quantities)
    values = ", ".join(_value(quantity, salt) for salt, quantity in enumerate(quantities))
    return (
        "INSERT INTO flexmeter.readings_raw "
        f"(meter, profile, at, quality, sequence, source, received_at, inserted_at, version, {names}) "
        f"SELECT {_METER}, {_text(profile)}, "
        f"{_at('t')} + toIntervalMillisecond(m * 7919 % {1_000 * interval_s}) AS at, "
        f"cityHash64(m, t, 5) % 20 = 0, "  # some by a gateway's clock
        f"intDiv(t, {interval_s}), 'mqtt_{number}', at + toIntervalMillisecond(200 + cityHash64(m, t) % 300), "
        "toStartOfSecond(at) + INTERVAL 2 SECOND, "
        f"18446744073709551615 - (intDiv(t, {interval_s}) * 65536 + m % 65536), {values} "
        f"FROM {_grid(count, begin_s, interval_s)} WHERE {which}"
    )


def _aggregates(
    which: str, quantities: Sequence[Quantity], count: int, begin_s: int, step_s: int, window: str, length_s: int
) -> str:
    """Every quantity of every meter, a row a window. What lies between the readings has no windows."""
    names = ", ".join(_text(quantity.name) for quantity in quantities)
    register = ", ".join("1" if quantity.kind is Kind.REGISTER else "0" for quantity in quantities)
    power = ", ".join("1" if quantity.unit == "W" else "0" for quantity in quantities)
    values = ", ".join(_value(quantity, salt) for salt, quantity in enumerate(quantities))
    spread = _NOISE.format(salt=99)
    start = _at("t") if window != "rolling_15min" else f"{_at('t')} - INTERVAL 14 MINUTE"
    length_s = 900 if window == "rolling_15min" else length_s
    return (
        "INSERT INTO flexmeter.aggregates_raw (meter, quantity, window, start, end, count, mean, min, max, "
        "energy_trapezoid_wh, register_difference, covered_ms, quality, version, inserted_at) "
        f"SELECT {_METER}, q.1, {_text(window)}, {start} AS begins, begins + INTERVAL {length_s} SECOND, "
        f"greatest(1, intDiv({length_s}, 300)), if(q.2 = 1, nan, q.4 * (1 + {spread} / 7)), "
        f"q.4, q.4 * (1 + intDiv(1000 * {spread}, 100) / 10), if(q.3 = 1, q.4 * (1 + {spread} / 7) / 12, nan), "
        f"if(q.2 = 1, cityHash64(m, t) % 400 + (m % 50 = 9), nan), {1_000 * length_s}, 0, 4294967296, "
        f"{_at(f't + {step_s + 2}')} "
        f"FROM {_grid(count, begin_s, step_s)} "
        f"ARRAY JOIN arrayZip([{names}], [{register}], [{power}], [{values}]) AS q WHERE {which}"
    )


def _rest(count: int, begin_s: int) -> Iterator[str]:
    """Loads, events, alerts, letters ...: few beside the others."""
    loads, homes = _grid(11 * -(-count // 500), begin_s, 900), f"{_grid(count, begin_s, 900)} WHERE {HOMES}"
    runs, some = f"{_grid(count, begin_s, 21_600)} WHERE {HOMES}", _grid(-(-count // 20), begin_s, 43_200)
    on_now = "t % 86400 = 64800 AND t > toUnixTimestamp(now()) - 108000"
    at, a_little_later, an_hour_later = _at("t"), _at("t + 120"), _at("t + 3600")
    yield f"""INSERT INTO flexmeter.loads_raw
        (substation, feeder, start, meters, energy_wh, covered_ms, infeed_wh, version)
        SELECT concat('S', toString(intDiv(m, 11))), if(m % 11 = 10, '', concat('F', toString(m % 11))), {at}, 35,
        9000 + 500 * {_NOISE.format(salt=1)}, 31500000, if(m % 11 = 10, 9800, nan), 4294967331 FROM {loads}"""
    yield f"""INSERT INTO flexmeter.appliance_energy_raw
        (meter, appliance, window, start, end, energy_wh, covered_ms, version)
        SELECT {_METER}, arrayJoin(['kettle', 'dishwasher', 'remainder']), '15min', {at}, {_at("t + 900")},
        40 * {_NOISE.format(salt=2)}, 900000, 4294967296 FROM {homes}"""
    yield f"""INSERT INTO flexmeter.appliance_events_raw
        (meter, number, state, appliance, decided_at, start, end, power_w, energy_wh, confidence, version)
        SELECT {_METER}, t, if({on_now}, 'on', 'off'), 'kettle', {at}, {at}, {a_little_later}, 2000, 60, 0.9,
        4294967296 FROM {runs}"""
    yield f"""INSERT INTO flexmeter.events_raw
        (meter, at, kind, detail, feeder, substation, quality, source, received_at, version)
        SELECT {_METER}, {at}, 'tamper', '', 'F1', 'S0', 0, 'mqtt_0', {at}, 1 FROM {some}"""
    yield f"""INSERT INTO flexmeter.presence_raw (meter, number, state, since, last_at, feeder, version)
        SELECT {_METER}, t, if((t % 86400 = 0) = (m % 2 = 0), 'silent', 'resumed'), {at}, {at}, 'F1', 1 FROM {some}"""
    yield f"""INSERT INTO flexmeter.alerts_raw
        (id, number, kind, severity, state, subject, feeder, substation, at, raised_at, summary, evidence)
        SELECT concat('last_gasp/', toString(m), '/', toString(t)), n, 'last_gasp',
        ['critical', 'warning', 'info'][1 + (m + intDiv(t, 43200)) % 3], ['raised', 'cleared'][n], {_METER}, 'F1', 'S0',
        {_at("t + n")}, {at}, 'Power lost', '{{}}' FROM {some} ARRAY JOIN range(1, 2 + m % 2) AS n"""
    yield f"""INSERT INTO flexmeter.dead_letters_raw
        (topic, partition, offset, source, address, received_at, reason, detail, payload, payload_length,
        payload_sha256)
        SELECT 'dead.letters', 0, t * 1000 + m, 'mqtt_0', 'malmo/x', {at}, 'malformed', 'no JSON', 'garbage', 7,
        toString(cityHash64(m, t)) FROM {some}"""
    yield f"""INSERT INTO flexmeter.recompute_requests_raw (meter, profile, start, end, version, inserted_at)
        SELECT {_METER}, 'malmo_household', {at}, {an_hour_later}, 1, {an_hour_later} FROM {some}"""
    yield from _judged(count, begin_s)
    yield from _outages(count, begin_s)


def _judged(count: int, begin_s: int) -> Iterator[str]:
    """What the stream anomaly makes: a score a quarter of an hour of each meter, and alerts about a few."""
    load, rarity = f"300 * {_DAYTIME} * (0.8 + 0.4 * {_NOISE.format(salt=3)})", f"pow({_NOISE.format(salt=4)}, 8) * 6"
    yield f"""INSERT INTO flexmeter.anomaly_scores_raw
        (meter, start, end, unit, load, expected, low, high, rarity_decades, state, version)
        SELECT {_METER}, {_at("t")}, {_at("t + 900")}, if({HOMES}, 'W', 'm3/h'), {load}, 300 * {_DAYTIME} AS usual,
        usual * 0.7, usual * 1.3, {rarity} AS rarity,
        multiIf(m % 20 = 0, 'learning', rarity > 5.5, 'alerted', rarity > 4, 'unusual', 'usual'), 1
        FROM {_grid(count, begin_s, 900)}"""
    kinds = "[('anomaly/', 'anomaly', 'came'), ('meter_fault/', 'stuck_register', 'measured')]"
    evidence = """concat('{"expected":', toString(200 + m % 7), ',"', kind.3, '":', toString(900 + m % 11),
        if(kind.3 = 'came', ',"rarity_decades":9.5', ''), '}')"""
    yield f"""INSERT INTO flexmeter.alerts_raw
        (id, number, kind, severity, state, subject, feeder, substation, at, raised_at, summary, evidence)
        SELECT concat(kind.1, toString(m), '/', toString(t)), n, kind.2, ['warning', 'info'][n],
        ['raised', 'cleared'][n], {_METER}, concat('F', toString(m % 10)), concat('S', toString(intDiv(m, 500))),
        {_at("t + 3600 * n")}, {_at("t + 3600")}, 'Not as it was', {evidence}
        FROM (SELECT *, arrayJoin({kinds}) AS kind FROM {_grid(-(-count // 20), begin_s, DAY_S)})
        ARRAY JOIN range(1, if((m + intDiv(t, {DAY_S})) % 2 = 0, 2, 3)) AS n"""


def _outages(count: int, begin_s: int) -> Iterator[str]:
    """Four outages a day under each substation, told in three versions; one in four substations is still dark.

    Half of these are not sure yet of which device.
    """
    stations = -(-count // 500)
    evidence = """concat('{"phase":"', ['provisional', 'located', 'closed'][n], '","ending":',
        if(n = 3, if(t % 43200 = 0, '"momentary"', '"restored"'), 'null'), ',"start_ms":', toString(1000 * t),
        ',"end_ms":', toString(1000 * (t + 1800)), ',"customers":48,"customers_dark":', ['48', '48', '0'][n],
        ',"confidence":0.97,"probability_of_outage":0.99,"probability_still_dark":0.98,"devices":[{"device":"T-',
        toString(t % 97), '","alike":["T"],"probability":0.97}]}')"""
    yield f"""INSERT INTO flexmeter.alerts_raw
        (id, number, kind, severity, state, subject, feeder, substation, at, raised_at, summary, evidence)
        SELECT concat('outage/S', toString(m), '/', toString(t)), n, 'outage', ['critical', 'critical', 'info'][n],
        ['raised', 'updated', 'cleared'][n], concat('T-', toString(t % 97)), concat('F', toString(t % 10)),
        concat('S', toString(m)), {_at("t + [5, 15, 1800][n]")}, {_at("t + 5")}, 'Dark', {evidence}
        FROM {_grid(stations, begin_s, 21_600)}
        ARRAY JOIN range(1, if(m % 4 = 0 AND t % 86400 = 64800, if(m % 8 = 0, 2, 3), 4)) AS n"""
    yield f"""INSERT INTO flexmeter.reliability_raw
        (substation, feeder, start, customers, sustained_interruptions, sustained_ms, momentary_events, interrupted_ms,
        version)
        SELECT concat('S', toString(intDiv(m, 11))), if(m % 11 = 10, '', concat('F', toString(m % 11))), {_at("t")}, 48,
        if(cityHash64(m, t) % 5 = 0, 48, 0) AS hit, hit * 1800000, 3, hit * 1800000, 4294967296
        FROM {_grid(11 * stations, begin_s, DAY_S)}"""


def _value(quantity: Quantity, salt: int) -> str:
    """A number as this quantity has it, in its resolution."""
    noise = _NOISE.format(salt=salt)
    if quantity.kind is Kind.REGISTER:
        raw = f"(1000 * m + (t % 100000000) * 0.1 + {noise})"
    elif quantity.unit == "V":
        raw = f"(230 + 3 * sin(t / 7000 + m) + {noise} - 25 * (m % 50 = 10))"
    elif quantity.unit.endswith("C"):
        raw = f"(60 + 8 * {_DAYTIME} + {noise})"
    else:
        raw = f"({min(400.0, quantity.maximum / 10)} * {_DAYTIME} * (0.8 + 0.4 * {noise}))"
    return f"round({raw} / {quantity.resolution}) * {quantity.resolution}"


def _grid(count: int, begin_s: int, step_s: int) -> str:
    """m = 0, 1 ... count-1 for each t of a day, in seconds since 1970; in the order of arrival."""
    steps = DAY_S // step_s
    return (
        f"(SELECT number % {count} AS m, {begin_s} + intDiv(number, {count}) * {step_s} AS t "
        f"FROM numbers({count * steps}))"
    )


def _numbers(name: str, count: int) -> str:
    return f"(SELECT number AS {name} FROM numbers({count}))"


def _at(seconds: str) -> str:
    return f"toDateTime64({seconds}, 3, 'UTC')"


def _text(text: str) -> str:
    return f"'{text}'"
