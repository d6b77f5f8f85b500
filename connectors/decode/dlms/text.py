"""What cannot be a number, as text."""

from connectors.decode.dlms.axdr import Data, Date, DateTime, Time

LONGEST_TEXT = 200


def text_of(value: Data) -> str:
    """A value in words: octets as the text they are if every one is printable ASCII, else in hex.

    >>> text_of(b"KFM_001"), text_of(bytes.fromhex("4b464d1010000023")), text_of((1, [2.5, None]))
    ('KFM_001', '4B464D1010000023', '(1, (2.5, -))')
    >>> text_of(b"RATE2\\0\\0\\0"), text_of(bytes(2)), text_of(b"")
    ('RATE2', '0000', '')
    """
    if isinstance(value, Date | DateTime | Time):
        return value.hex().upper()
    if isinstance(value, bytes):
        filled = value.rstrip(b"\0")  # texts of a fixed length are filled with zeros
        text = filled.decode("ascii") if filled.isascii() else ""
        return text if text.isprintable() and (text or not value) else value.hex().upper()
    if isinstance(value, tuple | list):
        return _shortened(f"({', '.join(map(text_of, value[:LONGEST_TEXT]))})")
    return "-" if value is None else str(value)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 3]}..."
