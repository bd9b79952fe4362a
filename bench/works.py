"""What a worker can be told to do, on TensorFlow; a step of training on JAX too.

Each `build` returns a call and what there is to say about it.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clicking
import colorizing
import keras
import numpy as np
import tensorflow as tf

import zoo
from zoo.data.dataset import Split, open_dataset
from zoo.data.pipeline import crop_batches, iterate
from zoo.models.contract import contract_of
from zoo.support.machine import compute_deterministically, policy_name, resolve_precision
from zoo.training.config import resolve
from zoo.training.losses import get_loss
from zoo.training.optimizers import make_optimizer
from zoo.training.step import build_step

Call = Callable[[], Any]


def build(spec: dict[str, Any]) -> tuple[Call, dict[str, Any]]:
    """The work of `spec["work"]`; the other keys are its options."""
    options = {key: value for key, value in spec.items() if key != "work"}
    return WORKS[spec["work"]](**options)


def allocator(*, reset: bool) -> dict[str, int] | None:
    """TensorFlow's allocator on the first device: bytes held now, and the peak since the last reset.

    None where it does not count: a CPU's does with oneDNN alone, which TensorFlow leaves off without AVX-512.
    """
    device = "GPU:0" if tf.config.list_physical_devices("GPU") else "CPU:0"
    try:
        info = tf.config.experimental.get_memory_info(device)
    except ValueError:
        return None
    if reset:
        tf.config.experimental.reset_memory_stats(device)
    return info


def training_step(
    *,
    model: str,
    batch_size: int,
    crop: int,
    precision: str = "auto",
    train_encoder: bool = True,
    jit: bool = False,
    data: str | None = None,
    one_at_a_time: bool = False,
    deterministic: bool = False,
    micro_batch: int | None = None,
    **model_options: Any,
) -> tuple[Call, dict[str, Any]]:
    """A step of training on a tensor in memory or, with `data`, on what the loader brings.

    With `one_at_a_time` no two operations overlap, each still on all cores: their times can be added up.
    """
    if one_at_a_time:
        tf.config.threading.set_inter_op_parallelism_threads(1)
    if deterministic:
        compute_deterministically()
    step, about = _step(model, batch_size, crop, precision, train_encoder, jit, micro_batch, model_options)
    if data is not None:
        split = open_dataset(data, crop=crop).splits["train"]
        batches = iterate(crop_batches(split, batch_size=batch_size, crop=crop, seed=0), split)
        return (lambda: float(step(next(batches)))), about
    rgb = tf.constant(_noise(batch_size, crop))
    return (lambda: float(step(rgb))), about


def _step(model, batch_size, crop, precision, train_encoder, jit, micro_batch, model_options):
    resolved = resolve_precision(precision)
    network = _create(model, resolved, train_encoder=train_encoder, **model_options)
    config = resolve(model, "crops", {}, {})
    optimizer = make_optimizer(config, resolved)
    optimizer.build(network.trainable_variables)
    loss = get_loss(config.loss, contract_of(network).answer)
    if keras.backend.backend() == "jax":
        tf.config.set_visible_devices([], "GPU")
        from zoo.training import jax_step
        from zoo.training.jax_devices import open_jax_devices

        step = jax_step.build_step(network, optimizer, loss, devices=open_jax_devices(None))
        return step, {"precision": resolved, "jit": True, "operations": lambda: None}
    step = build_step(network, optimizer, loss, micro_batch=micro_batch, jit=jit)
    shape = tf.TensorSpec((batch_size, crop, crop, 3), tf.uint8)
    return step, {"precision": resolved, "jit": jit, "operations": lambda: _operations(step, shape)}


def inference(
    *, model: str, batch_size: int, crop: int, precision: str = "auto", **model_options: Any
) -> tuple[Call, dict[str, Any]]:
    """Luma in, UV or logits out; a conditional model is given some U."""
    resolved = resolve_precision(precision)
    network = _create(model, resolved, **model_options)
    contract, seed = contract_of(network), tf.zeros(2, tf.int32)
    forward = tf.function(lambda luma: network(contract.with_truth(luma, luma, seed), training=False))
    luma = tf.constant(_noise(batch_size, crop)[..., :1] / np.float32(255))
    shape = tf.TensorSpec(luma.shape, tf.float32)
    return (lambda: forward(luma).numpy()), {
        "precision": resolved,
        "jit": False,
        "operations": lambda: _operations(forward, shape),
    }


def evaluation(*, model: str, pages: int, side: int) -> tuple[Call, dict[str, Any]]:
    """`python -m zoo.evaluate MODEL` of released weights on the embedded comics, from the command to the results."""
    folder = Path(tempfile.mkdtemp())
    words = [sys.executable, "-m", "zoo.evaluate", model, "--limit", str(pages), "--max-side", str(side)]

    def call() -> None:
        subprocess.run([*words, "-o", str(folder)], check=True, capture_output=True)

    return call, {"precision": "float32", "jit": False, "operations": lambda: None}


def loader(
    *, data: str, batch_size: int, crop: int, whole: bool = False, cache: str | None = None
) -> tuple[Call, dict[str, Any]]:
    """A batch of crops; with `whole`, by decoding the whole image first, as one would write it without this loader."""
    split = open_dataset(data, crop=crop).splits["train"]
    if whole:
        batches = iter(_decode_whole(split, batch_size, crop))
    else:
        batches = iterate(crop_batches(split, batch_size=batch_size, crop=crop, seed=0, cache=cache), split)
    return (lambda: next(batches).numpy()), {"precision": None, "jit": False, "operations": lambda: None}


def _decode_whole(split: Split, batch_size: int, crop: int) -> tf.data.Dataset:
    def example(path: tf.Tensor) -> tf.Tensor:
        rgb = tf.io.decode_jpeg(tf.io.read_file(path), channels=3, dct_method="INTEGER_ACCURATE")
        return tf.image.random_crop(rgb, (crop, crop, 3))

    paths = tf.data.Dataset.from_tensor_slices([str(image.path) for image in split.images])
    shuffled = paths.shuffle(len(split.images)).repeat()
    return shuffled.map(example, num_parallel_calls=tf.data.AUTOTUNE).batch(batch_size).prefetch(tf.data.AUTOTUNE)


def jpeg(*, data: str, crop: int, where: str) -> tuple[Call, dict[str, Any]]:
    """A page of JPEG, and of it a crop at its `top` or its `bottom`, or the `whole` of it."""
    image = open_dataset(data, crop=crop).splits["train"].images[0]
    contents = tf.constant(image.path.read_bytes())
    height, width = (image.height, image.width) if where == "whole" else (crop, crop)
    box = tf.constant([image.height - height if where == "bottom" else 0, 0, height, width])

    def decode() -> tf.Tensor:
        return tf.io.decode_and_crop_jpeg(contents, box, channels=3, dct_method="INTEGER_ACCURATE")

    return (lambda: decode().numpy()), {"precision": None, "jit": False, "operations": lambda: None}


def convolution(*, precision: str = "auto", batch_size: int = 4) -> tuple[Call, dict[str, Any]]:
    """The machine's peak: 3×3 convolutions of 256 channels at 56², as deep in VGG16, one after another."""
    resolved = resolve_precision(precision)
    dtype = tf.as_dtype(resolved)
    x = tf.cast(tf.random.stateless_normal((batch_size, 56, 56, 256), (0, 1)), dtype)
    kernel = tf.cast(tf.random.stateless_normal((3, 3, 256, 256), (0, 2)) * 0.02, dtype)

    @tf.function
    def chain(x: tf.Tensor) -> tf.Tensor:
        for _ in range(8):
            x = tf.nn.conv2d(x, kernel, 1, "SAME")
        return x

    operations = 8 * 2 * batch_size * 56 * 56 * 9 * 256 * 256
    return (lambda: chain(x).numpy()), {"precision": resolved, "jit": False, "operations": lambda: operations}


def first_convolution(*, channels: int, batch_size: int, crop: int, precision: str) -> tuple[Call, dict[str, Any]]:
    """VGG16's first convolution and the gradient of its kernel, for an input of so many channels."""
    dtype = tf.as_dtype(resolve_precision(precision))
    x = tf.cast(tf.random.stateless_normal((batch_size, crop, crop, channels), (0, 1)), dtype)
    kernel = tf.cast(tf.random.stateless_normal((3, 3, channels, 64), (0, 2)), dtype)

    @tf.function
    def both(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            y = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME"))
        return tape.gradient(y, kernel)

    return (lambda: both(x, kernel).numpy()), {"precision": dtype.name, "jit": False, "operations": lambda: None}


# What an operation is for, by the start of its type; the first that fits.
KINDS = {
    "Conv2DBackpropFilter": "weight gradients",
    "Conv2DBackpropInput": "input gradients",
    "Conv2D": "convolutions",
    "FusedConv2D": "convolutions",
    "MatMul": "matrix products",
    "BatchMatMul": "matrix products",
    "FusedBatchNorm": "batch normalisation",
    "Relu": "activations",
    "LeakyRelu": "activations",
    "MaxPool": "pooling",
    "Resize": "resizing",
    "Add": "additions",
    "Concat": "copies and casts",
    "Slice": "copies and casts",
    "StridedSlice": "copies and casts",
    "Transpose": "copies and casts",
    "Cast": "copies and casts",
}


def profile(call: Call, calls: int) -> dict[str, float]:
    """Seconds a call by "part: kind", from TensorFlow's profiler, the operations of the host alone."""
    seconds: dict[str, float] = {}
    for event, name, _ in _trace(call, calls):
        # "model/layer/Operation:Type" is an operation; other events are spans around them.
        operation, _, kind = name.rpartition(":")
        kind = kind.strip().removeprefix("_Mkl").removeprefix("Native").removeprefix("_")
        if operation and kind.isalnum() and not operation.endswith(":"):
            purpose = next((KINDS[start] for start in KINDS if kind.startswith(start)), "other")
            key = f"{_part(operation)}: {purpose}"
            seconds[key] = seconds.get(key, 0.0) + event.duration_ps * 1e-12 / calls
    return seconds


def held_at_peak(call: Call, calls: int) -> dict[str, int]:
    """Bytes by "part: kind" at the moment of a call when most are held, of what the call itself allocates.

    Of so many calls, the one whose peak is the median. From the allocations that TensorFlow's profiler sees: those of
    oneDNN's allocator or a GPU's. Empty where there is neither, as `allocator` answers None.
    """
    found = sorted((_held_at_peak(call) for _ in range(calls)), key=lambda kinds: sum(kinds.values()))
    return found[calls // 2]


def _held_at_peak(call: Call) -> dict[str, int]:
    events = [each for each in _trace(call, 1) if each[1] in ("MemoryAllocation", "MemoryDeallocation")]
    events.sort(key=lambda each: each[0].offset_ps)
    held: dict[int, tuple[str, int]] = {}
    most: dict[str, int] = {}
    for _, name, stats in events:
        if name == "MemoryDeallocation":
            held.pop(stats["addr"], None)
            continue
        operation = stats["tf_op"]
        kind = "gradients" if operation.startswith("gradient_tape/") else "maps"
        held[stats["addr"]] = (f"{_part(operation)}: {kind}", stats["allocation_bytes"])
        if sum(size for _, size in held.values()) > sum(most.values()):
            most = {}
            for key, size in held.values():
                most[key] = most.get(key, 0) + size
    return most


def _trace(call: Call, calls: int) -> list[tuple[Any, str, dict[str, Any]]]:
    """Events of the profiler, their names and what it says about each."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2  # what the profiler writes; there is no public reader

    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(calls):
                call()
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    found = []
    for plane in space.planes:
        names = {key: metadata.name for key, metadata in plane.stat_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                event.offset_ps += line.timestamp_ns * 1000  # of the trace, not of its line
                stats = {names[stat.metadata_id]: _stat(stat, names) for stat in event.stats}
                found.append((event, plane.event_metadata[event.metadata_id].name, stats))
    return found


def _stat(stat: Any, names: dict[int, str]) -> Any:
    field = stat.WhichOneof("value")
    value = getattr(stat, field)
    return names[value] if field == "ref_value" else value


def _part(operation: str) -> str:
    return "encoder" if re.search(r"/encoder(_\d+)?/", operation) else "rest"


WORKS = {
    "training_step": training_step,
    "inference": inference,
    "evaluation": evaluation,
    "loader": loader,
    "jpeg": jpeg,
    "convolution": convolution,
    "first_convolution": first_convolution,
    "colorize_folder": colorizing.colorize_folder,
    "colorize_page": colorizing.colorize_page,
    "page_parts": colorizing.page_parts,
    "colorize_default": colorizing.colorize_default,
    "first_page": colorizing.first_page,
    "shards": colorizing.shards,
    "hint_round_trip": colorizing.hint_round_trip,
    "studio_click": clicking.studio_click,
    "studio_book": clicking.studio_book,
}


def _create(model: str, precision: str, **options: Any) -> keras.Model:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy_name(precision))
    try:
        return zoo.create(model, encoder_weights="none", **options)
    finally:
        keras.config.set_dtype_policy(before)


def _noise(batch_size: int, crop: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (batch_size, crop, crop, 3), dtype=np.uint8)


def _operations(function: Any, *shapes: tf.TensorSpec) -> int:
    """Multiplications and additions of a traced function, by TensorFlow's own count of its graph."""
    from tensorflow.compat.v1.profiler import ProfileOptionBuilder, profile

    graph = function.get_concrete_function(*shapes).graph
    options = ProfileOptionBuilder(ProfileOptionBuilder.float_operation()).with_empty_output().build()
    return int(profile(graph, options=options).total_float_ops)
