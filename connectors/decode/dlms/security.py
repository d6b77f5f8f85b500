"""Ciphered APDUs made clear: IEC 62056-5-3, 5.3 and 9.2.7.2 of the DLMS UA Green Book.

general-glo-ciphering 0xDB, general-ded-ciphering 0xDC: system title | ciphered content
general-ciphering 0xDD: transaction id | originator | recipient | date-time | other | key-info | ciphered content
ciphered content: security control 1 | invocation counter 4 | data | tag 12

Security control: suite in bits 0 to 3, authenticated 0x10, encrypted 0x20, broadcast key 0x40, compressed 0x80.
Suites 0 and 1 are AES-GCM with keys of 128 bits, suite 2 of 256. Encryption alone (0x20) has no tag: a wrong key
shows only in that what comes out is no notification, and bits that were changed on the way may not show at all.

A meter's key is its encryption key EK, or EK followed by its authentication key AK: 16 or 32 bytes for suites 0 and
1, 32 or 64 for suite 2. EK alone serves as AK too, or AK is another of the meter's keys: the tag tells which are right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, GCM

from connectors.decode.dlms.cursor import Cursor
from connectors.decode.telegram import Keys
from schemas.errors import Reason, Rejected

GENERAL_CIPHERING = 0xDD
_CIPHERINGS = (b"\xdb", b"\xdc", b"\xdd")
TAG_LENGTH = 12
TITLE_LENGTH = 8
MOST_KEYS = 8

_SUITE, _AUTHENTICATED, _ENCRYPTED, _COMPRESSED = 0x0F, 0x10, 0x20, 0x80
_KEY_LENGTHS: Final = {0: 16, 1: 16, 2: 32}
# GCM's counter of the first block of data: 1 is for the tag (NIST SP 800-38D, 7.1).
_FIRST_BLOCK = (2).to_bytes(4, "big")
_KEY_INFO = {1: "wrapped-key", 2: "agreed-key (ECDH)"}


@dataclass(frozen=True, slots=True)
class Envelope:
    """A ciphered APDU, read but not opened."""

    title: bytes
    """The sender's system title."""
    associated: bytes
    """What general-ciphering authenticates besides: its fields before key-info, with their lengths."""
    control: int
    counter: int
    data: bytes
    tag: bytes

    @property
    def is_proven(self) -> bool:
        """Whether there is a tag that shows that the content is what the sender wrote."""
        return bool(self.control & _AUTHENTICATED)

    @property
    def security(self) -> str:
        """Suite and protection in words.

        >>> Envelope(bytes(8), b"", 0x30, 1, b"", bytes(12)).security
        'suite_0_authenticated_encrypted'
        """
        words = [f"suite_{self.control & _SUITE}"]
        words += ["authenticated"] * bool(self.control & _AUTHENTICATED)
        words += ["encrypted"] * bool(self.control & _ENCRYPTED)
        return "_".join(words)


def is_ciphered(apdu: bytes) -> bool:
    """Whether it is one of the three general ciphering APDUs."""
    return apdu[:1] in _CIPHERINGS


def read_envelope(apdu: bytes) -> Envelope:
    """Take a ciphered APDU apart.

    Raises:
        Rejected: malformed; key (no system title to look a key up by); unsupported (compression, a suite above 2, keys
            that are not pre-shared, or no protection at all).

    """
    cursor = Cursor(apdu, "a ciphered APDU", 1)
    if apdu[0] == GENERAL_CIPHERING:
        title, associated = _general_header(cursor)
    else:
        title, associated = cursor.octets("the system title"), b""
    content = Cursor(cursor.octets("the ciphered content"), "the ciphered content")
    cursor.end()
    if len(title) != TITLE_LENGTH:
        reason = Reason.MALFORMED if title else Reason.KEY
        raise Rejected(reason, f"a system title of {len(title)} bytes; {TITLE_LENGTH} are needed to find the key")
    control, counter = content.unsigned(1, "the security control"), content.unsigned(4, "the invocation counter")
    _check_control(control)
    tag_length = TAG_LENGTH if control & _AUTHENTICATED else 0
    data = content.take(max(content.left - tag_length, 0), "the data")
    return Envelope(title, associated, control, counter, data, content.take(tag_length, "the tag"))


def opened(envelope: Envelope, keys: Keys) -> Iterator[bytes]:
    """The content under each key that may be right: just one where there is a tag, else a candidate for each key.

    Raises:
        Rejected: key (none is known, or none of the suite's length); decrypt (no key gives the tag that was sent).

    """
    title = envelope.title.hex().upper()
    length = _KEY_LENGTHS[envelope.control & _SUITE]
    fitting = [key for key in keys(title) if len(key) in (length, 2 * length)][:MOST_KEYS]
    if not fitting:
        raise Rejected(Reason.KEY, f"no key of {length} or {2 * length} bytes is known for system title {title}")
    if not envelope.is_proven:
        yield from (_decrypted(envelope, key[:length]) for key in fitting)
        return
    for encryption, authentication in _pairs(fitting, length):
        if (content := _proven(envelope, encryption, authentication)) is not None:
            yield content
            return
    raise Rejected(Reason.DECRYPT, f"the tag is wrong under every key of system title {title} ({len(fitting)} tried)")


def _pairs(keys: Sequence[bytes], length: int) -> Iterator[tuple[bytes, bytes]]:
    """Encryption and authentication key: each key's own, then those that may be two keys of one meter."""
    yield from ((key[:length], key[-length:]) for key in keys)
    yield from permutations((key for key in keys if len(key) == length), 2)


def _general_header(cursor: Cursor) -> tuple[bytes, bytes]:
    """System title and associated data of general-ciphering (0xDD)."""
    start = cursor.at
    cursor.octets("the transaction id")
    title = cursor.octets("the originator's system title")
    for field in ("the recipient's system title", "the date-time", "the other information"):
        cursor.octets(field)
    associated = cursor.data[start : cursor.at]
    if cursor.unsigned(1, "whether there is key-info"):
        choice = cursor.unsigned(1, "the kind of key-info")
        if choice:
            raise Rejected(Reason.UNSUPPORTED, f"key-info {_KEY_INFO.get(choice, choice)}: only pre-shared keys are")
        cursor.take(1, "the key's id")
    return title, associated


def _check_control(control: int) -> None:
    if control & _COMPRESSED:
        raise Rejected(Reason.UNSUPPORTED, f"security control 0x{control:02X}: V.44 compression")
    if control & _SUITE not in _KEY_LENGTHS:
        raise Rejected(Reason.UNSUPPORTED, f"security control 0x{control:02X}: security suite {control & _SUITE}")
    if not control & (_AUTHENTICATED | _ENCRYPTED):
        raise Rejected(Reason.UNSUPPORTED, f"security control 0x{control:02X}: neither authenticated nor encrypted")


def _proven(envelope: Envelope, encryption: bytes, authentication: bytes) -> bytes | None:
    """The content if its tag is right, else None."""
    associated = bytes((envelope.control,)) + authentication + envelope.associated
    encrypted = bool(envelope.control & _ENCRYPTED)
    decryptor = Cipher(AES(encryption), GCM(_nonce(envelope), envelope.tag, TAG_LENGTH)).decryptor()
    decryptor.authenticate_additional_data(associated if encrypted else associated + envelope.data)
    try:
        content = decryptor.update(envelope.data if encrypted else b"") + decryptor.finalize()
    except InvalidTag:
        return None
    return content if encrypted else envelope.data


def _decrypted(envelope: Envelope, encryption: bytes) -> bytes:
    decryptor = Cipher(AES(encryption), CTR(_nonce(envelope) + _FIRST_BLOCK)).decryptor()
    return decryptor.update(envelope.data) + decryptor.finalize()


def _nonce(envelope: Envelope) -> bytes:
    return envelope.title + envelope.counter.to_bytes(4, "big")
