"""A RabbitMQ as tests know it."""

from dataclasses import dataclass

from tests.certificates import Authority


@dataclass(frozen=True, slots=True)
class Rabbit:
    """A RabbitMQ with the users of tests.doors, at one host:port in the clear, at another by TLS."""

    plain: str
    secured: str
    authority: Authority
