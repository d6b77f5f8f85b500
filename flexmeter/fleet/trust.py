"""Who the fleet's devices are to the bridges: tokens, pre-shared keys, keys of telegrams, and what each may report.

All secrets of a run follow from one that is drawn at random and kept in the run's folder, so that bridges and fleet
agree after a restart, and no two runs have the same.
"""

import csv
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flexmeter.fleet.turin import Town
from flexmeter.fleet.turin_live import ELECTRICITY, HEAT_GATEWAY, WATER_CONCENTRATOR, title_of
from schemas.register import Device

_ROOT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Trust:
    """The secrets of a run, made of its root."""

    root: bytes

    def token(self, identity: str) -> str:
        """The bearer token of a hub, adapter or concentrator."""
        return self._derived("token", identity).hex()

    def psk(self, meter: str) -> bytes:
        """The pre-shared key of a meter that speaks DTLS; 16 bytes."""
        return self._derived("psk", meter)[:16]

    def key(self, holder: str) -> bytes:
        """What opens a meter's telegrams: 16 bytes; of a DLMS system title 16 to encrypt and 16 to authenticate."""
        is_title = len(holder) == 16
        return self._derived("key", holder)[: 32 if is_title else 16]

    def _derived(self, use: str, identity: str) -> bytes:
        return hmac.digest(self.root, f"{use}/{identity}".encode(), hashlib.sha256)


def kept_trust(path: Path) -> Trust:
    """Of the root in that file, which is made if it is not there, for its owner's eyes alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with _own_file(path).open("wb") as file:
            file.write(secrets.token_bytes(_ROOT_BYTES))
    return Trust(path.read_bytes())


def senders(town: Town) -> Mapping[str, Sequence[str]]:
    """Whoever speaks HTTPS -> the meters that it may report for, as principals.csv writes them."""
    return {
        ELECTRICITY: [device.meter_id for device in (*town.st_i, town.station)],
        HEAT_GATEWAY: [device.meter_id for device in town.heat_meters],
        WATER_CONCENTRATOR: [device.meter_id for device in town.water_meters],
        **{device.meter_id: [device.meter_id] for device in town.adapters},
        **{hub: [f"{hub}-*"] for hub in town.hubs},
    }


def write_principals(path: Path, town: Town, amqp_user: str) -> None:
    """Who may report for whom; whoever is not named reports for itself."""
    rows = [*senders(town).items(), (amqp_user, [device.meter_id for device in town.nilm]), ("*", ["{identity}"])]
    _write(path, ("identity", "meters"), ((identity, " ".join(meters)) for identity, meters in rows))


def write_tokens(path: Path, town: Town, trust: Trust) -> None:
    """The digests of the tokens."""
    digests = ((who, hashlib.sha256(trust.token(who).encode()).hexdigest()) for who in senders(town))
    _write(path, ("identity", "sha256"), digests)


def write_psk(path: Path, meters: Iterable[Device], trust: Trust) -> None:
    """The keys of the meters that speak DTLS."""
    _write(path, ("identity", "key"), ((meter.meter_id, trust.psk(meter.meter_id).hex()) for meter in meters))


def write_keys(path: Path, town: Town, trust: Trust) -> None:
    """The keys of encrypted telegrams."""
    titles = (title_of(device.meter_id).hex().upper() for device in (*town.st_i, town.station))
    holders = (*titles, *(device.meter_id for device in town.water_meters))
    _write(path, ("meter", "key"), ((holder, trust.key(holder).hex()) for holder in holders))


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with _own_file(fresh).open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)
    os.replace(fresh, path)


def _own_file(path: Path) -> Path:
    """The file, empty, readable by its owner alone."""
    path.unlink(missing_ok=True)
    path.touch(0o600)
    return path
