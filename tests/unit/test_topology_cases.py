"""Each folder of tests/cases/topology is a topology and the faults that must be found in it, no more and no fewer."""

from pathlib import Path

import pytest

from connectors.registry import RECEIVER_FAULTS
from schemas.faults import Faults
from schemas.topology import Known, Signature, load_topology

CASES = Path(__file__).parents[1] / "cases" / "topology"

TABLES = ["ReadingBlock", "PresenceBlock", "RecomputeRequestBlock", "Alert", "Account", "DeadLetter"]

KNOWN = Known(
    protocols=["mqtt", "coap"],
    decoders=["json", "mbus"],
    operators={
        "rolling_load": Signature(frozenset({"ReadingBlock"}), frozenset({"AggregateBlock"})),
        "presence": Signature(frozenset({"ReadingBlock"}), frozenset({"PresenceBlock"})),
        "last_gasp": Signature(frozenset({"EventBlock"}), frozenset({"Alert"}), {"mood": ("calm", "worried")}),
    },
    sinks={"chdb": TABLES, "clickhouse": TABLES},
    receivers=RECEIVER_FAULTS,
)


def report(path: Path) -> str:
    try:
        load_topology(path, env={}, known=KNOWN)
    except Faults as faults:
        return str(faults).replace(str(path), path.name) + "\n"
    return ""


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_case(case: Path) -> None:
    assert report(case / "topology.yaml") == (case / "faults.txt").read_text("utf-8")
