"""NAB's rules: against the definition on small corpora made here, and against its published scores where they are."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import accuracy, nab, nab_detectors
from bench.nab_rules import (
    NEVER,
    Series,
    Weights,
    by_folder,
    in_sample,
    joined,
    left_out,
    load_corpus,
    normalised,
    sigmoid,
    steps,
)

STANDARD = Weights(found=1.0, missed=1.0, false_alarm=0.11)
NAB = Path(os.environ.get("FLEXMETER_DATA", "../shared/data")) / "nab"


def series(name: str, n: int, *windows: tuple[int, int]) -> Series:
    return Series(name, np.arange(n, dtype=np.int64) * 300_000, np.zeros(n), windows)


def by_definition(one: Series, score: np.ndarray, threshold: float) -> float:  # type: ignore[type-arg]
    """The sum at a threshold, window by window and alarm by alarm."""
    probation = min(int(0.15 * len(score)), 750)
    detected = [i for i in range(probation, len(score)) if score[i] >= threshold]
    total = 0.0
    for first, last in one.windows:
        inside = [i for i in detected if first <= i <= last]
        width = last - first + 1
        position = -(last - inside[0] + 1) / width if inside else 0.0
        total += float(sigmoid(position) / sigmoid(-1.0)) if inside else -STANDARD.missed
    for i in detected:
        if any(first <= i <= last for first, last in one.windows):
            continue
        before = [(first, last) for first, last in one.windows if last < i]
        past = (i - before[-1][1]) / (before[-1][1] - before[-1][0]) if before else 3.0
        total += STANDARD.false_alarm * (float(sigmoid(past)) if past < 3 else -1.0)
    return total


@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_steps_are_the_definition_at_every_threshold(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    one = series("a/x.csv", 200, (60, 79), (120, 131))
    score = rng.integers(0, levels, 200) / levels
    found = steps(one, score, STANDARD)
    for threshold in [*np.unique(score).tolist(), NEVER]:
        assert found.at(threshold) == pytest.approx(by_definition(one, score, threshold))
    best = max(by_definition(one, score, threshold) for threshold in [*np.unique(score).tolist(), NEVER])
    assert found.at(found.best()) == pytest.approx(best)


def test_nothing_found_is_0_and_everything_at_once_is_100() -> None:
    one = series("a/x.csv", 1_000, (300, 399), (700, 799))
    perfect = np.zeros(1_000)
    perfect[[300, 700]] = 1.0
    for score, expected in ((np.full(1_000, 0.5), 0.0), (perfect, 100.0)):
        assert in_sample({"a": steps(one, score, STANDARD)})[0] == pytest.approx(expected)


def test_probation_counts_for_nothing() -> None:
    one = series("a/x.csv", 1_000, (300, 399))
    score = np.zeros(1_000)
    score[:150] = 1.0
    score[300] = 0.9
    assert in_sample({"a": steps(one, score, STANDARD)}) == (pytest.approx(100.0), 0.9)
    assert series("a/x.csv", 20_000).probation == 750


def test_left_out_thresholds_come_from_the_other_folders() -> None:
    corpus = [series("a/x.csv", 1_000, (300, 399)), series("b/x.csv", 1_000, (300, 399))]
    scores = [np.zeros(1_000), np.zeros(1_000)]
    scores[0][300], scores[1][300] = 0.5, 0.9
    parts = by_folder(corpus, scores, STANDARD)
    assert in_sample(parts)[0] == pytest.approx(100.0)
    assert left_out(parts) == pytest.approx(50.0)  # a is missed at b's 0.9, b found at a's 0.5
    assert normalised(joined(parts.values()).at(0.9), joined(parts.values())) == pytest.approx(50.0)


def corpus_on_disk(folder: Path) -> Path:
    """Two folders of one file each, with a jump that is labelled."""
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    labels = {}
    for name in ("one/x.csv", "two/x.csv"):
        rng = np.random.default_rng(len(labels))
        value = 10 + rng.normal(0, 1, 1_500)
        value[1_000:1_010] += 30
        times = [f"{begin + timedelta(minutes=5 * i):%Y-%m-%d %H:%M:%S}" for i in range(1_500)]
        (folder / "data" / name).parent.mkdir(parents=True)
        lines = [f"{time},{x:.3f}" for time, x in zip(times, value, strict=True)]
        (folder / "data" / name).write_text("\n".join(["timestamp,value", *lines]) + "\n")
        labels[name] = [[f"{times[980]}.000000", f"{times[1_080]}.000000"]]
    (folder / "labels").mkdir()
    (folder / "labels" / "combined_windows.json").write_text(json.dumps(labels))
    (folder / "config").mkdir()
    cost = {"tpWeight": 1.0, "fnWeight": 1.0, "fpWeight": 0.11, "tnWeight": 1.0}
    (folder / "config" / "profiles.json").write_text(json.dumps({"standard": {"CostMatrix": cost}}))
    return folder


def test_any_corpus_in_this_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(nab, "report", lambda name, result, packages: print(json.dumps(result)))
    corpus = corpus_on_disk(tmp_path)
    assert load_corpus(corpus)[1].windows == ((980, 1_080),)
    assert accuracy.main(["nab", "--corpus", str(corpus)]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["scores"]["null"]["standard"]["in_sample"] == 0
    assert told["scores"]["flexmeter"]["standard"]["in_sample"] > 70


def test_a_corpus_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert accuracy.main(["nab", "--corpus", str(tmp_path)]) == 2
    assert "no corpus" in capsys.readouterr().err
    assert accuracy.main(["nothing"]) == 2


@pytest.mark.skipif(not NAB.is_dir(), reason="NAB's corpus is not in ../shared/data (FLEXMETER_DATA)")
def test_scores_on_recorded_files_look_at_nothing_ahead() -> None:
    """That the rules are the published ones is what `make accuracy NAME=nab` ends with."""
    corpus = [one for one in load_corpus(NAB) if one.folder == "realAdExchange"]
    assert sum(len(one.windows) for one in corpus) == 14
    scores = nab_detectors.windowed_gaussian(corpus)
    assert all(((score >= 0) & (score <= 1)).all() for score in scores)
    ours = nab_detectors.product(corpus)
    assert [len(score) for score in ours] == [len(one.at) for one in corpus]
    changed = [Series(one.name, one.at, np.append(one.value[:-1], 1e9), one.windows) for one in corpus]
    for score, again in zip(ours, nab_detectors.product(changed), strict=True):
        assert np.array_equal(score[:-1], again[:-1])
