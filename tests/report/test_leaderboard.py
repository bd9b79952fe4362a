"""The leaderboard: who is on which board, its page and figure, and the tool that trains for it."""

import json
from pathlib import Path

import leaderboard
import pytest
import report as tools
from leaderboard_page import load_boards
from samples import evaluation

import zoo
from zoo.errors import UsageError
from zoo.evaluation.record import evaluation_result, load_evaluation
from zoo.results import Result, save_result

ROOT = Path(__file__).parents[2]
SPEC = """
[board.drawn]
minutes = 3.0
flags = ["--recipe", "quick"]
task = "drawn@1"
[board.open]
minutes = 20.0
flags = []
task = "comics@1"
[entry.residual]
seeds = 2
[entry.classifier]
[entry."residual + colourfulness"]
model = "residual"
flags = ["--colorfulness", "0.01"]
only = "drawn"
"""


def cost(flags: tuple[str, ...] = ()) -> dict:
    return {
        **{"model": "residual", "flags": list(flags), "seeds": 1, "steps": 1234, "step_seconds": 0.25},
        **{"page_seconds": 2.5, "page_memory": 100 * 2**20, "file_bytes": 3 * 2**20},
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    reports = tmp_path / "reports"
    (reports / "results").mkdir(parents=True)
    (tmp_path / "README.md").write_text("# A title\n", encoding="utf-8")
    (reports / "leaderboard.toml").write_text(SPEC, encoding="utf-8")
    names = {"truth": 0.0, "residual": 0.8, "residual (seed 1)": 0.6, "classifier, annealed": 0.2}
    names |= {"classifier, sample": 0.1, "residual + colourfulness": 0.7}
    save_result(reports / "results" / "evaluation-board-drawn.json", evaluation_result(evaluation(names)))
    more = cost(("--colorfulness", "0.01"))
    costs = {
        **{"minutes": 3.0, "task": "drawn@1", "cpu": "a processor", "cpu_flags": ["avx2"], "page": [1600, 1250]},
        "entries": {"residual": cost(), "classifier": cost(), "residual + colourfulness": more},
    }
    (reports / "results" / "costs-drawn.json").write_text(json.dumps(costs), encoding="utf-8")
    return tmp_path


def test_entries_have_the_board_s_flags_first_and_keep_to_their_board():
    spec = leaderboard.tomllib.loads(SPEC)
    drawn = {each.name: each for each in leaderboard.entries(spec, "drawn")}
    assert list(drawn) == ["residual", "classifier", "residual + colourfulness"]
    assert [each.name for each in leaderboard.entries(spec, "open")] == ["residual", "classifier"]
    words = drawn["residual + colourfulness"].command(1, 50)
    assert words[:5] == ["residual", "--recipe", "quick", "--colorfulness", "0.01"]
    assert words[5:] == ["--steps", "50", "--validate-every", "50", "--seed", "1"]
    assert drawn["residual"].seeds == 2


def test_the_project_s_own_entries_are_commands_that_train_takes():
    """Each is parsed and checked against the registry and the recipes, as `zoo train` does."""
    from zoo import train
    from zoo.training.config import SETTINGS, resolve

    spec = leaderboard.tomllib.loads((ROOT / "reports" / "leaderboard.toml").read_text(encoding="utf-8"))
    for board in spec["board"]:
        for each in leaderboard.entries(spec, board):
            parsed = train.parser().parse_args(each.command(0, 10))
            flags = {name: getattr(parsed, name) for name in SETTINGS}
            resolve(parsed.model, parsed.recipe, flags, train.model_options(parsed.option), None)


def test_the_page_has_the_mean_and_the_range_of_seeds(root):
    assert tools.main(["--root", str(root), "build"]) == 0
    page = (root / "reports" / "leaderboard.md").read_text(encoding="utf-8")
    assert "| residual |  | 0.5 [0.5, 0.5] | 0.5 [0.5, 0.5] | 0.5 [0.5, 0.5] | 0.7 [0.6, 0.8] |" in page
    assert "| classifier | annealed | 0.5 | 0.5 | 0.5 | 0.2 |" in page
    assert "sample" not in page
    assert "| truth |  | 0.5 |" in page
    assert "| residual + colourfulness | 2016 | `--colorfulness 0.01` | 1,234 | 0.25 | 2.5 | 100 | 3 |" in page
    figure = root / "reports" / "figures" / "leaderboard.png"
    assert figure.is_file()
    assert "board-drawn" not in (root / "reports" / "index.html").read_text(encoding="utf-8")  # it has this page
    assert not (root / "reports" / "evaluation-board-drawn.md").exists()
    assert tools.main(["--root", str(root), "build", "--check"]) == 0


def test_the_readme_has_the_models_with_scores_and_speed(root):
    readme = root / "README.md"
    readme.write_text("# A title\n\n<!-- table: models -->\n<!-- end of table -->\n", encoding="utf-8")
    path = root / "reports" / "results" / "costs-pages.json"
    models = {"residual": {"page_seconds": 1.5, "page_memory": 1, "weights": 1}}
    path.write_text(json.dumps({"page": [1600, 1250], "side": 512, "cpu": "a processor", "models": models}))
    assert tools.main(["--root", str(root), "build"]) == 0
    lines = readme.read_text(encoding="utf-8").splitlines()
    assert "| name | year | what it is | answers with | weights | drawn: A* → 0 | s a page ↓ |" in lines
    rows = {line.split(" | ")[0]: line for line in lines if line.startswith("| `")}
    assert len(rows) == len(zoo.list_models())
    assert rows["| `residual`"].startswith("| `residual` | 2016 | The encoder's maps added to a decoder")
    assert rows["| `residual`"].endswith("| UV | 8.1 M | 0.7 | 1.5 |")
    assert rows["| `classifier`"].endswith("| 2 × 64 logits | 8.2 M | 0.2 |  |")
    assert rows["| `conditional`"].endswith("| 2 × 64 logits | 8.2 M |  |  |")
    assert "| `conditional` |  | " in rows["| `conditional`"]
    path.write_text("{}")
    assert tools.main(["--root", str(root), "build"]) == 2


@pytest.mark.parametrize("change", ["costs", "figure"])
def test_what_is_stale_is_found(root, change, capsys):
    assert tools.main(["--root", str(root), "build"]) == 0
    if change == "figure":
        (root / "reports" / "figures" / "leaderboard.png").unlink()
    else:
        path = root / "reports" / "results" / "costs-drawn.json"
        path.write_text(path.read_text().replace("1234", "1235"))
    assert tools.main(["--root", str(root), "build", "--check"]) == 1
    assert "leaderboard" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("leaderboard.toml", "["),
        ("leaderboard.toml", "minutes = 3.0"),
        ("results/costs-drawn.json", "[]"),
        ("results/costs-drawn.json", "{"),
        ("results/costs-drawn.json", "{}"),
    ],
)
def test_a_damaged_file_is_named(root, file, text):
    (root / "reports" / file).write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=Path(file).name):
        load_boards(
            root / "reports",
            {"board-drawn": load_evaluation(root / "reports" / "results" / "evaluation-board-drawn.json")},
        )


def test_costs_without_an_evaluation_are_named(root):
    with pytest.raises(UsageError, match=r"costs-drawn\.json.*board-drawn"):
        load_boards(root / "reports", {})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--board", "moon"], "--board must be one of drawn, open, not 'moon'"),
        (["--board", "drawn", "--jobs", "0"], "--jobs must be from 1 to"),
        (["--board", "drawn", "--minutes", "0"], "--minutes must be above 0"),
    ],
)
def test_odd_words_are_refused(tmp_path, words, message, capsys):
    assert leaderboard.main([str(tmp_path / "out"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_another_budget_does_not_go_on_with_what_is_there(root, tmp_path, monkeypatch, capsys):
    """Else the page would name a budget that the trainings did not have."""
    monkeypatch.setattr(leaderboard, "ROOT", root)
    monkeypatch.setattr(leaderboard, "step_seconds", lambda *some: 0.7)
    monkeypatch.setattr(leaderboard, "train", lambda *some: pytest.fail("it trains"))
    spec = leaderboard.tomllib.loads(SPEC)
    (tmp_path / "out" / "drawn").mkdir(parents=True)
    records = leaderboard.Records(tmp_path / "out" / "drawn")
    leaderboard.probe(leaderboard.entries(spec, "drawn"), 1.5, records, leaderboard.Cores(1))
    leaderboard.probe(leaderboard.entries(spec, "drawn"), 1.5, records, leaderboard.Cores(1))
    assert leaderboard.main([str(tmp_path / "out"), "--board", "drawn"]) == 2  # 3 minutes
    assert "has residual by another budget than 3 minutes: give a new DIR" in capsys.readouterr().err


def test_an_entry_that_came_later_is_judged_too(root, tmp_path, monkeypatch):
    folder, ran = tmp_path / "out" / "drawn", []
    out = folder / "evaluated"
    records = leaderboard.Records(folder)
    monkeypatch.setattr(leaderboard, "ROOT", root)
    monkeypatch.setattr(leaderboard.Cores, "run", lambda self, words: ran.append(list(map(str, words))) or ("", 0.0))
    folder.mkdir(parents=True)
    for each in leaderboard.entries(leaderboard.tomllib.loads(SPEC), "drawn"):
        records.add(each, step_seconds=1.0, steps=180, page_seconds=1.0)
        for seed in range(each.seeds):
            save_result(folder / leaderboard.label(each, seed) / "result.json", Result("training", []))
    names = {"residual": 0.8, "residual (seed 1)": 0.6, "classifier, annealed": 0.2}
    for labels, judged in ((names, True), (names | {"residual + colourfulness": 0.7}, False)):
        save_result(out / "results.json", evaluation_result(evaluation(labels)))
        ran.clear()
        assert leaderboard.main([str(tmp_path / "out"), "--board", "drawn"]) == 0
        assert [words[1] for words in ran] == ["zoo.evaluate"] * judged


@pytest.mark.slow
def test_entries_are_trained_by_the_budget_and_judged(root, tmp_path, monkeypatch, capsys):
    """A budget of half a second, two entries; then the same command finds all done."""
    spec = SPEC.replace('"--recipe", "quick"', '"--crop", "16", "--batch-size", "2"')
    (root / "reports" / "leaderboard.toml").write_text(spec.replace("[entry.classifier]\n", ""), encoding="utf-8")
    monkeypatch.setattr(leaderboard, "ROOT", root)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [str(tmp_path / "out"), "--board", "drawn", "--minutes", "0.01"]
    assert leaderboard.main(command) == 0
    folder = tmp_path / "out" / "drawn"
    costs = json.loads((folder / "costs.json").read_text())
    assert list(costs["entries"]) == ["residual", "residual + colourfulness"]
    for each in costs["entries"].values():
        assert each["steps"] == max(1, int(0.6 / each["step_seconds"]))
        assert min(each["page_seconds"], each["page_memory"], each["file_bytes"]) > 0
    labels = {each.way.label for each in load_evaluation(folder / "evaluated" / "results.json").candidates}
    assert {"residual", "residual (seed 1)", "residual + colourfulness"} <= labels
    held = {path: path.stat().st_mtime_ns for path in folder.rglob("*.keras")}
    assert leaderboard.main(command) == 0
    assert held == {path: path.stat().st_mtime_ns for path in folder.rglob("*.keras")}
