"""What is kept of a payload that could not be taken."""

import hashlib

from schemas.blocks import DeadLetter
from schemas.errors import Rejected

KEPT_BYTES = 256_000


def dead_letter(
    source: str,
    address: str,
    received_at: int,
    rejected: Rejected,
    payload: bytes,
    identity: str = "",
    decoder: str = "",
) -> DeadLetter:
    """The letter: the payload whole up to 256 kB, else its first 256 kB, and always its length and SHA-256.

    `identity` and `decoder` are what a bridge needs to judge and read it again.

    >>> from schemas.errors import Reason
    >>> letter = dead_letter("mqtt_malmo", "malmo/x/y/reading", 0, Rejected(Reason.EMPTY, "no bytes"), b"")
    >>> letter.reason, letter.payload_length, letter.payload_sha256[:8]
    ('empty', 0, 'e3b0c442')
    """
    return DeadLetter(
        source=source,
        address=address,
        received_at=received_at,
        reason=rejected.reason.value,
        detail=rejected.detail[:1_000],
        payload=payload[:KEPT_BYTES],
        payload_length=len(payload),
        payload_sha256=hashlib.sha256(payload).hexdigest(),
        identity=identity,
        decoder=decoder,
    )
