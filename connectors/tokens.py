"""Bearer tokens (RFC 6750) of a file that is read again when it changes. It has no token, only their SHA-256:

    identity,sha256
    hub-7,5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8

Tokens are random and long (`openssl rand -hex 32`), so that their digests tell nothing; one identity may have several,
the old and the new one while they change. `printf %s TOKEN | sha256sum` makes the digest.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from connectors.table_file import read_table
from schemas.faults import Fault, Faults

_SHA256 = re.compile(r"[0-9a-f]{64}")


def load_tokens(path: Path) -> Mapping[str, str]:
    """Digest of a token -> whose it is.

    Raises:
        Faults: everything that is wrong with the file.

    """
    rows = read_table(path, ("identity", "sha256"))
    faults: list[Fault] = []
    tokens: dict[str, str] = {}
    for row in rows:
        identity, digest = row.values[0], row.values[1].lower()
        if not identity:
            faults.append(Fault(row.line, "the identity is empty", "name whose token it is"))
        if not _SHA256.fullmatch(digest):
            faults.append(Fault(row.line, "no SHA-256 in hexadecimal digits", "printf %s TOKEN | sha256sum"))
        if tokens.setdefault(digest, identity) != identity:
            faults.append(Fault(row.line, f"a token of {tokens[digest]!r} too", "give each identity its own"))
    if faults:
        raise Faults(str(path), faults)
    return tokens


def identity_of(token: str, tokens: Mapping[str, str]) -> str:
    """Whose token it is; empty = nobody's.

    >>> identity_of("t", {hashlib.sha256(b"t").hexdigest(): "hub-7"}), identity_of("u", {})
    ('hub-7', '')
    """
    octets = token.encode("utf-8", "surrogateescape")  # headers may have bytes that are no text
    return tokens.get(hashlib.sha256(octets).hexdigest(), "")
