"""Tables follow from result files; a stale one is found; a bad file is named."""

from pathlib import Path

import pytest
from samples import benchmark_rows, evaluation, run_result, save_evaluation

from zoo import report
from zoo.evaluation.plots import averaging_figure
from zoo.results import SCHEMA, Result, load_result, merge_rows, save_result

ROOT = Path(__file__).parents[1]
README = (
    "# A title\n\n<!-- table: ratios -->\nold\n<!-- end of table -->\n\n<!-- table: runs -->\n<!-- end of table -->\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    merge_rows(tmp_path / "reports" / "results" / "bench-a-processor.json", benchmark_rows())
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    return tmp_path


def test_an_evaluation_becomes_a_page_with_plots(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = root / "README.md"
    readme.write_text(README + "<!-- table: evaluation-drawn -->\n<!-- end of table -->\n", encoding="utf-8")
    path = root / "reports" / "results" / "evaluation-drawn.json"
    save_evaluation(path)
    assert report.main(["build", "--root", str(root)]) == 0
    page = (root / "reports" / "evaluation-drawn.md").read_text(encoding="utf-8")
    assert "| residual | 0.9 [0.9, 0.9] |" in page
    assert "| grey | – | – |" in page
    assert "| sampler | 0.25 | 0.25 |" in page
    assert "| residual | residual | pages, quick | 100 × 6 crops of 64², seed 0 | 1 min, 2 cores of a processor" in page
    assert "| residual | 0.9 | 0.9 | 0.9 | 0.9 | 0.9 | 0.9 | 0.9 | 0.5 | 0.5 | 0.5 | 0.5 |" in readme.read_text(
        encoding="utf-8"
    )
    for name in ("averaging", "plane", "chroma"):
        assert f"](figures/evaluation-drawn-{name}.png)" in page
        assert (root / "reports" / "figures" / f"evaluation-drawn-{name}.png").exists()
    assert "calibration.png" not in page
    assert report.main(["build", "--root", str(root), "--check"]) == 0

    save_evaluation(path, evaluation() | {"palettes": {"car": [[0.1, 0.1], [-0.1, 0.3]]}})
    capsys.readouterr()
    assert report.main(["build", "--root", str(root), "--check"]) == 1
    assert "evaluation-drawn-plane.png" in capsys.readouterr().err


def test_a_candidate_without_a_variance_ratio_is_not_plotted() -> None:
    result = evaluation()
    for candidate in result["candidates"]:
        candidate["indices"]["bvr"] = {"value": None, "low": None, "high": None}
    assert averaging_figure(result) is None


def test_build_writes_what_the_results_say(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_result(root / "reports" / "results" / "run-one.json", run_result())
    assert report.main(["build", "--root", str(root)]) == 0
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("# A title\n")
    assert "old" not in readme
    assert (
        "| hypercolumn, training step | factored / plain | batch 4, 224², float32 | time | 0.250 [0.240, 0.260] |"
        in readme
    )
    assert (
        "| residual | pages | quick, adam at 0.005, 100 × 6 crops of 64², seed 0 | 1 min, 2 cores, float32 |" in readme
    )
    assert "| 20.00 | 19.00 | 16.00 | −3.00 [−4.00, −2.00] | 0.84, 0.84 |" in readme
    page = (root / "reports" / "benchmarks.md").read_text(encoding="utf-8")
    assert "| batch 4, 224², float32 | 2 [1.9, 2.1] | 2 |" in page
    assert "| 300 MiB |" in page
    assert "| milliseconds | hypercolumn plain, batch 4, 224², float32 |" in page
    assert "| encoder: convolutions | 250 |\n| rest: matrix products | 125 |\n| all | 375 |" in page
    assert "| plain | batch 4, 224², float32 | – |" in page
    assert report.main(["build", "--root", str(root), "--check"]) == 0


def test_a_changed_result_makes_the_tables_stale(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report.main(["build", "--root", str(root)])
    before = (root / "README.md").read_text(encoding="utf-8")
    path = root / "reports" / "results" / "bench-a-processor.json"
    rows = load_result(path).rows
    rows[0]["value"] = 0.75
    save_result(path, Result("benchmark", rows))
    assert report.main(["build", "--root", str(root), "--check"]) == 1
    assert "stale" in capsys.readouterr().err
    assert (root / "README.md").read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bench-x.json", "[", "bench-x.json is not a result file"),
        ("run-x.json", "{}", "run-x.json is not a result file"),
        ("evaluation-x.json", '{"schema": 99}', f"of schema 99, and this version reads {SCHEMA}; a newer version"),
    ],
)
def test_a_bad_file_is_named(
    root: Path, capsys: pytest.CaptureFixture[str], name: str, content: str, message: str
) -> None:
    (root / "reports" / "results" / name).write_text(content)
    assert report.main(["build", "--root", str(root)]) == 2
    assert message in capsys.readouterr().err
    assert (root / "README.md").read_text(encoding="utf-8") == README


def test_where_there_is_no_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main(["build", "--root", str(tmp_path)]) == 2
    assert "no such directory" in capsys.readouterr().err


def test_a_marker_of_no_table_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "README.md").write_text(README.replace("ratios", "prices"), encoding="utf-8")
    assert report.main(["build", "--root", str(root)]) == 2
    assert "no table 'prices'" in capsys.readouterr().err


def test_the_committed_tables_follow_from_the_committed_results() -> None:
    assert report.build(ROOT, check=True) == []
