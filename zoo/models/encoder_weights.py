"""The weights of an encoder: those that come with the package, or a file of the user's."""

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.models.encoders import EncoderCard
from zoo.support.files import user_path

FOLDER = Path(__file__).parents[1] / "weights" / "encoders"

Arrays = dict[str, list[np.ndarray]]
"""Layer name to its arrays, in the order of the layer's `weights`."""


def load_encoder_weights(body: Any, card: EncoderCard, spec: str | Path) -> None:
    """Puts weights into an encoder.

    Args:
        body: the network, a `keras.Model`.
        card: of the encoder.
        spec: `imagenet`, those that come with the package; `none`, which leaves the random ones; or a `.keras` or
            `.weights.h5` file that holds layers of the same names, at any depth, such as a whole network or a model of
            the zoo.

    Raises:
        UsageError: there are none, or the file cannot be used; the message says why.
    """
    if str(spec) == "none":
        return
    path = packaged(card) if str(spec) == "imagenet" else user_path(spec)
    arrays = _verified(path, card) if str(spec) == "imagenet" else _read(path)
    for layer in body.layers:
        if not layer.weights:
            continue
        found, wanted = arrays.get(layer.name), [tuple(weight.shape) for weight in layer.weights]
        if found is None:
            raise UsageError(f"{path}: the layer {layer.name} of {card.name} is missing")
        shapes = [array.shape for array in found]
        if shapes != wanted:
            raise UsageError(f"{path}: {layer.name} has arrays of shapes {shapes}, where {card.name}'s are {wanted}")
        layer.set_weights([_float32(path, layer.name, array) for array in found])


def packaged(card: EncoderCard) -> Path:
    """The file of weights that comes with the package.

    Raises:
        UsageError: none comes with it.
    """
    if not card.digest:
        raise UsageError(
            f"no weights of {card.name} come with the package: give --encoder-weights FILE (.keras, .weights.h5), or"
            " --encoder-weights none to start from random ones"
        )
    return FOLDER / f"{card.name}.npz"


def _float32(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    if not np.issubdtype(array.dtype, np.floating):
        raise UsageError(f"{path}: {name} holds {array.dtype}, not floats")
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and is refused for it
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise UsageError(f"{path}: {name} has values that are not finite")
    return array


def _verified(path: Path, card: EncoderCard) -> Arrays:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != card.digest:
        raise UsageError(f"{path} is not the file that comes with the package (SHA-256 differs): install it anew")
    arrays: Arrays = {}
    with np.load(io.BytesIO(data), allow_pickle=False) as held:
        for key in held.files:  # LAYER/0, LAYER/1, …, in order
            arrays.setdefault(key.rpartition("/")[0], []).append(held[key])
    return arrays


def _read(path: Path) -> Arrays:
    """The arrays of a saved Keras model or of its weights. The model is not built: its own classes are not needed."""
    if not path.name.endswith((".keras", ".weights.h5")):
        raise UsageError(f'{path}: encoder weights are "imagenet", "none", or a .keras or .weights.h5 file')
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    import h5py

    found: dict[str, dict[int, np.ndarray]] = {}

    def visit(name: str, item: object) -> None:
        # Keras 3: …/LAYER/vars/0, the group `vars` with the layer's name; optimizers hold others of those names.
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer"):
            *parents, last = name.split("/")
            owner = item.parent.attrs.get("name") or (parents[-2] if len(parents) > 1 else "")
            if item.external or item.is_virtual:
                raise ValueError(f"{name} lies in another file")
            if last.isdecimal():
                found.setdefault(str(owner), {})[int(last)] = item[()]

    try:
        source: Any = path
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                source = io.BytesIO(archive.read("model.weights.h5"))
        with h5py.File(source, "r") as file:
            file.visititems(visit)
    except Exception as error:  # what h5py and zipfile raise on damaged files has no common base
        raise UsageError(f"{path}: cannot be read as Keras weights: {error}") from error
    return {name: [arrays[index] for index in sorted(arrays)] for name, arrays in found.items()}
