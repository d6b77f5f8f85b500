"""What comes of trying a decoder on the published telegrams of its protocol."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Result:
    """One protocol's count.

    `values` are the values that the publisher says a telegram holds and that were compared, `equal` those that came
    out so. `wrong` has a text for each that came out otherwise, for each telegram that was taken and should not have
    been, and for each that was rejected and should not have been without being among the goal's exceptions; `crashed`
    one for each telegram on which the decoder raised anything but Rejected. Both must stay empty.
    """

    protocol: str
    telegrams: int = 0
    decoded: int = 0
    values: int = 0
    equal: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)

    def reject(self, reason: str) -> None:
        """Count one telegram as rejected for `reason`."""
        self.rejected[reason] = self.rejected.get(reason, 0) + 1
