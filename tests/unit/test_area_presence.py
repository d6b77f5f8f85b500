"""Who is silent, and who has only moved: meters that leave a partition's grid are no silent ones."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from schemas.alert import Alert
from schemas.master_data import GridBlock
from streams.area_presence import AreaPresence
from streams.outage.tree import Node
from streams.snapshot import freeze, thaw
from tests.streams_log import BEGIN, WAY, Input, Row, beats, feed, grid_blocks, heard, shard

METERS = [f"m{i}" for i in range(12)]
NODES = [
    Node("S1", "", "substation"),
    Node("F1", "S1", "feeder"),
    Node("F2", "S1", "feeder"),
    *(Node(f"n{i}", f"F{1 + i // 6}", "meter", "", meter) for i, meter in enumerate(METERS)),
]
SECOND = 1_000
Story = list[tuple[str, str]]


def published(without: Sequence[str], at: int) -> list[GridBlock]:
    return grid_blocks([node for node in NODES if node.meter_id not in without], at=BEGIN + at)


class Heard:
    """A shard that heard all meters for two minutes, every ten seconds."""

    def __init__(self) -> None:
        self.shard = shard({"area_presence": AreaPresence()})
        self.second = 0
        assert self.hear(120, METERS, published([], 0)) == []

    def hear(self, seconds: int, meters: Sequence[str], first: Sequence[Input] = (), place: str = "S1") -> Story:
        """These meters go on; the alerts' subjects and states."""
        log = [*first]
        for second in range(self.second, self.second + seconds):
            at = BEGIN + SECOND * second
            if second % 10 == 0:
                block = heard([Row(meter, at, at, (230.0,)) for meter in meters])
                log.append(replace(block, substations=[place] * len(meters)))
            log += beats(at, 1, source=WAY)
        self.second += seconds
        alerts = [result for result in feed(self.shard, log) if isinstance(result, Alert)]
        return [(alert.subject, alert.state) for alert in alerts]


@pytest.mark.parametrize("gone", [METERS[:1], METERS[:6]], ids=["one", "a feeder"])
@pytest.mark.parametrize("published_after", [0, 30])
def test_meters_that_moved_to_another_partition_are_not_silent(gone: list[str], published_after: int) -> None:
    one, stay = Heard(), [meter for meter in METERS if meter not in gone]
    assert one.hear(published_after, stay) == []
    assert one.hear(900, stay, published(gone, 1)) == []


def test_meters_that_are_silent_and_stay_in_the_grid_are_told() -> None:
    assert Heard().hear(900, METERS[6:], published(METERS[-1:], 1)) == [("F1", "raised")]
    assert Heard().hear(900, METERS[1:]) == [("m0", "raised")]


@pytest.mark.parametrize(("gone", "subject"), [(METERS[:1], "m0"), (METERS[:6], "F1")])
def test_what_was_told_of_meters_that_leave_the_grid_is_cleared(gone: list[str], subject: str) -> None:
    one, stay = Heard(), [meter for meter in METERS if meter not in gone]
    assert one.hear(700, stay) == [(subject, "raised")]
    again = shard({"area_presence": AreaPresence()})
    thaw(freeze(one.shard), again)
    one.shard = again
    assert one.hear(700, stay, published(gone, 1)) == [(subject, "cleared")]
    assert one.shard.describe(gone[0]) == []


def test_a_meter_that_comes_back_is_listened_to_again() -> None:
    one = Heard()
    assert one.hear(60, METERS[1:], published(METERS[:1], 1)) == []
    assert one.hear(60, METERS, published([], 2)) == []
    assert one.hear(900, METERS[1:]) == [("m0", "raised")]


def test_a_meter_that_moves_in_two_publications_stays_wherever_the_turn_is_cut_between_them() -> None:
    one = Heard()
    for blocks in (published(METERS[:1], 1), published([], 2)):
        assert AreaPresence().on_turn(one.shard.wholes["area_presence"], blocks, None) == []
    assert one.hear(900, METERS[1:]) == [("m0", "raised")]


def test_meters_that_the_grid_does_not_know_are_where_they_were_heard_last() -> None:
    one = Heard()
    others = [f"x{i}" for i in range(6)]
    assert one.hear(120, [*METERS, *others], place="S7") == one.hear(120, [*METERS, *others], place="S8") == []
    assert one.hear(300, METERS) == [("S8", "raised")]
