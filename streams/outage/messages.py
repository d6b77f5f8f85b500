"""Exact inference on a radial tree: which devices opened, in which burst, by one pass up and one down.

A **burst** is a moment at which supply was lost somewhere; there are K, in order of time. What reaches a branch from
above is in one of 1 + 2 K J states:

    0          supplied all along
    (1, k, j)  dark since burst k
    (2, k, j)  dark from burst k, and back by now

where j is the regime of delivery in which an interruption's last gasps travel. The device at the head of a branch is
idle, or opened in burst k and stays open, or opened in k and is closed again, or (nested) failed while it was dark from
above. What its branch gets then:

    from above      stays(k')                     recloses(k')                nested        idle
    0               (1, k', new regime)           (2, k', new regime)         0             0
    (1, k, j)       (1, k', new) where k' < k     as it was                   as it was     as it was
    (2, k, j)       (1, k', new); same where k'=k (2, k', new) where k' > k   (1, k, j)     as it was

On the way to a branch a regime is drawn anew with probability `switching`: relays that die take a part of the area with
them. Arrays hold states first, in the order above (regimes fastest), then branches; all are natural logs.
Cost is linear in the branches. The schedule is Pearl's (Probabilistic Reasoning in Intelligent Systems, 1988, 4.3).
"""

from dataclasses import dataclass

import numpy as np

from schemas.arrays import Float64s, Int64s
from streams.outage.tree import Span

IMPOSSIBLE = -1e30
"""Log of nothing: finite, so that differences of it stay numbers."""


@dataclass(frozen=True)
class Priors:
    """Of each branch's device; n branches, K bursts, J regimes."""

    stays: Float64s
    """Probability that it opened in a burst and is open, shape (K, n)."""
    recloses: Float64s
    """Probability that it opened in a burst and is closed again, shape (K, n)."""
    nested: float
    """Probability that it failed while it was dark from above."""
    regimes: Float64s
    """Probability of each regime, shape (J,)."""
    switching: Float64s
    """Probability that a regime is drawn anew on the way to each branch, shape (n,)."""


@dataclass(frozen=True)
class Marginals:
    """What the evidence says of each branch's device, as probabilities."""

    stays: Float64s
    """It is what keeps its branch dark since burst k, shape (K, n)."""
    recloses: Float64s
    """It is what interrupted its branch in burst k, and is closed again, shape (K, n)."""
    regimes: Float64s
    """Regime of what the branch gets, dark states only and not normalised, shape (J, n)."""
    log_evidence: float


@dataclass(frozen=True)
class _Tables:
    """Logs of the priors, ready for both passes."""

    idle: Float64s
    stays: Float64s
    recloses: Float64s
    idle_when_dark: Float64s
    idle_when_back: Float64s
    same_when_back: Float64s
    regimes: Float64s
    keep: Float64s
    anew: Float64s


def infer(span: Span, priors: Priors, evidence: Float64s) -> Marginals:
    """Marginals over a branch and all under it, which is supplied from above.

    `evidence`: log likelihood of what is known at each branch itself, shape (1 + 2 K J, n); finite.
    """
    bursts, regimes = len(priors.stays), len(priors.regimes)
    tables = _tables(priors)
    inside, passed = evidence.copy(), np.empty_like(evidence)
    for level in range(len(span.levels) - 1, -1, -1):
        at = span.levels[level]
        passed[:, at] = _upward(inside.take(at, 1), _at(tables, at), bursts, regimes)
        if level:
            inside[:, span.parents[level - 1]] += np.add.reduceat(passed.take(at, 1), span.starts[level - 1], axis=1)
    return _downward(span, tables, inside, passed, bursts, regimes)


def _tables(priors: Priors) -> _Tables:
    stays, recloses = priors.stays, priors.recloses
    earlier = np.cumsum(stays, axis=0) - stays
    others = stays.sum(axis=0) - stays
    later = recloses.sum(axis=0) - np.cumsum(recloses, axis=0)
    return _Tables(
        _log(1 - stays.sum(axis=0) - recloses.sum(axis=0)),
        _log(stays),
        _log(recloses),
        _log(1 - earlier),
        _log(1 - priors.nested - stays - others - later),
        _log(priors.nested + stays),
        _log(priors.regimes)[:, None],
        _log(1 - priors.switching),
        _log(priors.switching),
    )


def _log(chances: Float64s) -> Float64s:
    with np.errstate(divide="ignore"):
        found: Float64s = np.maximum(np.log(chances), IMPOSSIBLE)
    return found


def _at(tables: _Tables, at: Int64s) -> _Tables:
    return _Tables(
        tables.idle[at],
        tables.stays[:, at],
        tables.recloses[:, at],
        tables.idle_when_dark[:, at],
        tables.idle_when_back[:, at],
        tables.same_when_back[:, at],
        tables.regimes,
        tables.keep[at],
        tables.anew[at],
    )


def _split(states: Float64s, bursts: int, regimes: int) -> tuple[Float64s, Float64s, Float64s]:
    """Views: supplied (n,), dark (K, J, n), back (K, J, n)."""
    half = bursts * regimes
    shape = (bursts, regimes, states.shape[1])
    return states[0], states[1 : 1 + half].reshape(shape), states[1 + half :].reshape(shape)


def _sum(logs: Float64s, axis: int = 0) -> Float64s:
    """Log of a sum of exponentials along an axis."""
    most = logs.max(axis=axis, keepdims=True)
    total: Float64s = np.log(np.exp(logs - most).sum(axis=axis)) + most.squeeze(axis)
    return total


def _add(one: Float64s, other: Float64s) -> Float64s:
    """Log of a sum of two exponentials; np.logaddexp is exact for infinities too, and several times slower."""
    total: Float64s = np.maximum(one, other) + np.log1p(np.exp(-np.abs(one - other)))
    return total


def _upward(inside: Float64s, tables: _Tables, bursts: int, regimes: int) -> Float64s:
    """Likelihood of all below for each state from above, the draw of regimes on the way included."""
    supplied, dark, back = _split(inside, bursts, regimes)
    out = np.empty_like(inside)
    out_supplied, out_dark, out_back = _split(out, bursts, regimes)
    stays = tables.stays + _sum(dark + tables.regimes, 1)
    recloses = tables.recloses + _sum(back + tables.regimes, 1)
    out_supplied[:] = _sum(np.vstack((supplied + tables.idle, stays, recloses)))
    for k in range(bursts):
        dark_anew, back_anew = _anew(stays, recloses, k)
        out_dark[k] = _add(dark[k] + tables.idle_when_dark[k], dark_anew)
        out_back[k] = _add(_add(back[k] + tables.idle_when_back[k], dark[k] + tables.same_when_back[k]), back_anew)
    for states in (out_dark, out_back):
        drawn = _sum(states + tables.regimes, 1)[:, None]
        states[:] = _add(states + tables.keep, drawn + tables.anew)
    return out


def _anew(stays: Float64s, recloses: Float64s, k: int) -> tuple[Float64s, Float64s]:
    """What a device that opens in another burst leads to, from dark since k and from back since k."""
    nothing = np.full((1, stays.shape[1]), IMPOSSIBLE)
    earlier = _sum(np.vstack((nothing, stays[:k])))
    later = _sum(np.vstack((nothing, stays[k + 1 :], recloses[k + 1 :])))
    return earlier, _add(earlier, later)


def _downward(span: Span, tables: _Tables, inside: Float64s, passed: Float64s, bursts: int, regimes: int) -> Marginals:
    outside = np.full_like(inside, IMPOSSIBLE)
    outside[0, 0] = 0.0
    log_evidence = float(passed[0, 0])
    stays, recloses = np.empty((bursts, span.size)), np.empty((bursts, span.size))
    at_regime = np.empty((regimes, span.size))
    for level, at in enumerate(span.levels):
        mine, caused = _through(outside.take(at, 1), inside.take(at, 1), _at(tables, at), bursts, regimes)
        stays[:, at], recloses[:, at] = np.exp(caused[0] - log_evidence), np.exp(caused[1] - log_evidence)
        whole = mine + inside.take(at, 1) - log_evidence
        _, dark, back = _split(whole, bursts, regimes)
        at_regime[:, at] = np.exp(dark).sum(axis=0) + np.exp(back).sum(axis=0)
        if level + 1 < len(span.levels):
            below = span.levels[level + 1]
            above = np.searchsorted(at, np.repeat(span.parents[level], _lengths(span.starts[level], len(below))))
            outside[:, below] = _without(
                whole.take(above, 1) + log_evidence, passed.take(below, 1), _at(tables, below), bursts, regimes
            )
    return Marginals(stays, recloses, at_regime, log_evidence)


def _lengths(starts: Int64s, count: int) -> Int64s:
    lengths: Int64s = np.diff(np.append(starts, count))
    return lengths


def _without(whole: Float64s, own: Float64s, tables: _Tables, bursts: int, regimes: int) -> Float64s:
    """What the rest of the tree says of the states that reach a branch, its own part taken out."""
    out = whole - own
    for states in _split(out, bursts, regimes)[1:]:
        drawn = _sum(states, 1)[:, None] + tables.regimes
        states[:] = _add(states + tables.keep, drawn + tables.anew)
    return out


def _through(
    outside: Float64s, inside: Float64s, tables: _Tables, bursts: int, regimes: int
) -> tuple[Float64s, tuple[Float64s, Float64s]]:
    """From what reaches the device to what leaves it; and the weight of each burst in which it is the cause."""
    from_supplied, from_dark, from_back = _split(outside, bursts, regimes)
    mine = np.empty_like(outside)
    supplied, dark, back = _split(mine, bursts, regimes)
    _, dark_inside, back_inside = _split(inside, bursts, regimes)
    supplied[:] = from_supplied + tables.idle
    any_dark, any_back = _sum(from_dark, 1), _sum(from_back, 1)
    stays, recloses = np.empty_like(any_dark), np.empty_like(any_back)
    nothing = np.full((1, outside.shape[1]), IMPOSSIBLE)
    for k in range(bursts):
        later = np.vstack((nothing, any_dark[k + 1 :]))
        other = np.vstack((any_back[:k], any_back[k + 1 :]))
        opened = tables.stays[k] + _sum(np.vstack((from_supplied[None], later, other)))
        closed = tables.recloses[k] + _sum(np.vstack((from_supplied[None], any_back[:k])))
        same = from_back[k] + tables.same_when_back[k]
        dark[k] = _add(_add(from_dark[k] + tables.idle_when_dark[k], same), opened + tables.regimes)
        back[k] = _add(from_back[k] + tables.idle_when_back[k], closed + tables.regimes)
        stays[k] = _add(opened + _sum(dark_inside[k] + tables.regimes), _sum(same + dark_inside[k]))
        recloses[k] = closed + _sum(back_inside[k] + tables.regimes)
    return mine, (stays, recloses)
