"""Numbers quoted in sentences: they follow from results, and a marker of nothing is an error."""

import numpy as np
import pytest
import report as tools
from quotes import quote, quoted
from samples import benchmark_rows, evaluation, run_result, save_evaluation

from zoo.errors import UsageError
from zoo.report.collected import Sources, collect, load_run_file
from zoo.results import save_result


@pytest.fixture
def sources(tmp_path) -> Sources:
    result = evaluation()
    for candidate, value in zip(result.candidates, (40.0, 0.0, 8.0), strict=False):
        candidate.scores["cf"] = {"value": value, "low": value - 1, "high": value + 1}
    save_result(tmp_path / "result.json", run_result())
    return Sources(evaluations={"drawn": result}, runs={"one": load_run_file(tmp_path / "result.json")})


def scores(sources: Sources) -> dict[str, dict]:
    return {each.way.title: each.scores for each in sources.evaluations["drawn"].candidates}


def test_a_value_is_the_results(sources: Sources) -> None:
    names = list(scores(sources))
    assert quoted(f"drawn | {names[0]} | cf", sources) == "40"
    assert quoted(f"drawn | {names[2]} | cf | interval", sources) == "8 [7, 9]"
    assert quoted(f"drawn|{names[2][:3]}*|cf|lower|{names[0]}", sources) == "80 %"
    assert quoted("run one | residual | rmse_ab", sources) == "16"
    assert quoted("run one | mean colour | rmse_ab", sources) == "19"
    assert quoted("drawn | residual | a_star", sources) == "0.9"


def test_a_share_of_the_truth(sources: Sources) -> None:
    table = scores(sources)
    table["truth"]["cf"] = {"value": 50.0, "low": None, "high": None}
    table["residual"]["cf"] = {"value": 20.0, "low": None, "high": None}
    assert quoted("drawn | residual | cf | of truth", sources) == "40 %"


def test_a_difference_is_paired(sources: Sources) -> None:
    table = scores(sources)
    rng = np.random.default_rng(0)
    hard = rng.normal(10, 5, 40)  # as the images are: hard for one and the other
    for name, values in (("residual", hard + 1 + rng.normal(0, 0.1, 40)), ("grey", hard)):
        table[name]["cf"] = {"value": float(values.mean()), "low": 0, "high": 0, "values": values.tolist()}
    found = quoted("drawn | residual | cf | minus | grey", sources)
    difference, low, high = (float(x.strip("[],")) for x in found.split())
    assert 0.9 < low < difference < high < 1.1
    assert quoted("drawn | grey | cf | minus | residual", sources).startswith("−")
    table["grey"]["cf"]["values"] = None
    assert quoted("drawn | residual | cf | minus | grey", sources) == f"{difference:.3g}"


def test_a_ratio_of_a_benchmark(sources: Sources) -> None:
    sources.benchmarks["a-processor"] = benchmark_rows()
    row = "hypercolumn, training step | factored / plain | batch 4, 224², float32"
    assert quoted(f"bench a-processor | {row} | time", sources) == "0.250 [0.240, 0.260]"
    assert quoted(f"bench a-processor | {row} | time".replace("|", "\\|"), sources) == "0.250 [0.240, 0.260]"
    with pytest.raises(UsageError, match="no ratio"):
        quoted(f"bench a-processor | {row} | working memory", sources)
    with pytest.raises(UsageError, match="no benchmark 'b'"):
        quoted(f"bench b | {row} | time", sources)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("drawn | residual", "a marker is"),
        ("drown | residual | cf", "Did you mean 'drawn'"),
        ("run two | residual | rmse_ab", "no run 'two'"),
        ("drawn | nobody | cf", "no candidate 'nobody'"),
        ("drawn | * | cf", "more than one candidate"),
        ("drawn | residual | beauty", "no metric 'beauty'"),
        ("drawn | grey | a_star", "not defined"),
        ("drawn | residual | cf | roughly", "no form 'roughly'"),
        ("drawn | residual | cf | lower", "no form 'lower'"),
    ],
)
def test_a_marker_of_nothing_is_an_error(what: str, message: str, sources: Sources) -> None:
    with pytest.raises(UsageError, match=message):
        quoted(what, sources)
    with pytest.raises(UsageError, match=r"study\.md: value"):
        quote(f"<!-- value: {what} -->1<!-- end -->", "study.md", sources)


def test_the_study_is_built_and_checked(tmp_path) -> None:
    study = tmp_path / "reports" / "README.md"
    (tmp_path / "reports" / "results").mkdir(parents=True)
    (tmp_path / "README.md").write_text("# Project\n")
    save_evaluation(tmp_path / "reports" / "results" / "evaluation-drawn.json")
    save_result(tmp_path / "reports" / "results" / "run-ablation-base.json", run_result())
    slow = run_result(learning_rate=0.001, train_encoder=True, validate_every=5)
    save_result(tmp_path / "reports" / "results" / "run-ablation-slow.json", slow)
    study.write_text(
        "A* is <!-- value: drawn | residual | a_star -->0.1<!-- end -->, <!-- value: drawn | residual | bvr\n-->?"
        "<!-- end --> too.\n\n<!-- table: ablations -->\n<!-- end of table -->\n"
    )
    assert tools.main(["--root", str(tmp_path), "build"]) == 0
    text = study.read_text(encoding="utf-8")
    assert text.startswith("A* is <!-- value: drawn | residual | a_star -->0.9<!-- end -->, <!-- value")
    assert "| as it is | 16.00 | −3.00 [−4.00, −2.00] | 0.50 | `ablation-base` |" in text
    assert "| learning rate 0.001, train encoder | 16.00 |" in text
    assert tools.main(["--root", str(tmp_path), "build", "--check"]) == 0
    study.write_text(text.replace("-->0.9<", "-->0.8<"), encoding="utf-8")
    assert tools.main(["--root", str(tmp_path), "build", "--check"]) == 1


def test_values_of_a_broken_file_stay(tmp_path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    (results / "evaluation-drawn.json").write_text("{")
    text = "<!-- value: drawn | residual | cf -->7<!-- end -->"
    assert quote(text, "study.md", collect(results)) == text
