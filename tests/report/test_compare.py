"""Comparing: a planted regression is found, chance is not, and what is not alike is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import HERE, a_row, changed, evaluation, run_result, save_evaluation

from zoo.report import __main__ as report
from zoo.report.comparison import Comparison, Side, compare, paired_interval, unpaired_interval
from zoo.results import Record, Result, Row, as_record, load_result, save_result

IMAGES = 12


def scored(values: np.ndarray, metric: str = "delta_e00", data: str = "d" * 16) -> Record:
    """A row of an evaluation with these values of images."""
    row = Row("evaluation", "pages, test", "residual", "residual", "", metric, float(values.mean()))
    return as_record(replace(row, data=data, values=[float(x) for x in values]), HERE)


def timed(rounds: np.ndarray, metric: str = "seconds", **more: Any) -> Record:
    return a_row("factored", "", metric, float(np.median(rounds)), values=[float(x) for x in rounds], **more)


def one(a: Record, b: Record, **options: Any) -> Comparison:
    (found,) = compare(Side("a", [a]), Side("b", [b]), **options)
    return found


def saved(path: Path, *rows: Record, kind: str = "benchmark") -> str:
    save_result(path, Result(kind, list(rows)))
    return str(path)


@pytest.fixture
def pages() -> np.ndarray:
    """Errors of pages: they differ far more than two models on one page do."""
    return np.random.default_rng(0).gamma(4.0, 2.0, IMAGES)


def test_a_planted_regression_of_five_percent_is_found_and_fails(
    tmp_path: Path, pages: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    worse = pages * 1.05 + np.random.default_rng(1).normal(0, 0.1, IMAGES)
    a, b = saved(tmp_path / "a.json", scored(pages)), saved(tmp_path / "b.json", scored(worse))
    found = one(scored(pages), scored(worse))
    assert found.verdict == "worse"
    assert 3 < found.percent < 7
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < found.b - found.a < found.high
    assert report.main(["compare", a, b, "--fail-on", "delta_e00:3"]) == 1
    output = capsys.readouterr()
    assert "worse than --fail-on allows" in output.err
    assert "1 worse" in output.out
    assert report.main(["compare", a, b, "--fail-on", "delta_e00:20"]) == 0
    assert report.main(["compare", b, a, "--fail-on", "delta_e00:0"]) == 0
    assert "1 better" in capsys.readouterr().out


def test_a_spread_that_hides_a_difference_fails_nothing(tmp_path: Path, pages: np.ndarray) -> None:
    noisy = pages * 1.05 + np.random.default_rng(2).normal(0, 4, IMAGES)
    noisy += pages.mean() * 1.05 - noisy.mean()
    found = one(scored(pages), scored(noisy))
    assert found.verdict == "unclear"
    assert found.percent == pytest.approx(5)
    a, b = saved(tmp_path / "a.json", scored(pages)), saved(tmp_path / "b.json", scored(noisy))
    assert report.main(["compare", a, b, "--fail-on", "delta_e00:1"]) == 0


def test_the_same_result_does_not_differ_from_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(save_evaluation(tmp_path / "results.json"))
    assert report.main(["compare", path, path, "--fail-on", "delta_e00:0", "--fail-on", "ned:0"]) == 0
    assert "0 better, 0 worse" in capsys.readouterr().out


@pytest.mark.parametrize("count", [6, 12, 40])
def test_intervals_leave_out_no_difference_about_as_often_as_they_say(count: int) -> None:
    rng = np.random.default_rng(0)
    trials = 400
    paired = [paired_interval(rng.gamma(2.0, 1.0, count) - 2.0) for _ in range(trials)]  # skewed, of mean 0
    unpaired = [unpaired_interval(*rng.gamma(2.0, 1.0, (2, count))) for _ in range(trials)]
    for intervals, most in ((paired, 0.11), (unpaired, 0.08)):
        wrong = sum(not low <= 0 <= high for low, high in intervals)
        assert wrong / trials <= most


def test_rounds_of_one_program_seldom_seem_to_differ() -> None:
    rng = np.random.default_rng(0)
    pairs = [rng.lognormal(0, 0.03, (2, 7)) for _ in range(300)]
    assert sum(one(timed(x), timed(y)).verdict != "unclear" for x, y in pairs) <= 6


@pytest.mark.parametrize(
    ("metric", "factor", "verdict"),
    [
        ("seconds", 1.08, "worse"),
        ("seconds", 0.9, "better"),
        ("seconds", 1.04, "unclear"),  # rounds do not see what the machine did in between
        ("images_per_second", 0.9, "worse"),
        ("ratio", 1.05, "worse"),  # taken in turn: no drift
        ("ratio", 1.0, "same"),
    ],
)
def test_rounds_are_compared(metric: str, factor: float, verdict: str) -> None:
    rounds = 1 + np.linspace(-0.01, 0.01, 7)
    assert one(timed(rounds, metric), timed(rounds * factor, metric)).verdict == verdict


def test_a_number_without_spread_is_not_judged_but_can_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [a_row("factored", "", "working_memory", value) for value in (100.0, 120.0)]
    assert one(*rows).verdict == "?"
    a, b = (saved(tmp_path / f"{name}.json", row) for name, row in zip("ab", rows, strict=True))
    assert report.main(["compare", a, b]) == 0
    assert report.main(["compare", a, b, "--fail-on", "working_memory:10"]) == 1
    assert "(+20.0 %)" in capsys.readouterr().err
    assert report.main(["compare", a, b, "--fail-on", "working_memory:25"]) == 0


def test_too_few_images_are_not_judged() -> None:
    assert one(scored(np.array([1.0, 2.0])), scored(np.array([2.0, 3.0]))).verdict == "?"


@pytest.mark.parametrize(("a", "b", "worse"), [(0.9, 0.8, True), (1.2, 1.1, False), (0.9, 1.05, False), (1, 2, True)])
def test_where_one_value_is_best_nearness_counts(pages: np.ndarray, a: float, b: float, worse: bool) -> None:
    noise = pages - pages.mean()
    found = one(scored(a + noise / 1000, "chroma_ratio"), scored(b + noise / 1001, "chroma_ratio"))
    assert found.worse is worse
    assert found.verdict == ("worse" if worse else "better")


def test_where_no_direction_is_better_it_only_differs(pages: np.ndarray) -> None:
    assert one(scored(pages, "cf"), scored(pages + 1, "cf")).verdict == "differs"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"cpu": "another"}, "machine"),
        ({"cores": 1}, "machine"),
        ({"gpus": ["a card"]}, "machine"),
        ({"metric_version": 2}, "metric version"),
        ({"data": "e" * 16}, "images"),
    ],
)
def test_what_is_not_alike_is_refused_and_marked_when_asked_for(
    tmp_path: Path, pages: np.ndarray, capsys: pytest.CaptureFixture[str], change: dict[str, Any], word: str
) -> None:
    a, b = saved(tmp_path / "a.json", scored(pages)), saved(tmp_path / "b.json", scored(pages + 3) | change)
    assert report.main(["compare", a, b]) == 2
    output = capsys.readouterr()
    assert f"other {word} in 1 of 1 numbers" in output.err
    assert output.out == ""
    assert report.main(["compare", a, b, "--across"]) == 0
    assert f"(other {word})" in capsys.readouterr().out


def test_other_images_are_no_pairs(pages: np.ndarray) -> None:
    better = scored(pages - 0.05)
    assert one(scored(pages), better).verdict == "better"
    assert one(scored(pages), better | {"data": "e" * 16}, across=True).verdict == "unclear"


def test_of_a_history_the_newest_counts(tmp_path: Path) -> None:
    older, newer = ([timed(np.full(7, each), "ratio")] for each in (0.5, 0.8))
    history = Side("history", [row | {"commit": word * 40} for word, row in zip("ab", older + newer, strict=True)])
    (same,) = compare(history, history)
    assert (same.verdict, same.a) == ("same", 0.8)
    (found,) = compare(history, Side("new", older))
    assert (found.a, found.b, found.verdict) == (0.8, 0.5, "better")


def test_rows_of_two_machines_in_one_set_find_their_own(tmp_path: Path) -> None:
    for name, seconds in (("a", 1.0), ("b", 2.0)):
        folder = tmp_path / name
        first = timed(np.full(7, seconds))
        saved(folder / "bench-one.json", first)
        saved(folder / "bench-two.json", first | {"cpu": "another", "value": 10 * seconds})
    assert report.main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--fail-on", "seconds:50"]) == 1
    assert report.main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--fail-on", "seconds:150"]) == 0


def test_runs_of_one_directory_are_told_apart_by_their_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, seed in (("run-one", 0), ("run-two", 1)):
        result = run_result(seed=seed)
        for row in result.rows:
            row["value"] += seed
        save_result(tmp_path / f"{name}.json", result)
    assert report.main(["compare", str(tmp_path), str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert "14 numbers: 0 better, 0 worse, 0 unclear, which chance could do, 14 the same" in output
    assert "run-one" in output
    assert "run-two" in output
    assert report.main(["compare", str(tmp_path), str(tmp_path / "run-two.json")]) == 2
    assert "no number in common" in capsys.readouterr().err


def test_evaluations_on_other_data_compare_across(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one_set = save_evaluation(tmp_path / "one.json")
    other = save_evaluation(tmp_path / "other.json", replace(evaluation(), data="photos", data_fingerprint="e" * 64))
    assert report.main(["compare", str(one_set), str(other)]) == 2
    assert "6 of drawn, test, seed 0; 6 of photos, test, seed 0" in capsys.readouterr().err
    assert report.main(["compare", str(one_set), str(other), "--across"]) == 0


def test_candidates_of_different_names_compare_when_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(save_evaluation(tmp_path / "results.json", evaluation({"truth": 0.0, "residual": 0.9, "mode": 0.2})))
    assert report.main(["compare", f"{path}::residual", f"{path}::mode", "--metric", "a_star", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (found,) = told["comparisons"]
    assert told["b"]["name"] == f"{path}::mode"
    assert told["failed"] == []
    assert (found["a"], found["b"], found["verdict"]) == (0.9, 0.2, "better")
    assert report.main(["compare", f"{path}::residual", f"{path}::mode (oracle)", "--json"]) == 0  # as tables show it
    capsys.readouterr()
    assert report.main(["compare", f"{path}::resdual", path]) == 2
    assert "has no 'resdual'. Did you mean 'residual'? It has: truth; residual; mode" in capsys.readouterr().err


def test_what_only_one_side_has_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one_run, other = tmp_path / "one.json", tmp_path / "other.json"
    for path, model in ((one_run, "residual"), (other, "hypercolumn")):
        result = run_result(model)
        save_result(path, replace(result, rows=[row for row in result.rows if row["model"]]))  # without the baselines
    assert report.main(["compare", str(one_run), str(other)]) == 2
    message = capsys.readouterr().err
    assert "have no number in common" in message
    assert f"only in {one_run}: residual. only in {other}: hypercolumn. to compare one of each:" in message
    command = ["compare", f"{one_run}::residual", f"{other}::hypercolumn"]
    assert report.main(command) == 0
    assert "2 numbers: 0 better, 0 worse, 0 unclear, which chance could do, 2 the same" in capsys.readouterr().out


def test_markdown_is_a_table(tmp_path: Path, pages: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    a = saved(tmp_path / "a.json", scored(pages), scored(pages, "rmse_ab"), scored(pages, "auc"))
    b = saved(tmp_path / "b.json", scored(pages * 2), scored(pages / 2, "rmse_ab"), scored(pages, "auc"))
    assert report.main(["compare", a, b, "--markdown", "--changed"]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert len(table) == 4  # headings, rules, and two that differ
    assert "🔴 worse" in table[2]
    assert "🟢 better" in table[3]
    assert "3 numbers: 1 better, 1 worse, 0 unclear, which chance could do, 1 the same" in lines[-1]


def test_a_run_directory_and_an_evaluations_are_sides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_result(tmp_path / "run" / "result.json", run_result())
    save_evaluation(tmp_path / "evaluation" / "results.json")
    assert report.main(["compare", str(tmp_path / "run"), str(tmp_path / "run")]) == 0
    assert report.main(["compare", str(tmp_path / "evaluation"), str(tmp_path / "evaluation" / "results.json")]) == 0
    (tmp_path / "run" / "result.json").unlink()
    (tmp_path / "run" / "config.json").write_text("{}")
    capsys.readouterr()
    assert report.main(["compare", str(tmp_path / "run"), str(tmp_path / "evaluation")]) == 2
    assert "holds no result; a run has one when it is done" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fail-on", "delta_e00"], "--fail-on takes METRIC:PERCENT"),
        (["--fail-on", "delta_e00:much"], "--fail-on takes METRIC:PERCENT"),
        (["--fail-on", "delta_e00:-1"], "--fail-on takes METRIC:PERCENT"),
        (["--fail-on", "delta_e0:5"], "no metric 'delta_e0'. Did you mean 'delta_e00'?"),
        (["--fail-on", "seconds:5"], "--fail-on seconds: none was compared"),
        (["--fail-on", "cf:5"], "--fail-on cf: it is best at the truth's own value"),
        (["--metric", "delta"], "--metric: no metric 'delta'"),
    ],
)
def test_a_gate_that_sees_nothing_is_refused(
    tmp_path: Path, pages: np.ndarray, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    path = saved(tmp_path / "a.json", scored(pages), scored(pages, "cf"))
    assert report.main(["compare", path, path, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_value_that_was_lost_is_named_and_passes_no_gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that turned grey has no A*: that is no pass."""
    whole = save_evaluation(tmp_path / "a.json", evaluation({"truth": 0.0, "residual": 0.2, "context": 0.3}))
    grey = save_evaluation(tmp_path / "b.json", evaluation({"truth": 0.0, "residual": None, "context": 0.3}))
    command = ["compare", str(whole), str(grey), "--metric", "a_star"]
    assert report.main(command) == 0
    assert f"without a value in {grey}: a_star of residual" in capsys.readouterr().out
    assert report.main([*command, "--fail-on", "a_star:10"]) == 2
    assert f"--fail-on: {grey} has no value of a_star of residual, where {whole} has one" in capsys.readouterr().err
    assert report.main(["compare", str(grey), str(whole), "--fail-on", "a_star:10"]) == 0
    assert "without a value" not in capsys.readouterr().out


def test_a_damaged_side_is_named(tmp_path: Path, pages: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = saved(tmp_path / "good.json", scored(pages)), tmp_path / "bad.json"
    bad.write_bytes(Path(good).read_bytes()[:-40])
    assert report.main(["compare", good, str(bad)]) == 2
    assert "bad.json is not a result file, or is cut short" in capsys.readouterr().err
    saved(bad, scored(pages))
    changed(bad, schema=4)
    assert report.main(["compare", good, str(bad)]) == 2
    assert "bad.json is of schema 4" in capsys.readouterr().err
    assert report.main(["compare", good, str(tmp_path / "none.json")]) == 2
    assert "none.json: no such file" in capsys.readouterr().err


def test_committed_evaluations_compare_with_themselves() -> None:
    for path in (Path(__file__).parents[2] / "reports" / "results").glob("evaluation-*.json"):
        side = Side(str(path), load_result(path).rows)
        assert {each.verdict for each in compare(side, side)} <= {"same"}
