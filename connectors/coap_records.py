"""What tinydtls may be given of a datagram: DTLS records (RFC 6347, 4.1), as long as they do it no harm."""

ALERT, HANDSHAKE = 21, 22
CLEAR = b"\0\0"
"""The epoch of what is not encrypted."""

_HEADER_BYTES = 13
_LAST_MESSAGE = 15
"""Of a client's handshake, which has four, and one more each time that its cookie is too old."""


def harmless(datagram: bytes) -> bytes:
    """The records up to the first that harms tinydtls, as DTLSSocket 0.2.3 has it.

    Alerts: on a fatal one or a close_notify it takes the sender out of its hash table twice. The table's counts are
    then too low, and where it grows while it counts 0, it divides by 0. Nobody needs a key for that: with one session
    there, three handshakes given up at one port do it. https://github.com/eclipse-tinydtls/tinydtls/issues/269

    Messages of a handshake in clear whose number is far ahead: it keeps them, up to 65,535 for each handshake.
    https://github.com/eclipse-tinydtls/tinydtls/issues/273

    >>> harmless(bytes.fromhex("16fefd0000000000000001 0001 0e" "15fefd0000000000000002 0002 0100")).hex()
    '16fefd000000000000000100010e'
    """
    at = 0
    while at + _HEADER_BYTES <= len(datagram):
        kind, epoch, message = datagram[at], datagram[at + 3 : at + 5], datagram[at + 17 : at + 19]
        if kind == ALERT or (kind == HANDSHAKE and epoch == CLEAR and int.from_bytes(message) > _LAST_MESSAGE):
            return datagram[:at]
        at += _HEADER_BYTES + int.from_bytes(datagram[at + 11 : at + 13])
    return datagram
