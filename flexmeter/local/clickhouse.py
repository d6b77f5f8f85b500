"""clickhouse-server on 127.0.0.1, for tests of the native protocol: Debian's 18.16 lacks much that the product uses."""

import os
import shutil
from pathlib import Path

from flexmeter.local.part import Part
from flexmeter.local.ports import HOST, listens
from schemas.errors import Unavailable

_PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/bin"])


def configuration(folder: Path, tcp_port: int, http_port: int, more: str = "") -> str:
    """config.xml; `more` is what else stands in it."""
    return f"""\
<?xml version="1.0"?>
<yandex>
  <logger><level>warning</level><console>1</console></logger>
  <listen_host>{HOST}</listen_host>
  <tcp_port>{tcp_port}</tcp_port>
  <http_port>{http_port}</http_port>
  <path>{folder}/data/</path>
  <tmp_path>{folder}/tmp/</tmp_path>
  <users_config>users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  <timezone>UTC</timezone>
  <mark_cache_size>67108864</mark_cache_size>
  <mlock_executable>0</mlock_executable>
{more}</yandex>
"""


USERS = """\
<?xml version="1.0"?>
<yandex>
  <profiles><default><max_memory_usage>1000000000</max_memory_usage></default></profiles>
  <users>
    <default>
      <password></password>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
    </default>
  </users>
  <quotas><default></default></quotas>
</yandex>
"""


def clickhouse(folder: Path, tcp_port: int, http_port: int, log: Path, *, users: str = USERS, more: str = "") -> Part:
    """The server as a part; unless told otherwise its one user is `default`, who needs no password.

    Raises:
        Unavailable: it is not installed.
    """
    program = shutil.which("clickhouse-server", path=_PLACES)
    if program is None:
        raise Unavailable("clickhouse-server", "not installed: `apt-get install clickhouse-server` (Debian)")
    for name in ("data", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    settings = folder / "config.xml"
    settings.write_text(configuration(folder.resolve(), tcp_port, http_port, more))
    (folder / "users.xml").write_text(users)
    return Part(
        name="clickhouse-server",
        argv=[program, f"--config-file={settings}"],
        log=log,
        ready=lambda: listens(tcp_port),
        start_s=30,
    )
