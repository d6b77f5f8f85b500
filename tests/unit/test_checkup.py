"""What doctor says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flexmeter.local.checkup import ROOT, Check, checkup, user_of
from flexmeter.local.run_folder import held


def named(checks: list[Check], name: str) -> Check:
    return next(check for check in checks if check.name == name)


def test_a_missing_program_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flexmeter.local.checkup._PLACES", "/nowhere")
    check = named(checkup(), "mosquitto")
    assert (check.ok, check.needed, check.remedy) == (False, True, "apt-get install mosquitto")


def test_a_wrong_package_version_is_named(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("click==0.1\nno-such-thing==1\n")
    check = named(checkup(tmp_path), "python packages")
    assert check.remedy == "make install"
    assert "click 8" in check.found
    assert "no-such-thing missing" in check.found


def test_missing_jars_are_a_fault(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("")
    assert named(checkup(tmp_path), "kafka").remedy == "make install"


def test_it_works_before_anything_is_installed(tmp_path: Path) -> None:
    # -I -S: no site-packages, so an import of anything but the standard library would fail.
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from flexmeter.local.checkup import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stderr == ""
    assert "python packages" in done.stdout
    assert done.returncode in (0, 1)


def test_the_run_that_uses_a_folder_is_known(tmp_path: Path) -> None:
    assert user_of(tmp_path) is None
    with held(tmp_path):
        assert user_of(tmp_path) == str(os.getpid())
    assert user_of(tmp_path) is None
