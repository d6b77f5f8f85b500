"""What the users of ClickHouse may do and see: in the embedded one, as each of them, and on a real server."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path

import pytest
from click.testing import CliRunner
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from connectors import tables
from connectors.access import CUSTOMER_VIEWS, GRAFANA, RECOMPUTATION, ROLES, SINK, Role, as_sql, customer, everyone_else
from connectors.chdb_store import ChdbStore
from connectors.clickhouse_server import ClickHouseServer
from connectors.erasure import text_columns
from connectors.tables.retention import OPTIONS, of_options
from flexmeter.commands.users import command
from flexmeter.local import clickhouse as local_clickhouse
from flexmeter.local.old_clickhouse import for_1816
from flexmeter.local.part import running
from flexmeter.local.ports import HOST, free_port
from schemas.catalogue import load_catalogue
from tests.grafana import BOARDS
from tests.plausible import everything
from tests.stored import insert_all

pytestmark = pytest.mark.integration

METERS = ["E350-00001", "E350-00002"]
CUSTOMER = customer("customer_4711", METERS)
SEEN = [name for table, views in CUSTOMER_VIEWS.items() for name in (table, *views)]
MADE = tables.statements(load_catalogue())
OTHERS = ("dead_letters", "alerts", "loads", "accounts", "reliability")

AS_USER = """
import sys
from chdb.session import Session
session = Session(sys.argv[1] + "?config-file=" + sys.argv[2])
for line in sys.stdin:
    try:
        print("OK", session.query(line, "TSV").bytes().decode().strip().replace("\\n", " "))
    except RuntimeError as error:
        print("REFUSED", str(error).split("(")[-1].rstrip(")\\n"))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedded ClickHouse with a little of everything."""
    made = tmp_path_factory.mktemp("access")
    store = ChdbStore(made / "chdb")
    store.migrate(MADE)
    insert_all(store, (record for _, record in everything()))
    store.close()
    return made


READER = "<reader><readonly>1</readonly></reader>"


def as_xml(name: str, reads_only: bool, more: str = "") -> str:
    """A user of a server whose users stand in users.xml."""
    profile = "reader" if reads_only else "default"
    settings = f"<networks><ip>::/0</ip></networks><profile>{profile}</profile><quota>default</quota>"
    return f"<{name}><password/>{settings}{more}</{name}>"


def users_xml(role: Role) -> str:
    """What the printed SQL makes, for the embedded ClickHouse: its one user, `default`, and customers' role."""
    filters, granted = "", {"customer": "", f"`{role.name}`": ""}
    for statement in (*everyone_else(), *as_sql(role, "")):
        if found := re.fullmatch(r"GRANT (.+) TO (\S+)", statement):
            granted[found[2]] += f"<query>GRANT {found[1]}</query>"
        elif found := re.fullmatch(r"CREATE ROW POLICY OR REPLACE (\S+) ON \w+\.(\w+) USING (.+) TO \1", statement):
            filters += f"<{found[2]}><filter>{escape(found[3], quote=False)}</filter></{found[2]}>"
    databases = f"<databases><flexmeter>{filters}</flexmeter></databases>" if filters else ""
    user = as_xml("default", role.reads_only, f"<grants>{granted[f'`{role.name}`']}</grants>{databases}")
    return (
        f"<clickhouse><profiles><default/>{READER}</profiles><quotas><default/></quotas><users>{user}</users>"
        f"<roles><customer><grants>{granted['customer']}</grants></customer></roles></clickhouse>"
    )


def as_user(folder: Path, role: Role, statements: list[str]) -> list[str]:
    """What a session answers whose only user is this one. The embedded ClickHouse has no other way to be someone."""
    (folder / f"{role.name}-users.xml").write_text(users_xml(role))
    config = folder / f"{role.name}.xml"
    config.write_text(f"<clickhouse><users_config>{folder}/{role.name}-users.xml</users_config></clickhouse>")
    ran = subprocess.run(
        [sys.executable, "-c", AS_USER, str(folder / "chdb"), str(config)],
        input="\n".join(statements), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_a_customer_sees_their_own_meters_in_every_view_and_nothing_else(folder: Path) -> None:
    said = as_user(folder, CUSTOMER, [f"SELECT groupUniqArray(meter) FROM flexmeter.{name}" for name in SEEN])
    for name, line in zip(SEEN, said, strict=True):
        assert line.startswith("OK ["), (name, line)
        assert set(line[4:-1].replace("'", "").split(",")) <= {*METERS, ""}, (name, line)
    assert said[SEEN.index("readings")].count("E350") == 2
    refused = [f"SELECT count() FROM flexmeter.{view}" for view in OTHERS]
    refused += [
        "INSERT INTO flexmeter.meters_raw (meter) VALUES ('x')",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    ]
    assert [line.split()[0] for line in as_user(folder, CUSTOMER, refused)] == ["REFUSED"] * len(refused)


def test_a_customer_who_puts_off_their_role_may_read_nothing(folder: Path) -> None:
    """The policies that part customers from all others hold for the role, so no right may be left without it."""
    asked = [f"SELECT count() FROM flexmeter.{name}" for name in SEEN]
    assert as_user(folder, CUSTOMER, ["SET ROLE NONE", *asked]) == ["OK ", *["REFUSED ACCESS_DENIED"] * len(SEEN)]


def test_a_customer_s_tables_are_all_that_are_about_meters() -> None:
    tables_of_meters = {table for table, columns in text_columns(MADE).items() if "meter" in columns}
    assert set(CUSTOMER_VIEWS) == tables_of_meters


@pytest.mark.parametrize("board", ["flexmeter-home", "flexmeter-meter"])
def test_a_customer_s_pages_ask_nothing_that_is_refused(board: str) -> None:
    asked = re.findall(r"FROM flexmeter\.(\w+)", json.dumps(BOARDS[board]))
    assert asked and set(asked) <= set(SEEN)


def test_a_customer_without_meters_sees_no_row(folder: Path) -> None:
    said = as_user(folder, customer("new", []), [f"SELECT count() FROM flexmeter.{name}" for name in SEEN])
    assert said == ["OK 0"] * len(SEEN)


def test_grafana_reads_all_and_changes_nothing(folder: Path) -> None:
    views = [*SEEN, *OTHERS]
    said = as_user(folder, GRAFANA, [f"SELECT count() > 0 FROM flexmeter.{view}" for view in views])
    assert [line.split()[0] for line in said] == ["OK"] * len(views)
    changes = [
        "DROP TABLE flexmeter.meters_raw",
        "ALTER TABLE flexmeter.meters_raw DELETE WHERE 1",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "CREATE TABLE flexmeter.x (a Int8) ENGINE = Null",
    ]
    assert all(line.startswith("REFUSED") for line in as_user(folder, GRAFANA, changes))


def test_recomputation_reads_what_it_computes_from_and_no_more(folder: Path) -> None:
    own = [f"SELECT count() > 0 FROM flexmeter.{view}" for view in ("readings", "meters", "aggregates", "loads")]
    assert as_user(folder, RECOMPUTATION, own) == ["OK 1"] * len(own)
    (other,) = as_user(folder, RECOMPUTATION, ["SELECT count() FROM flexmeter.dead_letters"])
    assert other == "REFUSED ACCESS_DENIED"


def test_the_sink_makes_its_tables_and_writes_but_drops_none(folder: Path) -> None:
    flat = [" ".join(line for line in made.splitlines() if not line.startswith("--")) for made in MADE]
    kept = [each for days in ("90", "0") for each in of_options("clickhouse", dict.fromkeys(OPTIONS, days))]
    said = as_user(folder, SINK, [*flat, *kept, "INSERT INTO flexmeter.meters_raw (meter) VALUES ('x')"])
    assert [line for line in said if not line.startswith("OK")] == []
    more = ["DROP TABLE flexmeter.meters_raw", "ALTER TABLE flexmeter.alerts_raw MODIFY TTL toDateTime(at)"]
    assert as_user(folder, SINK, more) == ["REFUSED ACCESS_DENIED"] * 2


@pytest.mark.parametrize("arguments", [["sink"], ["grafana"], ["customer", "c'1", "m'1", "m;2"]], ids=lambda a: a[0])
def test_the_printed_sql_is_sql(folder: Path, arguments: list[str]) -> None:
    ran = CliRunner().invoke(command, [*arguments, "--password", "secret"])
    assert ran.exit_code == 0 and "secret" not in ran.output
    store = ChdbStore(folder / "parsed")
    for statement in ran.output.strip().split(";\n"):
        assert store.read(f"EXPLAIN AST {statement.rstrip(';')}", "TSVRaw", {})
    store.close()


def test_what_the_command_cannot_print_it_says() -> None:
    assert CliRunner().invoke(command, ["customer", "c", "--password", "x"]).exit_code == 2
    assert CliRunner().invoke(command, ["sink", "c", "--password", "x"]).exit_code == 2
    for taken in ("grafana", "everything"):
        assert CliRunner().invoke(command, ["customer", taken, "m1", "--password", "x"]).exit_code == 2


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Client]]:
    """Clients of a real server by user.

    18.16 takes users from users.xml only, and knows neither grants nor filters of rows: what a customer sees is tested
    in the embedded one (above).
    """
    folder, port = tmp_path_factory.mktemp("users"), free_port()
    known = "".join(as_xml(role.name, role.reads_only) for role in (*ROLES.values(), CUSTOMER))
    users = local_clickhouse.USERS.replace("</users>", f"{known}</users>").replace(
        "</profiles>", f"{READER}</profiles>"
    )
    part = local_clickhouse.clickhouse(folder, port, free_port(), folder / "clickhouse.log", users=users)
    with running(part):
        store = ClickHouseServer(f"clickhouse://{HOST}:{port}")
        store.migrate(for_1816(MADE))
        insert_all(store, (record for _, record in everything()))
        store.close()
        yield lambda user: Client(HOST, port, user=user)


def test_on_a_server_grafana_reads_all(server: Callable[[str], Client]) -> None:
    with server("grafana") as client:
        assert client.execute("SELECT uniq(meter) FROM flexmeter.meters_raw") == [(20,)]


@pytest.mark.parametrize("user", ["grafana", "recomputation", "customer_4711"])
def test_on_a_server_readers_write_nothing(server: Callable[[str], Client], user: str) -> None:
    with server(user) as client:
        for statement in ("DROP TABLE flexmeter.meters_raw", "INSERT INTO flexmeter.meters_raw (meter) VALUES"):
            with pytest.raises(ServerException, match="readonly"):
                client.execute(statement, [["x"]] if "INSERT" in statement else None)
