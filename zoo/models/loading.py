"""From a word to a model: a `.keras` file, a run directory, released weights, or the Hugging Face hub."""

import zipfile
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.models.registry import build, list_models
from zoo.models.releases import create_released, default_weights, get_release
from zoo.support.names import suggestion


def create(name: str, *, weights: str | None = None, **options: Any) -> Any:
    """Builds a registered model.

    Args:
        name: one of `list_models()`.
        weights: released ones, such as `comics`: see `python -m zoo.released list`. None begins anew.
        **options: those of `zoo.models.build.colorizer`: `encoder`, `encoder_weights`, `train_encoder`, `trunk`,
            `head`, `activation`, `initializer`, `output`, `momentum`, `stride`, `seed`, …

    Returns:
        A `keras.Model` from luma (B, H, W, 1) in [0, 1] to UV (B, H, W, 2), or to logits (B, H, W, 2, 64).

    Raises:
        UsageError: an unknown name or option, or weights that cannot be had.
    """
    return build(name, **options) if weights is None else create_released(name, weights, **options)


def model_file(path: str | Path) -> Path | None:
    """The `.keras` file that `load` reads: `path` itself, or the best model of a run directory; None for other models.

    Raises:
        UsageError: there is no such model, it could be either of two, or the file is none.
    """
    if str(path).startswith("hf:"):
        return None
    name, _, weights = str(path).partition(":")
    path = Path(path)
    file = path / "best.keras" if path.is_dir() else path
    if name in list_models():
        if file.is_file():
            raise UsageError(
                f"{path}: there is a model of that name here, and one with released weights. Give {path.absolute()}"
                f" for the first, {name}:{weights or default_weights(name)} for the second"
            )
        get_release(name, weights)
        return None
    if not file.is_file():
        raise UsageError(
            f"no model at {path}.{suggestion(name, list_models())} Give a .keras file, a run directory that holds"
            " best.keras, or the name of a model with released weights: python -m zoo.released list shows them"
        )
    if not zipfile.is_zipfile(file):  # Keras says of such a file that it was not found
        raise UsageError(f"{file} is not a model of this zoo: it is damaged, or no .keras file")
    return file


def model_name(path: str | Path) -> str:
    """What messages call a model that `load` takes: of released weights, their name too."""
    name, _, weights = str(path).partition(":")
    if name not in list_models() or weights or model_file(path):
        return str(path)
    return f"{name}:{get_release(name).name}"


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
        name, _, weights = str(path).partition(":")
        return create(name, weights=weights)
    import keras
    import numpy as np

    from zoo.models.model import with_contract  # registers the layers too

    try:
        # In safe mode: a model file must not bring code of its own.
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
    # Damaged and hostile files raise nearly anything.
    except Exception as error:
        raise UsageError(f"{file} is not a model of this zoo: {error}") from error
    for weight in model.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
            raise UsageError(
                f"{file}: the weight {weight.path} has values that are not finite: training diverged, or it is damaged"
            )
    return with_contract(model)


def _load_from_hub(address: str) -> Any:
    import importlib.util

    if importlib.util.find_spec("huggingface_hub") is None:
        raise UsageError(f"{address} needs the package huggingface_hub: pip install huggingface_hub")
    import keras

    from zoo.models.model import with_contract  # registers the layers too

    try:
        model = keras.saving.load_model(address, compile=False, safe_mode=True)
    except Exception as error:  # of the network, the hub, or a damaged or hostile file
        raise UsageError(f"{address} could not be loaded: {error}") from error
    return with_contract(model)
