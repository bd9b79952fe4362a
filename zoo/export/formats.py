"""Writing a colouriser in each format, and running what was written.

A writer gets a `zoo.export.graph.ExportedGraph`, the path of a file or folder that it makes, and the variant. A runner
gets the path, and gives a function from the inputs by name to UV or logits, NumPy arrays.
"""

import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.export.graph import ExportedGraph

VARIANTS = ("float32", "float16", "int8")
OPSET = 18  # of ONNX: what tf2onnx knows, and runtimes of 2023 and later
LEAST_HALVED = 256  # smaller constants stay in float32: they are few, and some are sizes

Inputs = dict[str, np.ndarray]
Runner = Callable[[Inputs], np.ndarray]


@dataclass(frozen=True)
class Format:
    """A format of files.

    Attributes:
        name: on the command line, and of the extra that installs what it needs.
        suffix: of its files; empty for a folder.
        variants: of `VARIANTS`.
        writes: packages that writing takes.
        runs: packages that running takes.
        write: the writer.
        open: the runner.
    """

    name: str
    suffix: str
    variants: tuple[str, ...]
    writes: tuple[str, ...]
    runs: tuple[str, ...]
    write: "Callable[[ExportedGraph, Path, str], None]"
    open: Callable[[Path], Runner]

    def check(self, variant: str) -> None:
        """Raises UsageError if the variant cannot be had, or a package that writes the format is not installed."""
        if variant not in self.variants:
            raise UsageError(f"--variant {variant}: {self.name} has {', '.join(self.variants)} only")
        missing = _missing(self.writes)
        if missing:
            raise UsageError(f"--format {self.name} needs the package {missing[0]}: {self.remedy}")

    @property
    def runtime_missing(self) -> bool:
        """Whether what was written cannot be run here."""
        return bool(_missing(self.runs))

    @property
    def remedy(self) -> str:
        """How to install what is missing."""
        return f'pip install "keras-colorization-zoo[{self.name}]"'


def _missing(packages: tuple[str, ...]) -> list[str]:
    return [name for name in packages if importlib.util.find_spec(name) is None]


def _save(graph: Any, path: Path) -> None:
    import tensorflow as tf

    # Gradients are of no use here, and some are made of tensors of another graph, which cannot be saved.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(graph, str(path), signatures=graph.serve, options=options)


def _write_saved_model(graph: "ExportedGraph", path: Path, variant: str) -> None:
    _save(graph, path)


def _open_saved_model(path: Path) -> Runner:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]

    def run(inputs: Inputs) -> np.ndarray:
        _ = loaded  # the function does not keep the variables alive
        given = {name: tf.constant(value) for name, value in inputs.items()}
        return next(iter(serve(**given).values())).numpy()

    return run


def _write_litert(graph: "ExportedGraph", path: Path, variant: str) -> None:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    # The converter leaves the variables of a Keras model without values: they are made constants first.
    frozen = convert_variables_to_constants_v2(graph.serve.get_concrete_function())
    constant = tf.Module()
    constant.serve = tf.function(lambda *inputs: {graph.output: frozen(*inputs)[0]}, input_signature=graph.signature)
    with tempfile.TemporaryDirectory() as folder:
        _save(constant, Path(folder))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if variant != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]  # int8 weights
        if variant == "float16":
            converter.target_spec.supported_types = [tf.float16]
        path.write_bytes(converter.convert())


def _open_litert(path: Path) -> Runner:
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(model_path=str(path)).get_signature_runner()

    return lambda inputs: next(iter(run(**inputs).values()))


def onnx_of(function: Any, signature: Sequence[Any]) -> Any:
    """A `tf.function` as an ONNX model, its inputs called as the signature calls them."""
    import tf2onnx

    return tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)[0]


def _write_onnx(graph: "ExportedGraph", path: Path, variant: str) -> None:
    import onnx

    from zoo.evaluation.foreign.onnx_card import CARD_KEY

    proto = onnx_of(graph.serve, graph.signature)
    onnx.helper.set_model_props(proto, {CARD_KEY: graph.card})
    for each in (*proto.graph.input, *proto.graph.output):
        for name, size in zip(("batch", "height", "width"), each.type.tensor_type.shape.dim, strict=False):
            if not size.HasField("dim_value"):
                size.dim_param = name
    if variant == "float16":
        _halve(proto)
    if variant == "int8":
        from onnxruntime.quantization import QuantType, quantize_dynamic

        # ONNX Runtime has no convolution of uint8 by int8.
        quantize_dynamic(proto, path, weight_type=QuantType.QUInt8)
    else:
        onnx.save(proto, path)


def _halve(proto: Any) -> None:
    """Has an ONNX model keep its weights in float16, and cast them when it computes, in float32."""
    import onnx

    casts = []
    for weight in proto.graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT and np.prod(weight.dims) >= LEAST_HALVED:
            values = onnx.numpy_helper.to_array(weight)
            if np.abs(values).max() > np.finfo(np.float16).max:  # variances of the encoder's maps are that large
                continue
            values, name = values.astype(np.float16), weight.name
            weight.CopyFrom(onnx.numpy_helper.from_array(values, f"{name}_float16"))
            casts.append(onnx.helper.make_node("Cast", [weight.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


def _open_onnx(path: Path) -> Runner:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)[0]


FORMATS = {
    each.name: each
    for each in (
        Format("onnx", ".onnx", VARIANTS, ("tf2onnx",), ("onnxruntime",), _write_onnx, _open_onnx),
        Format("litert", ".tflite", VARIANTS, (), ("ai_edge_litert",), _write_litert, _open_litert),
        Format("saved_model", "", ("float32",), (), (), _write_saved_model, _open_saved_model),
    )
}
