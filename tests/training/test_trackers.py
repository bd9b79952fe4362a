"""`--log`: what TensorBoard and Weights & Biases hold of a run, read back and compared with metrics.jsonl."""

import importlib.util
import io
import json
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from images import make_images
from PIL import Image

from zoo import train
from zoo.training.checkpoints import Checkpoints, read_checkpoint
from zoo.training.rundir import RunDirectory
from zoo.training.trackers import TensorBoard, named_scalars, open_trackers

pytestmark = pytest.mark.usefixtures("tiny")
FAST = ["--encoder-weights", "none", "--crop", "16", "--batch-size", "2", "--validation-crops", "4"]


@pytest.fixture
def wandb(monkeypatch, tmp_path):
    """W&B offline, and away from the user's settings."""
    import wandb as module

    for name in ("WANDB_PROJECT", "WANDB_NAME", "WANDB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "wandb-home"))
    for name, value in (("MODE", "offline"), ("SILENT", "true"), ("ERROR_REPORTING", "false")):
        monkeypatch.setenv(f"WANDB_{name}", value)
    yield module
    module.teardown()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return make_images(tmp_path_factory.mktemp("data") / "images", train=4, val=2)


def command(data, folder, *more: object, model: str = "tiny") -> list[str]:
    settings = ["--steps", 6, "--validate-every", 2, "--checkpoint-every", 2]
    return [str(a) for a in (model, "--data", data, *FAST, *settings, "--run-dir", folder, *more)]


@pytest.fixture(scope="module")
def untracked(data, tmp_path_factory, tiny) -> Path:
    folder = tmp_path_factory.mktemp("untracked") / "run"
    assert train.main(command(data, folder)) == 0
    return folder


def cut(arguments: list[str]) -> None:
    """Starts a run that is cut at step 4: recorded, but not in the checkpoint, which is of step 2."""
    save = Checkpoints.save

    def cut_before_four(self, variables, state):
        if state["step"] == 4:
            raise KeyboardInterrupt
        save(self, variables, state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "save", cut_before_four)
        assert train.main(arguments) == 130


def records(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def recorded(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) by name, as metrics.jsonl has them."""
    found = defaultdict(list)
    for record in records(folder):
        for name, value in named_scalars(record).items():
            found[name].append((record["step"], value))
    return {name: [(step, pytest.approx(value, rel=1e-6)) for step, value in points] for name, points in found.items()}


def accumulator(folder: Path):
    from tensorboard.backend.event_processing import event_accumulator as events

    everything = {events.SCALARS: 0, events.IMAGES: 0, events.TENSORS: 0}
    return events.EventAccumulator(str(folder / "tensorboard"), everything)


def shown(held) -> dict[str, list[tuple[int, float]]]:
    """(step, value) by name, as TensorBoard has them."""
    held.Reload()
    return {name: [(point.step, point.value) for point in held.Scalars(name)] for name in held.Tags()["scalars"]}


def inspected(wandb_folder: Path) -> list[dict]:
    """The transaction log of a W&B directory."""
    (log,) = wandb_folder.glob("*.wandb")
    read = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(log)]
    lines = subprocess.run(read, capture_output=True, text=True, check=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.needs("tensorboard")
def test_tensorboard_shows_what_is_recorded_each_step_once_also_after_a_resumption(capsys, data, tmp_path):
    folder = tmp_path / "a run"
    arguments = command(data, folder, "--log", "tensorboard", "--log", "tensorboard", model="classifier")
    cut(arguments)
    assert f"tensorboard --logdir '{folder / 'tensorboard'}'" in capsys.readouterr().err
    open_meanwhile = accumulator(folder)
    before = shown(open_meanwhile)
    assert [step for step, _ in before["training/loss"]] == [2, 4]
    assert before == recorded(folder)

    assert train.main(arguments) == 0
    expected = recorded(folder)
    names = {f"training/{name}" for name in ("loss", "images_per_second", "learning_rate")} | {"validation/loss"}
    rows = ["grey_image", "mean_colour", *(f"classifier_{d}" for d in ("mean", "median", "annealed", "mode", "sample"))]
    names |= {f"validation/{metric}/{row}" for metric in ("rmse_ab", "chroma_ratio") for row in rows}
    assert set(expected) == names
    assert [step for step, _ in expected["training/loss"]] == [2, 4, 6]
    assert [step for step, _ in expected["validation/loss"]] == [0, 2, 4, 6]
    afresh = accumulator(folder)
    assert shown(afresh) == expected
    assert shown(open_meanwhile) == expected

    pictures = afresh.Images("validation/summary")
    assert [picture.step for picture in pictures] == [0, 2, 4, 6]
    for picture in pictures:
        with (
            Image.open(io.BytesIO(picture.encoded_image_string)) as ours,
            Image.open(folder / f"summary-{picture.step:06d}.png") as theirs,
        ):
            assert (picture.width, picture.height) == theirs.size
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    (text,) = afresh.Tensors("configuration")
    assert json.loads(text.tensor_proto.string_val[0]) == json.loads((folder / "config.json").read_text())


@pytest.mark.needs("tensorboard")
def test_a_run_that_is_done_is_shown_from_its_records(capsys, data, untracked, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(untracked, folder)
    before = (folder / "metrics.jsonl").read_bytes()
    for pictures in ([0, 2, 4, 6], [0, 6]):
        assert train.main(command(data, folder, "--log", "tensorboard")) == 0
        assert "done already" in capsys.readouterr().err
        held = accumulator(folder)
        assert shown(held) == recorded(folder)
        assert [picture.step for picture in held.Images("validation/summary")] == pictures
        (folder / "summary-000002.png").write_bytes(b"damaged")
        (folder / "summary-000004.png").unlink(missing_ok=True)
    assert (folder / "metrics.jsonl").read_bytes() == before


@pytest.mark.needs("tensorboard", "wandb")
def test_the_same_is_computed_with_and_without(wandb, data, untracked, tmp_path):
    folder = tmp_path / "run"
    assert train.main(command(data, folder, "--log", "tensorboard", "--log", "wandb")) == 0
    assert json.loads((folder / "config.json").read_text()) == json.loads((untracked / "config.json").read_text())
    last = [read_checkpoint(Checkpoints(each / "checkpoints").path(6)) for each in (folder, untracked)]
    assert last[0][0] == last[1][0]
    for ours, theirs in zip(last[0][1], last[1][1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    for ours, theirs in zip(records(folder), records(untracked), strict=True):
        assert ours.keys() == theirs.keys()
        found, expected = named_scalars(ours), named_scalars(theirs)
        for each in (found, expected):
            each.pop("training/images_per_second", None)
        assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.needs("wandb")
def test_wandb_offline_is_one_run_and_its_newest_directory_is_whole(wandb, capsys, data, tmp_path):
    folder = tmp_path / "run"
    arguments = command(data, folder, "--log", "wandb")
    cut(arguments)
    (first,) = (folder / "wandb").glob("offline-run-*")
    assert f"--log wandb: wandb sync {first}" in capsys.readouterr().err
    known = (folder / "wandb-id").read_text().strip()
    exits = [entry["exit"]["exit_code"] for entry in inspected(first) if entry["type"] == "exit"]
    assert exits == [1]

    assert train.main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "training"
    assert (folder / "wandb-id").read_text().strip() == known
    (second,) = set((folder / "wandb").glob("offline-run-*")) - {first}
    assert first.name.endswith(known)
    assert second.name.endswith(known)
    log = inspected(second)
    (start,) = (entry["run"] for entry in log if entry["type"] == "run")
    assert start["run_id"] == known
    config = start["config"]["update"]
    config.pop("_wandb")
    assert config == json.loads((folder / "config.json").read_text())
    found, pictures = defaultdict(list), []
    for entry in log:
        if entry["type"] == "history":
            step = int(entry["history"]["item"]["_step"])
            for name, value in entry["history"]["item"].items():
                if name == "validation/summary.path":
                    with (
                        Image.open(second / "files" / value) as ours,
                        Image.open(folder / f"summary-{step:06d}.png") as theirs,
                    ):
                        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
                    pictures.append(step)
                elif not name.startswith(("_", "validation/summary.")):
                    found[name].append((step, value))
    assert found == recorded(folder)
    assert pictures == [0, 2, 4, 6]
    assert [entry["exit"]["exit_code"] for entry in log if entry["type"] == "exit"] == [0]


@pytest.mark.needs("wandb")
def test_wandb_is_sent_no_step_that_it_holds(wandb, monkeypatch, tmp_path):
    sent, asked = [], []
    held = SimpleNamespace(id="abc", step=21, disabled=False, offline=False, url="https://example.org/abc", dir="")
    held.log = lambda values, step: sent.append((step, values))
    held.finish = lambda exit_code: sent.append(exit_code)
    monkeypatch.setattr(wandb, "init", lambda **settings: asked.append(settings) or held)
    run = RunDirectory(tmp_path)
    for step in (10, 20, 30):
        run.log(step=step, loss=step / 10)
    said = []
    for _ in range(2):
        with open_trackers(["wandb"], run, {"model": "residual"}, said.append) as trackers:
            trackers.record({"step": 40, "loss": 4.0})
    assert sent == 2 * [(30, {"training/loss": 3.0}), (40, {"training/loss": 4.0}), 0]
    assert said == 2 * ["--log wandb: https://example.org/abc"]
    assert [settings["id"] for settings in asked] == [None, "abc"]
    assert [settings["name"] for settings in asked] == [tmp_path.name, None]  # the user may have renamed it


@pytest.mark.needs("wandb")
def test_a_tracker_that_does_not_start_stops_the_command(wandb, monkeypatch, capsys, data, tmp_path):
    def refused(**settings):
        raise wandb.errors.CommError("no such server")

    monkeypatch.setattr(wandb, "init", refused)
    assert train.main(command(data, tmp_path / "run", "--log", "wandb")) == 2
    err = capsys.readouterr().err
    assert "--log wandb does not start (CommError: no such server): log in with `wandb login`" in err
    assert "leave --log wandb out" in err
    assert records(tmp_path / "run") == []


@pytest.mark.needs("tensorboard")
def test_a_tracker_that_fails_does_not_cost_the_run(monkeypatch, capsys, data, tmp_path):
    folder = tmp_path / "run"
    scalars = TensorBoard.scalars

    def fails_at_four(self, step, values):
        if step == 4:
            raise ConnectionResetError("the service is gone")
        scalars(self, step, values)

    with monkeypatch.context() as patch:
        patch.setattr(TensorBoard, "scalars", fails_at_four)
        assert train.main(command(data, folder, "--log", "tensorboard")) == 0
    err = capsys.readouterr().err
    assert err.count("--log tensorboard failed and is left out from here on: ConnectionResetError: the service is") == 1
    assert [step for step, _ in shown(accumulator(folder))["training/loss"]] == [2]
    # As the message says:
    assert train.main(command(data, folder, "--log", "tensorboard")) == 0
    assert shown(accumulator(folder)) == recorded(folder)


@pytest.mark.parametrize("found", [None, SimpleNamespace(origin=None)], ids=["nothing", "a folder of that name"])
def test_a_missing_package_is_told_before_the_data_are_read(monkeypatch, capsys, tmp_path, found):
    name = "wandb"
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda each, *more: found if each == name else find(each, *more))
    assert train.main(command("no-such-data", tmp_path / "run", "--log", name)) == 2
    out, err = capsys.readouterr()
    assert err == f'error: --log {name} needs the package {name}: pip install "keras-colorization-zoo[{name}]"\n'
    assert out == ""
    assert not (tmp_path / "run").exists()


def test_tensorboard_is_written_for_without_its_package_which_is_to_look(tmp_path):
    code = (
        "import importlib.util, sys, numpy as np; from pathlib import Path\n"
        "from zoo.training.trackers import TensorBoard, check_trackers\n"
        "sys.modules['tensorboard'] = None\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'tensorboard' else find(name, *more)\n"
        "check_trackers(['tensorboard'])\n"
        "board = TensorBoard(Path(), {'a': 1})\n"
        "board.scalars(1, {'loss': 2.5})\n"
        "board.image(1, 'picture', np.zeros((2, 3, 3), np.uint8))\n"
        "board.close(True)\n"
        "print(board.where)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    look = 'tensorboard --logdir tensorboard (pip install "keras-colorization-zoo[tensorboard]" to look)\n'
    assert done.stdout == look
    (file,) = (tmp_path / "tensorboard").glob("events.out.tfevents.*")
    held = file.read_bytes()
    assert all(word in held for word in (b"configuration", b"loss", b"picture", b"\x89PNG"))


def test_another_tracker_is_exit_code_2(capsys):
    with pytest.raises(SystemExit) as error:
        train.main(["residual", "--log", "mlflow"])
    assert error.value.code == 2
    assert "tensorboard" in capsys.readouterr().err


def test_help_and_the_check_import_no_tracker():
    code = (
        "import sys; from zoo.training.trackers import check_trackers, TRACKERS; import zoo.train; zoo.train.parser();"
        "loaded = {'tensorflow', 'tensorboard', 'wandb'} & set(sys.modules); sys.exit(str(loaded) if loaded else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
