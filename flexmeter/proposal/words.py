"""The words that keys are made of, and what makers of meters mean by them."""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

_PIECE = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+\d*|[A-Z]+\d*|\d+")
_NUMBERED = re.compile(r"([a-z]{4,})(\d+)")
_PHASE = re.compile(r"(?:l|ph|phase|phs|u|i|v|a|w|line)([123])")

Words = tuple[str, ...]


def of(text: str) -> frozenset[str]:
    """A vocabulary: the words of a text.

    >>> sorted(of("power watt"))
    ['power', 'watt']
    """
    return frozenset(text.split())


REACTIVE: Final = of("reactive react blind var kvar varh kvarh q")
APPARENT: Final = of("apparent aprt schein va kva s")
ENERGY: Final = of(
    """energy energie energia aenergy emdata consumption verbrauch wh kwh mwh gj mj zaehlerstand meterreading arbeit
    electricity e"""
)
POWER: Final = of("power apower leistung puissance potenza vermogen watt watts w kw load p")
VOLTAGE: Final = of("voltage volt volts spannung tension vrms urms u v")
CURRENT: Final = of("current amp amps ampere amperes amperage irms i a")
FREQUENCY: Final = of("frequency freq frequenz hz")
FACTOR: Final = of("pf cosphi powerfactor cos factor")
TEMPERATURE: Final = of("temperature temp temperatur tmp celsius t")
FLOW: Final = of("flow flowrate durchfluss")
VOLUME: Final = of("volume vol volumen m3")
NOW: Final = of("current currently momentary momentane instantaneous now present")
"""Adjectives: `current_power` is no current."""

IMPORT: Final = of(
    """import imported imp forward fwd consumed consumption used usage bezug positive pos plus drawn taken purchased
    from buy verbrauch afname in"""
)
EXPORT: Final = of(
    """export exported exp reverse rev returned return ret produced production fed feedin feed generated einspeisung
    lieferung negative neg minus sold injection injected to teruglevering yield received out"""
)
DELIVERED: Final = of("delivered delivery")
"""To whom? To the customer, unless something is `used` beside it: then by the customer."""
RETURNED: Final = of("returned return ret")
USED: Final = of("used usage consumed")

FORWARD: Final = of("forward supply flow vorlauf vl inlet inflow in primary tf hot fwd t1")
RETURN: Final = of("return ruecklauf rl outlet outflow out tr cold ret rev t2")
BETWEEN: Final = of("diff difference delta spread dt")

OTHER_PERIOD: Final = of(
    """max maximum min minimum peak avg average mean today yesterday day daily week weekly month monthly montly year
    yearly annual last previous prev history limit threshold nominal rated setpoint target setting by
    minute"""
)
ELSEWHERE: Final = of("today yesterday history previous prev")
"""Of these, those that mean it for all that stands below them."""
HIGHEST: Final = of("max maximum peak")
NO_MEASUREMENT: Final = of(
    """sag sags swell swells fail failure failures count counter errors error rssi wifi signal uptime ram fs heap cost
    price version cpu interval duration id idx channel rev cnt period header
    battery board chip"""
)
BEHIND: Final = of("pv solar inverter wallbox ev battery")
"""What stands behind the meter."""
TARIFF: Final = of("tariff tarief rate t1 t2 t3 t4 ht nt low high dal piek 1 2 3 4")
MEDIA: Final = {
    "heat": of("heat thermal waerme wärme warme heating chauffage"),
    "cooling": of("cooling kaelte kälte chilled"),
    "water": of("water wasser acqua eau"),
    "gas": of("gas"),
    "electricity": of("electricity electric electrical strom grid mains"),
}


def split(key: str) -> Words:
    """The words of a key, in lower case; a letter or two keep the number behind them.

    >>> split("totalActPower"), split("voltage_l1"), split("tariff2kWh"), split("ENERGY")
    (('total', 'act', 'power'), ('voltage', 'l1'), ('tariff', '2', 'kwh'), ('energy',))
    """
    apart = re.sub(r"([kMG]?(?:Wh|VArh|varh|VAr)|[kM]?VA(?![a-zA-Z])|kW)", lambda found: f"_{found[1].lower()}_", key)
    found: list[str] = []
    for segment in re.split(r"[^0-9A-Za-zÀ-ÿ³]+", apart):
        for piece in _PIECE.findall(segment) if segment.isascii() else [segment]:
            numbered = _NUMBERED.fullmatch(piece.lower())
            found += numbered.groups() if numbered else [piece.lower()]
    return tuple(found)


def phase_of(words: Sequence[str]) -> int:
    """1 to 3 where the words name a phase; 0 where none, -1 where two (a voltage between lines) or the neutral.

    >>> [phase_of(split(key)) for key in ("voltage_l2", "b_act_power", "u_l12", "power")]
    [2, 2, -1, 0]
    """
    if {"neutral", "l12", "l23", "l31", "ab", "bc", "ca"} & set(words) or words[:1] == ("n",):
        return -1
    for place, word in enumerate(words):
        if numbered := _PHASE.fullmatch(word):
            return int(numbered[1])
        following = words[place + 1] if place + 1 < len(words) else ""
        if word in ("phase", "ph", "line") and following in ("1", "2", "3", "a", "b", "c", "r", "s", "t"):
            return "1ar2bs3ct".index(following) // 3 + 1
    return "abc".index(words[0]) + 1 if words and words[0] in ("a", "b", "c") else 0


def has(words: Iterable[str], vocabulary: Collection[str]) -> bool:
    """Whether one of the words is in the vocabulary."""
    return any(word in vocabulary for word in words)
