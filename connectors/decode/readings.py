"""What a decoder says: readings and events of one payload."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Carries(StrEnum):
    """What the address says its payloads hold."""

    READING = "reading"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a payload came in, and what that says about it.

    `text` is the address as the protocol writes it (MQTT topic, CoAP path, URL). `profile` and `meter` are empty where
    the address does not name them; nothing here has been checked yet. `identity` is who a topic is of, where the broker
    lets nobody else write there; empty = the address does not say.
    """

    text: str
    profile: str
    meter: str
    carries: Carries
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """A counter that a MAC or tag has proven, with which key of whose: `key` is a short digest of it.

    `digest`, 32 bits and never 0, is of the MAC or tag: telegrams with one counter and other bytes have another one.
    """

    holder: str
    key: str
    counter: int
    digest: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One row: what a meter measured at one time.

    `at` is event time, ms UTC; `sequence` the device's own counter or -1; `quality` bits of schemas.quality.Quality;
    `values` in the order of the profile's quantities, in the catalogue's units, NaN = not measured. `proof` is what its
    telegram has proven; None = nothing.
    """

    meter: str
    at: int
    sequence: int
    quality: int
    values: tuple[float, ...]
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class MeterEvent:
    """Something that happened at a meter: `kind` is one of schemas.events, `detail` the device's own words.

    `proof` is what its telegram has proven; None = nothing. `stands` says that it is a condition, which the meter
    repeats as long as it stands.
    """

    meter: str
    at: int
    quality: int
    kind: str
    detail: str
    proof: Proof | None = None
    stands: bool = False


@dataclass(frozen=True, slots=True)
class Decoded:
    """Everything that one payload said, and what of it is proven to be no older telegram."""

    readings: tuple[Reading, ...]
    events: tuple[MeterEvent, ...]
    proofs: tuple[Proof, ...] = ()


Decode = Callable[[bytes, Address, int], Decoded]
"""Payload, address and arrival (ms UTC) to what it says; raises Rejected, and nothing else whatever the bytes."""
