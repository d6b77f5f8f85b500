"""Sources of the user's own: files in the folder FLEXMETER_SOURCES."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from connectors.decode import mapping
from connectors.registry import json_decoders, telegram_decoders
from flexmeter.commands import topology
from schemas import catalogue
from schemas.faults import Faults
from schemas.register import load_register

GARAGE = """\
profile: {medium: electricity, interval_s: 30, idle_intervals: 20}
meter: {path: /sn}
quantities:
  active_power_w: {path: /p, unit: kW}
  voltage_v: {path: /u}
"""
CACHES = (catalogue.load_catalogue, mapping.load_mappings, mapping.own_mappings)

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a file of a source, which is read with the next question."""
    folder = tmp_path / "sources"
    folder.mkdir()
    monkeypatch.setenv(catalogue.SOURCES, str(folder))

    def forget() -> None:
        for cache in CACHES:
            cache.cache_clear()

    def write(name: str, text: str) -> None:
        (folder / name).write_text(text, "utf-8")
        forget()

    forget()
    yield write
    forget()


def test_a_file_brings_a_profile_and_its_mapping(write: Write, tmp_path: Path) -> None:
    write("garage_meter.yaml", GARAGE)
    profile = catalogue.load_catalogue().profiles["garage_meter"]
    assert (profile.quantities, profile.interval_ms) == (("active_power_w", "voltage_v"), 30_000)
    assert (profile.lateness_intervals, profile.idle_intervals, profile.infeed) == (6, 20, False)
    assert "garage_meter" in json_decoders()
    (tmp_path / "register.csv").write_text("meter_id,profile\ng1,garage_meter\n")
    assert load_register(tmp_path / "register.csv").devices["g1"].interval_ms == 30_000


def test_a_file_named_after_a_profile_replaces_its_mapping(write: Write) -> None:
    write("nilm_meter.yaml", "quantities:\n  active_power_w: {path: /w}\n")
    fields = mapping.load_mappings()["nilm_meter"].quantities
    assert [field and field.path for field in fields] == [None, None, ("w",), None]
    assert len(mapping.load_mappings()) == len(mapping._parsed("", _package())), "the others stay"


def _package() -> list[Path]:
    return sorted((Path(mapping.__file__).parent / "mappings").iterdir())


def test_without_mapping_of_its_own_a_profile_is_read_by_standard_protocols(write: Write) -> None:
    write("garage_meter.yaml", GARAGE)
    assert "garage_meter" in telegram_decoders(lambda *_, **__: ())


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("garage.yaml", GARAGE.replace("voltage_v", "volts"), "garage.yaml:5: quantities.volts: no quantity"),
        ("garage.yaml", GARAGE.replace("electricity", "electric"), "'electric' is none; did you mean 'electricity'?"),
        ("garage.yaml", GARAGE.replace("interval_s: 30", "interval_s: fast"), "expected a whole number of at least 1"),
        ("garage.yaml", GARAGE.replace("idle_intervals", "idle_interval"), "did you mean 'idle_intervals'?"),
        ("garage.yaml", GARAGE.replace("path: /u", "path: u"), "'u' is no JSON pointer"),
        ("garage.yaml", GARAGE[GARAGE.index("meter:") :], "there is no profile 'garage'"),
        ("water.yaml", GARAGE, "there is a profile 'water' already"),
        ("garage.yaml", "- no mapping", "no mapping"),
    ],
)  # fmt: skip
def test_faults_are_told_before_anything_runs(write: Write, name: str, text: str, told: str) -> None:
    write(name, text)
    done = CliRunner().invoke(topology.command, ["check"])
    assert (done.exit_code, told in done.output) == (1, True), done.output


def test_a_folder_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(catalogue.SOURCES, "/no/such/folder")
    with pytest.raises(Faults, match="is no folder"):
        catalogue.source_files()
