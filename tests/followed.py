"""Pages of docs/ that add something to the project, followed to the letter in a copy of it.

Block by block: `diff FILE` changes a file, `sh` is run, any other that names a file writes it; the rest only shows.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.M | re.S)
LEFT_OUT = (".git", ".venv", ".parts", ".run", "node_modules", "__pycache__", ".*_cache", ".hypothesis")
PROGRAMS = f'set -e\npython() {{ {sys.executable} "$@"; }}\nflexmeter() {{ python -m flexmeter "$@"; }}\n'


def follow(page: str, copy: Path) -> None:
    """Copy the project there and do what docs/`page` says; every command must succeed, and the style be kept."""
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    if (ROOT / ".parts").exists():
        (copy / ".parts").symlink_to((ROOT / ".parts").resolve())
    for kind, name, body in FENCE.findall((ROOT / "docs" / page).read_text("utf-8")):
        if kind == "sh":
            run(body, copy)
        elif kind == "diff":
            _change(copy / name, body)
        elif name:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_text(body, "utf-8")
    run("python -m ruff check --no-cache\npython -m ruff format --check --no-cache", copy)


def run(commands: str, copy: Path) -> str:
    """What the commands print, run in the copy."""
    env = {**os.environ, "PYTHONPATH": str(copy)}
    done = subprocess.run(
        ["bash", "-c", PROGRAMS + commands], cwd=copy, env=env, capture_output=True, text=True, timeout=800
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout[-4_000:]}{done.stderr[-2_000:]}"
    return done.stdout


def _change(file: Path, diff: str) -> None:
    """Lines that begin with - go, those with + come; the others say where."""
    lines = diff.splitlines(keepends=True)
    old, new = ("".join(line[1:] for line in lines if line[0] in side).rstrip("\n") for side in (" -", " +"))
    text = file.read_text("utf-8")
    assert text.count(old) == 1, f"{file.name} does not have {old!r} once"
    file.write_text(text.replace(old, new), "utf-8")
