"""What counts how much when `nilm` decides. The same for all homes; docs/nilm.md has the validation curves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each kind of evidence counts."""

    least_belief: float = 0.5
    """A load is told as an appliance from this probability on."""
    least_belief_guessed: float = 0.65
    """The same before its power is known, where a row is a minute."""
    memory_days: float = 30.0
    bandwidth: float = 0.1
    """What counts as the same power, in natural logarithms."""
    cluster_width: float = 0.035
    cluster_least_w: float = 12.0
    hours: float = 1.0
    hours_prior: float = 1.0
    slope: float = 0.7
    repeats: float = 3.0
    """How often a heater that heats once more is seen, for each load of its power that anything else is."""
    train: float = 8.0
    """How much more an oven is, after several short loads: per their number squared."""
    train_s: float = 600.0
    drum_pulses: float = 6.0
    """More short motor pulses than this in ten minutes: a drum turns."""
    drum: float = 10.0
    drum_dryer: float = 3.0
    burst: float = 0.02
    """Weight of what comes on again within eight minutes."""
    recurs: float = 5.0
    """An unknown load is told from so many of its power on: old ones fade, repeats at once hardly count."""
    chain_s: float = 120.0
    chain_width: float = 0.12
