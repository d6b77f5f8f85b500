"""Saved states whose records are torn, mixed and overwritten: what is restored is whole, or nothing."""

import random

from hypothesis import given
from hypothesis import strategies as st

from schemas.results import StateChunk, StateCommit
from streams import slots
from streams.slots import Saved

Records = dict[bytes, StateChunk | StateCommit]


def payload_of(next_offset: int) -> bytes:
    """What a pure function of the input prefix would hold: several chunks, another for each offset."""
    return random.Random(next_offset).randbytes(slots.CHUNK_BYTES * 2 + next_offset % 1_000)


def save(stored: Records, nonce: str, slot: int, next_offset: int, torn_after: int | None = None) -> None:
    """Write a save, or the first records of it."""
    saved = Saved(next_offset, payload_of(next_offset))
    records = [*slots.chunks(nonce, slot, saved.payload), slots.commit(nonce, slot, saved)]
    stored.update(records[:torn_after])


def test_the_newest_whole_state_of_any_owner_wins() -> None:
    stored: Records = {}
    save(stored, "a", 0, 10)
    save(stored, "a", 1, 20)
    save(stored, "b", 0, 15)
    assert slots.newest_whole(stored) == Saved(20, payload_of(20))


def test_a_torn_save_leaves_the_other_slot() -> None:
    stored: Records = {}
    save(stored, "a", 0, 10)
    save(stored, "a", 1, 20)
    save(stored, "a", 0, 30, torn_after=1)
    assert slots.newest_whole(stored) == Saved(20, payload_of(20))


def test_without_a_commit_record_there_is_nothing() -> None:
    stored: Records = {}
    save(stored, "a", 0, 10, torn_after=3)
    assert slots.newest_whole(stored) is None


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), min_size=1, max_size=12), st.randoms())
def test_whatever_was_torn_the_state_restored_is_one_that_was_saved(
    saves: list[tuple[str, int]], rng: random.Random
) -> None:
    """Two owners, one of them a zombie, each with its own slots; saves of 4 records stop after 0 to 4 of them."""
    stored: Records = {}
    slot = {"a": 0, "b": 0}
    whole: dict[tuple[str, int], int] = {}
    for i, (owner, records) in enumerate(saves):
        next_offset = 100 + i * rng.randint(1, 5)
        torn = records if rng.random() < 0.5 else None
        save(stored, owner, slot[owner], next_offset, torn)
        whole.pop((owner, slot[owner]), None) if torn else None
        if torn is None:
            whole[owner, slot[owner]] = next_offset
            slot[owner] = 1 - slot[owner]
    restored = slots.newest_whole(stored)
    if whole:
        assert restored is not None
        assert restored.next_offset >= max(whole.values())
    if restored is not None:
        assert restored.payload == payload_of(restored.next_offset)
