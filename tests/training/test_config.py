import dataclasses
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.chroma.yuv import UV_MAX
from zoo.errors import UsageError
from zoo.support.settings import differences
from zoo.train import model_options
from zoo.training.config import MAX_BYTES, RunConfig, list_recipes, load_recipe, resolve
from zoo.training.start import Start

NO_FLAGS: dict = {}


@pytest.mark.parametrize("name", list_recipes())
@pytest.mark.parametrize("model", ["residual", "hypercolumn", "classifier"])
def test_every_recipe_resolves_for_every_model(name, model):
    recipe = load_recipe(name)
    assert recipe.summary
    assert recipe.command.startswith("python -m zoo.train ")
    assert recipe.expected_time
    assert recipe.expected_score
    config = resolve(model, name, NO_FLAGS, {})
    assert config.loss == recipe.outputs["logits" if model == "classifier" else "uv"]["loss"]


def test_recipe_beats_default_and_flag_beats_recipe(tmp_path):
    file = tmp_path / "mine.toml"
    uv = '[uv]\nloss = "dahl"\noutput = "linear"\n'
    file.write_text(f'[run]\nsteps = 7\ncrop = 64\n{uv}[model]\nactivation = "relu"\n')
    config = resolve("residual", str(file), {"crop": 32, "seed": None}, {"activation": "leaky_relu"})
    assert (config.steps, config.crop, config.seed, config.loss) == (7, 32, 0, "dahl")
    assert config.model_options == {"activation": "leaky_relu", "output": "linear"}


def test_the_head_decides_which_loss(tmp_path):
    assert resolve("residual", "quick", NO_FLAGS, {"head": "bins"}).loss == "cross_entropy"
    assert resolve("classifier", "quick", NO_FLAGS, {"head": "uv"}).loss == "mse"


def test_a_model_s_own_loss_is_that_of_general_recipes(tmp_path):
    assert zoo.get_card("pix2pix").loss == "l1"
    assert resolve("pix2pix", "quick", NO_FLAGS, {}).loss == "l1"
    assert resolve("pix2pix", "dahl", NO_FLAGS, {}).loss == "dahl"
    assert resolve("pix2pix", "quick", {"loss": "mse"}, {}).loss == "mse"
    file = tmp_path / "mine.toml"
    file.write_text('[uv]\nloss = "mse"\n')
    assert resolve("pix2pix", str(file), NO_FLAGS, {}).loss == "mse"


def test_pix2pix_is_the_paper_s_training():
    config = resolve("pix2pix", "pix2pix", NO_FLAGS, {})
    assert (config.optimizer, config.learning_rate, config.loss) == ("adam", 2e-4, "l1")
    # 100 of L1 on UV stretched to −1 … 1, by the mean of both channels.
    assert config.adversarial == pytest.approx(np.mean(UV_MAX) / 100, rel=1e-3)


def test_paper_is_the_report_s_training():
    config = resolve("residual", "paper", NO_FLAGS, {})
    assert (config.steps, config.batch_size, config.crop) == (30_000, 1, 224)
    assert (config.optimizer, config.learning_rate, config.schedule) == ("sgd", 1e-4, "constant")
    assert (config.loss, config.train_encoder) == ("euclidean", True)
    assert config.model_options["activation"] == "leaky_relu"
    assert config.model_options["initializer"] == "truncated_normal"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[run]\nstepz = 7\n", r"mine.toml: unknown key 'stepz' in \[run\]"),
        ("[runs]\nsteps = 7\n", r"mine.toml: unknown key 'runs'"),
        ("steps =", "mine.toml is not a TOML file"),
    ],
)
def test_bad_recipe_files_are_named(tmp_path, text, message):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_recipe(str(file))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"steps": 0}, "--steps must be in .1, 1000000000., not 0"),
        ({"crop": 100}, "--crop must be a multiple of 8"),
        ({"overfit": 2, "batch_size": 4}, "--overfit 2 is fewer crops than a batch of 4"),
        ({"overfit": -1}, "--overfit must be in .0, 1048576., not -1"),
        ({"learning_rate": -1.0}, "--learning-rate must be above 0"),
        ({"seed": -1}, "--seed must be in .0, 4611686018427387904., not -1"),
        ({"optimizer": "lion"}, "--optimizer must be one of sgd, adam, adamw, not 'lion'"),
        ({"encoder": "vgg61"}, "unknown encoder 'vgg61'. Did you mean 'vgg16'"),
        ({"perceptual": -1.0}, "--perceptual must be at least 0, not -1.0"),
        ({"colorfulness": float("nan")}, "--colorfulness must be at least 0, not nan"),
        ({"adversarial": float("inf")}, "--adversarial must be at least 0, not inf"),
        ({"decode": "best"}, "--decode: unknown decoder 'best'"),
    ],
)
def test_values_out_of_range_are_named(flags, message):
    with pytest.raises(UsageError, match=message):
        resolve("residual", "quick", flags, {})


def test_an_encoder_is_chosen(tiny):
    assert resolve("residual", "quick", NO_FLAGS, {}).encoder == "vgg16"
    assert resolve("residual", "quick", {"encoder": "efficientnet_lite0"}, {}).encoder == "efficientnet_lite0"
    assert resolve(tiny, "quick", NO_FLAGS, {}).encoder == ""
    with pytest.raises(UsageError, match="--train-encoder: tiny has no encoder to train"):
        resolve(tiny, "quick", {"train_encoder": True}, {})
    with pytest.raises(UsageError, match=r"--encoder-weights own\.h5: tiny has no encoder to load them into"):
        resolve(tiny, "quick", {"encoder_weights": "own.h5"}, {})
    assert resolve(tiny, "paper", {"encoder_weights": "none"}, {}).train_encoder  # a recipe is for every model
    with pytest.raises(UsageError, match="--encoder vgg16: tiny has no encoder to choose"):
        resolve(tiny, "quick", {"encoder": "vgg16"}, {})


def test_unknown_names_suggest():
    with pytest.raises(UsageError, match="unknown recipe 'quik'. Did you mean 'quick'"):
        resolve("residual", "quik", NO_FLAGS, {})
    with pytest.raises(UsageError, match="Did you mean 'residual'"):
        resolve("resdual", "quick", NO_FLAGS, {})


def test_differences_name_the_key():
    one = dataclasses.asdict(RunConfig("residual"))
    assert differences(one, one) == []
    assert differences(one, one | {"seed": 3}) == ["seed: 0 there, 3 asked for"]


def refusal(folder: Path, text: str) -> str:
    """What is said of a recipe."""
    recipe = folder / "odd.toml"
    recipe.write_text(text)
    with pytest.raises(UsageError) as error:
        resolve("residual", str(recipe), NO_FLAGS, {})
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("run = 5", "run must be a table, written [run], not 5"),
        ("summary = 1", "summary must be a text, not 1"),
        ('[run]\nsteps = "abc"', "--steps must be a whole number, not 'abc'"),
        ("[run]\nsteps = 3.5", "--steps must be a whole number, not 3.5"),
        ("[run]\nlearning_rate = nan", "--learning-rate must be above 0, not nan"),
        ('[run]\nperceptual = "much"', "--perceptual must be a number, not 'much'"),
        ("[uv]\nadversarial = -0.1", "--adversarial must be at least 0, not -0.1"),
        ("[run]\nflip = 1", "--flip must be true or false, not 1"),
        ("[run]\nseed = 9223372036854775808", "--seed must be in"),
        ("[run]\nencoder = 3", "--encoder must be a text, not 3"),
        ("[uv]\nloss = []", "--loss must be a text, not []"),
    ],
)
def test_odd_recipes_are_refused_by_the_setting(tmp_path, text, message):
    assert message in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = " + "[" * 5000, "odd.toml is not a TOML file"),
        ("x = " + "9" * 5000, "odd.toml is not a TOML file"),
        ("#" * (MAX_BYTES + 1), "odd.toml: larger than 32 KiB"),
        ("a" * 30_000 + " = 1", "odd.toml: unknown key 'aaa"),
        ("[model]\nstride = 1979-05-27", "odd.toml: 'stride' is to be a number of 64 bits or a text, not"),
        ("[model]\nstride = nan", "odd.toml: 'stride' is to be a number of 64 bits or a text, not nan"),
    ],
)
def test_recipes_that_json_could_not_keep_are_refused(tmp_path, text, message):
    said = refusal(tmp_path, text)
    assert message in said
    assert len(said) < 500


def test_options_of_a_damaged_source_are_refused():
    start = Start("run", "residual", "vgg16", {"momentum": float("inf")}, "uv", "0" * 64)
    with pytest.raises(UsageError, match="--from run: 'momentum' is to be a number of 64 bits"):
        resolve("residual", "finetune", NO_FLAGS, {}, start)


def test_options_of_the_command_line_are_kept_or_refused():
    assert model_options(["x=" + "[" * 100_000])["x"] == "[" * 100_000
    for text in ("x=NaN", "x=[Infinity]", "x=" + "9" * 30):
        with pytest.raises(UsageError, match="--option: 'x' is to be a number of 64 bits"):
            resolve("residual", "quick", NO_FLAGS, model_options([text]))
