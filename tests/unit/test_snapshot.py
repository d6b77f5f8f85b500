"""What a saved state can go on as, and what is said where it cannot."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from schemas.catalogue import Catalogue, load_catalogue
from streams.contract import Operator
from streams.registry import OPERATORS
from streams.shard import Shard
from streams.snapshot import Incompatible, freeze, thaw
from tests.streams_log import BEGIN, PROFILE, Row, beats, block, feed

CATALOGUE = load_catalogue()
VALUES = (1.0, 0.0, 100.0, 200.0, 300.0, 230.0, 230.0, 230.0)


def of(operators: Mapping[str, Operator], catalogue: Catalogue = CATALOGUE) -> Shard:
    return Shard("metering", 0, operators, catalogue, turn_ms=1_000)


def some(*names: str) -> dict[str, Operator]:
    return {name: OPERATORS[name] for name in names}


def saved(operators: Mapping[str, Operator]) -> bytes:
    """Of a shard that has worked on ten minutes of one meter."""
    shard = of(operators)
    rows = block([Row("m1", BEGIN + at, BEGIN + at, VALUES) for at in range(0, 600_000, 10_000)])
    list(feed(shard, [rows, *beats(BEGIN, 3)]))
    return freeze(shard)


def test_an_operator_added_to_a_running_system_starts_empty_and_the_others_go_on() -> None:
    before = of(some("rolling_load"))
    thaw(saved(some("rolling_load")), before)
    now = of(some("rolling_load", "presence"))
    thaw(freeze(before), now)
    known = before.table(PROFILE).column("rolling_load").tobytes()
    assert any(known) and now.table(PROFILE).column("rolling_load").tobytes() == known
    assert not any(now.table(PROFILE).column("presence").tobytes())


def test_what_an_operator_left_that_is_gone_is_dropped() -> None:
    now = of(some("presence"))
    thaw(saved(some("rolling_load", "presence")), now)
    assert "rolling_load" not in now.table(PROFILE).columns
    assert any(now.table(PROFILE).column("presence").tobytes())


def with_quantities(*quantities: str) -> Catalogue:
    profile = replace(CATALOGUE.profiles[PROFILE], quantities=quantities)
    return replace(CATALOGUE, profiles={**CATALOGUE.profiles, PROFILE: profile})


@pytest.mark.parametrize(
    ("catalogue", "told"),
    [
        (with_quantities(*CATALOGUE.profiles[PROFILE].quantities[:-1]), "give what changed a profile of another name"),
        (with_quantities(*reversed(CATALOGUE.profiles[PROFILE].quantities)), "had the quantities"),
        (replace(CATALOGUE, profiles={}), "which the catalogue has no more: put it back"),
    ],
    ids=["one fewer", "another order", "the profile is gone"],
)
def test_a_profile_that_changed_is_told(catalogue: Catalogue, told: str) -> None:
    with pytest.raises(Incompatible, match=told):
        thaw(saved(some("presence")), of(some("presence"), catalogue))


def test_an_operator_of_another_version_is_told() -> None:
    class Newer(type(OPERATORS["presence"])):  # type: ignore[misc]
        version = OPERATORS["presence"].version + 1

    with pytest.raises(Incompatible, match="rebuild it as a stream of its own"):
        thaw(saved(some("presence")), of({"presence": Newer()}))
