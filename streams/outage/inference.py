"""From a scene to marginals: priors, evidence and messages together."""

import numpy as np

from schemas.arrays import Float64s
from streams.outage import learning
from streams.outage.assumptions import Assumptions
from streams.outage.evidence import note_proofs
from streams.outage.likelihood import Scene, evidence_at
from streams.outage.loads import load_evidence
from streams.outage.messages import Marginals, Priors, infer
from streams.outage.state import State
from streams.outage.tree import Grid

MOST_LIKELY = 0.4
"""A device's priors over all bursts stay below this, whatever a load says."""


def opens_of(grid: Grid, assumed: Assumptions) -> Float64s:
    """Prior of each branch: the sum over the devices that no meter can tell apart."""
    return np.array([sum(assumed.opens[kind] for kind in kinds) for kinds in grid.kinds])


def weigh(grid: Grid, state: State, assumed: Assumptions, opens: Float64s, scene: Scene) -> Marginals:
    """What all that is known says of every device of the scene."""
    rows = grid.meters(scene.span.first)
    for slot, burst in zip(scene.slots.tolist(), scene.bursts_ms.tolist(), strict=True):
        note_proofs(state.meters, rows, slot, burst, assumed.proof_margin_ms)
    local = evidence_at(grid, state, assumed, scene)
    return infer(scene.span, _priors(grid, state, assumed, opens, scene), local)


def _priors(grid: Grid, state: State, assumed: Assumptions, opens: Float64s, scene: Scene) -> Priors:
    """Of each device and burst: that it opened, split by how likely it is to be closed again by now."""
    bursts_ms = scene.bursts_ms
    age_ms = np.maximum(scene.now_ms - bursts_ms, 0)[:, None]
    momentary = state.counts[learning.MOMENTARY] / state.counts[learning.INTERRUPTIONS]
    lasts = momentary * np.exp(-age_ms / assumed.momentary_ms)
    lasts = lasts + (1 - momentary) * np.exp(-age_ms / assumed.repair_ms)
    loads = load_evidence(grid, state, scene.span, bursts_ms.tolist())
    chances = np.minimum(opens[scene.span.slice] * np.exp(loads), MOST_LIKELY / len(bursts_ms))
    regimes = state.regimes / state.regimes.sum()
    switching = np.where(grid.meters_under(scene.span.slice) >= assumed.regime_meters, assumed.regime_switching, 0.01)
    return Priors(chances * lasts, chances * (1 - lasts), assumed.nested, regimes, switching)
