"""Of a message's properties the user alone, for that is all a bridge asks for.

pika reads the headers too, and loses the connection over a time beyond Python's years or tables nested too deeply.
RabbitMQ passes both on, and gives the message again with each new connection: one would stop a bridge for ever.

A private part of pika 1 that this leans on: `pika.spec.props` says what reads the properties of a message's head. A
test fails when it changes.
"""

import pika
from pika.spec import props

_SHORT, _TABLE = -1, -4
"""A text or table: how many bytes its length has, negative."""
_BEFORE_USER = (_SHORT, _SHORT, _TABLE, 1, 1, _SHORT, _SHORT, _SHORT, _SHORT, 8, _SHORT)
"""Content type to type (AMQP 0.9.1, 1.8.1), of which the first two bytes tell by bits from the highest on which are
there: so many bytes, or with so long a length before them."""
_USER = 1 << 15 - len(_BEFORE_USER)


class UserOnly(pika.BasicProperties):  # type: ignore[misc]  # pika has no types
    """Properties of which `user_id` is read. RabbitMQ has read them all before, and refused what cannot be."""

    def decode(self, encoded: bytes, offset: int = 0) -> "UserOnly":
        """Read them."""
        flags = int.from_bytes(encoded[offset : offset + 2], "big")
        offset += 2
        if flags & _USER:
            for place, size in enumerate(_BEFORE_USER):
                if flags & 1 << 15 - place:
                    offset += size if size > 0 else -size + int.from_bytes(encoded[offset : offset - size], "big")
            self.user_id = text(encoded[offset + 1 : offset + 1 + encoded[offset]])
        return self


def text(short: bytes | str) -> str:
    r"""A short string, as pika gives it: bytes where RabbitMQ took for UTF-8 what is none to Python.

    >>> text("m1"), text(b"\xed\xa0\x80")
    ('m1', '\\xed\\xa0\\x80')
    """
    return short if isinstance(short, str) else short.decode(errors="backslashreplace")


props[pika.BasicProperties.INDEX] = UserOnly
