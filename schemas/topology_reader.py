"""Reads YAML into typed values and goes on after a fault, so that one report holds them all.

A `Section` remembers which keys were asked for: what is left over when it has been read is unknown. So the code that
reads a section is the only description of it.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import yaml

from schemas.faults import Fault, Faults, choose_one_of, closest

Path = tuple[str | int, ...]
"""Where something stands: the keys (and positions in lists) that lead to it."""

T = TypeVar("T")

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault that knows the place by its path, not yet by its line."""

    at: Path
    message: str
    remedy: str


@dataclass(slots=True)
class Document:
    """A YAML file that is being read: its findings so far, and the line of every path."""

    source: str
    env: Mapping[str, str]
    findings: list[Finding] = field(default_factory=list)
    lines: dict[Path, int] = field(default_factory=dict)

    def read(self, text: str, build: Callable[["Section"], T]) -> T:
        """What `build` makes of the file.

        Raises:
            Faults: it is no YAML, or no mapping, so that there is nothing to go on with.

        """
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            fault = Fault(
                mark.line + 1 if mark else 0,
                f"no YAML: {getattr(error, 'problem', error)}",
                "correct this line or one above",
            )
            raise Faults(self.source, [fault]) from error
        if not isinstance(root, yaml.MappingNode):
            raise Faults(self.source, [Fault(1, "no mapping", "begin with the sections kafka, topics, bridges ...")])
        return Section(self, root, ()).build(build)

    def raise_faults(self) -> None:
        """Raise what was found, if anything was, as Faults."""
        if self.findings:
            raise Faults(self.source, [self._fault(finding) for finding in self.findings])

    def _fault(self, finding: Finding) -> Fault:
        where = ".".join(key for key in finding.at if isinstance(key, str))
        return Fault(
            self._line(finding.at), f"{where}: {finding.message}" if where else finding.message, finding.remedy
        )

    def _line(self, at: Path) -> int:
        while at and at not in self.lines:
            at = at[:-1]
        return self.lines.get(at, 0)


class Section:
    """A mapping of the file. What cannot be read is reported, and comes back empty: "" or 0 or ("",), and True.

    Without a node it stands for a section that could not be read, in which nothing more is missing.
    """

    def __init__(self, document: Document, node: yaml.MappingNode | None, at: Path) -> None:
        self._document = document
        self._at = at
        self._readable = node is not None
        self._entries: dict[str, yaml.Node] = {}
        self._asked: set[str] = set()
        self._missing: dict[str, str] = {}
        for key, value in node.value if node else ():
            self._enter(key, value)

    def build(self, build: Callable[["Section"], T]) -> T:
        """What `build` makes of the section; the keys that it did not ask for are faults."""
        built = build(self)
        free = self._asked - self._entries.keys()
        for key in self._entries.keys() - self._asked:
            self._find((key,), "unknown key", choose_one_of(key, free) if free else "remove it")
            self._missing.pop(closest(key, free) or "", None)
        for key, remedy in self._missing.items():
            self._find((), f"{key!r} is missing", remedy)
        return built

    def text(self, key: str, default: str | None = None, remedy: str = "write some text") -> str:
        """A string that is not empty, its environment variables replaced."""
        node = self._take(key, default is None, remedy)
        return (default or "") if node is None else self._text(node, (key,), remedy)

    def number(self, key: str, default: int | None = None, least: int = 1) -> int:
        """A whole number of at least `least`."""
        wanted = f"a whole number of at least {least}"
        remedy = f"write {wanted}; variables go into texts only"
        node = self._take(key, default is None, remedy)
        if node is None:
            return default or 0
        value = _value(node)
        if type(value) is int and value >= least:
            return value
        self._find((key,), f"expected {wanted}, found {_describe(node)}", remedy)
        return 0

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        node = self._take(key, False, "")
        value = default if node is None else _value(node)
        if node is None or isinstance(value, bool):
            return value is True
        self._find((key,), f"expected true or false, found {_describe(node)}", "write true or false")
        return True

    def texts(
        self, key: str, remedy: str = "write a list of texts: [one, two]", needed: bool = True
    ) -> tuple[str, ...]:
        """A list of at least one text; absent and not needed = none."""
        node = self._take(key, needed, remedy)
        if node is None:
            return ("",) if needed else ()
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self._find((key,), f"expected a list, found {_describe(node)}", remedy)
            return ("",)
        return tuple(self._text(item, (key, i), remedy) for i, item in enumerate(node.value))

    def options(self, key: str) -> Mapping[str, str]:
        """A mapping of texts with any keys, for what another library understands; absent = none."""
        options = self._mapping(key, "")
        return {name: options.text(name, remedy="put the value in quotes") for name in options.names()}

    def one(self, key: str, build: Callable[["Section"], T]) -> T:
        """A section of a known name."""
        return self._mapping(key, "add this section").build(build)

    def each(self, key: str, build: Callable[[str, "Section"], T]) -> dict[str, T]:
        """The sections of a section, by their names; absent = none."""
        parent = self._mapping(key, "")
        return {name: parent.one(name, partial(build, name)) for name in parent.names()}

    def list_of(self, key: str, build: Callable[["Section"], T], remedy: str) -> tuple[T, ...]:
        """A list of at least one section."""
        node = self._take(key, True, remedy)
        if isinstance(node, yaml.SequenceNode) and node.value:
            return tuple(self._item(item, (key, i), build, remedy) for i, item in enumerate(node.value))
        if node is not None:
            self._find((key,), f"expected a list, found {_describe(node)}", remedy)
        return ()

    def names(self) -> Collection[str]:
        """The keys in the order of the file."""
        return self._entries.keys()

    def names_in(self, key: str) -> Collection[str]:
        """The keys of a section below this one, whatever stands there; absent = none."""
        return self._mapping(key, "").names()

    def leave_the_rest(self) -> None:
        """What is not asked for is not unknown: somebody else reads it."""
        self._asked |= self._entries.keys()

    def _enter(self, key: yaml.Node, value: yaml.Node) -> None:
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        line = key.start_mark.line + 1
        if name in self._entries:
            first = self._document.lines[(*self._at, name)]
            again = (name, -1)  # a place of its own, for its own line
            self._document.lines[(*self._at, *again)] = line
            self._find(again, f"stands twice, first in line {first}", "remove or rename one of the two")
            return
        self._document.lines[(*self._at, name)] = line
        self._entries[name] = value
        if not name:
            self._find((name,), f"expected a name, found {_describe(key)}", "write a name")

    def _item(self, node: yaml.Node, at: Path, build: Callable[["Section"], T], remedy: str) -> T:
        self._document.lines[(*self._at, *at)] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            return Section(self._document, node, (*self._at, *at)).build(build)
        self._find(at, f"expected a section, found {_describe(node)}", remedy)
        return Section(self._document, None, (*self._at, *at)).build(build)

    def _mapping(self, key: str, remedy: str) -> "Section":
        """The section below the key, which may be absent or empty if there is no remedy for that."""
        node = self._take(key, bool(remedy), remedy)
        if isinstance(node, yaml.MappingNode):
            return Section(self._document, node, (*self._at, key))
        if node is not None and (remedy or _describe(node) != "nothing"):
            self._find((key,), f"expected a section, found {_describe(node)}", "write `key: value` lines below it")
        return Section(self._document, None, (*self._at, key))

    def _take(self, key: str, needed: bool, remedy: str) -> yaml.Node | None:
        self._asked.add(key)
        if needed and self._readable and key not in self._entries:
            self._missing[key] = remedy
        return self._entries.get(key)

    def _text(self, node: yaml.Node, at: Path, remedy: str) -> str:
        self._document.lines[(*self._at, *at)] = node.start_mark.line + 1
        value = _value(node)
        if not isinstance(value, str) or not value:
            self._find(at, f"expected text, found {_describe(node)}", remedy)
            return ""
        if "${" in _VARIABLE.sub("", value):
            self._find(at, f"{value!r} holds a variable that is not closed", "write ${NAME} or ${NAME:-default}")
        return _VARIABLE.sub(lambda found: self._variable(found, at), value)

    def _variable(self, found: re.Match[str], at: Path) -> str:
        """As in a shell: the default stands in for a variable that is not set, or empty."""
        name, default = found["name"], found["default"]
        value = self._document.env.get(name) or default
        if value is None:
            self._find(at, f"the environment variable {name} is not set", f"set it, or write ${{{name}:-default}}")
        return value or ""

    def _find(self, at: Path, message: str, remedy: str) -> None:
        self._document.findings.append(Finding((*self._at, *at), message, remedy))


def _value(node: yaml.Node) -> Any:
    """A scalar as YAML 1.1 understands it; None for what is none, such as a list or the day 2026-99-99."""
    if not isinstance(node, yaml.ScalarNode):
        return None
    try:
        return yaml.constructor.SafeConstructor().construct_object(node)
    except (ValueError, OverflowError, yaml.YAMLError):
        return None


def _describe(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return f"a list of {len(node.value)}"
    if isinstance(node, yaml.MappingNode):
        return "a section"
    value = _value(node)
    return "nothing" if not node.value else repr(node.value if value is None else value)
