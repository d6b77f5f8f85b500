"""mosquitto on 127.0.0.1: QoS 1, sessions and queued messages kept over a restart."""

import os
import shutil
from pathlib import Path

from flexmeter.local.part import Part
from flexmeter.local.ports import HOST, listens
from schemas.errors import Unavailable

# Debian puts it where only root's PATH looks.
_PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"])


OPEN = "allow_anonymous true"
"""Everyone on this machine may do everything."""


def configuration(folder: Path, port: int, as_root: bool, security: str = OPEN) -> str:
    """mosquitto.conf; `security` is its lines on TLS, passwords and rules.

    As root it would become the user `mosquitto`, who may not write in our folder.

    Queues are long, so that a bridge that is away for a while loses nothing: QoS 1 messages beyond them are dropped.
    """
    user = "user root\n" if as_root else ""
    return f"""\
{user}listener {port} {HOST}
{security}
persistence true
persistence_location {folder}/
autosave_interval 10
max_queued_messages 1000000
max_inflight_messages 1000
set_tcp_nodelay true
log_dest stdout
log_type error
log_type warning
log_type notice
connection_messages false
"""


def mosquitto(folder: Path, port: int, log: Path, security: str = OPEN) -> Part:
    """The broker as a part.

    Raises:
        Unavailable: it is not installed.
    """
    program = shutil.which("mosquitto", path=_PLACES)
    if program is None:
        raise Unavailable("mosquitto", "not installed: `apt-get install mosquitto` (Debian), or run `make doctor`")
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "mosquitto.conf"
    settings.write_text(configuration(folder.resolve(), port, os.geteuid() == 0, security))
    return Part(name="mosquitto", argv=[program, "-c", str(settings)], log=log, ready=lambda: listens(port), start_s=15)
