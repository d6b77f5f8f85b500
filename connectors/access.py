"""Who may do what in ClickHouse: users of their own for the sink, Grafana, recomputation, administration and customers.

Each is told as SQL for an administrator to run. Views ask with the rights of whoever asks them, so whoever may read a
view may read the tables below it, and a customer's rows are chosen in the tables: there is no way round by a view.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connectors.tables import DATABASE, literal

_READER = "SETTINGS readonly = 1, max_execution_time = 60 CHANGEABLE_IN_READONLY, max_memory_usage = 4000000000"
"""Grafana's plug-in sets max_execution_time by itself, so it must be allowed to."""

CUSTOMER_VIEWS: Mapping[str, tuple[str, ...]] = {
    "meters_raw": ("meters",),
    "readings_raw": ("readings", "completeness"),
    "aggregates_raw": ("aggregates", "voltages_10min"),
    "events_raw": ("events",),
    "presence_raw": ("presence", "presence_now"),
    "appliance_energy_raw": ("appliance_energy",),
    "appliance_events_raw": ("appliance_events",),
    "anomaly_scores_raw": ("anomaly_scores",),
    "home_requests_raw": ("home_requests",),
    "recompute_requests_raw": ("recompute_requests",),
}
"""All tables whose rows each belong to a meter, and the views that show no more than these."""

_RECOMPUTED_FROM = ("readings", "meters", "aggregates", "loads")


@dataclass(frozen=True, slots=True)
class Role:
    """What a user may do. `filters`: of each of these tables only the rows for which the condition holds."""

    name: str
    rights: tuple[str, ...]
    reads_only: bool
    filters: Mapping[str, str]


def _reading(views: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"SELECT ON {DATABASE}.{view}" for view in views)


SINK = Role(
    "sink",
    (
        f"SELECT, INSERT, CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP VIEW ON {DATABASE}.*",
        f"ALTER ADD COLUMN, ALTER ADD INDEX ON {DATABASE}.*",
        f"ALTER MODIFY TTL ON {DATABASE}.readings_raw",
        f"ALTER MODIFY TTL ON {DATABASE}.aggregates_raw",
    ),
    False,
    {},
)
GRAFANA = Role("grafana", (f"SELECT ON {DATABASE}.*",), True, {})
RECOMPUTATION = Role(
    "recomputation", _reading([name for view in _RECOMPUTED_FROM for name in (view, f"{view}_raw")]), True, {}
)
ADMINISTRATION = Role(
    "administration",
    (*SINK.rights, f"ALTER UPDATE, ALTER DELETE ON {DATABASE}.*"),
    False,
    {},
)
"""For `flexmeter keep` and `flexmeter erase`."""

ROLES: Mapping[str, Role] = {role.name: role for role in (SINK, GRAFANA, RECOMPUTATION, ADMINISTRATION)}
TAKEN = frozenset({*ROLES, "customer", "default", "everything", "nothing"})
"""Names of users, roles and policies that no customer may have."""


def customer(name: str, meters: Sequence[str]) -> Role:
    """Sees their own meters and nothing else, by the rights of the role `customer`."""
    own = f"meter IN ({', '.join(literal(meter) for meter in meters)})" if meters else "0"
    return Role(name, ("customer",), True, dict.fromkeys(CUSTOMER_VIEWS, own))


def as_sql(role: Role, password_sha256: str) -> list[str]:
    """Statements that make the user, or give an existing one this password, for ClickHouse 24.8 and later.

    What a table with a policy shows to those whom no policy names is a setting of the server, so everyone else is named
    too, once, by `everyone_else`.

    >>> as_sql(GRAFANA, "ab12")[-1]
    'GRANT SELECT ON flexmeter.* TO `grafana`'
    """
    user = _name(role.name)
    settings = f" {_READER}" if role.reads_only else ""
    identified = f"{user} IDENTIFIED WITH sha256_hash BY {literal(password_sha256)}{settings}"
    made = [f"CREATE USER IF NOT EXISTS {identified}", f"ALTER USER {identified}"]
    if role.filters:  # rights of a customer's own, as they once were granted, would outlive `SET ROLE NONE`
        made.append(f"REVOKE ALL ON {DATABASE}.* FROM {user}")
    for table, condition in role.filters.items():
        made.append(f"CREATE ROW POLICY OR REPLACE {user} ON {DATABASE}.{table} USING {condition} TO {user}")
    return [*made, *(f"GRANT {right} TO {user}" for right in role.rights)]


def everyone_else() -> list[str]:
    """Statements that part customers from all others, to be run before the first customer is made.

    A customer whose own policies are missing sees no row; policies add up, so those who have them see theirs. What
    a customer may read is a right of the role: whoever puts it off (`SET ROLE NONE`) counts as everyone else, without
    any right.
    """
    tables = [f"{DATABASE}.{table}" for table in CUSTOMER_VIEWS]
    views = [name for table, views in CUSTOMER_VIEWS.items() for name in (table, *views)]
    return [
        "CREATE ROLE IF NOT EXISTS customer",
        f"CREATE ROW POLICY OR REPLACE nothing ON {', '.join(tables)} USING 0 TO customer",
        f"CREATE ROW POLICY OR REPLACE everything ON {', '.join(tables)} USING 1 TO ALL EXCEPT customer",
        *(f"GRANT {right} TO customer" for right in _reading(views)),
    ]


def _name(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
