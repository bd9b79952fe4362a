"""Tables follow from result files; a stale one is found; a bad file is named."""

import json
from pathlib import Path

import pytest

from zoo import evaluate, report
from zoo.evaluation.evaluate import CHROMA_EDGES
from zoo.evaluation.plots import averaging_figure
from zoo.metrics import IMAGE_METRICS, INDICES
from zoo.results import ENVIRONMENT, Row, as_record, save_records

ROOT = Path(__file__).parents[1]
HERE = dict.fromkeys(ENVIRONMENT) | {
    **{"cpu": "a processor", "cores": 2, "cpu_flags": ["avx2"], "gpus": [], "date": "2026-01-01", "python": "3.11.7"},
    **{"keras": "3.15.1", "tensorflow": "2.21.0", "torch": None, "commit": "0123456789", "dirty": False},
}
README = (
    "# A title\n\n<!-- table: ratios -->\nold\n<!-- end of table -->\n\n<!-- table: runs -->\n<!-- end of table -->\n"
)


def row(variant: str, against: str, metric: str, value: float | None, **more: object) -> dict[str, object]:
    row = Row("throughput", "training_step", "hypercolumn", variant, against, metric, value, **more)
    return as_record(row, HERE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    here = {"batch_size": 4, "crop": 224, "precision": "float32", "samples": 5}
    records = [
        row("factored", "plain", "ratio", 0.25, low=0.24, high=0.26, **here),
        row("factored", "", "seconds", 2.0, low=1.9, high=2.1, **here),
        row("factored", "", "images_per_second", 2.0, **here),
        row("factored", "", "working_memory", 300 * 2**20, **here),
        row("plain", "", "working_memory", None, **here),
    ]
    kinds = {"encoder: convolutions": 0.25, "rest: matrix products": 0.125}
    records += [
        as_record(
            Row("profile", f"training_step, {kind}", "hypercolumn", "plain", "", "operation_seconds", s, **here), HERE
        )
        for kind, s in kinds.items()
    ]
    save_records(tmp_path / "reports" / "results" / "bench-a-processor.json", records)
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    return tmp_path


def a_run() -> dict[str, object]:
    def scores(name: str, rmse: float) -> dict[str, object]:
        controls = {"sky": rmse, "grass": 2 * rmse}
        return {"name": name, "rmse_ab": rmse, "against_mean": [-3.0, -4.0, -2.0], "controls": controls}

    return {
        "config": {"model": "residual", "data": "pages", "recipe": "quick", "steps": 100, "batch_size": 6}
        | {"crop": 64, "seed": 0, "overfit": 0, "rebalance": 0.0, "optimizer": "adam", "learning_rate": 0.005},
        "environment": {"cpu": "a processor", "cpu_flags": [], "gpus": [], "cores": 2, "precision": "float32"}
        | {"python": "3.11.7", "libraries": {"keras": "3.15.1", "tensorflow": "2.21.0"}},
        "images_per_second": 10.0,
        "scores": {
            "baselines": [scores("grey image", 20.0), scores("mean colour", 19.0)],
            "rows": [scores("residual", 16.0)],
        },
    }


def an_evaluation() -> dict[str, object]:
    def found(value: float | None) -> dict[str, float | None]:
        return {"value": value, "low": value, "high": value}

    def candidate(name: str, a_star: float | None) -> dict[str, object]:
        return {
            "name": name,
            "metrics": {metric: found(0.5) for metric in (*IMAGE_METRICS, "ab_energy_pooled")},
            "indices": {index: found(a_star) for index in INDICES},
            "chroma_histogram": [1.0] + [0.0] * (len(CHROMA_EDGES) - 2),
            "object_uv": {"car": [[0.1, 0.1]]},
            "classification": None,
        }

    return {
        "schema": evaluate.SCHEMA,
        "split": "test",
        "max_side": 512,
        "seed": 0,
        "images": [{"name": "0.png", "group": "0.png"}],
        "environment": a_run()["environment"]
        | {"libraries": {"keras": "3.15.1", "tensorflow": "2.21.0", "scikit-image": "0.25.2"}},
        "palettes": {"car": [[0.1, 0.1], [-0.1, 0.2]]},
        "runs": {"residual": {key: value for key, value in a_run().items() if key != "scores"}},
        "ideal_indices": {"sampler": dict.fromkeys(INDICES, 0.25)},
        "candidates": [candidate("truth", 0.0), candidate("grey", None), candidate("residual", 0.9)],
    }


def test_an_evaluation_becomes_a_page_with_plots(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = root / "README.md"
    readme.write_text(README + "<!-- table: evaluation-drawn -->\n<!-- end of table -->\n", encoding="utf-8")
    path = root / "reports" / "results" / "evaluation-drawn.json"
    path.write_text(json.dumps(an_evaluation()), encoding="utf-8")
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

    changed = an_evaluation() | {"palettes": {"car": [[0.1, 0.1], [-0.1, 0.3]]}}
    path.write_text(json.dumps(changed), encoding="utf-8")
    capsys.readouterr()
    assert report.main(["build", "--root", str(root), "--check"]) == 1
    assert "evaluation-drawn-plane.png" in capsys.readouterr().err


def test_a_candidate_without_a_variance_ratio_is_not_plotted() -> None:
    result = an_evaluation()
    for candidate in result["candidates"]:
        candidate["indices"]["bvr"] = {"value": None, "low": None, "high": None}
    assert averaging_figure(result) is None


def test_build_writes_what_the_results_say(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "reports" / "results" / "run-one.json").write_text(json.dumps(a_run()))
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
    path.write_text(path.read_text().replace("0.25,", "0.75,"))
    assert report.main(["build", "--root", str(root), "--check"]) == 1
    assert "stale" in capsys.readouterr().err
    assert (root / "README.md").read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bench-x.json", "[", "bench-x.json is not a result file"),
        ("run-x.json", "{}", "run-x.json is not the result.json of a run"),
        ("run-x.json", "[", "run-x.json is not the result.json of a run"),
        ("evaluation-x.json", "{}", "evaluation-x.json is not the results.json of an evaluation"),
        ("evaluation-x.json", '{"schema": 99}', "evaluation-x.json is an evaluation of schema 99; this version reads"),
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
