"""What a run is: defaults < recipe (TOML) < flags, every key checked."""

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.chroma.decoders import Decoder
from zoo.errors import UsageError
from zoo.models.application import APPLICATION
from zoo.models.encoders import ENCODERS
from zoo.models.heads import HEADS
from zoo.models.registry import get_card
from zoo.support.command import naming
from zoo.support.files import regular
from zoo.support.names import brief, suggestion
from zoo.support.schema import Range, check_fields, setting
from zoo.training.start import Start

RECIPES_DIR = Path(__file__).parent / "recipes"
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("constant", "cosine")
GENERAL = "mse"  # of regressions, unless a model has a loss of its own
REBALANCED = "cross_entropy"  # the loss that weighs colours
BATCH_NORMS = ("sync", "local")
MAX_BYTES = 1 << 15
"""A larger file is no recipe."""


@dataclass(frozen=True)
class Recipe:
    """A recipe file: what it is for, what to expect, and the settings it stands for.

    Attributes:
        name: the file's stem.
        summary: one line.
        command: a command that uses it.
        expected_time: how long that takes, and where it was measured.
        expected_score: what it reaches.
        run: settings of `RunConfig`.
        model: model options for every model.
        outputs: by kind of output (`uv`, `logits`): the loss, other settings, and model options of such heads.
    """

    name: str
    summary: str
    command: str
    expected_time: str
    expected_score: str
    run: dict[str, Any]
    model: dict[str, Any]
    outputs: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides what a run computes. Two runs of equal configuration are the same run.

    Attributes:
        model: a registered model.
        data: a data set's name, a folder or an archive.
        recipe: the recipe the settings began from.
        steps: optimisation steps.
        batch_size: crops a step.
        crop: side of the square crops, pixels, a multiple of 8.
        flip: mirror half of the crops.
        zoom: crops are of places up to so many times as large, reduced to the crop's size; at least 1.
        views: instead of crops, views of half to all of a picture's shorter side: see `zoo.data.pipeline.crop_batches`.
            Pages are cut into panels first.
        contrast: how much contrast and brightness change at random, in [0, 1): see `zoo.training.augment`.
        gamma: how much gamma changes at random, in [0, 1): likewise.
        scans: the share of the crops that are made to look like scans in grey, in [0, 1]: see `zoo.training.augment`.
        line_art: the share of the crops that are made line art, their fills removed, in [0, 1]: likewise.
        precision: `auto`, `float32`, `bfloat16` or `float16`.
        seed: of weights and crops.
        encoder: of `zoo.list_encoders()`, or one of `keras.applications`; empty of a model without one.
        encoder_weights: `imagenet`, `none` or a file.
        train_encoder: train the encoder too.
        loss: see `zoo.training.losses`.
        rebalance: how much rare colours count in a classifier's loss, in [0, 1): `losses.rebalancing_weights`.
        perceptual: weight of a loss added to that: the distance of an encoder's maps. 0 leaves it out, as the next two;
            see `zoo.training.added` for all three.
        colorfulness: weight of what a picture lacks in colourfulness.
        adversarial: weight of what a discriminator makes of a picture; it is trained beside the model.
        optimizer: `sgd`, `adam` or `adamw`.
        learning_rate: its peak.
        ema: validate and save a moving average of the weights, of this decay; 0 for the weights themselves.
        schedule: `constant`, or `cosine` to zero with a linear warm-up over the first twentieth of the steps.
        overfit: train and validate on this many fixed crops; 0 trains on the whole split.
        validation_crops: fixed crops of the validation split.
        validate_every: steps between validations.
        checkpoint_every: steps between checkpoints.
        patience: validations without nearer colours after which the run ends by itself; 0 for never.
        decode: the decoder of a classifier's summary images.
        micro_batch: crops that a device computes at a time; 0 for all of its batch, less should memory run out.
        batch_norm: `sync` normalises by the whole batch when several devices share it, `local` by each device's part.
        deterministic: compute the same to the last bit every time, on the same machine.
        model_options: further options of `zoo.create`; None where the `.keras` file that the run begins from has them.
        start: the weights that the run begins from, see `zoo.training.start`; empty for new ones.
    """

    model: str
    data: str = setting("procedural")
    recipe: str = "quick"
    steps: int = setting(400, least=1, most=10**9)
    batch_size: int = setting(8, least=1, most=2**16)
    crop: int = setting(128, least=16, most=2**14, multiple=8)
    flip: bool = setting(False)
    zoom: float = setting(1.0, least=1, most=8)
    views: bool = setting(False)
    contrast: float = setting(0.0, least=0, below=1)
    gamma: float = setting(0.0, least=0, below=1)
    scans: float = setting(0.0, least=0, most=1)
    line_art: float = setting(0.0, least=0, most=1)
    precision: str = setting("auto", choices=PRECISIONS)
    seed: int = setting(0, least=0, most=2**62)
    encoder: str = setting("vgg16")
    encoder_weights: str = setting("imagenet")
    train_encoder: bool = setting(False)
    loss: str = setting("mse")
    rebalance: float = setting(0.0, least=0, below=1)
    perceptual: float = setting(0.0, least=0)
    colorfulness: float = setting(0.0, least=0)
    adversarial: float = setting(0.0, least=0)
    optimizer: str = setting("adam", choices=OPTIMIZERS)
    learning_rate: float = setting(1e-3, above=0)
    schedule: str = setting("constant", choices=SCHEDULES)
    ema: float = setting(0.0, least=0, below=1)
    overfit: int = setting(0, least=0, most=2**20)
    validation_crops: int = setting(64, least=1, most=2**20)
    validate_every: int = setting(200, least=1)
    checkpoint_every: int = setting(200, least=1)
    patience: int = setting(0, least=0)
    decode: str = setting("annealed")
    micro_batch: int = setting(0, least=0)
    batch_norm: str = setting("sync", choices=BATCH_NORMS)
    deterministic: bool = setting(False)
    model_options: dict[str, Any] | None = field(default_factory=dict)
    start: str = ""

    def as_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold."""
        return dataclasses.asdict(self)


SETTINGS = tuple(
    f.name for f in dataclasses.fields(RunConfig) if f.name not in ("model", "recipe", "model_options", "start")
)
"""What a recipe or a flag may set."""

DEFAULTS = RunConfig("").as_json()
"""Every setting as it is when nothing sets it."""


def list_recipes() -> list[str]:
    """The names of the recipes that come with the package."""
    return sorted(path.stem for path in RECIPES_DIR.glob("*.toml"))


def load_recipe(name: str) -> Recipe:
    """A recipe by name, or from a `.toml` file.

    Raises:
        UsageError: no such recipe, a file that is not TOML, or a key it may not hold.
    """
    path = Path(name) if name.endswith(".toml") else RECIPES_DIR / f"{name}.toml"
    if not path.is_file():
        if name.endswith(".toml"):
            raise UsageError(f"--recipe {name}: no such file")
        known = list_recipes()
        raise UsageError(
            f"unknown recipe {name!r}.{suggestion(name, known)} Known recipes: {', '.join(known)}, or a .toml file."
        )
    try:
        content = tomllib.loads(regular(path, MAX_BYTES).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--recipe {name}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # of TOML, of UTF-8, an integer of thousands of digits
        raise UsageError(f"{path} is not a TOML file: {error}") from error
    tables = {key: content.pop(key, {}) for key in ("run", "model", "uv", "logits")}
    texts = {key: content.pop(key, "") for key in ("summary", "command", "expected_time", "expected_score")}
    for key, value in tables.items():
        if not isinstance(value, dict):
            raise UsageError(f"{path}: {key} must be a table, written [{key}], not {brief(value)}")
    for key, value in texts.items():
        Range().check(f"{path}: {key}", value, str)
    run, model, outputs = tables["run"], tables["model"], {kind: tables[kind] for kind in ("uv", "logits")}
    if content:
        raise UsageError(f"{path}: unknown key {brief(next(iter(content)))}")
    for key in run:
        if key not in SETTINGS or key == "loss":
            raise UsageError(f"{path}: unknown key {brief(key)} in [run]")
    return Recipe(name=name, **texts, run=run, model=model, outputs=outputs)


def resolve(
    model: str, recipe_name: str, flags: dict[str, Any], model_options: dict[str, Any], start: Start | None = None
) -> RunConfig:
    """The configuration of a run.

    Args:
        model: a registered model.
        recipe_name: a recipe's name or file.
        flags: settings given on the command line, by field of `RunConfig`; None where a flag was not given.
        model_options: model options given on the command line.
        start: the weights that the run begins from, which decide how the model is built; None for new ones.

    Raises:
        UsageError: an unknown model or recipe, or a value out of range or against `start`.
    """
    recipe = load_recipe(recipe_name)
    card = get_card(model)
    output = start.answer if start else card.output
    if "head" in model_options and not start:
        output = HEADS[Range().check("head", model_options["head"], str)].answer
    of_output = recipe.outputs[output]
    settings = recipe.run | {key: value for key, value in of_output.items() if key in SETTINGS}
    if card.loss and settings.get("loss") == GENERAL and recipe_name in list_recipes():
        settings["loss"] = card.loss
    fixed = start.settings(flags, model_options) if start else {}
    settings = {"encoder": card.encoder} | settings | fixed | {k: v for k, v in flags.items() if v is not None}
    options = recipe.model | {key: value for key, value in of_output.items() if key not in SETTINGS} | model_options
    for key, value in ((start.options or {}) if start else options).items():
        if not _is_plain(value):
            usual = f"--from {start.name}" if start else f"--recipe {recipe_name}"
            source = "--option" if key in model_options else usual
            raise UsageError(f"{source}: {brief(key)} is to be a number of 64 bits or a text, not {brief(value)}")
    built = {"model_options": start.options, "start": start.name} if start else {"model_options": options}
    config = _checked(RunConfig(model=model, recipe=recipe_name, **built, **settings), output)
    if flags.get("decode") is not None and output != "logits":
        raise UsageError(f"--decode is for classifiers, and {model} answers with UV")
    if not card.encoder and flags.get("train_encoder"):
        raise UsageError(f"--train-encoder: {model} has no encoder to train")
    if not card.encoder and flags.get("encoder_weights") not in (None, "none"):
        raise UsageError(f"--encoder-weights {flags['encoder_weights']}: {model} has no encoder to load them into")
    return config


def _is_plain(value: Any) -> bool:
    """Whether JSON can hold a value, and gives it back as it was."""
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    if isinstance(value, (int, float)):
        return -(2**63) <= value < 2**63  # nan is not
    return value is None or isinstance(value, str)


def _checked(config: RunConfig, output: str) -> RunConfig:
    config = check_fields(config)
    if config.encoder and not get_card(config.model).encoder:
        raise UsageError(f"--encoder {config.encoder}: {config.model} has no encoder to choose")
    if config.encoder and not config.encoder.startswith(APPLICATION):
        with naming("--encoder"):
            ENCODERS[config.encoder]  # an unknown one is refused
    if config.overfit and config.overfit < config.batch_size:
        raise UsageError(f"--overfit {config.overfit} is fewer crops than a batch of {config.batch_size}")
    if config.views and config.zoom > 1:
        raise UsageError("--views chooses the sizes of places itself: leave --zoom out")
    if config.rebalance and output != "logits":
        raise UsageError(f"--rebalance is for classifiers, and {config.model} answers with UV")
    if config.rebalance and config.loss != REBALANCED:
        raise UsageError(f"--rebalance needs --loss {REBALANCED}: leave it out with --loss {config.loss}")
    with naming("--decode"):
        Decoder.parse(config.decode)
    return config
