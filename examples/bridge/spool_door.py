"""Files as a device leaves them, through a server that lets nobody write in another's name."""

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from tests.doors import HUB, USERS, Sent


class SpoolDoor:
    """What is written is kept: as a broker, the folder acknowledges before the bridge has seen the payload."""

    protocol = "spool"
    answers = False
    stranger = retry = ""
    batch = 25
    large_bytes = 500_000
    flood_bytes = 250_000_000

    def __init__(self) -> None:
        self._folder = Path()

    def entry(self, prefix: str, folder: Path) -> dict[str, object]:
        self._folder = folder / "spool"
        self._folder.mkdir()
        return {
            "url": f"spool://{self._folder}",
            "subscribe": ["{identity}/{profile}/{meter}/reading"],
            "anonymous": False,
        }

    def send(
        self, prefix: str, meter: str, payloads: Sequence[bytes], identity: str = HUB, secret: str = USERS[HUB]
    ) -> list[Sent]:
        if secret != USERS[identity]:
            return [Sent(False, "permission denied")] * len(payloads)
        folder = self._folder / identity / "malmo_household" / meter / "reading"
        folder.mkdir(parents=True, exist_ok=True)
        for payload in payloads:
            name = uuid4().hex
            (folder / f".{name}").write_bytes(payload)
            (folder / f".{name}").rename(folder / name)
        return [Sent(True, sent_bytes=len(payload)) for payload in payloads]
