"""RabbitMQ on 127.0.0.1: AMQP 0.9.1, users as told, durable queues and persistent messages kept over a restart."""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from flexmeter.local.part import Part
from flexmeter.local.ports import HOST, free_port, listens
from schemas.errors import Unavailable

# Debian's rabbitmq-server in the path changes to the user rabbitmq, who may not write in our folder.
_SERVERS = "lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"
_PLACES = (Path("/usr"), Path("/usr/local"), Path("/opt/homebrew"))
# epmd, Erlang's name service, would stay behind when RabbitMQ ends: this one ends with it.
_WITH_EPMD = 'setpriv --pdeathsig KILL epmd -address "$ERL_EPMD_ADDRESS" -port "$ERL_EPMD_PORT" & exec "$0"'
_GUEST = {"guest": "guest"}


def configuration(folder: Path, port: int, more: str = "") -> str:
    """rabbitmq.conf, `more` at its end. Bridges hold so many messages at most: these are bounded in size."""
    return f"""\
listeners.tcp.1 = {HOST}:{port}
max_message_size = 1048576
load_definitions = {folder}/definitions.json
log.console = true
log.console.level = warning
log.file = false
disk_free_limit.absolute = 50MB
{more}
"""


def definitions(users: Mapping[str, str]) -> str:
    """What load_definitions reads: users with their passwords, each of whom may do all that needs no tag."""
    everything = {"vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    return json.dumps(
        {
            "vhosts": [{"name": "/"}],
            "users": [
                {"name": user, "password_hash": password_hash(password), "tags": ""} for user, password in users.items()
            ],
            "permissions": [{"user": user, **everything} for user in users],
        }
    )


def password_hash(password: str, salt: bytes = bytes(4)) -> str:
    """As rabbit_password_hashing_sha256 has it: salt of 4 bytes, SHA-256 of salt and password, in base64."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def rabbitmq(folder: Path, port: int, log: Path, users: Mapping[str, str] = _GUEST, more: str = "") -> Part:
    """The broker as a part; `more` are lines of rabbitmq.conf.

    Raises:
        Unavailable: it is not installed.
    """
    servers = sorted(server for place in _PLACES for server in place.glob(_SERVERS))
    if not servers:
        raise Unavailable("rabbitmq", "not installed: `apt-get install rabbitmq-server` (Debian), or run `make doctor`")
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rabbitmq.conf").write_text(configuration(folder, port, more))
    (folder / "definitions.json").write_text(definitions(users))
    (folder / "enabled_plugins").write_text("[].\n")
    env = {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"flexmeter-{port}@localhost",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_DIST_PORT": str(free_port()),
        # Idle schedulers sleep at once, instead of spinning for a while.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdio none",
        "ERL_EPMD_ADDRESS": HOST,
        "ERL_EPMD_PORT": str(free_port()),
        # The VM takes the shell's place, so that signals and the end of its parent reach it.
        "RUNNING_UNDER_SYSTEMD": "true",
        "LC_ALL": os.environ.get("LC_ALL", "C.UTF-8"),
    }
    argv = ["sh", "-c", _WITH_EPMD, str(servers[-1])]
    return Part("rabbitmq", argv, log, env, ready=lambda: listens(port), start_s=120, stop_s=30)
