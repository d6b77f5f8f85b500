"""NAB's rules: against the definition on small corpora made here, and against its published scores where they are."""

import json
import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

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


def untidy(folder: Path) -> Path:
    """A corpus such as others keep: times in several forms, gaps, empty files, files without labels, and labels without
    rows.
    """
    rng, begin = np.random.default_rng(3), datetime(2024, 5, 1, tzinfo=UTC)
    times = [begin + timedelta(minutes=10 * i) for i in range(900)]
    values = 50 + 10 * np.sin(np.arange(900) / 23) + rng.normal(0, 1, 900)
    values[600:620] = 400
    written = {
        "a/zulu.csv": [f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in times],
        "a/offset.csv": [time.astimezone(timezone(timedelta(hours=5))).isoformat() for time in times],
        "b/epoch.csv": [str(int(time.timestamp())) for time in times],
        "b/unlabelled.csv": [f"{time:%Y-%m-%d %H:%M:%S.%f}" for time in times],
        "top.csv": [f"{time:%Y-%m-%d %H:%M}" for time in times],
    }
    for name, column in written.items():
        path = folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cells = ["" if name == "b/epoch.csv" and i % 50 == 7 else f"{v:.3f}" for i, v in enumerate(values)]
        rows = [f"{i},{time},{cell}\n" for i, (time, cell) in enumerate(zip(column, cells, strict=True))]
        path.write_text("".join(["\ufeffrow,timestamp,value\n", *rows, "\n"]), encoding="utf-8")
    (folder / "data" / "b" / "empty.csv").write_text("")
    (folder / "data" / "b" / "header.csv").write_text("timestamp,value\n")
    window = [["2024-05-05 03:00:00.000000", "2024-05-05 08:00:00.000000"]]
    nowhere = [["1999-01-01 00:00:00", "1999-01-02 00:00:00"]]
    labels = {name: window for name in written if name != "b/unlabelled.csv"}
    labels |= {"b/empty.csv": [], "b/header.csv": nowhere, "a/offset.csv": [*nowhere, *window]}
    (folder / "labels").mkdir()
    (folder / "labels" / "combined_windows.json").write_text(json.dumps(labels))
    return folder


def test_an_untidy_corpus_is_scored_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(nab, "report", lambda name, result, packages: told.append((name, result)))
    corpus = {one.name: one for one in load_corpus(untidy(tmp_path / "mine"))}
    empty = {"b/empty.csv", "b/header.csv"}
    assert {name: len(one.at) for name, one in corpus.items()} == {name: 900 * (name not in empty) for name in corpus}
    assert len({tuple(one.at.tolist()) for one in corpus.values() if len(one.at)}) == 1, "all forms are one time"
    assert {one.windows for one in corpus.values()} == {(), ((594, 624),)}
    assert np.isnan(corpus["b/epoch.csv"].value).sum() == 18
    assert nab.main(["--corpus", str(tmp_path / "mine")]) == 0
    ((name, result),) = told
    assert name == "nab-mine"
    assert (result["files"], result["rows"], result["published"]) == (7, 4_500, {})
    standard = result["scores"]["flexmeter"]["standard"]
    assert standard["in_sample"] > 50 > result["scores"]["null"]["standard"]["in_sample"]
    assert json.dumps(result, allow_nan=False)
    assert "4,500 rows and 4 windows in 7 files" in capsys.readouterr().out


@pytest.mark.parametrize(("goal", "published", "code"), [(0, 0.0, 0), (101, 0.0, 1), (0, 7.0, 1)])
def test_where_others_are_published_the_goal_and_the_rules_decide_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goal: float, published: float, code: int
) -> None:
    monkeypatch.setattr(nab, "report", lambda name, result, packages: None)
    monkeypatch.setattr(nab, "GOAL", goal)
    corpus, profiles = untidy(tmp_path / "mine"), ("standard", "reward_low_FP_rate", "reward_low_FN_rate")
    (corpus / nab.PUBLISHED).write_text(json.dumps({"null": dict.fromkeys(profiles, published)}))
    assert nab.main(["--corpus", str(corpus)]) == code


def test_what_is_no_corpus_is_told_and_scored_not_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nab.main(["--corpus", str(tmp_path)]) == 2
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.csv").write_text("timestamp,value\nnoon,1\n")
    assert nab.main(["--corpus", str(tmp_path)]) == 2
    assert "x.csv" in capsys.readouterr().err


def test_one_folder_alone_has_no_score_left_out_and_no_window_no_score() -> None:
    alone = {"a": steps(series("a/x.csv", 400, (200, 219)), np.zeros(400), STANDARD)}
    assert np.isnan(left_out(alone))
    assert np.isnan(in_sample({"a": steps(series("a/x.csv", 400), np.zeros(400), STANDARD)})[0])
