"""What comes of trying a decoder on the published telegrams of its protocol."""

from dataclasses import dataclass, field

TAKEN = "was taken"
"""How the text about a faulty telegram ends that a decoder took."""


@dataclass(slots=True)
class Result:
    """One protocol's count.

    `values` are the values that the publisher says a telegram holds and that were compared, `equal` those that came
    out so. `wrong` has a text for each that came out otherwise, for each telegram that was taken and should not have
    been, and for each that was rejected and should not have been without being among the goal's exceptions; `crashed`
    one for each telegram on which the decoder raised anything but Rejected. Both must stay empty.

    `goal` is the least share of the values that is to be equal; where telegrams are `compared`, the least share of
    these that is to be `whole`, with all their values equal. `faulty` is how many telegrams were published as such:
    each that is taken is wrong.
    """

    protocol: str
    telegrams: int = 0
    decoded: int = 0
    values: int = 0
    equal: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    goal: float = 1.0
    compared: int = 0
    whole: int = 0
    faulty: int = 0

    @property
    def share(self) -> float:
        """What the goal is about: of telegrams that are whole, or of values that are equal; 0 where there are none."""
        part, all_ = (self.whole, self.compared) if self.compared else (self.equal, self.values)
        return part / all_ if all_ else 0.0

    @property
    def is_met(self) -> bool:
        """Whether the goal is met, nothing wrong and nothing crashed."""
        return self.share >= self.goal and not self.wrong and not self.crashed

    def verdict(self) -> str:
        """The goal and what came of it, in a line.

        >>> Result("mbus", values=413, equal=409, goal=0.99, faulty=12).verdict()
        'mbus: 409 of 413 values equal, 99.0 % (goal 99 %), 12 of 12 faulty telegrams rejected: met'
        >>> Result("wmbus", values=30, equal=27, compared=10, whole=8, goal=0.9).verdict()
        'wmbus: 27 of 30 values equal, 8 of 10 telegrams with all of theirs, 80.0 % (goal 90 %): MISSED'
        """
        of = f"{self.equal} of {self.values} values equal"
        if self.compared:
            of += f", {self.whole} of {self.compared} telegrams with all of theirs"
        taken = sum(text.endswith(TAKEN) for text in self.wrong)
        refused = f", {self.faulty - taken} of {self.faulty} faulty telegrams rejected" if self.faulty else ""
        outcome = "met" if self.is_met else "MISSED"
        return f"{self.protocol}: {of}, {100 * self.share:.1f} % (goal {100 * self.goal:g} %){refused}: {outcome}"

    def reject(self, reason: str) -> None:
        """Count one telegram as rejected for `reason`."""
        self.rejected[reason] = self.rejected.get(reason, 0) + 1
