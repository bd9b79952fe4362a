"""Tasks: what `--task` decides and refuses, and which results are of a task."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from zoo import evaluate
from zoo.errors import UsageError
from zoo.evaluation import task as module
from zoo.evaluation.record import load_evaluation
from zoo.evaluation.task import get_task, list_tasks
from zoo.report import __main__ as report
from zoo.results import load_result

RESULTS = Path(__file__).parents[2] / "reports" / "results"
OF = {"drawn@1": "procedural", "comics@1": "pictures-comics", "illustrations@1": "pictures-illustrations"}


@pytest.mark.parametrize("name", list_tasks())
def test_committed_results_are_of_every_task(name, capsys):
    assert report.main(["check", str(RESULTS / f"evaluation-{OF[name]}.json"), "--task", name]) == 0
    assert f"is a result of {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", list_tasks())
def test_a_task_wants_metrics_as_they_are_defined_now(name):
    get_task(name).check_versions()


def test_another_version_of_a_metric_is_refused(capsys, monkeypatch):
    metrics = dict(module.METRICS)
    metrics["cf"] = replace(metrics["cf"], version=2)
    monkeypatch.setattr(module, "METRICS", metrics)
    assert evaluate.main(["grey", "--task", "drawn@1"]) == 2
    assert "wants version 1 of cf, and here it is 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "drawn@2"], "no task 'drawn@2'. Did you mean 'drawn@1'?"),
        (["--task", "drawn@1", "--limit", "3"], "--limit is the task's to decide"),
        (["--task", "drawn@1", "--max-side", "64"], "--max-side is the task's to decide"),
        (["--task", "drawn@1", "--decode", "mode"], "--decode is the task's to decide"),
        (["--task", "drawn@1", "--hints", "1"], "--hints and --task do not go together"),
        (["--task", "comics@1", "--data", "procedural-objects"], "holds other images than comics-open"),
    ],
)
def test_what_contradicts_a_task_is_refused(capsys, arguments, message):
    assert evaluate.main(["grey", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_other_results_are_told_why(capsys):
    assert report.main(["check", str(RESULTS / "evaluation-comics.json"), "--task", "comics@1"]) == 1
    err = capsys.readouterr().err
    for part in ("the largest side is 320, and the task's is 1024", "its images are not the task's"):
        assert part in err


def test_a_changed_result_is_found(tmp_path):
    content = json.loads((RESULTS / "evaluation-procedural.json").read_text(encoding="utf-8"))
    task = get_task("drawn@1")

    def faults(change) -> str:
        changed = json.loads(json.dumps(content))
        change(changed)
        path = tmp_path / "changed.json"
        path.write_text(json.dumps(changed))
        return "; ".join(task.faults(load_result(path, "evaluation"), load_evaluation(path)))

    assert faults(lambda content: None) == ""
    assert "the seed is 7, and the task's is 0" in faults(lambda content: content["details"].update(seed=7))
    rows = [row for row in content["rows"] if (row["metric"], row["variant"]) == ("bvr", "grey")]
    missing = faults(lambda content: content["rows"].remove(rows[0]))
    assert missing == "bvr is missing of grey"
    assert "cf is of its version 9" in faults(
        lambda content: next(row for row in content["rows"] if row["metric"] == "cf").update(metric_version=9)
    )


def test_what_a_task_makes_is_of_it(tmp_path, capsys, monkeypatch):
    whole = (module.FOLDER / "drawn@1.toml").read_text(encoding="utf-8")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    small = whole.replace("limit = 12", "limit = 1").replace("images = 12", "images = 1")
    (tmp_path / "little@1.toml").write_text(small.replace("max_side = 512", "max_side = 96"))
    out = tmp_path / "out"
    assert evaluate.main(["mode", "--task", "little@1", "--out", str(out), "--json"]) == 0
    digest = load_result(out / "results.json", "evaluation").rows[0]["data"]
    assert report.main(["check", str(out), "--task", "little@1"]) == 1
    (tmp_path / "little@1.toml").write_text(
        (tmp_path / "little@1.toml").read_text(encoding="utf-8").replace(get_task("little@1").digest, digest)
    )
    capsys.readouterr()
    assert report.main(["check", str(out), "--task", "little@1"]) == 0


def test_an_unknown_task_names_those_there_are():
    with pytest.raises(UsageError, match="There are comics@1, drawn@1, illustrations@1"):
        get_task("photographs@1")
