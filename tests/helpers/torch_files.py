"""Files of PyTorch, written without it: the opcodes of their pickles, and what is around them."""

import io
import json
import struct
import zipfile
from collections.abc import Mapping

import numpy as np

from zoo.models.converting.state_dicts import MAGIC, PROTOCOL

KINDS = {np.dtype("<f4"): "FloatStorage", np.dtype("<f2"): "HalfStorage", np.dtype("<i8"): "LongStorage"}


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def numbers(values) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(key: str, kind: str, count: int) -> bytes:
    """A reference to a storage, by a persistent id."""
    return b"(" + text("storage") + named("torch", kind) + text(key) + text("cpu") + number(count) + b"tQ"


def tensor(stored: bytes, shape, strides, offset: int = 0) -> bytes:
    arguments = stored + number(offset) + numbers(shape) + numbers(strides) + b"\x89"
    arguments = b"(" + arguments + named("collections", "OrderedDict") + b")Rt"
    return named("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def whole(array: np.ndarray, key: str) -> bytes:
    """A tensor that fills its storage."""
    strides = np.array(array.strides) // array.itemsize
    return tensor(storage(key, KINDS[array.dtype], array.size), array.shape, strides)


def state(values: Mapping[str, bytes]) -> bytes:
    """The pickle of a state dict of values that are written already."""
    items = b"".join(text(name) + value for name, value in values.items())
    attributes = b"}" + text("_metadata") + b"}sb"  # versions of modules, which PyTorch keeps there
    return b"\x80\x02" + named("collections", "OrderedDict") + b")R(" + items + b"u" + attributes + b"."


def zipped(pickled: bytes, storages: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", "little")
        for key, values in storages.items():
            archive.writestr(f"archive/data/{key}", values)
    return file.getvalue()


def zipped_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    pickled = state({name: whole(array, str(index)) for index, (name, array) in enumerate(arrays.items())})
    return zipped(pickled, {str(index): array.tobytes() for index, array in enumerate(arrays.values())})


def legacy(pickled: bytes, storages: Mapping[str, tuple[int, bytes]]) -> bytes:
    """As before PyTorch 1.6; of each storage its number of elements and its bytes."""
    magic = b"\x80\x02\x8a\x0a" + MAGIC.to_bytes(10, "little") + b"."
    system = b"\x80\x02}(" + text("little_endian") + b"\x88u."
    keys = b"\x80\x02](" + b"".join(map(text, storages)) + b"e."
    contents = b"".join(struct.pack("<q", count) + values for count, values in storages.values())
    return magic + b"\x80\x02" + number(PROTOCOL) + b"." + system + pickled + keys + contents


def safetensors(arrays: Mapping[str, np.ndarray]) -> bytes:
    names = {np.dtype("<f4"): "F32", np.dtype("<f2"): "F16", np.dtype("<i8"): "I64"}
    header, place = {"__metadata__": {"format": "pt"}}, 0
    for name, array in arrays.items():
        offsets = [place, place := place + array.nbytes]
        header[name] = {"dtype": names[array.dtype], "shape": list(array.shape), "data_offsets": offsets}
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + b"".join(array.tobytes() for array in arrays.values())
