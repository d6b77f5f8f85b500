"""A place in bytes that came from outside: every step checks that there is enough left."""

from schemas.errors import Reason, Rejected


class Cursor:
    """Reads `data` from `at` on; what does not fit is Rejected malformed, with `what` was wanted and where.

    >>> cursor = Cursor(bytes.fromhex("82 01 00 2a"), "an example")
    >>> cursor.length(), cursor.unsigned(1), cursor.left
    (256, 42, 0)
    """

    __slots__ = ("at", "data", "within")

    def __init__(self, data: bytes, within: str, at: int = 0) -> None:
        self.data = data
        self.within = within
        self.at = at

    @property
    def left(self) -> int:
        """How many bytes have not been read yet."""
        return len(self.data) - self.at

    def take(self, count: int, what: str) -> bytes:
        """The next `count` bytes."""
        if count > self.left:
            raise Rejected(
                Reason.MALFORMED,
                f"{self.within} ends early: {what} wants {count} bytes at byte {self.at}, {self.left} are left",
            )
        self.at += count
        return self.data[self.at - count : self.at]

    def unsigned(self, width: int, what: str = "a number") -> int:
        """The next `width` bytes as an unsigned number, most significant first."""
        return int.from_bytes(self.take(width, what), "big")

    def length(self) -> int:
        """A length (IEC 61334-6): up to 127 in one byte, else 0x81 to 0x84 and as many bytes as that says."""
        first = self.unsigned(1, "a length")
        if first < 0x80:
            return first
        if not 0x81 <= first <= 0x84:
            raise Rejected(Reason.MALFORMED, f"{self.within}: 0x{first:02X} begins no length, at byte {self.at - 1}")
        return self.unsigned(first - 0x80, "a length")

    def octets(self, what: str) -> bytes:
        """A length and that many bytes."""
        return self.take(self.length(), what)

    def end(self) -> None:
        """Nothing may be left."""
        if self.left:
            raise Rejected(Reason.MALFORMED, f"{self.within} has {self.left} bytes too many, from byte {self.at}")
