"""Tables follow from result files; a stale one is found; a bad file is named."""

import csv
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import report as tools
from PIL import Image
from readme import target_table
from samples import benchmark_rows, evaluation, run_result, save_evaluation

from zoo.evaluation.pictures import save_gallery
from zoo.report import __main__ as report
from zoo.report.collected import load_run_file
from zoo.report.evaluation_page import evaluation_page, runs_table
from zoo.report.figures import averaging_figure
from zoo.report.markdown import changes, machine_lines, run_table, value_cell
from zoo.report.writer import csv_table
from zoo.results import COLUMNS, SCHEMA, Result, load_result, merge_rows, save_result

ROOT = Path(__file__).parents[2]
README = (
    "# A title\n\n<!-- table: targets -->\nold\n<!-- end of table -->\n\n<!-- table: runs -->\n<!-- end of table -->\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    merge_rows(tmp_path / "reports" / "results" / "bench-a-processor.json", benchmark_rows())
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    targets = [("faster", "time", 0.3), ("much faster", "time", 0.2), ("smaller", "working memory", 0.3)]
    (tmp_path / "reports" / "targets.toml").write_text(
        "".join(
            f'[[target]]\nname = "{name}"\nat_most = {at_most}\n'
            f'ratio = ["hypercolumn, training step", "factored / plain", "batch 4, 224², float32", "{measured}"]\n'
            for name, measured, at_most in targets
        ),
        encoding="utf-8",
    )
    return tmp_path


def test_an_evaluation_becomes_a_page_with_plots(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = root / "README.md"
    readme.write_text(README + "<!-- table: evaluation-drawn -->\n<!-- end of table -->\n", encoding="utf-8")
    path = root / "reports" / "results" / "evaluation-drawn.json"
    save_evaluation(path)
    assert tools.main(["--root", str(root), "build"]) == 0
    page = (root / "reports" / "evaluation-drawn.md").read_text(encoding="utf-8")
    assert "| residual | 0.9 [0.89, 0.91] |" in page
    assert "| grey | – | – |" in page
    assert "| sampler (oracle) | 0.25 | 0.25 |" in page
    assert "| residual | residual | pages, quick | 100 × 6 crops of 64², seed 0 | 1 min, 2 cores of a processor" in page
    assert "| residual | 0.9 | 0.9 | 0.9 | 0.9 | 0.9 | 0.9 | 0.9 | 0.5 | 0.5 | 0.5 | 0.5 |" in readme.read_text(
        encoding="utf-8"
    )
    for name in ("averaging", "plane", "chroma"):
        assert f"](figures/evaluation-drawn-{name}.png)" in page
        assert (root / "reports" / "figures" / f"evaluation-drawn-{name}.png").exists()
    assert "calibration.png" not in page
    assert tools.main(["--root", str(root), "build", "--check"]) == 0

    save_evaluation(path, replace(evaluation(), palettes={"car": [[0.1, 0.1], [-0.1, 0.3]]}))
    capsys.readouterr()
    assert tools.main(["--root", str(root), "build", "--check"]) == 1
    assert "evaluation-drawn-plane.png" in capsys.readouterr().err


def test_tables_say_what_was_changed() -> None:
    config = {"rebalance": 0.0, "zoom": 2.0, "scans": 0.2, "contrast": 0.0}
    assert changes(config) == ", zoom 2, scans 0.2"
    assert changes({"ema": 0.999, "rebalance": 0.5}) == ", rebalance 0.5, ema 0.999"


@pytest.mark.parametrize(
    ("value", "text"), [(0.01234, "0.0123"), (999.4, "999"), (999.7, "1,000"), (12345.0, "12,345")]
)
def test_a_benchmarks_value_has_three_digits_or_all_before_the_point(value: float, text: str) -> None:
    record = benchmark_rows()[2] | {"value": value, "low": value, "high": value}
    assert value_cell(record).line == f"{text} [{text}, {text}]"


def test_the_seed_0_is_a_seed_too() -> None:
    assert "; seed 0; " in machine_lines(benchmark_rows())
    assert "; seed 0, 3; " in machine_lines([row | {"seed": seed} for seed in (0, 3) for row in benchmark_rows()])


def test_no_intervals_are_promised_of_one_group_of_images() -> None:
    result, words = evaluation(), "in brackets 95 % bootstrap intervals"
    assert words in evaluation_page("drawn", result, [])
    one_book = [image | {"group": "a book"} for image in result.images]
    assert words not in evaluation_page("drawn", replace(result, images=one_book), [])


def test_a_run_of_unknown_speed_took_no_nan_minutes(tmp_path: Path) -> None:
    save_result(tmp_path / "run.json", run_result())
    run = load_run_file(tmp_path / "run.json")
    slow = replace(run, images_per_second=None)
    assert "| 1 min, 2 cores, float32 |" in run_table([run])
    assert "| unknown time, 2 cores, float32 |" in run_table([slow])
    runs = {"residual": evaluation().runs["residual"] | {"images_per_second": None}}
    assert "| unknown time, 2 cores of a processor, float32 |" in runs_table(runs).markdown()


def test_a_target_is_not_met_by_rounding() -> None:
    target = {"name": "faster", "at_most": 0.25}
    target["ratio"] = ["hypercolumn, training step", "factored / plain", "batch 4, 224², float32", "time"]
    ratio = benchmark_rows()[0]
    assert "**0.250 [0.240, 0.260]**" in target_table([target], [[ratio]])
    assert "| 0.250 [0.240, 0.260] |" in target_table([target], [[ratio | {"value": 0.2504}]])


def test_the_table_says_which_step_was_kept(tmp_path: Path) -> None:
    save_result(tmp_path / "result.json", run_result())
    run = load_run_file(tmp_path / "result.json")
    assert "kept" not in run_table([run])
    run.history["validation"][1]["loss"] = 0.5
    assert ", seed 0, kept at step 50, scored at 100 |" in run_table([run])  # as older runs were
    assert ", seed 0, kept at step 50 |" in run_table([replace(run, step=50)])


def test_a_candidate_without_a_variance_ratio_is_not_plotted() -> None:
    result = evaluation()
    for candidate in result.candidates:
        candidate.scores["bvr"] = {"value": None, "low": None, "high": None}
    assert averaging_figure(result) is None


def test_a_table_of_some_runs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, seed in (("first", 1), ("second", 2)):
        save_result(root / "reports" / "results" / f"run-{name}.json", run_result(seed=seed))
    readme = root / "README.md"
    readme.write_text("<!-- table: runs sec* -->\n<!-- end of table -->\n", encoding="utf-8")
    assert tools.main(["--root", str(root), "build"]) == 0
    text = readme.read_text(encoding="utf-8")
    assert "seed 2" in text
    assert "seed 1" not in text
    readme.write_text("<!-- table: runs third -->\n<!-- end of table -->\n", encoding="utf-8")
    assert tools.main(["--root", str(root), "build"]) == 2
    assert "no run 'third'" in capsys.readouterr().err


def test_build_writes_what_the_results_say(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_result(root / "reports" / "results" / "run-one.json", run_result())
    others = [row | {"cpu": "another processor"} for row in benchmark_rows() if row["metric"] != "ratio"]
    merge_rows(root / "reports" / "results" / "bench-another.json", others)
    assert tools.main(["--root", str(root), "build"]) == 0
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("# A title\n")
    assert "old" not in readme
    assert "| faster | ≤ 0.3 | **0.250 [0.240, 0.260]** |" in readme  # bold where it is met
    assert "| much faster | ≤ 0.2 | 0.250 [0.240, 0.260] |" in readme
    assert "| smaller | ≤ 0.3 |  |" in readme  # not measured
    assert "another processor" not in readme  # which measured nothing of these
    assert (
        "| residual | pages | quick, adam at 0.005, 100 × 6 crops of 64², seed 0 | 1 min, 2 cores, float32 |" in readme
    )
    assert "| 20.00 | 19.00 | 16.00 | −3.00 [−4.00, −2.00] | 0.84, 0.84 |" in readme
    page = (root / "reports" / "benchmarks.md").read_text(encoding="utf-8")
    assert (
        "| hypercolumn, training step | factored / plain | batch 4, 224², float32 | time | 0.250 [0.240, 0.260] |"
        in page
    )
    assert "| batch 4, 224², float32 | 2 [1.9, 2.1] | 2 |" in page
    assert "| 300 MiB |" in page
    assert "| MiB | hypercolumn plain, batch 4, 224², float32 |" in page
    assert "| rest: maps | 1543 |" in page
    assert "| milliseconds | hypercolumn plain, batch 4, 224², float32 |" in page
    assert "| encoder: convolutions | 250 |\n| rest: matrix products | 125 |\n| all | 375 |" in page
    assert "| plain | batch 4, 224², float32 | – |" in page
    assert tools.main(["--root", str(root), "build", "--check"]) == 0


def test_a_changed_result_makes_the_tables_stale(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tools.main(["--root", str(root), "build"])
    before = (root / "README.md").read_text(encoding="utf-8")
    path = root / "reports" / "results" / "bench-a-processor.json"
    rows = load_result(path).rows
    rows[0]["value"] = 0.75
    save_result(path, Result("benchmark", rows))
    assert tools.main(["--root", str(root), "build", "--check"]) == 1
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
def test_a_bad_file_is_named_and_the_others_still_build(
    root: Path, capsys: pytest.CaptureFixture[str], name: str, content: str, message: str
) -> None:
    (root / "reports" / "results" / name).write_text(content)
    save_result(root / "reports" / "results" / "run-one.json", run_result())
    assert tools.main(["--root", str(root), "build"]) == 2
    assert message in capsys.readouterr().err
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert "| faster | ≤ 0.3 |" in readme
    assert "| residual | pages |" in readme
    page = (root / "reports" / "index.html").read_text(encoding="utf-8")
    assert name in page
    assert str(root) not in page
    assert tools.main(["--root", str(root), "build", "--check"]) == 2
    (root / "reports" / "results" / name).unlink()
    assert tools.main(["--root", str(root), "build"]) == 0


def test_the_table_of_a_bad_file_stays(root: Path) -> None:
    (root / "README.md").write_text(README + "<!-- table: evaluation-x -->\nas it was\n<!-- end of table -->\n")
    (root / "reports" / "results" / "evaluation-x.json").write_text("{")
    assert tools.main(["--root", str(root), "build"]) == 2
    assert "as it was" in (root / "README.md").read_text(encoding="utf-8")


def test_csv_has_the_fixed_columns(root: Path) -> None:
    assert tools.main(["--root", str(root), "build"]) == 0
    text = (root / "reports" / "tables" / "benchmarks.csv").read_text(encoding="utf-8")
    table = list(csv.DictReader(StringIO(text)))
    assert list(table[0]) == [name for name in COLUMNS if name != "values"]
    rows = benchmark_rows()
    assert len(table) == len(rows)
    values = [float(row["value"]) for row in table if row["value"]]
    assert sorted(values) == sorted(row["value"] for row in rows if row["value"] is not None)
    assert {row["cpu_flags"] for row in table} == {"avx2"}
    assert csv_table(load_result(root / "reports" / "results" / "bench-a-processor.json").rows) == text


def test_run_directories_are_shown_elsewhere(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = root / "runs" / "mine"
    save_result(run / "result.json", run_result(seed=7))
    unfinished = root / "runs" / "going-on"
    unfinished.mkdir()
    details = run_result().details
    (unfinished / "config.json").write_text(json.dumps(details["config"]))
    (unfinished / "environment.json").write_text(json.dumps([details["environment"]]))
    (unfinished / "metrics.jsonl").write_text('{"step": 10, "loss": 2.0, "images_per_second": 3.0}\n{"step": 20, "lo')
    before = (root / "README.md").read_bytes()
    command = ["build", "--root", str(root), str(run), str(unfinished)]
    with pytest.raises(SystemExit, match="2"):
        report.main(command)
    assert "--out" in capsys.readouterr().err
    assert report.main([*command, "--out", str(root / "mine")]) == 0
    assert (root / "README.md").read_bytes() == before
    assert not (root / "reports" / "index.html").exists()
    page = (root / "mine" / "index.html").read_text(encoding="utf-8")
    assert "100 × 6 of 64², seed 7" in page
    out = save_evaluation(root / "mine-evaluated" / "results.json").parent
    assert report.main([*command, str(out), "--out", str(root / "both")]) == 0
    assert "Evaluation on mine-evaluated" in (root / "both" / "index.html").read_text(encoding="utf-8")
    assert "100 × 6 of 64², seed 0; not finished, at step 10" in page
    assert report.main([*command, str(root / "nowhere"), "--out", str(root / "mine")]) == 2
    assert "nowhere holds no run that can be read" in capsys.readouterr().err


def test_of_two_results_of_one_name_one_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = []
    for seed, folder in enumerate(("one", "two")):
        save_result(root / folder / "run" / "result.json", run_result(seed=seed))
        save_evaluation(root / folder / "evaluated" / "results.json")
        words += [str(root / folder / "run"), str(root / folder / "evaluated")]
    assert report.main(["build", "--root", str(root), *words, "--out", str(root / "mine")]) == 2
    said = capsys.readouterr().err
    assert f"{root / 'two' / 'run'}: another one is called 'run'; rename one of the two" in said
    assert f"{root / 'two' / 'evaluated' / 'results.json'}: another one is called 'evaluated'" in said
    assert "100 × 6 of 64², seed 0" in (root / "mine" / "index.html").read_text(encoding="utf-8")
    with (root / "mine" / "tables" / "evaluation.csv").open(encoding="utf-8") as table:
        assert len(list(csv.DictReader(table))) == len(load_result(root / "one" / "evaluated" / "results.json").rows)


def test_a_result_is_added_whole(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, results = root / "out", root / "reports" / "results"
    save_evaluation(source / "results.json")
    for name in ("00-00", "00-01"):
        (source / "gallery").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(source / "gallery" / f"{name}.webp")
    for more in ([], ["--replace"]):
        assert tools.main(["--root", str(root), "add", str(source), "drawn"]) == (2 if more else 0)
        assert tools.main(["--root", str(root), "add", str(source), "drawn", *more, *more]) == (0 if more else 2)
        assert {path.name for path in (results / "evaluation-drawn").iterdir()} == {"00-00.webp", "00-01.webp"}
    assert tools.main(["--root", str(root), "add", str(source), "drawn", "--no-pictures", "--replace"]) == 0
    assert not (results / "evaluation-drawn").exists()
    assert load_result(results / "evaluation-drawn.json").rows == load_result(source / "results.json").rows
    save_result(root / "run" / "result.json", run_result())
    assert tools.main(["--root", str(root), "add", str(root / "run"), "mine"]) == 0
    assert (results / "run-mine.json").is_file()
    assert not [path for path in results.iterdir() if path.name.startswith(".")]
    before = (results / "run-mine.json").read_bytes()
    (root / "run" / "result.json").write_text("{")
    assert tools.main(["--root", str(root), "add", str(root / "run"), "mine", "--replace"]) == 2
    assert tools.main(["--root", str(root), "add", str(root / "nowhere"), "mine"]) == 2
    assert tools.main(["--root", str(root), "add", str(source), "../mine"]) == 2
    assert "'../mine' cannot be a name" in capsys.readouterr().err
    assert (results / "run-mine.json").read_bytes() == before


def test_half_an_evaluation_does_not_replace_a_whole_one(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = save_evaluation(root / "reports" / "results" / "evaluation-drawn.json")
    before = kept.read_bytes()
    save_result(root / "out" / "results.json", Result("evaluation", load_result(kept).rows, {}))
    assert tools.main(["--root", str(root), "add", str(root / "out"), "drawn", "--replace"]) == 2
    assert "results.json is not a whole evaluation" in capsys.readouterr().err
    assert kept.read_bytes() == before


def test_the_page_is_stale_only_when_something_it_shows_changed(root: Path) -> None:
    path = save_evaluation(root / "reports" / "results" / "evaluation-drawn.json")
    assert tools.build(root)[0]
    page = root / "reports" / "index.html"
    assert tools.build(root, check=True)[0] == []
    # Another version of matplotlib draws the same figure in other words.
    text = page.read_text(encoding="utf-8")
    assert text.count("--><svg ") == 3
    page.write_text(text.replace("--><svg ", '--><svg data-by="another" '), encoding="utf-8")
    assert tools.build(root, check=True)[0] == []
    save_evaluation(root / "reports" / "results" / "evaluation-second.json")
    assert page in tools.build(root)[0]  # with the figures that it has, and those of the second drawn
    text = page.read_text(encoding="utf-8")
    assert (text.count("--><svg "), text.count('data-by="another"')) == (6, 3)
    found = evaluation()
    found.candidates[0].chroma_histogram[1] = 0.5  # shown by a figure alone
    save_evaluation(path, found)
    assert page in tools.build(root, check=True)[0]


def test_where_there_is_no_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tools.main(["--root", str(tmp_path), "build"]) == 2
    assert "no such directory" in capsys.readouterr().err


def test_a_marker_of_no_table_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "README.md").write_text(README.replace("targets", "prices"), encoding="utf-8")
    assert tools.main(["--root", str(root), "build"]) == 2
    assert "no table 'prices'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["[[target]", '[[target]]\nname = "x"\nratio = []\n', "[target]\n", '[[target]]\nname = "x"\nat_most = 1\n']
)
def test_targets_that_cannot_be_read_are_named(root: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    path = root / "reports" / "targets.toml"
    path.write_text(text, encoding="utf-8")
    assert tools.main(["--root", str(root), "build"]) == 2
    assert f"{path}: a target is a name, a ratio of four words, and at_most" in capsys.readouterr().err


def test_the_committed_tables_follow_from_the_committed_results() -> None:
    assert tools.build(ROOT, check=True) == ([], [])


def test_strays_in_an_evaluations_gallery_are_named_and_not_shown(tmp_path, capsys) -> None:
    found, folder = evaluation(), tmp_path / "evaluated"
    save_evaluation(folder / "results.json", found)
    shade = [np.full((8, 8, 3), value, np.uint8) for value in (10, 200)]
    save_gallery(folder / "gallery", {each.way.title: shade for each in found.candidates})
    command = ["build", str(folder), "-o", str(tmp_path / "out"), "--root", str(tmp_path)]
    assert report.main(command) == 0
    (folder / "gallery" / "holiday.png").write_bytes((folder / "gallery" / "00-00.webp").read_bytes())
    (folder / "gallery" / "7-99.webp").write_bytes((folder / "gallery" / "00-00.webp").read_bytes())
    (folder / "gallery" / "album.webp").mkdir()
    (folder / "gallery" / "01-01.webp").write_bytes(b"RIFF")
    (folder / "gallery" / "00-02.webp").unlink()
    (folder / "gallery" / "00-02.webp").mkdir()
    (folder / "gallery" / ".hidden").touch()
    capsys.readouterr()
    assert report.main(command) == 2
    message = capsys.readouterr().err
    for name in ("holiday.png", "7-99.webp", "album.webp"):
        assert f"{folder / 'gallery' / name}: no picture of this evaluation; move it away" in message
    for name in ("01-01.webp", "00-02.webp"):
        assert f"{folder / 'gallery' / name}: " in message
    assert "hidden" not in message
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "data:image/webp" not in page  # neither page has a picture of every candidate
    assert "holiday.png: no picture" in page
    assert str(tmp_path) not in page
    save_gallery(folder / "gallery" / "x", {"truth": shade, "grey": shade})
    save_gallery(folder / "gallery" / "x", {"truth": shade[:1]})  # of fewer pictures: the older ones go
    assert [path.name for path in (folder / "gallery" / "x").iterdir()] == ["00-00.webp"]


def test_docs_that_quote_are_built_and_others_left_alone(root: Path) -> None:
    (root / "docs").mkdir()
    quoting, plain = root / "docs" / "quoting.md", root / "docs" / "plain.md"
    row = "bench a-processor | hypercolumn, training step | factored / plain | batch 4, 224², float32 | time"
    quoting.write_text(f"It is <!-- value: {row} -->9<!-- end -->.\n", encoding="utf-8")
    plain.write_text("A `<!-- marker` of nothing.\n", encoding="utf-8")
    before = plain.stat().st_mtime_ns
    assert tools.main(["--root", str(root), "build"]) == 0
    assert "-->0.2" in quoting.read_text(encoding="utf-8")
    assert plain.stat().st_mtime_ns == before
    quoting.write_text(quoting.read_text(encoding="utf-8").replace("-->0.2", "-->0.3"), encoding="utf-8")
    assert tools.main(["--root", str(root), "build", "--check"]) == 1


def test_oracles_are_marked_where_they_are_read(root: Path) -> None:
    found = evaluation({"truth": 0.0, "grey": None, "mode": 0.125, "residual, mode": 0.75})
    save_evaluation(root / "reports" / "results" / "evaluation-drawn.json", found)
    assert tools.main(["--root", str(root), "build"]) == 0
    page = (root / "reports" / "evaluation-drawn.md").read_text(encoding="utf-8")
    assert "| sampler (oracle) | 0.25 | 0.25 |" in page  # what it scores without noise and chance
    assert "| mode (oracle) | 0.125 [" in page
    assert "| residual, mode | 0.75 [" in page
    assert "| grey | – | – |" in page
    html = (root / "reports" / "index.html").read_text(encoding="utf-8")
    assert '<th scope="row">mode (oracle)</th>' in html
    assert html.index("What averaging is</h2>") < html.index("Models</h2>")
    (root / "reports" / "results" / "evaluation-drawn.json").unlink()
    assert tools.main(["--root", str(root), "build"]) == 0
    assert "What averaging is" not in (root / "reports" / "index.html").read_text(encoding="utf-8")
