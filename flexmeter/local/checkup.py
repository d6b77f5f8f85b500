"""What is there and what is missing, with the command that installs it. Uses the standard library only, so that it
works before anything is installed: `python3 -m flexmeter.local.checkup`.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from flexmeter.local.ports import faults, ports, source_ports

ROOT = Path(__file__).parents[2]
JAVA = 17
DISK_GB = 3.0
_PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked for: what was found, or the remedy; `needed` by `make run`, else only by what `why` says."""

    name: str
    found: str
    remedy: str = ""
    needed: bool = True
    why: str = ""

    @property
    def ok(self) -> bool:
        """Whether it is there."""
        return not self.remedy


def checkup(root: Path = ROOT) -> list[Check]:
    """Everything that is looked at."""
    return [
        _python(),
        _packages(root / "requirements.lock"),
        _java(),
        _kafka_jars(root / ".parts" / "kafka"),
        _program("mosquitto", "mosquitto"),
        _program("setpriv", "util-linux"),
        *_ports(root / os.environ.get("FLEXMETER_RUN", ".run")),
        _disk(root),
        _program("mvn", "maven", needed=False, why="only to fetch Kafka's jars"),
        _program("clickhouse-server", "clickhouse-server", needed=False, why="for tests"),
        _program("chromium", "chromium", needed=False, why="for tests"),
        _program("mosquitto_pub", "mosquitto-clients", needed=False, why="for tests"),
        _program("rabbitmq-server", "rabbitmq-server", why="for AMQP: SOURCES=mqtt,http,coap does without"),
        _program("amqp-publish", "amqp-tools", needed=False, why="for tests"),
        _program("curl", "curl", needed=False, why="for tests"),
        _program("coap-client-openssl", "libcoap3-bin", needed=False, why="for tests"),
        _program("kcat", "kcat", needed=False, why="for tests"),
        _program("jq", "jq", needed=False, why="for tests"),
        _dtls(),
        _program("npm", "npm", needed=False, why="for the page's scripts"),
    ]


def main() -> int:
    """Print it; 1 if anything needed is missing."""
    checks = checkup()
    width = max(len(check.name) for check in checks)
    for check in checks:
        mark = "ok     " if check.ok else "MISSING" if check.needed else "absent "
        why = f" ({check.why})" if check.why else ""
        print(f"{mark}  {check.name:<{width}}  {check.found}{why}")
        if check.remedy:
            print(f"         {'':<{width}}  -> {check.remedy}")
    return int(any(check.needed and not check.ok for check in checks))


def _program(program: str, package: str, needed: bool = True, why: str = "") -> Check:
    place = shutil.which(program, path=_PLACES)
    return Check(program, place or "not found", "" if place else f"apt-get install {package}", needed, why)


def _python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    good = sys.version_info >= (3, 11)
    return Check("python", version, "" if good else "install Python 3.11 or later; name it: PYTHON=python3.12 make run")


def _packages(lock: Path) -> Check:
    if sys.prefix == sys.base_prefix:
        return Check("python packages", "no .venv here", "make install")
    wanted = dict(line.split("==") for line in lock.read_text().splitlines() if "==" in line)
    wrong = [f"{name} {have or 'missing'}" for name, want in wanted.items() if (have := _version(name)) != want]
    found = f"{len(wanted) - len(wrong)} of {len(wanted)} as locked"
    return Check("python packages", ", ".join([found, *wrong[:5]]), "make install" if wrong else "")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _dtls() -> Check:
    found = _version("DTLSSocket")
    remedy = "apt-get install gcc make autoconf automake libtool m4 pkg-config; pip install 'flexmeter[coap]'"
    return Check(
        "DTLSSocket",
        found or "not found",
        "" if found else remedy,
        why="for CoAP over DTLS: SOURCES=mqtt,http,amqp does without",
    )


def java_version(said: str) -> int | None:
    """The feature number in what `java -version` says.

    >>> java_version('openjdk version "17.0.15" 2025-04-15'), java_version('java version "1.8.0_202"')
    (17, 8)
    """
    match = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(match[1]) if match else None


def _java() -> Check:
    remedy = "apt-get install openjdk-17-jre-headless"
    try:
        said = subprocess.run(["java", "-version"], capture_output=True, text=True, timeout=20).stderr
    except OSError:
        return Check("java", "not found", remedy)
    version = java_version(said)
    good = version is not None and version >= JAVA
    return Check("java", f"{version}", "" if good else f"{JAVA} or later is needed: {remedy}")


def _kafka_jars(folder: Path) -> Check:
    jars = sorted(folder.glob("kafka_*.jar"))
    return Check("kafka", f"{folder}: {jars[0].stem}" if jars else "no jars", "" if jars else "make install")


def _ports(folder: Path) -> list[Check]:
    try:
        wanted = (*ports(), *source_ports(("amqp", "http", "coap")).values())
    except ValueError as error:
        return [Check("ports", "", str(error))]
    if (pid := user_of(folder)) is not None:
        return [Check("ports", f"used by our own run, pid {pid}")]
    said = faults(wanted)
    numbers = ", ".join(f"{port.number} ({port.what})" for port in wanted)
    return [Check("ports", "", fault) for fault in said] or [Check("ports", f"{numbers} free")]


def user_of(folder: Path) -> str | None:
    """The pid of the run that uses this run folder, if there is one."""
    lock = folder / "lock"
    if not lock.exists():
        return None
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip()
    return None


def _disk(root: Path) -> Check:
    free_gb = shutil.disk_usage(root).free / 1e9
    good = free_gb >= DISK_GB
    return Check("disk", f"{free_gb:.0f} GB free", "" if good else f"make room: {DISK_GB:.0f} GB are needed")


if __name__ == "__main__":
    sys.exit(main())
