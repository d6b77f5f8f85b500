"""Telegrams on their way to Kafka, by what they have proven, and who waits for a telegram that another brings.

A repeat is left out only when its first copy is on the log (docs/decisions/0012): so its delivery waits for that one's.
"""

from collections.abc import Iterable
from typing import Generic, TypeVar

from connectors.decode.readings import Proof

Token = TypeVar("Token")


class UnderWay(Generic[Token]):
    """Each proof under way, and the tokens (whatever the caller must acknowledge) that wait for it.

    >>> first, second = (Proof("m1", "k", counter, 1) for counter in (1, 2))
    >>> under_way = UnderWay[str]()
    >>> under_way.begin("a", [first]), under_way.begin("b", [first, second]) == ([second], {first})
    (([Proof(holder='m1', key='k', counter=1, digest=1)], frozenset()), True)
    >>> under_way.end([first]), under_way.end([second])
    (['b'], [])
    """

    def __init__(self) -> None:
        self._waiting: dict[Proof, list[Token]] = {}

    def begin(self, token: Token, proofs: Iterable[Proof]) -> tuple[list[Proof], frozenset[Proof]]:
        """Those that the token brings itself, to `end` when Kafka has them; and those that it waits for."""
        told = dict.fromkeys(proofs)
        awaited = frozenset(proof for proof in told if proof in self._waiting)
        for proof in awaited:
            self._waiting[proof].append(token)
        own = [proof for proof in told if proof not in awaited]
        self._waiting.update((proof, []) for proof in own)
        return own, awaited

    def end(self, proofs: Iterable[Proof]) -> list[Token]:
        """Kafka has what these prove: the tokens that waited, each as often as it has waited for one of them."""
        return [token for proof in proofs for token in self._waiting.pop(proof)]
