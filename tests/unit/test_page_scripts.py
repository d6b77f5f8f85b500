"""The page's scripts: their own tests, by Node's runner; and nothing in them leads elsewhere."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = Path("flexmeter/page")
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="there is no Node.js: apt-get install nodejs")
@pytest.mark.parametrize("file", sorted(Path("tests/page").glob("*.test.mjs")), ids=lambda file: file.name)
def test_scripts(file: Path) -> None:
    done = subprocess.run([str(NODE), "--test", str(file)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"^. pass (\d+)$", done.stdout, re.MULTILINE)[0]) > 0


@pytest.mark.parametrize("file", [*PAGE.glob("*.html"), *PAGE.glob("*.css"), *PAGE.glob("js/*.js")], ids=str)
def test_nothing_is_loaded_from_elsewhere(file: Path) -> None:
    code = re.sub(r"^\s*(//|\*|/\*\*).*$", "", file.read_text("utf-8"), flags=re.MULTILINE)
    named = set(re.findall(r"(?:https?:)?//[\w.-]+\.[\w/.-]+", code))
    assert named <= {"http://www.w3.org/2000/svg"}, "the name of SVG's elements is all that may be named"
