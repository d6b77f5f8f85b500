"""Where a live fleet stood when it ended, so that the next in its folder counts on: a meter's register never jumps."""

import hashlib
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from flexmeter.fleet.live import District
from flexmeter.fleet.turin import Shown
from flexmeter.fleet.turin_live import Turin
from flexmeter.fleet.world import Moment
from schemas.register import Device

log = logging.getLogger("flexmeter.fleet")

KEEP_EVERY_S = 5.0
_MOST_AHEAD_MS = 60_000

Arrays = Mapping[str, npt.NDArray[Any]]
Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True)
class Standing:
    """What the meters of Malmö and Turin showed last; and the faulty one, of that kind, where there was one."""

    malmo: Moment
    turin: Shown | None = None
    faulty: Moment | None = None
    fault: str = ""

    @property
    def next_ms(self) -> int:
        """From when on the next fleet may begin, ms UTC: Turin's meters show whole seconds."""
        return 1_000 + max(one.at for one in (self.malmo, self.turin) if one is not None)


@dataclass(slots=True)
class Keeper:
    """The file in which a fleet of these devices keeps where it stands."""

    path: Path
    devices: Sequence[Device]
    kept_at: float = 0.0

    def resume(self, district: District, turin: Turin | None) -> None:
        """Let them count on from where the fleet before stood, if that is known, and begin no earlier than it ended."""
        stood = self.kept()
        if stood is None:
            return
        if stood.next_ms > district.begun + _MOST_AHEAD_MS:
            log.warning("%s is of a time to come, registers begin anew", self.path)
            return
        district.begun = max(district.begun, stood.next_ms)
        faulty = district.faulty
        by_faulty = stood.faulty if faulty is not None and faulty.kind == stood.fault else None
        if faulty is not None and by_faulty is not None:
            faulty.since = min(faulty.since, by_faulty.at)
        district.go_on(stood.malmo, by_faulty)
        if turin is not None and stood.turin is not None:
            turin.begun = district.begun
            turin.go_on(stood.turin)

    def kept(self) -> Standing | None:
        """Where the fleet before stood; None where there was none, or one of other meters."""
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return _standing(dict(arrays)) if str(arrays["fleet"]) == _name(self.devices) else None
        except FileNotFoundError:
            return None
        except (BadZipFile, KeyError, ValueError, OSError) as error:
            log.warning("%s cannot be read, registers begin anew: %s", self.path, error)
            return None

    def keep(self, district: District, turin: Turin | None, at_once: bool = False) -> None:
        """Write where they stand, now and then, or at once."""
        now = time.monotonic()
        if district.moment is None or not (at_once or now - self.kept_at >= KEEP_EVERY_S):
            return
        self.kept_at = now
        faulty = district.faulty
        arrays = {"fleet": np.array(_name(self.devices)), **_flat("malmo", district.moment)}
        if turin is not None and turin.shown is not None:
            arrays |= _flat("turin", turin.shown)
        if faulty is not None and faulty.before is not None:
            arrays |= {"fault": np.array(faulty.kind), **_flat("faulty", faulty.before)}
        fresh = self.path.with_suffix(".new")
        with fresh.open("wb") as file:
            np.savez(file, **cast(dict[str, Any], arrays))
        os.replace(fresh, self.path)


def _name(devices: Sequence[Device]) -> str:
    return hashlib.sha256("\n".join(device.meter_id for device in devices).encode()).hexdigest()


def _flat(prefix: str, shown: Any) -> dict[str, npt.NDArray[Any]]:
    """Everything that is shown, by `prefix.field`."""
    return dict(_leaves(prefix, shown))


def _leaves(prefix: str, shown: Any) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    for field in fields(shown):
        value, name = getattr(shown, field.name), f"{prefix}.{field.name}"
        if is_dataclass(value):
            yield from _leaves(name, value)
        else:
            yield name, np.asarray(value)


def _built(kind: type[Kind], prefix: str, arrays: Arrays) -> Kind:
    """What `_flat` wrote."""
    values: dict[str, Any] = {}
    for field in fields(cast(Any, kind)):
        name = f"{prefix}.{field.name}"
        if isinstance(field.type, type) and is_dataclass(field.type):
            values[field.name] = _built(field.type, name, arrays)
        else:
            values[field.name] = arrays[name] if arrays[name].ndim else arrays[name].item()
    return kind(**values)


def _standing(arrays: Arrays) -> Standing:
    return Standing(
        _built(Moment, "malmo", arrays),
        _built(Shown, "turin", arrays) if "turin.at" in arrays else None,
        _built(Moment, "faulty", arrays) if "faulty.at" in arrays else None,
        str(arrays["fault"]) if "fault" in arrays else "",
    )
