"""No row lost or doubled, the order of each meter kept, every acknowledgement exactly once."""

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from connectors.decode.readings import MeterEvent, Reading
from connectors.packing import MOST_ROWS, Packed, Packer
from schemas.blocks import EventBlock, ReadingBlock
from schemas.register import Device

COLUMNS = {"p": ["a", "b"], "q": ["c", "d"]}
LINGER_MS = 500


def device(meter: str, profile: str) -> Device:
    return Device(meter, profile, f"sub-{meter[-1]}", f"feeder-{meter[-1]}", None, None, None, 10_000)


def reading(meter: str, number: int) -> Reading:
    return Reading(meter, 1_000 * number, number, number % 7, (float(number), float("nan")))


# Steps: a row of one of six meters, an event of one, or time that passes (also backwards) with a look at what is due.
STEPS = st.lists(
    st.tuples(st.just("reading"), st.integers(0, 5))
    | st.tuples(st.just("event"), st.integers(0, 5))
    | st.tuples(st.just("time"), st.integers(-2_000, 700)),
    max_size=120,
)


@given(STEPS)
def test_everything_comes_out_once_and_in_order(steps: list[tuple[str, int]]) -> None:
    packer: Packer[int] = Packer("bridge", LINGER_MS, COLUMNS)
    out: list[Packed[int]] = []
    now, number, sent = 10_000, 0, []
    for what, n in steps:
        if what == "time":
            now += n
            out += packer.take_due(now)
            continue
        number += 1
        meter = f"m{n}"
        place = device(meter, "p" if n < 4 else "q")
        sent.append(number)
        if what == "reading":
            packer.add_reading(n % 2, place, reading(meter, number), now, number)
        else:
            packer.add_event(n % 2, place, MeterEvent(meter, number, 0, "tamper", str(number)), now, number)
    out += packer.take_all()
    assert packer.rows == 0
    assert list(packer.take_all()) == []
    assert Counter(token for packed in out for token in packed.tokens) == Counter(sent)
    for kind in (ReadingBlock, EventBlock):
        order = defaultdict(list)
        for packed in out:
            if isinstance(packed.block, kind):
                check(packed)
                for token, row in zip(packed.tokens, packed.block.row_meter, strict=True):
                    order[packed.block.meters[row]].append(token)
        assert all(earlier < later for tokens in order.values() for earlier, later in pairwise(tokens))


def check(packed: Packed[int]) -> None:
    """The block says of every row what went in under the row's token."""
    block = packed.block
    for row, token in enumerate(packed.tokens):
        meter = block.meters[block.row_meter[row]]
        assert packed.partition == int(meter[1:]) % 2
        assert block.feeders[block.row_meter[row]] == f"feeder-{meter[-1]}"
        if isinstance(block, ReadingBlock):
            expected = reading(meter, token)
            assert (block.at[row], block.sequence[row], block.quality[row]) == (
                expected.at,
                expected.sequence,
                expected.quality,
            )
            assert block.columns == COLUMNS[block.profile]
            np.testing.assert_array_equal(block.rows_by_column()[:, row], expected.values)
            assert block.intervals_ms[block.row_meter[row]] == 10_000
        else:
            assert (block.at[row], block.kind[row], block.detail[row]) == (token, "tamper", str(token))
            assert block.substations[block.row_meter[row]] == f"sub-{meter[-1]}"


def test_readings_wait_for_the_linger_and_events_do_not() -> None:
    packer: Packer[str] = Packer("bridge", LINGER_MS, COLUMNS)
    packer.add_reading(0, device("m1", "p"), reading("m1", 1), 1_000, "first")
    packer.add_reading(0, device("m2", "p"), reading("m2", 2), 1_400, "second")
    packer.add_event(0, device("m1", "p"), MeterEvent("m1", 1, 0, "tamper", ""), 1_400, "event")
    assert [packed.tokens for packed in packer.take_due(1_499)] == [["event"]]
    (packed,) = packer.take_due(1_500)
    assert packed.tokens == ["first", "second"]
    assert packed.block.received_at == 1_000
    assert list(packer.take_due(9_999)) == []


def test_a_clock_that_is_set_back_does_not_hold_rows() -> None:
    packer: Packer[str] = Packer("bridge", LINGER_MS, COLUMNS)
    packer.add_reading(0, device("m1", "p"), reading("m1", 1), 1_000_000, "row")
    assert [packed.tokens for packed in packer.take_due(10)] == [["row"]]


def test_a_full_block_goes_at_once() -> None:
    packer: Packer[int] = Packer("bridge", LINGER_MS, COLUMNS)
    for number in range(MOST_ROWS + 1):
        packer.add_reading(3, device("m1", "p"), reading("m1", number), 1_000, number)
    (full,) = packer.take_due(1_000)
    assert full.tokens == list(range(MOST_ROWS))
    assert packer.rows == 1


def test_profiles_do_not_mix() -> None:
    packer: Packer[str] = Packer("bridge", LINGER_MS, COLUMNS)
    packer.add_reading(0, device("m1", "p"), reading("m1", 1), 0, "p")
    packer.add_reading(0, replace(device("m2", "q")), reading("m2", 1), 0, "q")
    assert sorted(packed.block.profile for packed in packer.take_all() if isinstance(packed.block, ReadingBlock)) == [
        "p",
        "q",
    ]
