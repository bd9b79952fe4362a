"""Runs that begin from weights, end by themselves, or are lengthened."""

import hashlib
import json
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from children import Moment, run_child
from images import make_images
from PIL import Image

import zoo
from zoo import train
from zoo.errors import UsageError
from zoo.models import releases
from zoo.results import load_result
from zoo.training import outcome, releasing, trainer
from zoo.training.checkpoints import Checkpoints, read_checkpoint
from zoo.training.config import resolve
from zoo.training.outcome import scores_of
from zoo.training.start import Start, read_start
from zoo.training.summary import GUTTER, TITLE_HEIGHT

SMALL = ["--crop", "16", "--batch-size", "2", "--validation-crops", "2", "--precision", "float32"]
LUMA = np.random.default_rng(0).random((1, 32, 32, 1), np.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return make_images(tmp_path_factory.mktemp("data") / "images", train=5, val=2)


@pytest.fixture(scope="module")
def source(tiny, data, tmp_path_factory) -> Path:
    """A run of two steps."""
    folder = tmp_path_factory.mktemp("source") / "run"
    code, log = run_child([tiny, "--data", data, *SMALL, "--steps", 2, "--run-dir", folder])
    assert code == 0, log
    return folder


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = train.main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def saved(folder: Path, model: str, **options) -> Path:
    """What a run leaves of a model: its file and how it is built."""
    folder.mkdir()
    zoo.create(model, encoder_weights="none", train_encoder=True, **options).save(folder / "best.keras")
    encoder = options.pop("encoder", zoo.get_card(model).encoder)
    held = {"model": model, "encoder": encoder, "model_options": options, "crop": 64}
    (folder / "config.json").write_text(json.dumps(held))
    return folder


@pytest.mark.parametrize(
    ("model", "options"), [("residual", {"encoder": "light_lite0", "momentum": 0.5}), ("context", {})]
)
def test_a_model_is_built_again_with_its_weights(light_encoders, tmp_path, model, options):
    folder = saved(tmp_path / "run", model, **options)
    there = zoo.load(folder)
    for name in (folder, shutil.copy(folder / "best.keras", tmp_path / "alone.keras")):
        start = read_start(str(name))
        assert (start.model, start.encoder, start.answer) == (model, there.contract.encoder, there.contract.answer)
        assert (start.options is None) == (name != folder)
        again = start.build(train_encoder=False, seed=7)
        assert again.contract == there.contract
        assert not again.get_layer("encoder").trainable_variables
        np.testing.assert_array_equal(again(LUMA), there(LUMA))
    assert start.build(train_encoder=True, seed=7).get_layer("encoder").trainable_variables


def test_released_weights_are_begun_from(tmp_path, monkeypatch):
    monkeypatch.setattr(releases, "FOLDER", tmp_path)
    network = zoo.create("context", encoder_weights="none", stride=2)
    arrays = {key: np.asarray(each) for key, each in releases.named_variables(network).items()}
    np.savez(tmp_path / "context-comics.npz", **arrays)
    digest = hashlib.sha256((tmp_path / "context-comics.npz").read_bytes()).hexdigest()
    about = {"data": "none", "attribution": "nobody", "licence": "CC0-1.0", "commit": "none"}
    config = {"views": True, "crop": 192, "train_encoder": True}
    card = {"model": "context", "name": "comics", "sha256": digest, **about, "side": 384}
    tables = {"options": {"stride": 2}, "config": config, "scores": {}}
    (tmp_path / "context-comics.toml").write_text(releasing._toml(card | tables))
    start = read_start("context")
    assert start == Start("context:comics", "context", "efficientnet_lite0", {"stride": 2}, "logits", digest, 192)
    again = start.build(train_encoder=True, seed=0)
    assert again.contract.side == 384
    assert again.get_layer("encoder").trainable_variables
    np.testing.assert_array_equal(again(LUMA), network(LUMA))
    config = resolve("context", "finetune", {"steps": 7}, {"stride": 2}, start)
    assert (config.steps, config.encoder, config.encoder_weights) == (7, "efficientnet_lite0", "context:comics")
    assert config.model_options == {"stride": 2}
    assert (config.views, config.crop) == (True, 192)
    assert not resolve("context", "finetune", {"views": False}, {}, start).views


@pytest.mark.parametrize(
    ("flags", "options", "message"),
    [
        ({"encoder": "vgg16"}, {}, "has the encoder efficientnet_lite0: leave --encoder out"),
        ({"encoder_weights": "imagenet"}, {}, "leave --encoder-weights out"),
        ({}, {"stride": 4}, r"--option stride=4: context:comics has \{'stride': 2\}"),
        ({}, {"trunk": "residual"}, "leave it out"),
    ],
)
def test_what_contradicts_the_source_is_refused(flags, options, message):
    start = Start("context:comics", "context", "efficientnet_lite0", {"stride": 2}, "logits", "0" * 64)
    with pytest.raises(UsageError, match=message):
        resolve("context", "finetune", flags, options, start)


def test_what_a_model_grows_from_stays_frozen():
    start = read_start("context", "guided")
    with pytest.raises(UsageError, match="--train-encoder: guided grows from context:open, whose weights stay"):
        resolve("guided", "guide", {"train_encoder": True}, {}, start)
    assert resolve("guided", "paper", {}, {}, start).train_encoder is False


def test_a_run_goes_on_from_another(capsys, tiny, data, source, tmp_path):
    folder = tmp_path / "run"
    flags = ["--from", source, "--data", data, *SMALL, "--steps", 1, "--learning-rate", "1e-12"]
    code, _, err = run(capsys, *flags, "--run-dir", folder)
    assert code == 0, err
    assert f"all from {source}, recipe finetune" in err
    held = json.loads((folder / "config.json").read_text())
    assert (held["model"], held["start"], len(held["start_digest"])) == (tiny, str(source), 64)
    published = json.loads((folder / "result.json").read_text())["details"]["config"]
    assert published["start"] == "run"
    for mine, kept in zip(zoo.load(folder).trainable_weights, zoo.load(source).trainable_weights, strict=True):
        np.testing.assert_allclose(mine, kept, atol=1e-6)


def test_a_page_that_is_gone_at_the_end_is_named(capsys, data, source, tmp_path, monkeypatch):
    pages = shutil.copytree(data, tmp_path / "pages")

    def load(path):
        for page in (pages / "val").iterdir():
            page.unlink()
        return zoo.load(path)

    monkeypatch.setattr(trainer, "load", load)  # of the best model, before pages are compared
    flags = ["--from", source, "--data", pages, *SMALL, "--steps", 1, "--run-dir", tmp_path / "run"]
    code, _, err = run(capsys, *flags)
    assert code == 1
    assert "can no longer be read" in err.splitlines()[-1]
    assert "could not be written" not in err


def test_a_changed_source_is_another_run(capsys, data, source, tmp_path):
    copy = shutil.copytree(source, tmp_path / "source")
    flags = ["--from", copy, "--data", data, *SMALL, "--steps", 1, "--run-dir", tmp_path / "run"]
    assert run(capsys, *flags)[0] == 0
    code, _, err = run(capsys, *flags)
    assert code == 0
    assert "done already" in err
    model = zoo.load(copy)
    model.weights[-1].assign(model.weights[-1] + 1)
    model.save(copy / "best.keras")
    code, _, err = run(capsys, *flags)
    assert code == 2
    assert "start_digest: " in err


def test_a_killed_run_goes_on_to_the_same_weights(data, source, tmp_path):
    flags = ["--from", source, "--data", data, *SMALL, "--steps", 4, "--deterministic"]
    flags += ["--checkpoint-every", 2, "--validate-every", 2, "--run-dir"]
    assert run_child([*flags, tmp_path / "whole"])[0] == 0
    assert run_child([*flags, tmp_path / "cut"], Moment("record", 1))[0] == -9
    code, log = run_child([*flags, tmp_path / "cut"])
    assert code == 0, log
    assert "going on from step 2" in log
    last = [read_checkpoint(Checkpoints(tmp_path / each / "checkpoints").path(4))[1] for each in ("whole", "cut")]
    for one, other in zip(*last, strict=True):
        assert one.tobytes() == other.tobytes()


def test_what_a_file_alone_decides(capsys, tiny, data, source, tmp_path):
    alone = shutil.copy(source / "best.keras", tmp_path / "alone.keras")
    flags = ["--from", alone, "--data", data, *SMALL[:-2], "--steps", 1, "--run-dir", tmp_path / "run"]
    code, _, err = run(capsys, *flags, "--precision", "bfloat16")
    assert code == 2
    assert "computes in float32" in err
    assert run(capsys, *flags)[0] == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["model_options"] is None
    # And what is begun from that run is built of its file too; it cannot be released.
    assert read_start(str(tmp_path / "run")).options is None
    network = zoo.load(tmp_path / "run")
    with pytest.raises(UsageError, match="does not say which options its model has"):
        releasing.release(network, tmp_path / "run", "mine", data="", attribution="", licence="")


def test_sources_that_are_none(capsys, data, source, tmp_path):
    (tmp_path / "other").mkdir()
    shutil.copy(source / "best.keras", tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text("[]")
    for words, message in (
        (["--from", "no-such-run"], "no model at no-such-run"),
        (["--from", "conditional:comix"], "there are conditional:comics"),
        (["--from", "hf://USER/MODEL"], "give released weights, a run directory or a .keras file"),
        (["residual", "--from", source], "is of the model tiny, not residual: leave residual out"),
        (["--from", tmp_path / "other"], "config.json beside it is not of a run"),
        ([], "give MODEL"),
    ):
        code, _, err = run(capsys, *words, "--data", data)
        assert code == 2
        assert message in err


def validated(monkeypatch, errors: dict[int, float]) -> None:
    """Lets validations find these errors at these steps."""
    for module in (outcome, trainer):
        monkeypatch.setattr(module, "error_of", lambda validation: errors[validation["step"]])


def steps(folder: Path) -> list[int]:
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line["step"] for line in lines if "validation" in line]


def test_a_run_ends_with_what_it_bought(capsys, data, source, tmp_path, monkeypatch):
    validated(monkeypatch, {0: 1.0, 1: 0.9, 2: 0.8})
    flags = ["--from", source, "--data", data, *SMALL, "--steps", 2, "--validate-every", 1, "--ema", 0]
    code, out, err = run(capsys, *flags, "--learning-rate", 0.1, "--run-dir", tmp_path / "run")
    assert code == 0, err
    for words in ("what it bought", f"before: {source}", "Validation has 2 pages", "over pages"):
        assert words in " ".join(out.split())
    assert "before-after.png" in err
    (row,) = load_result(tmp_path / "run" / "result.json").details["candidates"][2:]
    first = next(json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    then = first["validation"]["rows"][0]
    assert row["before"]["rmse_ab"] == pytest.approx(then["rmse_ab"], rel=1e-4)
    assert row["before"]["chroma_ratio"] == pytest.approx(then["chroma_ratio"], rel=1e-4)
    kept = scores_of(load_result(tmp_path / "run" / "result.json"))
    value, low, high = row["before"]["difference"]
    assert value == pytest.approx(kept.rows[0].rmse_ab - row["before"]["rmse_ab"], abs=1e-3)
    assert value != 0
    assert low <= value <= high
    assert kept.pages == 2
    with Image.open(tmp_path / "run" / "before-after.png") as picture:  # two pages of 40 × 48
        assert picture.size == (4 * 40 + 3 * GUTTER, 2 * (TITLE_HEIGHT + 48) + GUTTER)


def test_what_betters_nothing_leaves_the_source(capsys, data, source, tmp_path, monkeypatch):
    validated(monkeypatch, {0: 1.0, 1: 2.0, 2: 2.0, 3: 1.5, 4: 3.0})
    flags = ["--from", source, "--data", data, *SMALL, "--steps", 4, "--validate-every", 1, "--patience", 2]
    code, out, err = run(capsys, *flags, "--learning-rate", 0.1, "--run-dir", tmp_path / "run")
    assert code == 0, err
    assert "ended at step 2 of 4: 2 validations brought no nearer colours" in err
    assert "step 0 of 4" in out
    for mine, kept in zip(zoo.load(tmp_path / "run").weights, zoo.load(source).weights, strict=True):
        np.testing.assert_array_equal(mine, kept)


def test_patience(capsys, tiny, data, tmp_path, monkeypatch):
    validated(monkeypatch, {0: 0.5, 1: 2.0, 2: 1.0, 3: 3.0, 4: 1.0, 5: 0.9, 6: 2.0, 7: 2.0, 8: 2.0})
    folder = tmp_path / "run"
    flags = [tiny, "--data", data, *SMALL, "--validate-every", 1, "--run-dir", folder]
    code, out, err = run(capsys, *flags, "--steps", 8, "--patience", 2)
    assert code == 0, err
    assert "ended at step 4 of 8" in err  # colours as near are no nearer ones; that of step 0 is of no training
    assert "step 2 of 8" in out
    assert steps(folder) == [0, 1, 2, 3, 4]
    code, _, err = run(capsys, *flags, "--steps", 8, "--patience", 2)
    assert (code, "done already" in err) == (0, True)
    code, _, err = run(capsys, *flags, "--steps", 9, "--patience", 2)
    assert code == 0
    assert "ended at step 4 of 9" in err
    assert steps(folder) == [0, 1, 2, 3, 4]
    code, out, err = run(capsys, *flags, "--steps", 9, "--patience", 3)
    assert code == 0
    assert "lengthening the run in" in err
    assert "--patience 3 for 2" in err
    assert "ended at step 8 of 9" in err
    assert "step 5 of 9" in out
    for shorter in (("--steps", 8, "--patience", 3), ("--steps", 9, "--patience", 2)):
        code, _, err = run(capsys, *flags, *shorter)
        assert code == 2
        assert "another configuration" in err


def test_a_run_is_lengthened(data, tmp_path):
    """At a constant rate it ends where one of that length would have, whatever kills it on the way."""
    flags = ["tiny", "--data", data, *SMALL, "--deterministic", "--checkpoint-every", 2, "--validate-every", 2]
    flags += ["--ema", 0.5, "--schedule", "constant", "--run-dir"]
    assert run_child([*flags, tmp_path / "whole", "--steps", 8])[0] == 0
    assert run_child([*flags, tmp_path / "run", "--steps", 4])[0] == 0
    assert (tmp_path / "run" / "result.json").exists()
    longer = [*flags, tmp_path / "run", "--steps", 8]
    code, log = run_child(longer, Moment("record", 1))
    assert code == -9
    assert f"lengthening the run in {tmp_path / 'run'}: --steps 8 for 4" in log
    assert not (tmp_path / "run" / "result.json").exists()  # it is not done any more
    code, log = run_child(longer)
    assert code == 0, log
    assert "lengthening" not in log
    last = [read_checkpoint(Checkpoints(tmp_path / each / "checkpoints").path(8))[1] for each in ("whole", "run")]
    for one, other in zip(*last, strict=True):
        assert one.tobytes() == other.tobytes()
    assert steps(tmp_path / "run") == steps(tmp_path / "whole") == [0, 2, 4, 6, 8]
    code, log = run_child([*flags, tmp_path / "run", "--steps", 4])
    assert code == 2
    assert "steps: 8 there, 4 asked for" in log


def test_a_cosine_is_lengthened_on_another_one(data, tmp_path):
    flags = [
        "tiny",
        "--data",
        data,
        *SMALL,
        "--schedule",
        "cosine",
        "--learning-rate",
        0.1,
        "--run-dir",
        tmp_path / "run",
    ]
    assert run_child([*flags, "--steps", 10])[0] == 0
    code, log = run_child([*flags, "--steps", 20])
    assert code == 0, log
    assert "its learning rate is from now on that of a cosine of 20 steps" in log
    assert re.search(r"going on from step 10 in .*, at a learning rate of 0\.05", log)


@pytest.mark.parametrize(
    ("settings", "contract"),
    [
        ({"model": ["tiny"]}, None),
        ({"model_options": 3}, None),
        ({"crop": "16", "views": True}, None),
        ({"encoder": None}, None),
        (None, {"side": "x"}),
        (None, {"encoder": [1]}),
    ],
)
def test_a_source_of_odd_values_is_named(tmp_path, settings, contract):
    file = tmp_path / "best.keras"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"name": "residual", "contract": contract}}))
    if settings:
        held = {"model": "residual", "model_options": {}, "crop": 16} | settings
        (tmp_path / "config.json").write_text(json.dumps(held))
    with pytest.raises(UsageError, match=rf"--from {file}: "):
        read_start(str(file))
