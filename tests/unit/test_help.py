"""What a newcomer reads: every option says what it is, and every example can be typed as it stands."""

import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from flexmeter.cli import COMMANDS, main

FILES = ["meters.csv", "grid.csv", "works.csv", "sample.json", "alarm.json", "payload.json", "telegrams.txt"]
ALONE = {"doctor"}
"""Commands that nothing can be said to, and so have no example."""


def commands(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """The command, and all below it."""
    yield path, command
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None
                yield from commands(below, *path, name)


ALL = dict(commands(main))


def examples(command: click.Command) -> list[str]:
    return [line.strip() for line in (command.epilog or "").splitlines()[2:]]


@pytest.mark.parametrize("path", list(ALL)[1:], ids=" ".join)
def test_every_option_says_what_it_is(path: tuple[str, ...]) -> None:
    command = ALL[path]
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    assert [one.name for one in options if not one.help] == []
    with_default = [one for one in options if isinstance(one.default, (int, float, str)) and not one.is_flag]
    assert [one.name for one in with_default if one.default != "" and not one.show_default] == []
    assert len(command.get_short_help_str(limit=150).rstrip(".")) > 10


@pytest.mark.parametrize("name", COMMANDS)
def test_it_has_examples_that_can_be_typed_as_they_stand(name: str) -> None:
    lines = examples(ALL[(name,)])
    assert bool(lines) != (name in ALONE)
    with CliRunner().isolated_filesystem():
        for file in FILES:
            open(file, "w").close()
        for line in lines:
            words = shlex.split(line, comments=False)
            starts = [i for i, word in enumerate(words) if word == "flexmeter"]
            assert starts, line
            for start in starts:
                stops = [i for i, word in enumerate(words) if i > start and word in ("|", ">", "<")]
                parse(words[start + 1 : stops[0] if stops else None])


def parse(words: list[str]) -> None:
    """Raise what click raises for a command line that is wrong; run nothing."""
    command, path = main, list[str]()
    while isinstance(command, click.Group) and words and (*path, words[0]) in ALL:
        path, words = [*path, words[0]], words[1:]
        command = ALL[tuple(path)]
    assert path, words
    if not any(isinstance(one, click.Option) and one.prompt for one in command.params):
        command.make_context(path[-1], list(words)).close()
    else:
        command.make_context(path[-1], [*words, "--password", "x"]).close()


def test_the_commands_help_lists_them_all() -> None:
    told = CliRunner().invoke(main, ["--help"]).output
    assert [name for name in COMMANDS if f"  {name} " not in told] == []
