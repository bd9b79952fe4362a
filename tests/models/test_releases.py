"""Released weights: made of a run, checked by digest, and what they were trained as."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from images import make_images

import zoo
from zoo import released, train
from zoo.errors import UsageError
from zoo.evaluation.candidates import check
from zoo.models import releases
from zoo.models.loading import model_file, model_name
from zoo.models.prediction import predict
from zoo.results import load_result
from zoo.training import releasing

ABOUT = {"data": "patches", "attribution": "nobody", "licence": "CC0-1.0"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("trained")
    data = make_images(folder / "images", train=4, val=2)
    sizes = ["--crop", "16", "--batch-size", "2", "--validation-crops", "2", "--steps", "2", "--precision", "float32"]
    command = ["residual", "--data", str(data), *sizes, "--option", "output=linear", "--run-dir"]
    assert train.main([*command, str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def made(trained, tmp_path_factory) -> Path:
    """A folder of releases with that run in it, `comics`."""
    folder = tmp_path_factory.mktemp("made") / "released"
    releasing.release(zoo.load(trained), trained, "comics", **ABOUT, folder=folder)
    return folder


@pytest.fixture
def released_run(runs, made) -> Path:
    """The folder of `runs`, whose run is released as `comics`."""
    shutil.copytree(made, releases.FOLDER)
    return runs


@pytest.fixture
def runs(tmp_path, trained, monkeypatch) -> Path:
    """A folder with that run, and an empty one for releases."""
    monkeypatch.setattr(releases, "FOLDER", tmp_path / "released")
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path


def release(runs: Path, name: str = "comics") -> releases.Release:
    return releasing.release(zoo.load(runs / "run"), runs / "run", name, **ABOUT, folder=releases.FOLDER)


def test_what_is_released_is_what_was_trained(runs, trained):
    result = load_result(runs / "run" / "result.json", "training")
    assert result.details["config"]["data"] == "images"
    assert str(trained.parent) not in (runs / "run" / "result.json").read_text()
    model = zoo.load(runs / "run")
    for layer in model.layers:  # as large as they are of the maps of the real encoder
        if layer.name.startswith("conv3_3_bn"):
            layer.moving_variance.assign(layer.moving_variance + 1e5)
    model.save(runs / "run" / "best.keras")
    card = release(runs)
    assert (card.model, card.name, card.licence) == ("residual", "comics", "CC0-1.0")
    assert card.options["output"] == "linear"
    assert (releases.FOLDER / "residual-comics.npz").stat().st_size < 3e6
    assert releases.list_releases("residual") == [card]
    assert releases.list_releases("classifier") == []
    luma = np.random.default_rng(0).random((1, 24, 32, 1), np.float32)
    best = predict(zoo.load(runs / "run"), luma)
    for model in (zoo.create("residual", weights="comics"), zoo.load("residual"), zoo.load("residual:comics")):
        np.testing.assert_allclose(predict(model, luma), best, atol=2e-3)


def test_a_run_that_bears_the_name_of_a_model(released_run, monkeypatch):
    monkeypatch.chdir(released_run)
    (released_run / "residual").mkdir()
    assert model_file("residual") is None  # an empty folder is no run
    assert model_name("residual") == "residual:comics"
    shutil.copy(released_run / "run" / "best.keras", released_run / "residual")
    with pytest.raises(UsageError, match="Give .*residual for the first, residual:comics for the second"):
        model_file("residual")
    with pytest.raises(UsageError, match="for the first"):
        check("residual")
    assert model_file("residual:comics") is None
    assert model_name("residual:comics") == "residual:comics"
    assert model_name(released_run / "residual") == str(released_run / "residual")
    assert model_file(released_run / "residual") == released_run / "residual" / "best.keras"


def test_weights_that_are_not_there(released_run):
    with pytest.raises(UsageError, match="no weights 'comix' for residual; there are residual:comics"):
        zoo.create("residual", weights="comix")
    with pytest.raises(UsageError, match="no weights 'open' for classifier; none are released for it"):
        zoo.load("classifier")


def test_a_damaged_file_is_refused(released_run):
    path = releases.FOLDER / "residual-comics.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is not the file that its card is of"):
        zoo.create("residual", weights="comics")
    path.with_suffix(".toml").write_text("model = 3")
    with pytest.raises(UsageError, match="is not a card of released weights"):
        zoo.create("residual", weights="comics")


def test_options_that_do_not_fit_are_refused(released_run):
    assert zoo.create("residual", weights="comics", output="linear")
    trainable = zoo.create("residual", weights="comics", train_encoder=True).get_layer("encoder").trainable_variables
    assert len(trainable) == 20
    for option in ({"output": "sigmoid"}, {"trunk": "hypercolumn"}, {"encoder_weights": "none"}):
        with pytest.raises(UsageError, match=f"leave {next(iter(option))} out"):
            zoo.create("residual", weights="comics", **option)


@pytest.mark.parametrize("encoder", ["vgg16", "efficientnet_lite0"])
def test_a_trained_encoder_is_released_too(tmp_path, monkeypatch, encoder):
    monkeypatch.setattr(releases, "FOLDER", tmp_path / "released")
    data = make_images(tmp_path / "images", train=4, val=2)
    sizes = ["--crop", "32", "--batch-size", "2", "--validation-crops", "2", "--steps", "1", "--precision", "float32"]
    command = ["classifier", "--data", str(data), *sizes, "--train-encoder", "--encoder", encoder, "--run-dir"]
    assert train.main([*command, str(tmp_path / "run")]) == 0
    network = zoo.load(tmp_path / "run")
    network.contract = dataclasses.replace(network.contract, side=384)
    if encoder == "vgg16":
        with pytest.raises(UsageError, match=r"its weights are 15\.\d MB, and at most 15 MB are released"):
            releasing.release(network, tmp_path / "run", "comics", **ABOUT, folder=releases.FOLDER)
        assert not list(releases.FOLDER.iterdir())
        return
    card = releasing.release(network, tmp_path / "run", "comics", **ABOUT, folder=releases.FOLDER)
    assert (card.encoder, card.config["train_encoder"]) == (encoder, True)
    assert 5e6 < (releases.FOLDER / "classifier-comics.npz").stat().st_size < 10e6
    again = zoo.create("classifier", weights="comics")
    assert again.contract == network.contract
    luma = np.random.default_rng(0).random((1, 64, 64, 1), np.float32)
    np.testing.assert_allclose(again(luma), network(luma), atol=0.02)
    untrained = zoo.create("classifier", encoder=encoder)
    for name, held in releases.named_variables(untrained).items():
        mine = np.asarray(releases.named_variables(again)[name])
        if name.startswith(releases.ENCODER) and name.endswith("/kernel"):
            assert not np.array_equal(mine, np.asarray(held))


def test_what_cannot_be_released(runs):
    with pytest.raises(UsageError, match="letters, digits and hyphens"):
        release(runs, "../evil")
    model = zoo.load(runs / "run")
    shutil.rmtree(runs / "run")
    with pytest.raises(UsageError, match=r"result.json"):
        releasing.release(model, runs / "run", "comics", data="", attribution="", licence="")


def test_the_table(released_run, capsys):
    assert released.main(["list"]) == 0
    out = capsys.readouterr().out
    for word in ("residual", "comics", "patches", "CC0-1.0"):
        assert word in out


def test_released_weights_are_exported(released_run, monkeypatch, capsys):
    from zoo.export import __main__ as export

    monkeypatch.chdir(released_run)
    assert export.main(["residual:comics", "--format", "saved_model", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["file"] == "residual-saved_model"
    assert result["check"]["largest"] < 1e-3
    assert export.main(["residual:comix", "--format", "saved_model"]) == 2
    assert "there are residual:comics" in capsys.readouterr().err


def test_what_comes_with_the_package_is_whole():
    cards = releases.list_releases()
    assert {"comics", "procedural"} <= {card.name for card in cards}
    for card in cards:
        path = releases.FOLDER / f"{card.model}-{card.name}.npz"
        arrays = releases._read_arrays(path, card.sha256)
        model = zoo.create(card.model, encoder=card.encoder, encoder_weights="none", **card.options)
        whole = any(key.startswith(releases.ENCODER) for key in arrays)
        shapes = {key: tuple(value.shape) for key, value in releases.named_variables(model).items()}
        assert {key: shapes[key] for key in shapes if whole or not key.startswith(releases.ENCODER)} == {
            key: array.shape for key, array in arrays.items()
        }
        assert path.stat().st_size < (releasing.LARGEST if whole else 5e6)
        assert card.attribution
        assert card.licence
        assert card.commit != "unknown"


def test_a_release_needs_a_record_and_lines_of_text(runs):
    model, about = zoo.load(runs / "run"), {"data": "patches", "attribution": "nobody"}
    with pytest.raises(UsageError, match="--licence must be one line of text"):
        releasing.release(model, runs / "run", "comics", **about, licence="CC0\n1.0")
    (runs / "run" / "metrics.jsonl").write_text("")
    with pytest.raises(UsageError, match="metrics.jsonl does not hold the last model's scores"):
        releasing.release(model, runs / "run", "comics", **about, licence="CC0", last=True, folder=releases.FOLDER)
