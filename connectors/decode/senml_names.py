"""What a SenML name says: which meter, and what it measures.

A name ends with a word for what is measured; what stands before it, without one separator (/ : _ - .), is the meter:

    urn:dev:mac:0024befffe804ff1/active_power_l1_w   the quantity of the catalogue; its unit may be left out
    urn:dev:ow:10e2073a01080063:voltage              the same without its unit: the record's unit must be the quantity's
    LGZ1030000001/1-0:1.8.0                          its OBIS code; the record must state a unit
    LGZ1030000001/status                             text: a condition of the meter, in snake_case
    LGZ1030000001/sequence                           whole number: the meter's own counter
    urn:dev:ow:10e2073a01080063:humidity             anything else: the base name is the meter where it ends with a
                                                     separator, else the whole name

The longest word that is known wins. The meter is empty where the name is nothing but the word: then the address that
the payload came under says who measured.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

from schemas.catalogue import Quantity, load_catalogue
from schemas.errors import Reason, Rejected
from schemas.units import SUFFIXES

LONGEST_NAME = 255

_SEPARATORS = ("/", ":", "_", "-", ".")
_PERMITTED = re.compile(r"[A-Za-z0-9][-A-Za-z0-9:./_]*")  # RFC 8428, clause 4.5.1


class By(Enum):
    """Which kind of word a name ends with."""

    CATALOGUE = auto()
    """A quantity by its full name, which states the unit."""
    OBIS = auto()
    """A quantity by its OBIS code."""
    SHORT = auto()
    """A quantity by its name without the unit: a guess that the unit must confirm."""
    STATUS = auto()
    SEQUENCE = auto()
    NOTHING = auto()
    """No word that is known here."""


@dataclass(frozen=True, slots=True)
class Name:
    """A SenML name taken apart; `quantity` is None unless a word for one was found."""

    text: str
    meter: str
    by: By
    quantity: Quantity | None


@lru_cache(maxsize=16_384)
def parse_name(base: str, name: str) -> Name:
    """Take the name that a base name and a name make apart.

    Raises:
        Rejected: `Reason.FIELD`, for a name that is empty, too long, or has characters that RFC 8428 forbids.

    >>> parse_name("urn:dev:mac:0024befffe804ff1", "/active_power_l1_w").meter
    'urn:dev:mac:0024befffe804ff1'
    >>> parse_name("", "LGZ1030000001/1-0:1.8.0").quantity.name
    'active_energy_import_wh'
    >>> parse_name("urn:dev:ow:10e2073a01080063:", "humidity").meter, parse_name("2001:db8::", "4").by.name
    ('urn:dev:ow:10e2073a01080063', 'NOTHING')
    """
    text = base + name
    if not _PERMITTED.fullmatch(text) or len(text) > LONGEST_NAME:
        detail = f"name {text[:40]!r}: expected 1 to {LONGEST_NAME} of A-Z a-z 0-9 - : . / _, a letter or digit first"
        raise Rejected(Reason.FIELD, detail)
    words = _words()
    if text in words:
        return Name(text, "", *words[text])
    for position, character in enumerate(text):
        if character in _SEPARATORS and text[position + 1 :] in words:
            return Name(text, text[:position], *words[text[position + 1 :]])
    return Name(text, base[:-1] if name and base.endswith(_SEPARATORS) else text, By.NOTHING, None)


@lru_cache(maxsize=1)
def _words() -> Mapping[str, tuple[By, Quantity | None]]:
    words: dict[str, tuple[By, Quantity | None]] = {"status": (By.STATUS, None), "sequence": (By.SEQUENCE, None)}
    quantities = load_catalogue().quantities.values()
    words |= {one.name.removesuffix(SUFFIXES[one.unit]): (By.SHORT, one) for one in quantities}
    words |= {one.obis: (By.OBIS, one) for one in quantities if one.obis}
    words |= {one.name: (By.CATALOGUE, one) for one in quantities}
    return words
