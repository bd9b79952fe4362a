"""Files of a run directory that are not what a run writes."""

import json
import os
from pathlib import Path

import pytest
from samples import DESCRIBED, run_result

from zoo.errors import UsageError
from zoo.report.collected import load_run_directory
from zoo.results import SCHEMA, save_result
from zoo.training.config import RunConfig
from zoo.training.rundir import RunDirectory

IDENTITY = RunConfig("residual").as_json()


@pytest.fixture
def held(tmp_path) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    run.create(IDENTITY, {})
    return run


@pytest.mark.parametrize("left", [".environment-k3_x.json", "environment.json", ".config-k3_x.json"])
def test_a_start_that_was_cut_before_its_config_is_begun_again(tmp_path, left):
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    for name in (".lock", "environment.json", left):
        (run.path / name).write_text("[]")
    assert run.check(IDENTITY) is None
    run.create(IDENTITY, {})
    assert {path.name for path in run.path.iterdir()} == {".lock", "environment.json", "config.json"}


def test_a_folder_of_something_else_is_refused(tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    for name in ("environment.json", ".notes-1.json"):
        (run.path / name).write_text("[]")
    with pytest.raises(UsageError, match="is not empty and holds no run"):
        run.check(IDENTITY)


@pytest.mark.parametrize("text", ["[]", "3", "null", '"x"', "{", "[" * 100_000, "\x00"])
def test_a_config_that_is_none_is_named(held, text):
    (held.path / "config.json").write_text(text)
    for look in (lambda: held.check(IDENTITY), held.digest):
        with pytest.raises(UsageError, match="config.json"):
            look()


@pytest.mark.parametrize("text", ["{}", "3", "null", "["])
def test_an_environment_that_is_none_is_named_and_stays(held, text):
    (held.path / "environment.json").write_text(text)
    with pytest.raises(UsageError, match="environment.json .*: delete it, it is but a record"):
        held.create(IDENTITY, {})
    assert (held.path / "environment.json").read_text() == text


@pytest.mark.parametrize(
    "line",
    [
        '{"step": 2, "validation": 3}',
        '{"step": 2, "validation": {"rows": [], "loss": 1}}',
        '{"step": 2, "validation": {"rows": [{"name": "x", "rmse_ab": "y"}], "loss": 1}}',
        '{"step": 2, "loss": "x"}',
        *("3", "[]", "{}", '{"step": "x"}', '{"step": 2', "\x00"),
    ],
)
def test_records_end_before_what_is_none(held, line):
    (held.path / "metrics.jsonl").write_text(f'{{"step": 1}}\n{line}\n{{"step": 3}}\n')
    assert held.records() == [{"step": 1}]
    assert held.rewind(9) == [{"step": 1}]
    assert (held.path / "metrics.jsonl").read_text() == '{"step": 1}\n'


@pytest.mark.parametrize("details", [{}, {"candidates": 3}, {"candidates": [], "step": 1, "loss": 2}])
def test_a_result_without_scores_is_named(held, details):
    result = {"schema": SCHEMA, "kind": "training", "rows": [], "details": details}
    Path(held.path / "result.json").write_text(json.dumps(result))
    with pytest.raises(UsageError, match=r"result.json lacks a part of a training's scores .*: delete it"):
        held.result()


def test_the_digest_is_of_what_decides_a_step(tmp_path):
    def digest(**settings: object) -> str:
        run = RunDirectory(tmp_path / "-".join(map(str, settings.values())))
        run.path.mkdir()
        run.create(IDENTITY | settings, {})
        return run.digest()

    first = digest(steps=400)
    assert digest(steps=900) == first  # a longer run is the same run
    assert digest(seed=1) != first
    assert digest(younger=None) != first


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_never_waited_for(held):
    for name in ("config.json", "metrics.jsonl"):
        (held.path / name).unlink(missing_ok=True)
        os.mkfifo(held.path / name)
    with pytest.raises(UsageError, match="config.json cannot be read .*not a regular file"):
        held.check(IDENTITY)
    with pytest.raises(OSError, match="not a regular file"):
        held.records()
    held.checkpoints.folder.mkdir()
    os.mkfifo(held.checkpoints.path(1))
    with pytest.raises(UsageError, match="every checkpoint"):
        held.checkpoints.load([], lambda line: None)


def test_records_end_before_what_no_reader_could_nest(held):
    (held.path / "metrics.jsonl").write_text('{"step": 1}\n' + "[" * 200_000 + "\n")
    assert held.records() == [{"step": 1}]


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("config", {}),
        ("environment", {"cpu": 3}),
        ("history", {"training": [["x"]], "validation": []}),
        ("history", {"training": [], "validation": [{}]}),
        ("step", None),
    ],
)
def test_a_result_with_odd_parts_is_named(held, part, value):
    result = run_result()
    result.details[part] = value
    save_result(held.path / "result.json", result)
    with pytest.raises(UsageError, match=rf"result.json lacks a part of a training's scores \({part}"):
        held.result()
    with pytest.raises(UsageError, match=rf"result.json is not a whole run: {part}"):
        load_run_directory(held.path)


def test_a_run_that_is_not_done_is_shown_whole_or_not_at_all(held):
    environment = {**DESCRIBED, "replicas": 1}
    (held.path / "environment.json").write_text(json.dumps([environment]))
    assert load_run_directory(held.path).step == 0
    for name, text in (
        ("metrics.jsonl", '{"step": 1, "validation": {"loss": 1, "rows": [{"name": "x", "rmse_ab": 1}]}}'),
        ("environment.json", "[{}]"),
        ("environment.json", "[]"),
        ("config.json", '{"model": 3}'),
    ):
        before = (held.path / name).read_text() if (held.path / name).exists() else ""
        (held.path / name).write_text(text)
        with pytest.raises(UsageError, match="holds no run that can be read"):
            load_run_directory(held.path)
        (held.path / name).write_text(before)


@pytest.mark.parametrize("steps", [None, "400", True, 10**30])
def test_a_length_that_is_none_is_named(held, steps):
    (held.path / "config.json").write_text(json.dumps(IDENTITY | {"steps": steps}))
    with pytest.raises(UsageError, match="config.json is damaged .steps is"):
        held.check(IDENTITY)
