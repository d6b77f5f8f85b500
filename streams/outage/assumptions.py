"""What is assumed before anything was seen, and why. What can be learned is learned on top (learning.py)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

PROFILES = {"en50160": 180_000, "ieee1366": 300_000}
"""How long an interruption lasts at least to be sustained, ms: EN 50160 3.12 (longer than 3 min), IEEE 1366 (5 min)."""


@dataclass(frozen=True)
class Assumptions:
    """Priors are per burst: given that something happened somewhere, that it was this device."""

    opens: Mapping[str, float] = field(
        default_factory=lambda: {
            "substation": 2e-5,
            "feeder": 3e-4,
            "switch": 3e-4,
            "fuse": 6e-4,
            "transformer": 4e-4,
            "service": 1.5e-4,
            "meter": 5e-5,
        }
    )
    """By kind of device. Only their ratios matter, and those to `lie` and `mute`: fuses and breakers are made to open;
    a transformer does so by its own fuse; a service seldom."""
    nested: float = 0.002
    """That a device failed while it was dark from above, or stays open when supply is back."""
    lie: float = 2e-5
    """That a given meter sends a last gasp or a restoration within a burst although its supply never failed. So small
    that what a single meter tells in full, gasp and restoration, counts until lies were learned."""
    mute: float = 0.03
    """That a given meter has stopped to report although it is supplied: radio, firmware, a broken display unit."""
    mute_gateway: float = 0.05
    """The same of a gateway, relay or the way to the head end."""
    contradicted: float = 1e-4
    """That a meter reports although it is dark: a wrong clock, a wrong place in the register, supply from elsewhere."""
    delivery: tuple[float, ...] = (0.04, 0.35, 0.8)
    """Regimes: share of last gasps that come through; where the relays of an area die with it, hardly any does."""
    delivery_weight: tuple[float, ...] = (0.3, 0.35, 0.35)
    """How likely each regime is, before any outage was closed."""
    regime_switching: float = 0.1
    """That a branch has another regime than the one above: relays die with their area ..."""
    regime_meters: int = 4
    """... which is as large as this at least. Of smaller ones one in a hundred has another."""
    restored_delivery: float = 0.6
    """Share of restorations that come through, before any outage was closed."""
    momentary_share: float = 0.6
    """Share of interruptions that a recloser ends."""
    momentary_ms: float = 20_000
    """Mean duration of those."""
    repair_ms: float = 5_400_000
    """Mean duration of the others."""
    linkage_ms: int = 3_000
    """Last gasps no further apart belong to one burst."""
    longest_burst_ms: int = 6_000
    """... up to this span."""
    sharpness_ms: float = 5_000
    """A last gasp this far from its burst is as good as at it; what is beyond costs two nats at twice the distance, and
    grows with the square."""
    early_ms: float = 500
    """The same of one before its burst, which begins with the first: it belongs to another, or its clock is wrong."""
    stray_gasp: float = 0.02
    """Floor of what a last gasp far from its burst is worth: clocks go wrong."""
    proof_margin_ms: int = 2_000
    """A reading this much later than a burst shows that the meter had supply after it."""
    sustained_ms: int = PROFILES["en50160"]
    settle_ms: int = 300_000
    """Age at which an outage is followed by itself, and no longer explains what happens elsewhere."""
    provisional: float = 0.5
    """Probability of an interruption at which it is published."""
    gone: float = 0.1
    """Probability of being dark at which it is given up, or taken to be over ..."""
    calm_ms: int = 20_000
    """... if it stays so for this long, so that what is still dark under a device that closed can be told."""
    calm_sustained_ms: int = 60_000
    """The same of a sustained outage; and until all its meters were to report, unless ..."""
    surely_gone: float = 0.02
    """... the probability that something is dark is as low as this."""
    customers_dark: float = 0.9
    """Probability of being still open, to be called sustained."""
