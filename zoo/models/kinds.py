"""What its card or its file tells of a model, so that mistakes are refused before Keras is imported."""

import hashlib
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from zoo.models.heads import HEADS
from zoo.models.loading import model_file
from zoo.models.registry import get_card
from zoo.models.releases import Release, get_release


def answers_with(model: str | Path) -> str | None:
    """`uv` of a regression, `logits` of a classifier, None where only the model itself can tell.

    Args:
        model: as `zoo.load` takes it.

    Raises:
        UsageError: there is no such model.
    """
    file = model_file(model)
    if file:
        return _of_file(file)
    card = _release(model)
    if card is None:
        return None
    head = card.options.get("head")
    return get_card(card.model).output if head is None else HEADS[head].answer


def trained_side(model: str | Path) -> int:
    """The `side` of its contract: 0 of one that was trained on crops, or where only the model itself can tell.

    Args:
        model: as `zoo.load` takes it.

    Raises:
        UsageError: there is no such model.
    """
    file = model_file(model)
    if file:
        side = (_config(file).get("contract") or {}).get("side", 0)
        return side if isinstance(side, int) else 0
    card = _release(model)
    return card.side if card else 0


def weights_digest(model: str | Path) -> str | None:
    """What tells a model from one that was trained on: a SHA-256, of its file or its card; None of one on a hub."""
    file = model_file(model)
    if file:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    card = _release(model)
    return card.sha256 if card else None


def _release(model: str | Path) -> Release | None:
    """The card of released weights; None of a model on a hub."""
    name, _, weights = str(model).partition(":")
    return None if name == "hf" else get_release(name, weights)


def _config(file: Path) -> dict[str, Any]:
    """What a `.keras` file says of its model; nothing if it is of another kind, or damaged: Keras will say so."""
    try:
        with zipfile.ZipFile(file) as archive:
            found = dict(json.loads(archive.read("config.json"))["config"])
            return found | {"contract": dict(found["contract"])} if found.get("contract") else found
    # RecursionError is a RuntimeError.
    except (OSError, zlib.error, zipfile.BadZipFile, RuntimeError, ValueError, LookupError, TypeError):
        return {}


def _of_file(file: Path) -> str | None:
    config = _config(file)
    try:
        if "contract" in config:
            answer = config["contract"]["answer"]
            return answer if answer in ("uv", "logits") else None
        name = config["output_layers"][0]
        (layer,) = (each for each in config["layers"] if each["name"] == (name if isinstance(name, str) else name[0]))
        shape = layer["build_config"]["input_shape"]  # what the last layer does changes no number of channels
        shape = shape[0] if isinstance(shape[0], list) else shape
    except (ValueError, LookupError, TypeError):
        return None
    return {5: "logits", 4: "uv" if shape[-1] == 2 else None}.get(len(shape))
