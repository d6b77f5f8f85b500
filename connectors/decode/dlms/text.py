"""What cannot be a number, as text."""

from connectors.decode.dlms.axdr import Data, Date, DateTime, Time

LONGEST_TEXT = 200


def text_of(value: Data) -> str:
    """A value in words: octets as the text they are if every one is printable ASCII, else in hex.

    >>> text_of(b"KFM_001"), text_of(bytes.fromhex("4b464d1010000023")), text_of((1, [2.5, None]))
    ('KFM_001', '4B464D1010000023', '(1, (2.5, -))')
    """
    if isinstance(value, Date | DateTime | Time):
        return value.hex().upper()
    if isinstance(value, bytes):
        return value.decode("ascii") if value.isascii() and value.decode("ascii").isprintable() else value.hex().upper()
    if isinstance(value, tuple | list):
        return _shortened(f"({', '.join(map(text_of, value[:LONGEST_TEXT]))})")
    return "-" if value is None else str(value)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 3]}..."
