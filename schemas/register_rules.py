"""What meters of one register must keep beside each other; each by itself is right."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from schemas.catalogue import load_catalogue
from schemas.faults import Fault
from schemas.master_data import Device


def clashes(staying: Iterable[Device], more: Iterable[Device]) -> Iterator[Fault]:
    """What is wrong between meters that stay and those of a file that names only some."""
    beside = Beside()
    for device in (*staying, *more):
        yield from beside.faults(device, 0)


@dataclass(slots=True)
class Beside:
    """What the meters before have said."""

    _substation_of: dict[str, str] = field(default_factory=dict)
    _at_point: dict[tuple[str, str, str | None], list[Device]] = field(default_factory=dict)

    def faults(self, device: Device, line: int) -> Iterator[Fault]:
        """What is wrong with one more of them, at that line of its file."""
        yield from self._feeder_faults(device, line)
        yield from self._swap_faults(device, line)

    def _feeder_faults(self, device: Device, line: int) -> Iterator[Fault]:
        """A feeder hangs under one substation: what happens on it is seen in that one partition."""
        if device.feeder is None or device.substation is None:
            return
        other = self._substation_of.setdefault(device.feeder, device.substation)
        if other != device.substation:
            where = f"hangs under {device.substation!r} here, {other!r} before"
            yield Fault(line, f"feeder {device.feeder!r} of {device.meter_id!r} {where}", "make them the same")

    def _swap_faults(self, device: Device, line: int) -> Iterator[Fault]:
        """Where a meter is swapped under a usage point, the one goes before the other comes.

        Several meters of which none has been swapped may hang under one (one for each phase, a check meter).
        """
        if device.usage_point is None:
            return
        medium = load_catalogue().profiles[device.profile].medium
        others = self._at_point.setdefault((device.usage_point, medium, device.phase), [])
        for other in others:
            if _is_swapped(device, other) and _overlap(device, other):
                two = f"{other.meter_id!r} and {device.meter_id!r} hang under usage point {device.usage_point!r}"
                remedy = "let valid_to of the one be no later than valid_from of the other"
                yield Fault(line, f"{two} at one time", remedy)
        others.append(device)


def _is_swapped(one: Device, other: Device) -> bool:
    return any(time is not None for time in (one.valid_from, one.valid_to, other.valid_from, other.valid_to))


def _overlap(one: Device, other: Device) -> bool:
    return all(
        before.valid_from is None or after.valid_to is None or before.valid_from < after.valid_to
        for before, after in ((one, other), (other, one))
    )
