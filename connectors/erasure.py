"""Erasing a meter from ClickHouse's tables, and proving it by a question to every column of text of every table.

What is erased: the rows of the meter in every table that has a column `meter`, alerts about it, what people said of
them and who was told, dead letters that name it. Alerts about something else (a feeder that lost its power) stay,
without its name; so do those of which only some versions were about it (an outage found at a transformer, then at the
meter), for an alert that lost its last version would stand as it did before; and so do other meters' events.

What is not here: Kafka's topics, which forget by their retention, and the states of the streams. A meter that goes on
reporting comes back.
"""

import re
import string
from collections.abc import Iterable, Mapping

from connectors.tables import DATABASE, literal

_PUNCTUATION = frozenset(string.punctuation) - {"_"}
_END = "[^0-9A-Za-z_-]"
_END_OF_OURS = ("[^0-9A-Za-z_.:-]", "[.:](?:$|[^0-9A-Za-z_-])|[^0-9A-Za-z_.:-]")
"""Before and after a name, in what the streams write: a full stop or colon ends it only where no letter follows."""
_OURS = ("id", "alert", "summary", "evidence")
_NAMES = ("meter", "subject")
_FREE_TEXT_DELETED: Mapping[str, tuple[str, ...]] = {
    "dead_letters_raw": ("address", "detail", "payload"),
    "alert_marks_raw": ("id", "alert", "reason"),
    "alert_deliveries_raw": ("alert",),
}
_ALERTS = "alerts_raw"
_FREE_TEXT_BLANKED: Mapping[str, tuple[str, ...]] = {
    _ALERTS: ("subject", "summary", "evidence"),
    "events_raw": ("detail",),
}
_SYNCED = "SETTINGS mutations_sync = 2"
# Each replica would answer the question by itself; they agree, since versions of alerts are never taken back.
_ASKING = f"{_SYNCED}, allow_nondeterministic_mutations = 1"


def erasing(meter: str, made_by: Iterable[str]) -> list[str]:
    """Statements that erase the meter; each returns when it is done. Harmless when repeated.

    `made_by`: the statements that make the tables (connectors.tables.statements).

    >>> erasing("m'1", ["CREATE TABLE IF NOT EXISTS flexmeter.x_raw\\n(\\n    `meter` String,\\n    `at` Int64\\n)"])
    ["ALTER TABLE flexmeter.x_raw DELETE WHERE `meter` = 'm\\\\'1' SETTINGS mutations_sync = 2"]
    """
    tables = text_columns(made_by)
    wanted = [_erasing_alerts(meter)] if _ALERTS in tables else []
    for table, columns in tables.items():
        kept = _FREE_TEXT_BLANKED.get(table, ())
        deleted = [_mentions(name, meter) for name in columns if name in _NAMES and name not in kept]
        deleted += [_mentions(name, meter) for name in _FREE_TEXT_DELETED.get(table, ())]
        blanked = [f"`{name}` = {_without(name, meter)}" for name in kept]
        mentioned = " OR ".join(_mentions(name, meter) for name in kept)
        wanted += [f"{_altering(table)} DELETE WHERE {' OR '.join(deleted)} {_SYNCED}"] if deleted else []
        wanted += [f"{_altering(table)} UPDATE {', '.join(blanked)} WHERE {mentioned} {_SYNCED}"] if blanked else []
    return wanted


def _erasing_alerts(meter: str) -> str:
    """Alerts that were about the meter in every version, and those whose id names it."""
    about = f"min({_mentions('subject', meter)}) OR {_mentions('id', meter)}"
    of_it = f"SELECT `id` FROM {DATABASE}.{_ALERTS} GROUP BY `id` HAVING {about}"
    return f"{_altering(_ALERTS)} DELETE WHERE `id` IN ({of_it}) {_ASKING}"


def _altering(table: str) -> str:
    return f"ALTER TABLE {DATABASE}.{table}"


def proving(meter: str, made_by: Iterable[str]) -> list[str]:
    """Statements that fail if any column of text of any table still names the meter, as a word of its own.

    Another meter may be called as this one and a suffix, `m1.2`: columns of names, and what the streams write, are
    asked for this one alone. What devices and people write is asked for it wherever no letter or digit follows.
    """
    return [
        f"SELECT throwIf(count() > 0, '{table} still names the meter') FROM {DATABASE}.{table} WHERE "
        + " OR ".join(_mentions(name, meter) for name in columns)
        for table, columns in text_columns(made_by).items()
        if columns
    ]


def text_columns(made_by: Iterable[str]) -> dict[str, list[str]]:
    """Table -> its columns of text, as the statements declare them."""
    found: dict[str, list[str]] = {}
    for statement in made_by:
        if table := re.search(r"(?:CREATE TABLE IF NOT EXISTS|ALTER TABLE) \w+\.(\w+)", statement):
            pattern = r"^ {4}(?:ADD COLUMN IF NOT EXISTS )?`(\w+)` (?:LowCardinality\(String\)|String)"
            found.setdefault(table[1], []).extend(re.findall(pattern, statement, re.MULTILINE))
    return found


def _mentions(column: str, meter: str) -> str:
    return f"`{column}` = {literal(meter)}" if column in _NAMES else f"match(`{column}`, {_pattern(column, meter)})"


def _without(column: str, meter: str) -> str:
    """The text without the name; twice, because of two names in a row the pattern finds only one at a time."""
    if column in _NAMES:
        return f"if({_mentions(column, meter)}, 'erased', `{column}`)"
    once = f"replaceRegexpAll(`{column}`, {_pattern(column, meter)}, '\\\\1erased\\\\2')"
    return f"replaceRegexpAll({once}, {_pattern(column, meter)}, '\\\\1erased\\\\2')"


def _pattern(column: str, meter: str) -> str:
    """The meter's name, not as a part of a longer one; as a string of SQL."""
    quoted = "".join(f"\\{each}" if each in _PUNCTUATION else each for each in meter)
    before, after = _END_OF_OURS if column in _OURS else (_END, _END)
    return literal(f"(^|{before}){quoted}($|{after})")
