"""Weights that a run begins from instead of new ones: released ones, those of another run, or of a `.keras` file."""

import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.models.kinds import answers_with, weights_digest
from zoo.models.loading import create, load, model_file, model_name
from zoo.models.registry import MODELS, get_card
from zoo.models.releases import get_release
from zoo.support.files import regular
from zoo.support.schema import fits, misfit

ENCODED = {"encoder": "", "views": False}
BUILT: dict[str, Any] = {"model": str, "model_options": dict | None, "encoder": str, "views": bool, "crop": int}
"""What is needed of a run's settings, and those of them that older runs lack."""

KEPT = ("best.keras", "last.keras")
"""Models of a run directory, whose config.json says how they are built."""


@dataclass(frozen=True)
class Start:
    """A model to go on from, encoder and all.

    Attributes:
        name: what `--from` takes; of released weights always with their own name.
        model: the registered model.
        encoder: of the model; empty where there is none.
        options: of the model; None of a `.keras` file alone, which is built of what it says itself.
        answer: `uv` or `logits`.
        digest: SHA-256 (hex) of the file of weights.
        views: the crop's side of a run on views, whose pictures are to be as large again; 0 of one on crops.
        grown: the registered model of the weights, where `model` has more than it and begins from it: what it has
            besides is new and trained, the rest is frozen. Empty where the two are one.
    """

    name: str
    model: str
    encoder: str
    options: dict[str, Any] | None
    answer: str
    digest: str
    views: int = 0
    grown: str = ""

    def settings(self, flags: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
        """The settings of a run that follow from where it begins.

        Args:
            flags: settings given on the command line; None where a flag was not given.
            options: model options given on the command line.

        Raises:
            UsageError: one of them contradicts the model.
        """
        if flags.get("encoder") not in (None, self.encoder):
            raise UsageError(
                f"--encoder {flags['encoder']}: {self.name} has the encoder {self.encoder or 'none'}: leave --encoder"
                " out"
            )
        if flags.get("encoder_weights") is not None:
            raise UsageError(
                f"--encoder-weights {flags['encoder_weights']}: the encoder's weights come with {self.name}: leave"
                " --encoder-weights out"
            )
        if self.grown and flags.get("train_encoder"):
            raise UsageError(
                f"--train-encoder: {self.model} grows from {self.name}, whose weights stay as they are: leave"
                " --train-encoder out"
            )
        for key, value in options.items():
            if self.options is None or key not in self.options or self.options[key] != value:
                own = "the options of its file" if self.options is None else self.options or "default options"
                raise UsageError(f"--option {key}={value}: {self.name} has {own}: leave it out")
        views = {"views": True, "crop": self.views} if self.views and flags.get("views") is not False else {}
        frozen = {"train_encoder": False} if self.grown else {}
        weights = {"encoder": self.encoder, "encoder_weights": self.name if self.encoder else "none"}
        return weights | views | frozen

    def build(self, *, train_encoder: bool, seed: int) -> Any:
        """The model with its weights; under the current precision policy, but of a `.keras` file alone its own.

        Raises:
            UsageError: it cannot be loaded.
        """
        if not self.grown:
            return self._source(self.model, train_encoder, seed)
        source = self._source(self.grown, train_encoder, seed)
        network = create(self.model, encoder=self.encoder, encoder_weights="none", seed=seed, **(self.options or {}))
        for layer in source.layers:
            if layer.weights:
                own = network.get_layer(layer.name)
                own.set_weights(layer.get_weights())
                own.trainable = False
        network.contract = replace(network.contract, side=source.contract.side)
        return network

    def _source(self, model: str, train_encoder: bool, seed: int) -> Any:
        file = model_file(self.name)
        if file is None:
            return create(model, weights=self.name.partition(":")[2], train_encoder=train_encoder)
        if self.options is None:
            network = load(file)
            for layer in network.layers:
                if layer.name == "encoder":
                    layer.trainable = train_encoder
            return network
        encoder = {"encoder": self.encoder} if self.encoder != get_card(model).encoder else {}
        network = create(
            model, encoder_weights="none", train_encoder=train_encoder, seed=seed, **encoder, **self.options
        )
        try:
            network.load_weights(file)
        except Exception as error:  # damaged files raise nearly anything
            raise UsageError(f"{file} does not hold the weights of {model}: {error}") from error
        return network


def read_start(source: str, model: str | None = None) -> Start:
    """What `--from` stands for, found without Keras.

    Args:
        source: as `zoo.load` takes it, but not of a hub.
        model: the registered model, where the user says it.

    Raises:
        UsageError: there is no such source, it does not say what it is, or it is of another model.
    """
    file, digest = model_file(source), weights_digest(source)
    if digest is None:
        raise UsageError(f"--from {source}: give released weights, a run directory or a .keras file")
    if file is None:
        name, _, weights = source.partition(":")
        card = get_release(name, weights)
        found: dict[str, Any] = card.config | {"model": card.model, "encoder": card.encoder}
        found["model_options"] = card.options
    else:
        found = _described(file, model)
    grown = found["model"] if model in MODELS and get_card(str(model)).grows_from == found["model"] else ""
    if grown and found["model_options"] is None:
        raise UsageError(f"--from {source} does not say how its model was built: give its run directory")
    if not grown and model not in (None, found["model"]):
        raise UsageError(f"--from {source} is of the model {found['model']}, not {model}: leave {model} out")
    own = get_card(found["model"])
    return Start(
        name=model_name(source) if file is None else str(Path(source)),
        model=str(model) if grown else found["model"],
        encoder=found.get("encoder", own.encoder),
        options=found["model_options"],
        answer=answers_with(source) or own.output,
        digest=digest,
        views=found["crop"] if found.get("views") else 0,
        grown=grown,
    )


def _described(file: Path, model: str | None) -> dict[str, Any]:
    """Settings of the run that a file is of, or what the file says itself."""
    beside = file.with_name("config.json")
    if file.name in KEPT and beside.exists():
        try:
            held = json.loads(regular(beside).read_text(encoding="utf-8"))
            if wrong := misfit(ENCODED | held, BUILT):
                raise ValueError(wrong)
            return held
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise UsageError(f"--from {file}: {beside} beside it is not of a run ({error!r})") from None
    try:
        with zipfile.ZipFile(file) as archive:
            saved = json.loads(archive.read("config.json"))["config"]
        name, contract = str(saved["name"]), dict(saved.get("contract") or {})
    # Of another kind, or damaged.
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, LookupError, TypeError):
        name, contract = "", {}
    if name not in MODELS and model is None:
        raise UsageError(f"--from {file} does not say which model it is of: give MODEL too")
    side, encoder = contract.get("side", 0), contract.get("encoder", "")
    if not (fits(side, int) and fits(encoder, str)):
        raise UsageError(f"--from {file}: it is damaged: its model has a contract of odd values")
    # The side is of pictures, twice that of their smallest views.
    known = {"encoder": encoder, "views": side > 0, "crop": side // 2}
    return {"model": name if name in MODELS else model, "model_options": None} | known
