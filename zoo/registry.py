"""The registry: plain builder functions by name, one card each. Free of Keras until a model is built."""

import difflib
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import UsageError


@dataclass(frozen=True)
class ModelCard:
    """What there is to know about a model; the only source of every table and help text about it.

    Attributes:
        name: what it is called in `zoo.create` and on the command line.
        summary: one line.
        source: where the architecture comes from.
        trunk: the default trunk.
        head: the default head.
        output: `uv` (chroma) or `logits` (64-bin distributions of U and V).
        parameters: number of weights, the encoder's included.
        citation: what to cite.
        notes: what a user should know before training it.
    """

    name: str
    summary: str
    source: str
    trunk: str
    head: str
    output: str
    parameters: int
    citation: str
    notes: str = ""


LOGITS_HEADS = ("bins", "v_given_u")
"""The heads that answer with logits; the others answer with UV."""

Builder = Callable[..., Any]
_REGISTRY: dict[str, tuple[ModelCard, Builder]] = {}


def suggestion(name: str, known: Iterable[str]) -> str:
    """ " Did you mean …?" for a mistyped name, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def register_model(card: ModelCard) -> Callable[[Builder], Builder]:
    """Registers the decorated builder under `card.name`.

    A builder takes keyword options and returns a `keras.Model` from luma (B, H, W, 1) to what `card.output` says.

    Raises:
        ValueError: the name is taken.
    """

    def decorate(builder: Builder) -> Builder:
        if card.name in _REGISTRY:
            taken = _REGISTRY[card.name][1]
            raise ValueError(f"a model named {card.name!r} is registered already, by {taken.__module__}")
        _REGISTRY[card.name] = (card, builder)
        return builder

    return decorate


def list_models() -> list[str]:
    """The names of the registered models, in the order of their registration."""
    return list(_REGISTRY)


def get_card(name: str) -> ModelCard:
    """The card of a registered model.

    Raises:
        UsageError: no such model; the message suggests the nearest name.
    """
    return _lookup(name)[0]


def _lookup(name: str) -> tuple[ModelCard, Builder]:
    if name not in _REGISTRY:
        known = ", ".join(_REGISTRY)
        raise UsageError(f"unknown model {name!r}.{suggestion(name, _REGISTRY)} Known models: {known}.")
    return _REGISTRY[name]


def create(name: str, *, weights: str | None = None, **options: Any) -> Any:
    """Builds a registered model.

    Args:
        name: one of `list_models()`.
        weights: released ones, such as `comics`: see `python -m zoo.released list`. None begins anew.
        **options: those of `zoo.models.colorizer`: `encoder_weights`, `train_encoder`, `trunk`, `head`, `activation`,
            `initializer`, `output`, `momentum`, `seed`, …

    Returns:
        A `keras.Model` from luma (B, H, W, 1) in [0, 1] to UV (B, H, W, 2), or to logits (B, H, W, 2, 64).

    Raises:
        UsageError: an unknown name or option, or weights that cannot be had.
    """
    builder = _lookup(name)[1]
    if weights is None:
        return builder(**options)
    from zoo.released import create_released

    return create_released(name, weights, **options)


def model_file(path: str | Path) -> Path | None:
    """The `.keras` file that `load` reads: `path` itself, or the best model of a run directory; None for other models.

    Raises:
        UsageError: there is no such model, it could be either of two, or the file is none.
    """
    name, _, weights = str(path).partition(":")
    if name == "hf":
        return None
    path = Path(path)
    file = path / "best.keras" if path.is_dir() else path
    if name in _REGISTRY:
        from zoo.released import DEFAULT, get_release

        if file.is_file():
            raise UsageError(
                f"{path}: there is a model of that name here, and one with released weights. Give {path.absolute()}"
                f" for the first, {name}:{weights or DEFAULT} for the second"
            )
        get_release(name, weights or DEFAULT)
        return None
    if not file.is_file():
        raise UsageError(
            f"no model at {path}.{suggestion(name, _REGISTRY)} Give a .keras file, a run directory that holds"
            " best.keras, or the name of a model with released weights: python -m zoo.released list shows them"
        )
    if not zipfile.is_zipfile(file):  # Keras says of such a file that it was not found
        raise UsageError(f"{file} is not a model of this zoo: it is damaged, or no .keras file")
    return file


def model_name(path: str | Path) -> str:
    """What messages call a model that `load` takes: of released weights, their name too."""
    name, _, weights = str(path).partition(":")
    if name not in _REGISTRY or weights or model_file(path):
        return str(path)
    from zoo.released import DEFAULT

    return f"{name}:{DEFAULT}"


def load(path: str | Path) -> Any:
    """Loads a model saved as `.keras`, the best model of a run directory, or one with released weights.

    Args:
        path: a file or a directory; the name of a registered model, for its released weights, with `:NAME` for others
            than the default ones; or `hf://USER/MODEL`, of the Hugging Face hub, where `huggingface_hub` is installed.

    Raises:
        UsageError: there is no such model.
    """
    file = model_file(path)
    if file is None:
        if str(path).startswith("hf:"):
            return _load_from_hub(str(path))
        from zoo.released import DEFAULT

        name, _, weights = str(path).partition(":")
        return create(name, weights=weights or DEFAULT)
    import keras

    import zoo.models  # noqa: F401  (registers the layers)

    try:
        # In safe mode: a model file must not bring code of its own.
        return keras.saving.load_model(file, compile=False, safe_mode=True)
    # Damaged and hostile files raise nearly anything.
    except Exception as error:
        raise UsageError(f"{file} is not a model of this zoo: {error}") from error


def _load_from_hub(address: str) -> Any:
    import importlib.util

    if importlib.util.find_spec("huggingface_hub") is None:
        raise UsageError(f"{address} needs the package huggingface_hub: pip install huggingface_hub")
    import keras

    import zoo.models  # noqa: F401  (registers the layers)

    try:
        return keras.saving.load_model(address, compile=False, safe_mode=True)
    except Exception as error:  # of the network, the hub, or a damaged or hostile file
        raise UsageError(f"{address} could not be loaded: {error}") from error
