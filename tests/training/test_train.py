"""The harness, through its command line, on small folders of made-up images."""

import errno
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from children import Child
from field import flags, smallest
from images import make_images
from PIL import Image

import zoo
from zoo import train
from zoo.results import load_result
from zoo.training import outcome, trainer
from zoo.training.checkpoints import Checkpoints, read_checkpoint
from zoo.training.outcome import scores_of
from zoo.training.rundir import RunDirectory

FAST = ["--encoder-weights", "none", "--crop", "16", "--batch-size", "2", "--validation-crops", "4"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return make_images(tmp_path_factory.mktemp("data") / "images", train=6, val=3)


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = train.main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def records(folder: Path, kind: str) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if kind in line]


def checkpoint_step(folder: Path) -> int:
    """The step of the newest checkpoint, which has to be whole."""
    store = Checkpoints(folder / "checkpoints")
    return read_checkpoint(store.path(store.steps()[0]))[0]["step"]


def test_the_scores_are_those_of_the_model_that_is_kept(capsys, tiny, data, tmp_path, monkeypatch):
    for module in (outcome, trainer):  # worse and worse
        monkeypatch.setattr(module, "error_of", lambda validation: 10.0 + validation["step"])
    folder = tmp_path / "run"
    code, out, err = run(
        capsys, tiny, "--data", data, *FAST, *("--steps", 4, "--validate-every", 2), "--run-dir", folder
    )
    assert code == 0, err
    assert "step 2 of 4" in out
    found = scores_of(load_result(folder / "result.json"))
    then, last = (record["validation"]["rows"][0]["rmse_ab"] for record in records(folder, "validation")[1:])
    assert found.rows[0].rmse_ab == pytest.approx(then, rel=1e-4)
    assert found.rows[0].rmse_ab != pytest.approx(last, rel=1e-4)


@pytest.mark.parametrize("few", [("--validation-crops", 1), ("--overfit", 1, "--batch-size", 1)])
def test_a_single_crop_has_scores_and_no_interval(capsys, tiny, data, tmp_path, few):
    folder = tmp_path / "run"
    code, out, err = run(capsys, tiny, "--data", data, *FAST, *few, "--steps", 1, "--run-dir", folder)
    assert code == 0, err
    scores = scores_of(load_result(folder / "result.json"))
    value, *ends = scores.rows[0].against_mean
    assert value == pytest.approx(scores.rows[0].rmse_ab - scores.baselines[1].rmse_ab, abs=1e-3)
    assert ends == [None, None]
    assert "nan" not in (out + (folder / "metrics.jsonl").read_text()).lower()


def test_names_that_are_no_text_get_question_marks(tiny, tmp_path, data):
    pages, held = tmp_path / "caf\udce9", tmp_path / "run\udcff"
    pages.symlink_to(data)
    command = [tiny, "--data", str(pages), "--steps", "1", "--run-dir", str(held), *FAST]
    assert train.main(command) == 0
    assert load_result(held / "result.json").rows
    assert train.main(command) == 0  # done already


@pytest.mark.parametrize("model", zoo.list_models())
def test_a_run_leaves_what_it_promises(capsys, light_encoders, data, tmp_path, model):
    folder = tmp_path / "run"
    command = [model, "--data", data, *FAST, "--steps", 4, "--validate-every", 2, "--run-dir", folder]
    command += flags(smallest(model))
    code, out, err = run(capsys, *command)
    assert code == 0, err
    for word in ("grey image", "mean colour", model, "RMSE-ab"):
        assert word in out
    assert "5 train, 3 val, 1 test" in err
    expected = {
        *("config.json", "environment.json", "metrics.jsonl", "checkpoints", ".lock", "best.keras", "last.keras"),
        *("result.json", "summary.png", "summary-000000.png", "summary-000002.png", "summary-000004.png"),
    }
    assert {p.name for p in folder.iterdir()} == expected
    with Image.open(folder / "summary.png") as picture:
        assert picture.height > 2 * 16
    assert [r["step"] for r in records(folder, "validation")] == [0, 2, 4]
    environment = json.loads((folder / "environment.json").read_text())[0]
    assert environment["precision"] in ("float32", "bfloat16")
    assert environment["libraries"]["keras"]

    from zoo.models.prediction import predict

    logits = zoo.get_card(model).output == "logits"
    x = np.zeros((1, 9, 11, 1), np.float32)
    assert predict(zoo.load(folder), x, "mode" if logits else None).shape == (1, 9, 11, 2)

    code, out, err = run(capsys, *command, "--json")
    assert code == 0
    assert "done already" in err
    details = json.loads(out)["details"]
    assert out == (folder / "result.json").read_text(encoding="utf-8")
    assert details["environment"] == environment
    assert [each["step"] for each in details["history"]["validation"]] == [0, 2, 4]
    assert details["history"]["training"][-1][0] == 4
    rows = details["candidates"][2:]
    names = ["mean", "median", "annealed", "mode", "sample"]
    assert [(r["label"], r["decoder"]) for r in rows] == ([(model, n) for n in names] if logits else [(model, None)])
    found = load_result(folder / "result.json", "training").rows
    errors = {row["variant"]: row for row in found if row["metric"] == "rmse_ab"}
    assert details["step"] in (2, 4)
    then = next(r["validation"] for r in records(folder, "validation") if r["step"] == details["step"])
    for row in (*then["baselines"], *then["rows"]):
        kept = errors[row["name"]]
        assert kept["value"] == pytest.approx(row["rmse_ab"], rel=1e-5)
        assert len(kept["values"]) == kept["samples"] == then["crops"]
        assert kept["low"] <= kept["value"] <= kept["high"]
    assert [row["value"] > 0 for row in found if row["metric"] == "images_per_second"] == [True]


def test_ctrl_c_saves_and_says_how_to_go_on(data, tmp_path):
    folder = tmp_path / "run"
    command = ["residual", "--data", data, *FAST, "--steps", 100000, "--run-dir", folder]
    child = Child(command, out=tmp_path / "out")
    for _ in range(600):
        if (folder / "metrics.jsonl").exists() and len((folder / "metrics.jsonl").read_text().splitlines()) > 2:
            break
        time.sleep(0.2)
    os.kill(child.process.pid, signal.SIGINT)
    code, err = child.end(seconds=120)
    assert code == 130, err
    assert "give the same command again to go on" in err
    assert (tmp_path / "out").read_text() == ""
    assert f"stopped at step {checkpoint_step(folder)} of 100000" in err


def test_ctrl_c_at_any_moment_of_a_step_is_saved(capsys, tiny, data, tmp_path, monkeypatch):
    """The signal comes while step 10 is being logged, after the step has decided that it need not save."""
    folder = tmp_path / "run"
    log = RunDirectory.log

    def interrupted_log(self, **record):
        log(self, **record)
        if record["step"] == 10:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(RunDirectory, "log", interrupted_log)
    code, _, err = run(capsys, tiny, "--data", data, *FAST, "--steps", 30, "--run-dir", folder)
    assert code == 130
    assert f"stopped at step {checkpoint_step(folder)} of 30" in err


def test_a_run_cut_before_its_first_checkpoint_leaves_no_records_twice(capsys, tiny, data, tmp_path):
    folder = tmp_path / "run"
    common = [tiny, "--data", data, *FAST, "--steps", 1, "--run-dir", folder]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "save", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(capsys, *common)
    assert run(capsys, *common)[0] == 0
    assert [r["step"] for r in records(folder, "validation")] == [0, 1]


def test_a_run_cut_after_its_last_checkpoint_leaves_no_records_twice(capsys, tiny, data, tmp_path):
    folder = tmp_path / "run"
    common = [tiny, "--data", data, *FAST, "--steps", 2, "--run-dir", folder]
    code, whole, _ = run(capsys, *common)
    assert code == 0
    (folder / "result.json").unlink()
    code, again, err = run(capsys, *common)
    assert code == 0
    assert "going on from step 2" in err
    assert again == whole
    assert [r["step"] for r in records(folder, "validation")] == [0, 2]


def test_another_configuration_is_refused_and_nothing_is_touched(capsys, tiny, data, tmp_path):
    folder = tmp_path / "run"
    common = [tiny, "--data", data, *FAST, "--steps", 1, "--run-dir", folder]
    assert run(capsys, *common)[0] == 0
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    code, _, err = run(capsys, *common, "--seed", 5)
    assert code == 2
    assert "seed: 0 there, 5 asked for" in err
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_rebalancing_weighs_the_loss(capsys, data, tmp_path):
    losses = {}
    for rebalance in (0, 0.5):
        folder = tmp_path / str(rebalance)
        flags = ["--rebalance", rebalance, "--steps", 1, "--run-dir", folder]
        code, _, err = run(capsys, "conditional", "--data", data, *FAST, *flags)
        assert code == 0, err
        losses[rebalance] = records(folder, "validation")[0]["validation"]["loss"]
    # Not learnt yet, the loss is far from zero, and pixels of unequal loss are weighed otherwise.
    assert min(losses.values()) > 1
    assert losses[0.5] != pytest.approx(losses[0], rel=1e-3)


def test_a_folder_of_other_things_is_not_a_run_directory(capsys, data, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    code, _, err = run(capsys, "residual", "--data", data, *FAST, "--run-dir", tmp_path)
    assert code == 2
    assert "not empty and holds no run" in err
    code, _, err = run(capsys, "residual", "--data", data, *FAST, "--run-dir", tmp_path / "thesis.txt")
    assert code == 2
    assert "is a file" in err


def test_a_diverging_run_stops_and_keeps_its_checkpoint(capsys, data, tmp_path):
    folder = tmp_path / "run"
    arguments = ["--recipe", "paper", "--option", "output=linear", "--learning-rate", "1e6", "--steps", 40]
    code, _, err = run(capsys, "residual", "--data", data, *FAST, *arguments, "--run-dir", folder)
    assert code == 1
    assert "training diverged" in err
    assert "loss of step" in err
    assert not (folder / "result.json").exists()


def test_a_full_disk_is_reported_and_nothing_is_lost(capsys, tiny, data, tmp_path):
    folder = tmp_path / "run"
    common = [tiny, "--data", data, *FAST, "--steps", 4, "--checkpoint-every", 1, "--run-dir", folder]
    written = []

    def full(file, **arrays):
        file.write(b"half a checkpoint")
        written.append(file.name)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device", file.name)
        file.seek(0)
        original(file, **arrays)

    original = np.savez
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "savez", full)
        code, _, err = run(capsys, *common)
    assert code == 1
    assert "the disk is full" in err
    assert checkpoint_step(folder) == 1
    assert not [p for p in folder.rglob(".*") if p.name != ".lock"]
    code, _, err = run(capsys, *common)
    assert code == 0
    assert "going on from step 1" in err


def test_micro_batches_of_other_devices_are_made_to_divide_the_batch(capsys, tiny, data, tmp_path):
    folder, settings = tmp_path / "run", [tiny, "--data", data, *FAST, "--batch-size", 4]
    assert run(capsys, *settings, "--steps", 1, "--run-dir", folder)[0] == 0
    store = Checkpoints(folder / "checkpoints")
    state, arrays = read_checkpoint(store.path(1))
    store.save(arrays, state | {"micro_batch": 3})  # of a device with 12 crops of a batch, which ran out of memory
    code, _, err = run(capsys, *settings, "--steps", 2, "--run-dir", folder)
    assert code == 0, err
    assert read_checkpoint(store.path(2))[0]["micro_batch"] == 2


def test_dry_run_writes_nothing(capsys, data, tmp_path):
    code, out, err = run(capsys, "residual", "--data", data, *FAST, "--run-dir", tmp_path / "run", "--dry-run")
    assert code == 0
    assert "8,142,509 weights" in err
    assert "nothing trained; results would go to" in err
    assert out == ""
    assert not (tmp_path / "run").exists()


def test_beside_a_run_that_is_done(capsys, data, tmp_path):
    command = ["residual", "--data", data, *FAST, "--steps", 1, "--run-dir", tmp_path / "run"]
    assert run(capsys, *command)[0] == 0
    code, _, err = run(capsys, *command, "--dry-run")
    assert code == 0
    assert "nothing trained; results are done already" in err
    code, _, err = run(capsys, *command, "--steps", 2, "--dry-run")  # longer than what is there
    assert code == 0
    assert "nothing trained; results would go to" in err
    code, _, err = run(capsys, *command, "--option", "activaton=relu")  # and not "another configuration"
    assert code == 2
    assert "Did you mean 'activation'" in err
    code, _, err = run(capsys, *command, "--batch-size", 3)
    assert code == 2
    assert "batch_size: 2 there, 3 asked for" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["residul"], "Did you mean 'residual'"),
        (["residual", "--data", "no-such-set"], "no-such-set"),
        (["residual", "--recipe", "quik"], "Did you mean 'quick'"),
        (["residual", "--rebalance", "0.5"], "--rebalance is for classifiers, and residual answers with UV"),
        (["residual", "--decode", "mode"], "--decode is for classifiers, and residual answers with UV"),
        (["classifier", "--decode", "mood"], "--decode: unknown decoder 'mood'. Did you mean 'mode'?"),
        (["classifier", "--rebalance", "1"], "--rebalance must be in [0, 1), not 1.0"),
        (["residual", "--option", "activation"], "--option takes KEY=VALUE"),
        (["residual", "--option", "activaton=relu"], "Did you mean 'activation'"),
        (["residual", "--loss", "cross_entropy"], "does not fit a model that answers with uv"),
        (["residual", "--encoder-weights", "none.h5", "--crop", "16"], "none.h5"),
        (["residual", "--crop", "64"], "--crop"),
        (["residual", "--max-bad", "nan"], "--max-bad must be in [0, 1], not nan"),
        (["residual", "--max-bad", "20"], "--max-bad must be in [0, 1], not 20.0"),
        (["residual", "--views"], "9 are smaller than the crop of 64: remove them, or raise --max-bad."),
    ],
)
def test_bad_input_is_exit_code_2_and_makes_nothing(capsys, data, tmp_path, arguments, message):
    if "--data" not in arguments:
        arguments = [*arguments, "--data", data]
    fast = [] if "--crop" in arguments or "--encoder-weights" in arguments else FAST
    code, out, err = run(capsys, *arguments, *fast, "--run-dir", tmp_path / "run")
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert out == ""
    assert not (tmp_path / "run").exists()


def test_unknown_flag_is_exit_code_2(capsys):
    with pytest.raises(SystemExit) as error:
        train.main(["residual", "--stepz", "3"])
    assert error.value.code == 2
