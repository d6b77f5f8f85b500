"""Which appliance a load is: by its power, how long it has been on, what ran before, and what the home has taught.

The library gives each appliance a rate of coming on per day at a power (`per_day` x log-normal density). A home's
clusters add what was counted there, so that its own appliances soon outweigh the library: an online expectation
maximisation with soft counts that fade over a month. What speaks against an appliance is the time: while a load is on,
the chance that the appliance's times on reach this far; when it is off, the density of the time it was on.
"""

from math import exp, log

import numpy as np

from schemas.arrays import Float64s
from schemas.durations import DAY_MS
from streams.nilm.home import HOUR_BINS, HOURS_OF_A_BIN, RECENT, Home, Load, Recent
from streams.nilm.library import UNKNOWN, Library, normal_below

_AGAIN_AFTER_MS = 480_000
_AGAIN_UNTIL_MS = 5_400_000
_CYCLE_MS = 3_600_000
HEATER_W = 1_000.0
SAME_POWER = 0.06
MOST_RECOVERIES = 4
LABEL_LOADS = 10.0
LABEL_OUTWEIGHS = 2.0
"""What someone in the home says, and was not believed, counts like so many loads, and so many times all else."""
LABEL_CONFIRMS = 0.3
"""With this share it was believed: what one other label outweighed keeps a third."""


def fading(count: float, since: int, at: int, over_s: float) -> float:
    """A count that fades by a factor e over `over_s`."""
    return count * exp(-max(at - since, 0) / 1_000 / over_s) if count else 0.0


def belief(home: Home, load: Load, library: Library, at: int, ended: bool) -> Float64s:
    """Probability of each appliance for a load that is on at `at`, or that ended just before, shape (k,)."""
    age_s = max(at - load.chain_start, 1_000) / 1_000
    rates, own = _rates(home, load, library)
    drum = home.is_fast and fading(home.now.drum, home.now.drum_at, load.start, 600.0) > home.weights.drum_pulses
    at_work = drum | (load.chain_start - home.last_on[library.appliance] < _CYCLE_MS)
    rates = np.where(library.only_in_cycle & ~at_work, 0.0, rates)
    by_appliance = rates @ library.of
    if load.power_w > HEATER_W and load.settled and load.chain_start == load.start:
        own = own + home.weights.repeats * float(by_appliance.sum() + own.sum()) * _repeats(home, load, library)
    share = rates / np.maximum(by_appliance[library.appliance], 1e-30)
    likely = (share * _time_on(home, library, age_s, ended)) @ library.of * (by_appliance + own)
    if age_s > 180 and load.power_w > 600:
        likely = likely * _slope(home, load, library)
    likely = np.where(load.chain_start - home.last_on < library.within_ms, likely * library.times, likely)
    if not home.is_fast:
        likely = likely * library.recovers ** min(load.recoveries, MOST_RECOVERIES)
    if load.chain_start != load.start:
        likely = likely * library.chained
    if drum and load.power_w > 1_200:
        likely[library.position("washing_machine")] *= home.weights.drum
        likely[library.position("tumble_dryer")] *= home.weights.drum_dryer
    if load.power_w > 500:
        likely = likely * _time_of_day(home, load)
    if load.power_w > 600:
        likely[library.position("oven")] *= 1 + home.weights.train * load.pulses**2
    likely[UNKNOWN] += 1e-30
    normalised: Float64s = likely / likely.sum()
    return normalised


def _rates(home: Home, load: Load, library: Library) -> tuple[Float64s, Float64s]:
    """Per day, at this power: of each mode of the library, and of each appliance in this home."""
    log_power = log(max(load.power_w, 1.0))
    counts, power_w = home.clusters.counts, home.clusters.power_w
    if load.settled or home.is_fast:
        z = (log_power - library.log_power) / library.power_spread
        density = np.exp(-0.5 * z * z) / (library.power_spread * 2.5066) * home.weights.bandwidth
        own = counts[load.cluster] if load.cluster >= 0 else np.zeros(counts.shape[1])
        return library.per_day * density, own.astype(np.float64)
    # Of a load that began within the sample only a part is seen: it has this power or more.
    above = normal_below((library.log_power - log_power) / library.power_spread)
    part = np.where(power_w > 0.95 * load.power_w, load.power_w / np.maximum(power_w, 1.0), 0.0)
    return library.per_day * above * load.power_w / np.exp(library.log_power), part @ counts


def _time_on(home: Home, library: Library, age_s: float, ended: bool) -> Float64s:
    z = log(age_s) - library.log_on_s
    if not ended:
        return normal_below(-z / library.on_spread) + 1e-6
    spread = np.sqrt(library.on_spread**2 + (0.35 * home.interval_s / age_s) ** 2)
    density: Float64s = np.exp(-0.5 * (z / spread) ** 2) / spread
    return density


def _slope(home: Home, load: Load, library: Library) -> Float64s:
    """A dishwasher's heater draws less as the water warms, a washing machine's does not."""
    minutes = (home.before_at - load.settled_at) / 60_000
    if minutes < 3:
        return np.ones(len(library.appliances))
    slope = load.drift_w / minutes / (load.power_w / 2_000)
    spread = np.sqrt(library.slope_spread**2 + (25 / minutes) ** 2)
    z = (slope - library.slope) / spread
    density: Float64s = (np.exp(-0.5 * z * z) / spread * library.slope_spread + 0.02) ** home.weights.slope
    return density


def _time_of_day(home: Home, load: Load) -> Float64s:
    hours, prior = home.hours, home.weights.hours_prior
    found: Float64s = (
        (hours[hour_bin(load.chain_start)] + prior) / (hours.sum(axis=0) / HOUR_BINS + prior)
    ) ** home.weights.hours
    return found


def hour_bin(at: int) -> int:
    """Part of the day (UTC) in which a time lies."""
    return at % DAY_MS // (HOURS_OF_A_BIN * 3_600_000)


def choice(home: Home, load: Load, belief: Float64s) -> int:
    """The appliance to tell; the one told before stays unless another is clearly likelier. Notes how likely it is."""
    if load.labelled:
        return load.appliance
    if load.clouded:
        return UNKNOWN
    best = likeliest = int(belief[1:].argmax()) + 1
    told = load.appliance
    guessed = not home.is_fast and not load.settled
    least = home.weights.least_belief_guessed if guessed else home.weights.least_belief
    if belief[best] < least or belief[best] < 0.8 * belief[UNKNOWN]:
        best = UNKNOWN
    if told != UNKNOWN and best != told and belief[told] > 0.8 * max(belief[likeliest], least):
        best = told
    load.confidence = float(belief[best])
    return best


def cluster_of(home: Home, power_w: float) -> int:
    """The cluster of this power, -1 if there is none."""
    centre = home.clusters.power_w
    distance = np.abs(power_w - centre) / np.maximum(home.weights.cluster_least_w, home.weights.cluster_width * centre)
    best = int(np.where(centre > 0, distance, np.inf).argmin())
    return best if centre[best] > 0 and distance[best] < 1.5 else -1


def join_chain(home: Home, load: Load) -> None:
    """A pulse shortly after one like it goes on with its chain; what that one was counted as is taken back."""
    for old in home.recent:
        pause_s = (load.start - old.end) / 1_000
        longest_s = min(max(10.0, 1.2 * (old.end - old.start) / 1_000), home.weights.chain_s)
        like = abs(old.power_w - load.power_w) < max(20.0, home.weights.chain_width * load.power_w)
        if like and pause_s < max(1.5 * home.interval_s, longest_s):
            load.chain_start, load.pulses = old.chain_start, 0.0
            home.recent.remove(old)
            home.remembers_more = True
            counts = home.clusters.counts
            if old.cluster >= 0:
                counts[old.cluster] = np.maximum(counts[old.cluster] - old.counted, 0)
            return


def learn(home: Home, load: Load, found: Float64s, library: Library, at: int) -> None:
    """Count a load that ended, in its cluster and by time of day."""
    _judge_alone(home, load, library)
    if load.cluster < 0:
        load.cluster = cluster_of(home, load.power_w)
    if load.cluster < 0:
        load.cluster = _new_cluster(home, load.power_w, at)
    place, clusters = load.cluster, home.clusters
    _fade(home, place, at)
    pause_ms = load.start - max([int(clusters.ended_at[place]), *(old.end for old in _like(home, load))])
    is_first = pause_ms > _AGAIN_UNTIL_MS
    clusters.ended_at[place] = at
    counted = _counted(found, pause_ms, library)
    if load.power_w > 600:
        counted = counted / (1 + fading(home.now.pulses, home.now.pulses_at, load.start, home.weights.train_s))
    if pause_ms < _AGAIN_AFTER_MS:
        counted = counted * home.weights.burst
    if load.power_w > 500:
        home.hours *= 0.998
        home.hours[hour_bin(load.chain_start)] += counted
    counted_f4 = counted.astype(np.float32)
    clusters.counts[place] += counted_f4
    clusters.power_w[place] += (load.power_w - clusters.power_w[place]) / min(
        max(float(clusters.counts[place].sum()), 1.0), 20.0
    )
    if load.power_w > 300:
        end, counted_f2 = home.before_at, counted.astype(np.float16)
        ended = Recent(load.power_w, load.start, end, load.chain_start, place, is_first, counted_f2)
        home.recent = [ended, *home.recent][:RECENT]
        home.remembers_more = True


def _like(home: Home, load: Load) -> list[Recent]:
    """Loads of its power that ended lately, before it came on."""
    return [
        old
        for old in home.recent
        if abs(old.power_w - load.power_w) < SAME_POWER * old.power_w and old.end < load.start
    ]


def _repeats(home: Home, load: Load, library: Library) -> Float64s:
    """How often each appliance comes on here now because it heats once more, for each time it would anyway."""
    expected = np.zeros(len(library.appliances))
    for old in _like(home, load):
        if old.alone and _AGAIN_AFTER_MS < load.start - old.end < _AGAIN_UNTIL_MS:
            expected += old.counted * ((1 - library.alone) / max(float(old.counted.sum()), 1e-3))
    return expected


def _judge_alone(home: Home, load: Load, library: Library) -> None:
    """A dishwasher heats twice: what another like it followed, or did not follow for long, is counted anew."""
    for old in home.recent:
        pause_ms = load.start - old.end
        followed = pause_ms > _AGAIN_AFTER_MS and abs(old.power_w - load.power_w) < SAME_POWER * old.power_w
        if not old.alone or old.cluster < 0 or (pause_ms < _AGAIN_UNTIL_MS and not followed):
            continue
        followed &= pause_ms < _AGAIN_UNTIL_MS
        weighted = old.counted * (1 - library.alone if followed else library.alone)
        anew = weighted * (old.counted.sum() / max(weighted.sum(), 1e-9))
        counts = home.clusters.counts[old.cluster]
        counts[:] = np.maximum(counts + anew - old.counted, 0)
        old.alone, old.counted, home.remembers_more = False, anew.astype(np.float16), True


def learn_label(home: Home, appliance: int, power_w: float, at: int) -> None:
    """Someone who knows says what draws this power here.

    Where that was believed anyway, it is one load more of it; else all that was believed is less than that now.
    """
    place = cluster_of(home, power_w)
    if place < 0:
        place = _new_cluster(home, power_w, at)
    _fade(home, place, at)
    counts = home.clusters.counts[place]
    others = float(counts.sum() - counts[appliance])
    if counts[appliance] > LABEL_CONFIRMS * (others + counts[appliance]):
        counts[appliance] += 1
        return
    labelled = float(counts[appliance]) + LABEL_LOADS
    counts *= min(1.0, labelled / LABEL_OUTWEIGHS / max(others, 1e-9))
    counts[appliance] = labelled


def _fade(home: Home, place: int, at: int) -> None:
    """Let the counts of a cluster fade until now."""
    clusters = home.clusters
    passed_ms = max(at - int(clusters.counted_at[place]), 0)
    clusters.counts[place] *= exp(-passed_ms / (home.weights.memory_days * DAY_MS))
    clusters.counted_at[place] += passed_ms


def _counted(found: Float64s, pause_ms: int, library: Library) -> Float64s:
    """The belief, once it is seen how long after another load of its cluster this one came."""
    if pause_ms < _AGAIN_AFTER_MS:
        return found
    weighted = found * (library.again if pause_ms < _AGAIN_UNTIL_MS else 1 - library.again)
    normalised: Float64s = weighted / weighted.sum()
    return normalised


def _new_cluster(home: Home, power_w: float, at: int) -> int:
    """A free place for a cluster, or that of the least counted, whose loads lose it."""
    clusters = home.clusters
    kept = clusters.counts.sum(axis=1) * np.exp(-(at - clusters.counted_at) / (10 * DAY_MS))
    place = int(np.where(clusters.power_w > 0, kept, -1.0).argmin())
    for load in home.loads:
        load.cluster = -1 if load.cluster == place else load.cluster
    for old in home.recent:
        old.cluster = -1 if old.cluster == place else old.cluster
    home.remembers_more = True
    clusters.power_w[place], clusters.counted_at[place], clusters.counts[place] = power_w, at, 0
    clusters.ended_at[place] = -(2**50)
    return place


def note_end(home: Home, load: Load, appliance: int, at: int, learnt: bool) -> None:
    """What just ended, for what comes next: heaters, turning drums, short loads one after the other."""
    now = home.now
    if appliance != UNKNOWN and load.power_w > HEATER_W:
        home.last_on[appliance] = at
    if 50 < load.power_w < 900 and at - load.start < 30_000:
        now.drum, now.drum_at = fading(now.drum, now.drum_at, at, 600.0) + 1, at
    is_pulse = home.before_at - load.start < 900_000 and load.chain_start == load.start
    if load.power_w > 600 and learnt and is_pulse:
        now.pulses, now.pulses_at = fading(now.pulses, now.pulses_at, at, home.weights.train_s) + 1, at
