"""Ciphered APDUs: the Green Book's examples, every protection and suite, and what must not be opened."""

from collections.abc import Iterable

import pytest

from connectors.decode.dlms.decoder import decode_dlms
from connectors.decode.dlms.security import opened, read_envelope
from connectors.decode.telegram import Keys
from schemas.errors import Reason, Rejected
from tests.dlms_encoder import AK, EK, TITLE, W, ciphered, general_glo, length, notification, register, structure, u32

# DLMS UA Green Book, 9.2.7.2.4, table of examples: a get-request, authenticated and encrypted, and authenticated.
GREEN_BOOK_KEY = bytes.fromhex("000102030405060708090A0B0C0D0E0F D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF")
GREEN_BOOK_TITLE = "4D4D4D0000BC614E"
GREEN_BOOK_PLAIN = "C0010000080000010000FF0200"
GREEN_BOOK = [
    ("30 01234567 411312FF935A47566827C467BC 7D825C3BE4A77C3FCC056B6B", True),
    ("10 01234567 C0010000080000010000FF0200 06725D910F9221D263877516", True),
]

PUSH = notification(structure(register("1-0:1.7.0", u32(280), 0, W)))
EK_256, AK_256 = bytes(range(32)), bytes(range(100, 132))


def keys(*known: bytes) -> Keys:
    def of(title: str) -> Iterable[bytes]:
        return known if title == TITLE.hex().upper() else ()

    return of


def rejection(payload: bytes, known: Keys) -> Rejected:
    with pytest.raises(Rejected) as rejected:
        decode_dlms(payload, known)
    return rejected.value


@pytest.mark.parametrize(("content", "is_proven"), GREEN_BOOK)
def test_examples_of_the_green_book(content: str, is_proven: bool) -> None:
    apdu = general_glo(bytes.fromhex(content), title=bytes.fromhex(GREEN_BOOK_TITLE))
    envelope = read_envelope(apdu)
    assert (envelope.counter, envelope.is_proven) == (0x01234567, is_proven)
    assert list(opened(envelope, lambda title: [GREEN_BOOK_KEY])) == [bytes.fromhex(GREEN_BOOK_PLAIN)]
    with pytest.raises(Rejected) as rejected:  # it is opened, and is no push
        decode_dlms(apdu, lambda title: [GREEN_BOOK_KEY])
    assert rejected.value.reason is Reason.UNSUPPORTED and "get-request" in rejected.value.detail


@pytest.mark.parametrize("tag", [0xDB, 0xDC], ids=["glo", "ded"])
@pytest.mark.parametrize("suite", [0, 1, 2])
@pytest.mark.parametrize("protection", [0x10, 0x20, 0x30, 0x70])
def test_every_protection_and_suite(protection: int, suite: int, tag: int) -> None:
    ek, ak = (EK_256, AK_256) if suite == 2 else (EK, AK)
    apdu = general_glo(ciphered(PUSH, protection | suite, 77, ek, ak), tag)
    (telegram,) = decode_dlms(apdu, keys(bytes(len(ek + ak)), ek + ak))
    assert telegram.values == {"active_power_import_w": 280.0}
    assert (telegram.meter, telegram.key_holder, telegram.sequence) == (TITLE.hex().upper(), TITLE.hex().upper(), 77)
    assert telegram.security.startswith(f"suite_{suite}_")


def test_the_encryption_key_alone_serves_for_both() -> None:
    apdu = general_glo(ciphered(PUSH, ek=EK, ak=EK))
    assert decode_dlms(apdu, keys(EK))[0].values == {"active_power_import_w": 280.0}
    assert rejection(apdu, keys(EK + AK)).reason is Reason.DECRYPT


@pytest.mark.parametrize("known", [(EK, AK), (bytes(16), AK, EK)])
def test_the_two_keys_may_be_given_apart(known: tuple[bytes, ...]) -> None:
    assert decode_dlms(general_glo(ciphered(PUSH)), keys(*known))[0].values == {"active_power_import_w": 280.0}
    assert rejection(general_glo(ciphered(PUSH)), keys(EK, bytes(16))).reason is Reason.DECRYPT


@pytest.mark.parametrize("protection", [0x10, 0x30])
def test_any_flipped_bit_is_rejected_or_equal(protection: int) -> None:
    apdu = general_glo(ciphered(PUSH, protection))
    (expected,) = decode_dlms(apdu, keys(EK + AK))
    for bit in range(8 * len(apdu)):
        damaged = bytearray(apdu)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            (found,) = decode_dlms(bytes(damaged), keys(EK + AK))
        except Rejected:
            continue
        assert found == expected  # such as ded for glo (0xDC for 0xDB), which only the key tells apart


@pytest.mark.parametrize("protection", [0x10, 0x30])
def test_any_truncation_is_rejected(protection: int) -> None:
    apdu = general_glo(ciphered(PUSH, protection))
    assert {rejection(apdu[:end], keys(EK + AK)).reason for end in range(1, len(apdu))} == {Reason.MALFORMED}
    for kept in range(5, len(ciphered(PUSH, protection))):
        shorter = general_glo(ciphered(PUSH, protection)[:kept])
        assert rejection(shorter, keys(EK + AK)).reason in (Reason.MALFORMED, Reason.DECRYPT)


def test_without_a_tag_a_wrong_key_gives_no_notification() -> None:
    apdu = general_glo(ciphered(PUSH, 0x20))
    refused = rejection(apdu, keys(bytes(16), AK))
    assert refused.reason is Reason.DECRYPT and "no tag" in refused.detail


def general_ciphering(content: bytes, key_info: str, transaction: bytes = b"\x01") -> tuple[bytes, bytes]:
    """The fields that are authenticated besides, and the APDU."""
    fields = length(len(transaction)) + transaction + b"\x08" + TITLE + b"\x00" + b"\x00" + b"\x00"
    return fields, b"\xdd" + fields + bytes.fromhex(key_info) + length(len(content)) + content


@pytest.mark.parametrize("key_info", ["00", "010000", "010001"], ids=["none", "unicast", "broadcast"])
def test_general_ciphering_with_keys_that_are_known(key_info: str) -> None:
    fields, _ = general_ciphering(b"", key_info)
    _, apdu = general_ciphering(ciphered(PUSH, 0x30, associated=fields), key_info)
    assert decode_dlms(apdu, keys(EK + AK))[0].values == {"active_power_import_w": 280.0}
    _, moved = general_ciphering(ciphered(PUSH, 0x30, associated=fields), key_info, b"\x02")
    assert rejection(moved, keys(EK + AK)).reason is Reason.DECRYPT


@pytest.mark.parametrize(
    ("apdu", "reason", "named"),
    [
        (general_glo(b"\xb0" + ciphered(PUSH)[1:]), Reason.UNSUPPORTED, "V.44"),
        (general_glo(b"\x33" + ciphered(PUSH)[1:]), Reason.UNSUPPORTED, "suite 3"),
        (general_glo(b"\x00" + ciphered(PUSH)[1:]), Reason.UNSUPPORTED, "neither"),
        (general_ciphering(ciphered(PUSH), "0102 0101 00")[1], Reason.UNSUPPORTED, "ECDH"),
        (general_ciphering(ciphered(PUSH), "0101 00 00")[1], Reason.UNSUPPORTED, "wrapped-key"),
        (b"\xdf\x00", Reason.UNSUPPORTED, "ECDSA"),
        (b"\xca\x00", Reason.UNSUPPORTED, "glo-event-notification"),
        (general_glo(ciphered(general_glo(ciphered(PUSH)))), Reason.UNSUPPORTED, "within another"),
        (general_glo(ciphered(PUSH), title=b""), Reason.KEY, "system title"),
        (general_glo(ciphered(PUSH), title=TITLE[:7]), Reason.MALFORMED, "system title"),
        (general_glo(ciphered(PUSH), title=TITLE[::-1]), Reason.KEY, "no key"),
        (general_glo(ciphered(PUSH, 0x32)), Reason.KEY, "32 or 64"),  # suite 2, and keys of suite 0 in two parts
        (general_glo(ciphered(PUSH)) + b"x", Reason.MALFORMED, "too many"),
        (general_glo(b"\x30\x00\x00\x00\x01"), Reason.MALFORMED, "the tag"),
    ],
)
def test_what_is_not_opened(apdu: bytes, reason: Reason, named: str) -> None:
    refused = rejection(apdu, keys(EK[:15], EK + AK) if reason is not Reason.KEY else keys(EK))
    assert refused.reason is reason and named in refused.detail
