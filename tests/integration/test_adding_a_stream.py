"""docs/adding-a-stream.md, followed to the letter in a copy of the project."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent
PAGE = (PROJECT / "docs" / "adding-a-stream.md").read_text()
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.M | re.S)


def follow(copy: Path) -> list[str]:
    """Do what the page's blocks say; the commands it ends with."""
    commands = []
    for kind, name, body in FENCE.findall(PAGE):
        if kind == "sh":
            commands += body.splitlines()
        elif kind == "diff":
            path = copy / name
            lines = body.splitlines(keepends=True)
            old = "".join(line[1:] for line in lines if line[0] in " -").rstrip("\n")
            new = "".join(line[1:] for line in lines if line[0] in " +").rstrip("\n")
            assert path.read_text().count(old) == 1, f"{name} does not have {old!r} once"
            path.write_text(path.read_text().replace(old, new))
        else:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_text(body)
    return commands


def test_the_page_works_as_it_stands(tmp_path: Path) -> None:
    for name in ("schemas", "streams", "connectors", "flexmeter", "tests"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("node_modules"))
    for name in ("topology.yaml", "pyproject.toml"):
        shutil.copy(PROJECT / name, tmp_path / name)
    commands = follow(tmp_path)
    assert len(commands) == 2
    for command in commands:
        argv = [sys.executable, *command.split()[1:]]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, f"{command}\n{done.stdout[-4_000:]}{done.stderr[-2_000:]}"
    shown = subprocess.run(
        [sys.executable, "-m", "flexmeter", "topology", "show"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "voltage_band" in shown.stdout
