"""Weights that come with the package, and what is known about them.

A release is two files in `zoo/weights/released`: `MODEL-NAME.npz`, the variables, kernels in half precision, and
`MODEL-NAME.toml`, its card: digest, data, licence, recipe, commit, scores. The encoder's variables are among them
where they are not the ImageNet ones that come with the package.
"""

import hashlib
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.models.registry import build, get_card

FOLDER = Path(__file__).parents[1] / "weights" / "released"
PREFERRED = ("open", "comics")
"""What a model's bare name stands for on a command line: the first of these that are released for it."""

ENCODER = "encoder/"
"""How the names of an encoder's variables begin."""


@dataclass(frozen=True)
class Release:
    """The card of released weights.

    Attributes:
        model: the registered model.
        name: what `weights=` takes.
        sha256: of the `.npz` file.
        options: the model options they were trained with.
        data: what they were trained on.
        attribution: whom the licences of the data want named.
        licence: of the weights.
        config: the run's configuration.
        commit: of this repository, when they were trained.
        scores: RMSE-ab on the run's validation crops, by decoder.
        side: of the model's contract.
    """

    model: str
    name: str
    sha256: str
    options: dict[str, Any]
    data: str
    attribution: str
    licence: str
    config: dict[str, Any]
    commit: str
    scores: dict[str, float]
    side: int = 0

    @property
    def encoder(self) -> str:
        """The encoder they were trained with; older cards name none."""
        return str(self.config.get("encoder") or get_card(self.model).encoder)


def list_releases(model: str | None = None) -> list[Release]:
    """The released weights, of one model or of all, by file name."""
    cards = [_read_card(path) for path in sorted(FOLDER.glob("*.toml"))]
    return [card for card in cards if model in (None, card.model)]


def get_release(model: str, name: str = "") -> Release:
    """The card of a model's weights.

    Args:
        model: a registered model.
        name: of the weights; empty for those that the model's bare name stands for.

    Raises:
        UsageError: there are none of that name; the message lists what there is.
    """
    found = {card.name: card for card in list_releases(model)}
    name = name or default_weights(model)
    if name not in found:
        known = (
            f"there are {', '.join(f'{model}:{each}' for each in found)}"
            if found
            else "none are released for it: train it, or give a file"
        )
        raise UsageError(f"no weights {name!r} for {model}; {known}")
    return found[name]


def default_weights(model: str) -> str:
    """The name of the weights that a model's bare name stands for, whether there are any or not."""
    found = {card.name for card in list_releases(model)}
    return next((name for name in PREFERRED if name in found), PREFERRED[0])


def create_released(model: str, name: str, **options: Any) -> Any:
    """A model with released weights.

    Args:
        model: a registered model.
        name: of the weights; empty for those that the model's bare name stands for.
        **options: `train_encoder`; of the others, `encoder` among them, none but those the weights were trained with.

    Raises:
        UsageError: no such weights, a file that is not what its card says, or options that do not fit.
    """
    card = get_release(model, name)
    train_encoder = bool(options.pop("train_encoder", False))
    if options.pop("encoder", card.encoder) != card.encoder:
        raise UsageError(f"weights={card.name!r} were trained with the encoder {card.encoder!r}: leave encoder out")
    for option, value in options.items():
        if card.options.get(option, value) != value or option not in card.options:
            raise UsageError(
                f"weights={card.name!r} were trained with {card.options or 'default options'}: leave {option} out"
            )
    path = FOLDER / f"{model}-{card.name}.npz"
    arrays = _read_arrays(path, card.sha256)
    whole = any(key.startswith(ENCODER) for key in arrays)
    network = build(
        model,
        train_encoder=train_encoder,
        **card.options,
        **({"encoder": card.encoder, "encoder_weights": "none" if whole else "imagenet"} if card.encoder else {}),
    )
    variables = named_variables(network)
    if set(arrays) != {key for key in variables if whole or not key.startswith(ENCODER)}:
        raise UsageError(f"{path} is of another version of {model}")
    for key, array in arrays.items():
        variables[key].assign(array.astype("float32"))
    if card.side:
        network.contract = replace(network.contract, side=card.side)
    return network


def named_variables(model: Any) -> dict[str, Any]:
    """Every variable by its layer and name; the encoder's begin with `encoder/`."""
    return {
        f"{layer.name}/{variable.path.split(layer.name + '/', 1)[-1]}": variable
        for layer in model.layers
        for variable in layer.variables
    }


def _read_arrays(path: Path, sha256: str) -> dict[str, Any]:
    import numpy as np

    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise UsageError(f"{path} is not the file that its card is of (SHA-256 differs): install the package anew")
    with open(path, "rb") as file, np.load(file) as held:
        return {key: held[key] for key in held.files}


def _read_card(path: Path) -> Release:
    try:
        return Release(**tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        raise UsageError(f"{path} is not a card of released weights: {error}") from None
