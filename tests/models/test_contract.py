"""New parts, each registered by one file, go through training, evaluation, colouring and export as they are."""

import json
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
from images import make_books
from PIL import Image
from scripts import run_script

import zoo
from zoo.errors import UsageError
from zoo.models.contract import Contract, contract_of, reduced
from zoo.models.prediction import Predictor

RUN = """
    import sys
    from zoo import colorize, evaluate, train
    from zoo.export import __main__ as export

    def main():
        model, *options = sys.argv[1:]
        sizes = ["--crop", "32", "--batch-size", "2", "--steps", "4", "--validation-crops", "2"]
        sizes += ["--precision", "float32"]
        for code in (
            train.main([model, "--data", "images", *sizes, *options, "--encoder-weights", "none", "--run-dir", "run"]),
            evaluate.main(["run", "--data", "images", "--split", "val", "--json", "--max-side", "48"]),
            colorize.main(["run", "page.png", "-o", "coloured.png"]),
            export.main(["run", "--format", "saved_model", "-o", "exported", *DECODE]),
        ):
            assert code == 0, code

    if __name__ == "__main__":
        main()
"""

ENCODER = '''
    """An encoder of two convolutions, with which the other parts are quick too."""

    from zoo.models.encoders import EncoderCard, Tap, register_encoder

    CARD = EncoderCard(
        name="little", summary="two convolutions", taps=(Tap("one", 2, 8), Tap("two", 4, 16)), preprocessing="luma",
        weights="none", digest="", licence="none", citation="none", parameters=0,
    )

    @register_encoder(CARD)
    def little(luma, seed):
        import keras

        inputs = keras.Input((None, None, 1))
        one = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="one")(inputs)
        two = keras.layers.Conv2D(16, 3, strides=2, padding="same", activation="relu", name="two")(one)
        return luma, keras.Model(inputs, [one, two], name="encoder")
'''

INPUT = '''
    """A model with a second input: colours that the user knows at some pixels, and where."""

    from zoo.models.inputs import ModelInput, register_input
    from zoo.models.registry import ModelCard, register_model
    from zoo.models.trunks import register_trunk

    def from_truth(luma, uv, seed):
        import keras

        known = keras.ops.cast(keras.random.uniform(keras.ops.shape(luma), seed=int(0)) < 0.05, "float32")
        return keras.ops.concatenate([uv * known, known], axis=-1)

    def absent(luma):
        import numpy as np

        return np.zeros((*luma.shape[:3], 3), np.float32) if isinstance(luma, np.ndarray) else luma * [[[[0.0] * 3]]]

    register_input(ModelInput("known", 3, "U, V and whether they are known", from_truth, absent))

    @register_trunk("mixing", "residual, and what is known", inputs=("known",))
    def mixing(parts):
        import keras

        from zoo.models.parts import Features
        from zoo.models.trunks import TRUNKS

        x = TRUNKS["residual"].build(parts).map()
        known = parts.blocks.conv(parts.padded["known"], 64, 3, "known_conv")
        return Features(keras.layers.Add(name="mix")([x, known]), parts.blocks)

    CARD = ModelCard(
        name="hinted", summary="knows some colours", source="a test", trunk="mixing", head="bins", output="logits",
        parameters=0, citation="none", encoder="vgg16", inputs=("luma", "known"),
    )

    @register_model(CARD)
    def hinted(**options):
        from zoo.models.build import colorizer

        return colorizer(**({"trunk": CARD.trunk, "head": CARD.head, "name": CARD.name} | options))
'''

COARSE = '''
    """A trunk that answers at a quarter of the size."""

    from zoo.models.trunks import register_trunk

    @register_trunk("coarse", "a quarter of the size", strides=(4,))
    def coarse(parts):
        from zoo.models.parts import Features

        tap, x = parts.pyramid.at(4)
        return Features(parts.blocks.block(x, 64, 1, "trunk_conv"), parts.blocks)
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Images to train on, and a grey page of an odd size."""
    root = tmp_path_factory.mktemp("parts")
    (root / "images").mkdir()
    make_books(root / "images", train=4, val=2)
    grey = np.random.default_rng(0).integers(0, 256, (9, 7), dtype=np.uint8)
    Image.fromarray(grey).resize((75, 53), Image.Resampling.BICUBIC).save(root / "page.png")
    return root


def run(folder: Path, work: Path, part: str, decode: list[str], *words: str) -> str:
    """Runs a file that registers something, and gives what it printed."""
    for path in folder.iterdir():
        (work / path.name).symlink_to(path)
    text = textwrap.dedent(part) + textwrap.dedent(RUN).replace("*DECODE", f"*{decode!r}")
    (work / "mine.py").write_text(text, encoding="utf-8")
    out = run_script("mine.py", list(words), work)
    with Image.open(work / "coloured.png") as image:
        assert image.size == (75, 53)
    assert (work / "exported" / "saved_model.pb").is_file()
    return out


def test_an_encoder_is_one_file(folder, tmp_path):
    run(folder, tmp_path, ENCODER, [], "residual", "--encoder", "little")


def test_a_model_with_a_second_input_is_one_file(folder, tmp_path):
    out = run(folder, tmp_path, ENCODER + INPUT, ["--decode", "mode"], "hinted", "--encoder", "little")
    assert "luma and known to uv by mode" in out


@pytest.mark.parametrize(("model", "decode"), [("residual", []), ("conditional", ["--decode", "mode"])])
def test_a_trunk_that_answers_at_a_quarter_is_one_file(folder, tmp_path, model, decode):
    run(folder, tmp_path, ENCODER + COARSE, decode, model, "--encoder", "little", "--option", "trunk=coarse")


@pytest.mark.parametrize("model", ["residual", "classifier", "conditional"])
@pytest.mark.parametrize("stride", [2, 4])
def test_the_residual_trunk_answers_at_a_stride(light_encoders, model, stride):
    network = zoo.create(model, encoder="light_vgg16", encoder_weights="none", stride=stride)
    luma = np.random.default_rng(0).random((2, 21, 30, 1), dtype=np.float32)
    prediction = Predictor(network)(luma)
    assert prediction.output.shape[1:3] == (-(-21 // stride), -(-30 // stride))
    for decoder in ("annealed", "mode+coherent") if contract_of(network).classifies else (None,):
        assert prediction.decode(decoder).shape == (2, 21, 30, 2)
    assert contract_of(network).stride == stride


def test_means_of_cells():
    uv = np.arange(2 * 5 * 7 * 2, dtype=np.float32).reshape(2, 5, 7, 2)
    small = reduced(uv, 2)
    assert small.shape == (2, 3, 4, 2)
    np.testing.assert_allclose(small[:, 0, 0], uv[:, :2, :2].mean(axis=(1, 2)))
    np.testing.assert_allclose(small[:, 2, 3], uv[:, 4, 6])
    np.testing.assert_allclose(reduced(keras.ops.convert_to_tensor(uv), 2), small, rtol=1e-6)


def test_a_contract_is_saved_with_its_model(tmp_path):
    model = zoo.create("conditional", encoder_weights="none", stride=2)
    model.save(tmp_path / "model.keras")
    assert zoo.load(tmp_path / "model.keras").contract == model.contract
    assert model.contract == Contract(("luma", "u"), "logits", 2, "v_given_u", "vgg16")
    assert Contract.from_json(json.loads(json.dumps(model.contract.as_json()))) == model.contract


def test_a_model_that_is_older_than_contracts_has_one(tmp_path):
    """It was saved as a plain functional model, and takes luma alone once it is loaded."""
    new = zoo.create("conditional", encoder_weights="none", initializer="he_normal")
    keras.Model(new.inputs, new.outputs[0], name="conditional").save(tmp_path / "old.keras")
    old = zoo.load(tmp_path / "old.keras")
    assert (old.contract.inputs, old.contract.head) == (("luma", "u"), "v_given_u")
    luma = np.random.default_rng(0).random((1, 9, 14, 1), dtype=np.float32)
    np.testing.assert_allclose(old(luma), new(luma), atol=1e-6)


def test_a_conditional_model_takes_luma_alone():
    model = zoo.create("conditional", encoder_weights="none", initializer="he_normal")
    rng = np.random.default_rng(0)
    luma, uv = rng.random((4, 16, 16, 1), np.float32), rng.uniform(-0.3, 0.3, (4, 16, 16, 2)).astype(np.float32)
    u = Predictor(model)(luma).decode("mode")[..., :1]
    np.testing.assert_allclose(model.predict(luma, verbose=0), model([luma, u]), atol=1e-4)
    from zoo.training.losses import cross_entropy

    model.compile("adam", loss=cross_entropy)
    history = model.fit(luma, uv, epochs=3, batch_size=2, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_a_u_net_of_one_s_own_takes_any_size(tmp_path):
    luma = keras.Input((None, None, 1))
    x = skip = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(luma)
    x = keras.layers.MaxPooling2D(4)(x)
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = keras.layers.UpSampling2D(4)(x)
    uv = keras.layers.Conv2D(2, 3, padding="same")(keras.layers.Concatenate()([x, skip]))
    model = keras.Model(luma, uv)
    contract = contract_of(model)
    assert contract.multiple == 32
    page = np.random.default_rng(0).random((1, 21, 35, 1), dtype=np.float32)
    padded = np.pad(page, ((0, 0), (0, 11), (0, 29), (0, 0)), mode="edge")
    expected = np.array(model(padded))[:, :21, :35]
    np.testing.assert_allclose(Predictor(model)(page).decode(), expected, atol=1e-6)


def test_models_that_are_no_colourisers_are_refused():
    luma = keras.Input((None, None, 1), name="luma")
    with pytest.raises(UsageError, match=r"answers with the shape \(None, None, None, 3\), which is neither UV"):
        contract_of(keras.Model(luma, keras.layers.Conv2D(3, 1)(luma)))
    rgb = keras.Input((None, None, 3))
    with pytest.raises(UsageError, match=r"takes the shape \(None, None, None, 3\), which is not luma"):
        contract_of(keras.Model(rgb, keras.layers.Conv2D(2, 1)(rgb)))
    other = keras.Input((None, None, 2), name="secret")
    uv = keras.layers.Conv2D(2, 1)(keras.layers.Concatenate()([luma, other]))
    with pytest.raises(UsageError, match="the model has an input 'secret'"):
        contract_of(keras.Model([luma, other], uv))
    model = zoo.create("residual", encoder_weights="none")
    with pytest.raises(UsageError, match="takes no input 'hints'; it takes luma alone"):
        Predictor(model)(np.zeros((1, 8, 8, 1), np.float32), {"hints": np.zeros((1, 8, 8, 3))})
