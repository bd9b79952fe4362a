"""Models prepared for ONNX Runtime, which colours a first page before TensorFlow would be there.

A model is prepared once, and kept in the cache directory by what its weights are. The decoders, the regions and all
else are the same NumPy code as with Keras (`zoo.models.prediction`), so that every decoder and every hint works.
"""

import hashlib
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo.errors import RunError, UsageError
from zoo.export.formats import OPSET, onnx_of
from zoo.models.kinds import weights_digest
from zoo.models.onnx_network import ABOUT, BODY, INPUT, MARGINAL, V_LOGITS, OnnxNetwork
from zoo.support.command import import_tensorflow, silence
from zoo.support.files import atomic_folder, cache_dir
from zoo.support.version import __version__


def chosen_runtime(runtime: str, model: str | Path) -> str:
    """What computes a model: `tensorflow` or `onnx`.

    Args:
        runtime: of `zoo.models.network.RUNTIMES`; `auto` for `onnx` of a model that is prepared already, and
            `tensorflow` of others.
        model: as `zoo.load` takes it.

    Raises:
        UsageError: `onnx` of a model that cannot be prepared, or without the packages.
    """
    place = _place(model)
    there = place is not None and place.is_dir()
    if runtime == "auto":
        return "onnx" if there and importlib.util.find_spec("onnxruntime") else "tensorflow"
    if runtime == "onnx":
        for package in ("onnxruntime",) if there else ("onnxruntime", "tf2onnx"):
            if importlib.util.find_spec(package) is None:
                raise UsageError(
                    f'--runtime onnx needs the package {package}: pip install "keras-colorization-zoo[onnx]"'
                )
        if place is None:
            raise UsageError(f"--runtime onnx: {model} is on a hub; save it as a .keras file first")
    return runtime


def open_network(model: str | Path) -> OnnxNetwork:
    """A model, computed by ONNX Runtime; it is prepared if it is not.

    Args:
        model: as `zoo.load` takes it, but for one on a hub.

    Raises:
        RunError: it cannot be prepared.
    """
    place = _place(model)
    assert place is not None
    if not place.is_dir():
        import_tensorflow()
        from zoo.models.loading import load
        from zoo.support.console import say

        say(f"preparing {model} for ONNX Runtime, once")
        network = load(model)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with atomic_folder(place) as temporary, silence():
                write(network, temporary)
        except OSError as error:
            raise RunError(f"{error.filename or place} could not be written: {error.strerror or error}") from error
    return OnnxNetwork(place)


def _place(model: str | Path) -> Path | None:
    """The folder of a prepared model; None of one on a hub."""
    digest = weights_digest(model)
    if digest is None:
        return None
    return cache_dir() / "onnx" / hashlib.sha256(f"{__version__} {OPSET} {digest}".encode()).hexdigest()[:32]


def write(model: Any, folder: Path) -> None:
    """Writes what `OnnxNetwork` reads.

    Args:
        model: of the zoo, or one of one's own; it is written in float32, whatever it computes in.
        folder: is there, and empty.
    """
    import tensorflow as tf

    from zoo.export.graph import in_float32
    from zoo.models.contract import contract_of
    from zoo.models.heads import chain_of

    model = in_float32(model)
    contract = contract_of(model)
    chain = chain_of(model)
    body = chain.body if chain else model

    def shaped(channels: int) -> Any:
        return tf.TensorSpec((None, None, None, channels), tf.float32)

    def forward(*inputs: Any) -> Any:
        return body(inputs[0] if len(inputs) == 1 else list(inputs), training=False)

    _convert(forward, [shaped(count) for count in (1, *(item.channels for item in contract.given))], folder / BODY)
    about = {"contract": contract.as_json(), "chained": False, "direct": False, "embedding": 0}
    if chain:
        features = shaped(chain.channels)
        about |= {"chained": True, "direct": chain.direct, "embedding": chain.embedding}
        _convert(chain.v_logits, [features, shaped(1)], folder / V_LOGITS)
        if chain.direct:
            from zoo.chroma.bins import BINS

            marginal = chain.marginal
            _convert(lambda some, p_u: marginal(some, p_u, 0.0), [features, shaped(BINS)], folder / MARGINAL)
    (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _convert(function: Callable[..., Any], signature: list[Any], path: Path) -> None:
    import onnx
    import tensorflow as tf

    named = [tf.TensorSpec(each.shape, each.dtype, name=INPUT.format(index)) for index, each in enumerate(signature)]
    onnx.save(onnx_of(tf.function(function, input_signature=named), named), path)
