"""Two workers that both believe they own a partition: their saves, restores and deaths in a thousand interleavings.

The writer and the restore are the product's own, on a log in memory (tests/state_log.py). With a nonce an ownership
and the checksum no history goes wrong; without either some do, so the test can fail.
"""

import random
from itertools import count, repeat

from tests.state_log import History, without_kafka

HISTORIES = 1_000
FEWER = 200
"""Enough to find one that goes wrong."""


def wrong_of(histories: int, own_nonces: bool = True, unheard: float = 0.0, checksum: bool = True) -> int:
    """How many histories went wrong."""
    wrong = 0
    for seed in range(histories):
        nonces = (f"n{i}" for i in count()) if own_nonces else repeat("n")
        history = History(random.Random(seed), nonces, unheard)
        with without_kafka(history, checksum):
            wrong += bool(history.run())
    return wrong


def test_with_a_nonce_for_each_ownership_no_history_goes_wrong() -> None:
    assert wrong_of(HISTORIES) == 0


def test_with_shared_keys_some_go_wrong() -> None:
    assert wrong_of(FEWER, own_nonces=False) > 0


def test_saves_that_were_not_heard_of_are_written_again_and_no_history_goes_wrong() -> None:
    assert wrong_of(HISTORIES, unheard=0.2) == 0


def test_without_the_checksum_some_of_these_go_wrong() -> None:
    assert wrong_of(FEWER, unheard=0.2, checksum=False) > 0
