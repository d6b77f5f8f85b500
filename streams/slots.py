"""How a shard's state lies on its compacted topic, so that no fault can mix two states.

Each ownership of a partition writes under a random nonce of its own, into two slots by turns: first the chunks, then
one commit record that makes them valid. A torn save leaves the other slot whole; the checksum in the commit record
tells. A paused worker that wakes up and saves writes an older state, never a wrong one: restoring takes the whole state
with the highest next offset.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from schemas.results import StateChunk, StateCommit

CHUNK_BYTES = 900_000
"""Kafka's brokers take records of up to 1 MB unless told otherwise."""

Stored = Mapping[bytes, StateChunk | StateCommit]
"""The newest record of each key; a deleted key is absent."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A whole state: a function of the input partition's records below `next_offset`."""

    next_offset: int
    payload: bytes


def chunk_key(nonce: str, slot: int, index: int) -> bytes:
    """Kafka key of a chunk."""
    return f"{nonce}/{slot}/{index}".encode()


def commit_key(nonce: str, slot: int) -> bytes:
    """Kafka key of a commit record."""
    return f"{nonce}/{slot}".encode()


def chunks(nonce: str, slot: int, payload: bytes) -> list[tuple[bytes, StateChunk]]:
    """The payload in pieces, each with its key."""
    starts = range(0, len(payload), CHUNK_BYTES)
    return [
        (chunk_key(nonce, slot, i), StateChunk(nonce, slot, i, payload[start : start + CHUNK_BYTES]))
        for i, start in enumerate(starts)
    ]


def commit(nonce: str, slot: int, saved: Saved) -> tuple[bytes, StateCommit]:
    """The record that makes the chunks valid, with its key."""
    count = -(-len(saved.payload) // CHUNK_BYTES)
    checksum = _checksum(saved.next_offset, saved.payload)
    return commit_key(nonce, slot), StateCommit(nonce, slot, saved.next_offset, count, checksum)


def newest_whole(stored: Stored) -> Saved | None:
    """The whole state with the highest next offset; None if there is none.

    >>> state = Saved(7, b"state")
    >>> records = dict([*chunks("n", 0, state.payload), commit("n", 0, state)])
    >>> newest_whole(records)
    Saved(next_offset=7, payload=b'state')
    >>> records[chunk_key("n", 0, 0)] = StateChunk("n", 0, 0, b"torn!")
    >>> newest_whole(records) is None
    True
    """
    commits = [record for record in stored.values() if isinstance(record, StateCommit)]
    for record in sorted(commits, key=lambda commit: commit.next_offset, reverse=True):
        payload = _payload(stored, record)
        if payload is not None and _checksum(record.next_offset, payload) == record.checksum:
            return Saved(record.next_offset, payload)
    return None


def _payload(stored: Stored, record: StateCommit) -> bytes | None:
    pieces = []
    for index in range(record.chunks):
        chunk = stored.get(chunk_key(record.nonce, record.slot, index))
        if not isinstance(chunk, StateChunk):
            return None
        pieces.append(chunk.payload)
    return b"".join(pieces)


def _checksum(next_offset: int, payload: bytes) -> str:
    return hashlib.sha256(next_offset.to_bytes(8, "big") + payload).hexdigest()
