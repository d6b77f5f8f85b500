"""Message passing against the sum over everything that can have happened, on trees small enough to write it out."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.arrays import Float64s
from streams.outage.messages import Marginals, Priors, infer
from streams.outage.tree import Grid, Node

State = tuple[int, int, int]
"""Supplied (0, 0, 0), dark (1, k, j) or back (2, k, j)."""

SUPPLIED: State = (0, 0, 0)


def grid_of(parents: list[int]) -> Grid:
    """A tree by each branch's parent, given as a number below its own; two meters under each last branch."""
    nodes = [Node("b0", "", "feeder")]
    nodes += [Node(f"b{i + 1}", f"b{parent % (i + 1)}", "fuse") for i, parent in enumerate(parents)]
    leaves = {node.node_id for node in nodes} - {node.parent_id for node in nodes}
    nodes += [Node(f"{leaf}m{i}", leaf, "meter", meter_id=f"{leaf}m{i}") for leaf in sorted(leaves) for i in (1, 2)]
    return Grid.of(nodes)


def after(device: tuple[str, int], state: State, regime: int) -> tuple[State, bool]:
    """What leaves the device, and whether the regime is drawn anew: the table of the module, row by row."""
    what, k = device
    kind, since, j = state
    anew = what in ("stays", "recloses") and (
        kind == 0
        or (kind == 1 and what == "stays" and k < since)
        or (kind == 2 and what == "stays" and k != since)
        or (kind == 2 and what == "recloses" and k > since)
    )
    if anew:
        return (1 if what == "stays" else 2, k, regime), True
    if kind == 2 and (what == "nested" or device == ("stays", since)):
        return (1, since, j), False
    return state, False


def everything(
    grid: Grid, priors: Priors, evidence: Float64s
) -> Iterator[tuple[float, list[tuple[str, int]], list[State], list[State]]]:
    """Each course of events: weight, what the devices did, and what reached and what left each of them."""
    bursts, regimes = len(priors.stays), len(priors.regimes)
    devices = [("idle", -1), ("nested", -1)]
    devices += [(what, k) for what in ("stays", "recloses") for k in range(bursts)]
    pi = priors.regimes
    size = len(grid.parent)

    def go(
        branch: int, weight: float, did: list[tuple[str, int]], came: list[State], left: list[State]
    ) -> Iterator[tuple[float, list[tuple[str, int]], list[State], list[State]]]:
        if branch == size:
            yield weight, did, came, left
            return
        above = left[grid.parent[branch]] if branch else SUPPLIED
        arrivals = [(1.0, above)]
        if above[0]:
            switching = float(priors.switching[branch])
            arrivals = [
                (switching * pi[j] + (1 - switching) * (j == above[2]), (above[0], above[1], j)) for j in range(regimes)
            ]
        for (chance, state), device in product(arrivals, devices):
            what, k = device
            prior = {
                "stays": lambda k=k: priors.stays[k, branch],
                "recloses": lambda k=k: priors.recloses[k, branch],
                "nested": lambda: priors.nested,
                "idle": lambda: 1 - priors.nested - priors.stays[:, branch].sum() - priors.recloses[:, branch].sum(),
            }[what]()
            for regime in range(regimes):
                out, anew = after(device, state, regime)
                if not anew and regime:
                    break
                row = 0 if not out[0] else 1 + (out[0] - 1) * bursts * regimes + out[1] * regimes + out[2]
                factor = chance * prior * (pi[regime] if anew else 1.0) * np.exp(evidence[row, branch])
                yield from go(branch + 1, weight * factor, [*did, device], [*came, state], [*left, out])

    yield from go(0, 1.0, [], [], [])


def by_enumeration(grid: Grid, priors: Priors, evidence: Float64s) -> Marginals:
    stays, recloses = np.zeros_like(priors.stays), np.zeros_like(priors.stays)
    at_regime = np.zeros((len(priors.regimes), len(grid.parent)))
    total = 0.0
    for weight, did, came, left in everything(grid, priors, evidence):
        total += weight
        for branch, (device, state, out) in enumerate(zip(did, came, left, strict=True)):
            if out[0]:
                at_regime[out[2], branch] += weight
            if out == state:
                continue
            (stays if out[0] == 1 else recloses)[out[1], branch] += weight
            assert device[0] != "idle"
    return Marginals(stays / total, recloses / total, at_regime / total, float(np.log(total)))


chances = st.floats(0.001, 0.15)
logs = st.floats(-6, 0)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Grid, Priors, Float64s]:
    bursts, regimes = draw(st.sampled_from([(1, 1), (1, 2), (2, 1), (3, 1), (2, 2)]))
    grid = grid_of(draw(st.lists(st.integers(0, 3), min_size=0, max_size=0 if bursts * regimes > 1 else 1)))
    size = len(grid.parent)
    some = st.lists(chances, min_size=bursts * size, max_size=bursts * size)
    weights = np.array(draw(st.lists(st.floats(0.1, 1), min_size=regimes, max_size=regimes)))
    priors = Priors(
        np.array(draw(some)).reshape(bursts, size),
        np.array(draw(some)).reshape(bursts, size),
        draw(chances),
        weights / weights.sum(),
        np.array(draw(st.lists(chances, min_size=size, max_size=size))),
    )
    rows = 1 + 2 * bursts * regimes
    evidence = draw(st.lists(logs, min_size=rows * size, max_size=rows * size))
    return grid, priors, np.array(evidence).reshape(rows, size)


@given(problems())
@settings(max_examples=40, deadline=None)
def test_messages_equal_enumeration(problem: tuple[Grid, Priors, Float64s]) -> None:
    grid, priors, evidence = problem
    expected, found = by_enumeration(grid, priors, evidence), infer(grid.span(0), priors, evidence)
    np.testing.assert_allclose(found.stays, expected.stays, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.recloses, expected.recloses, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.regimes, expected.regimes, rtol=0, atol=1e-9)
    assert found.log_evidence == pytest.approx(expected.log_evidence, abs=1e-9)


@pytest.mark.parametrize("parents", [[0], [0, 0], [0, 1]])
def test_messages_equal_enumeration_on_wider_trees(parents: list[int]) -> None:
    rng = np.random.default_rng(len(parents))
    grid = grid_of(parents)
    size = len(grid.parent)
    opens, closes = rng.uniform(0.01, 0.1, (1, size)), rng.uniform(0.01, 0.1, (1, size))
    priors = Priors(opens, closes, 0.03, np.ones(1), rng.uniform(0, 0.2, size))
    evidence = rng.uniform(-5, 0, (3, size))
    expected, found = by_enumeration(grid, priors, evidence), infer(grid.span(0), priors, evidence)
    np.testing.assert_allclose(found.stays, expected.stays, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.recloses, expected.recloses, rtol=0, atol=1e-9)


def test_two_meters_by_hand() -> None:
    """A transformer over two meters, both silent: dark 1, supplied 0.1 each; only the transformer can open, at 0.02."""
    grid = Grid.of(
        [Node("t", "", "transformer"), Node("a", "t", "meter", meter_id="a"), Node("b", "t", "meter", meter_id="b")]
    )
    opens = np.array([[0.02, 0.0, 0.0]])
    priors = Priors(opens, np.zeros_like(opens), 0.0, np.ones(1), np.zeros(3))
    silent = np.log([[0.1], [1.0], [0.1]])
    evidence = np.hstack((np.zeros((3, 1)), silent, silent))
    found = infer(grid.span(0), priors, evidence)
    assert found.stays[0, 0] == pytest.approx(0.02 / (0.02 + 0.98 * 0.01), abs=1e-12)
