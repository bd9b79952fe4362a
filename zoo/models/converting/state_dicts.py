"""State dicts: tensors by name, of files of `torch.save`, new or old, and of `.safetensors`. Nothing in them is run."""

import io
import json
import math
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.models.converting.pickled import Named, TensorRecord, read

LARGEST = 2**31  # bytes of a file
LONGEST_HEADER = 2**26  # bytes of the header of a .safetensors file
MOST_AXES = 8

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
"""What a file of `torch.save` before PyTorch 1.6 begins with."""

NESTED = "params"
"""The only key of a file of BasicSR, whose value is the state dict."""

STORAGES = {"FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16", "LongStorage": "I64"}
DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8"}
"""How elements are stored. bfloat16 is the upper half of a float32."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in the bytes of a file, inside their bounds.

    Attributes:
        dtype: of `DTYPES`.
        shape: how many elements along each axis.
        strides: elements from one to the next along each axis.
        offset: of the first element.
        elements: the bytes of its storage.
    """

    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    elements: memoryview

    def __post_init__(self) -> None:
        for values in (self.shape, self.strides, (self.offset,)):
            if not isinstance(values, tuple) or any(type(each) is not int or each < 0 for each in values):
                raise ValueError("a tensor's shape, strides or place are no counts")
        if len(self.shape) != len(self.strides) or len(self.shape) > MOST_AXES:
            raise ValueError(f"a tensor has {len(self.shape)} axes and {len(self.strides)} strides")
        count = len(self.elements) // np.dtype(DTYPES[self.dtype]).itemsize
        end = self.offset + sum((size - 1) * step for size, step in zip(self.shape, self.strides, strict=True)) + 1
        # One that shows elements many times could be of any size.
        if math.prod(self.shape) and (end > count or math.prod(self.shape) > count):
            raise ValueError(f"a tensor of the shape {self.shape} leads beyond the {count} elements of its storage")

    def array(self) -> np.ndarray:
        """A copy, float32 of floating-point numbers, int64 of others."""
        kind = np.int64 if self.dtype == "I64" else np.float32
        if not math.prod(self.shape):
            return np.zeros(self.shape, kind)
        flat = np.frombuffer(self.elements, DTYPES[self.dtype])
        steps = [step * flat.itemsize for step in self.strides]
        found = np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, steps, writeable=False)
        if self.dtype == "BF16":
            return (found.astype(np.uint32) << 16).view(np.float32)
        return found.astype(kind)


def file_bytes(path: Path) -> bytes:
    """What a file of weights holds.

    Raises:
        UsageError: there is no such file, or it is too large.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    if path.stat().st_size > LARGEST:
        raise UsageError(f"{path} has more than {LARGEST:,} bytes, too many for weights of one of these models")
    return path.read_bytes()


def read_state(data: bytes, name: object) -> dict[str, StoredTensor]:
    """The tensors of a file by name.

    Args:
        data: what the file holds.
        name: what messages call it.

    Raises:
        UsageError: no file of a state dict, one that is damaged, or one that would run something.
    """
    try:
        return _tensors(data)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, struct.error) as error:
        raise UsageError(f"{name} is damaged: {error}") from error
    except (LookupError, TypeError, OverflowError) as error:
        raise UsageError(f"{name} is damaged ({type(error).__name__})") from error
    except ValueError as error:
        raise UsageError(f"{name} is refused: {error}") from error


def _tensors(data: bytes) -> dict[str, StoredTensor]:
    if data[8:9] == b"{":
        return _of_safetensors(data)
    if data[:4] == b"PK\x03\x04":
        state = _of_zip(data)
    elif data[:1] == b"\x80":
        state = _of_stream(data)
    else:
        raise ValueError("it is no file of torch.save, and no .safetensors file")
    if not isinstance(state, dict):
        raise ValueError("it holds no state dict, which torch.save(model.state_dict(), …) writes")
    if list(state) == [NESTED] and isinstance(state[NESTED], dict):
        state = state[NESTED]
    for name, value in state.items():
        if not isinstance(value, StoredTensor):
            raise ValueError(f"{name!r} in it is no tensor: give a file of torch.save(model.state_dict(), …)")
    return state


def _storage(found: Any) -> tuple[str, str, int]:
    """The type, the key and the number of elements that a persistent id says."""
    if type(found) is not tuple or len(found) not in (5, 6) or found[0] != "storage" or found[5:] not in ((), (None,)):
        raise ValueError("it refers to something that is not a plain storage")
    _, kind, key, _, count = found[:5]
    if not (isinstance(kind, Named) and type(key) is str and type(count) is int and count >= 0):
        raise ValueError("it refers to a storage without a type, a key or a size")
    module, _, name = kind.name.partition(" ")
    if module != "torch" or name not in STORAGES:
        known = ", ".join(STORAGES)
        raise ValueError(f"it has a storage of the type {kind.name.replace(' ', '.')}; known: {known}")
    return STORAGES[name], key, count


def _of_zip(data: bytes) -> Any:
    """The object in a file of `torch.save` since PyTorch 1.6: an archive of a pickle and the bytes of each storage."""
    held: dict[str, tuple[str, memoryview]] = {}
    left = len(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        pickles = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("it is an archive without one data.pkl: no file of torch.save")
        folder = pickles[0].removesuffix("data.pkl")

        def entry(name: str) -> bytes:
            nonlocal left
            info = archive.getinfo(folder + name)
            left -= info.file_size
            if info.compress_type != zipfile.ZIP_STORED or left < 0:
                raise ValueError(f"its entry {name} is compressed, or lies over another: torch.save writes none such")
            return archive.read(info)

        if f"{folder}byteorder" in archive.namelist() and entry("byteorder") != b"little":
            raise ValueError("it was written on a machine of another byte order")

        def storage(found: Any) -> str:
            dtype, key, count = _storage(found)
            if key not in held:
                held[key] = dtype, memoryview(entry(f"data/{key}"))
            _check_storage(key, held[key], dtype, count)
            return key

        state = read(io.BytesIO(entry("data.pkl")), storage)
    return _with_storages(state, held)


def _of_stream(data: bytes) -> Any:
    """The object in a file of `torch.save` before PyTorch 1.6: pickles one after the other, then storages."""
    stream = io.BytesIO(data)
    wanted: dict[str, tuple[str, int]] = {}

    def storage(found: Any) -> str:
        dtype, key, count = _storage(found)
        if wanted.setdefault(key, (dtype, count)) != (dtype, count):
            raise ValueError(f"its storage {key!r} is of two types or sizes")
        return key

    def nothing(found: Any) -> Any:
        raise ValueError("it refers to a storage outside its state dict")

    magic, protocol, system = (read(stream, nothing) for _ in range(3))
    if magic != MAGIC or protocol != PROTOCOL or not isinstance(system, dict):
        raise ValueError("it is a pickle, and no file of torch.save")
    if system.get("little_endian") is not True:
        raise ValueError("it was written on a machine of another byte order")
    state, keys = read(stream, storage), read(stream, nothing)
    if not isinstance(keys, list) or sorted(keys) != sorted(wanted):
        raise ValueError("its storages are others than its tensors refer to")
    held: dict[str, tuple[str, memoryview]] = {}
    place = stream.tell()
    for key in keys:
        dtype, count = wanted[key]
        (size,) = struct.unpack_from("<q", data, place)
        place += 8 + count * np.dtype(DTYPES[dtype]).itemsize
        if size != count or place > len(data):
            raise ValueError(f"its storage {key!r} has {size} elements of {count}, or is cut off")
        held[key] = dtype, memoryview(data)[place - count * np.dtype(DTYPES[dtype]).itemsize : place]
    return _with_storages(state, held)


def _check_storage(key: str, held: tuple[str, memoryview], dtype: str, count: int) -> None:
    if held[0] != dtype or len(held[1]) != count * np.dtype(DTYPES[dtype]).itemsize:
        raise ValueError(f"its storage {key!r} has {len(held[1])} bytes, which are not {count} elements of {dtype}")


def _with_storages(state: Any, held: dict[str, tuple[str, memoryview]]) -> Any:
    """A dictionary with its records as tensors; anything else as it is."""
    if not isinstance(state, dict):
        return state
    found = dict(state)
    for name, value in state.items():
        if name == NESTED:
            found[name] = _with_storages(value, held)
        if isinstance(value, TensorRecord):
            if type(value.storage) is not str:
                raise ValueError(f"{name!r} has no storage")
            dtype, elements = held[value.storage]
            found[name] = StoredTensor(dtype, value.shape, value.strides, value.offset, elements)
    return found


def _of_safetensors(data: bytes) -> dict[str, StoredTensor]:
    """The tensors of a `.safetensors` file: the header's length, the header in JSON, then the bytes."""
    (length,) = struct.unpack_from("<Q", data)
    if length > min(LONGEST_HEADER, len(data) - 8):
        raise ValueError("its header is cut off, or it is no .safetensors file")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    content = memoryview(data)[8 + length :]
    found = {}
    for name, each in header.items():
        start, end = each["data_offsets"]
        if each["dtype"] not in DTYPES:
            raise ValueError(f"{name!r} is of the type {each['dtype']}; known: {', '.join(DTYPES)}")
        if not (type(start) is type(end) is int and 0 <= start <= end <= len(content)):
            raise ValueError(f"{name!r} leads beyond the end of the file")
        shape = tuple(each["shape"][:MOST_AXES])
        strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
        found[name] = StoredTensor(each["dtype"], shape, strides, 0, content[start:end])
        if math.prod(shape) * np.dtype(DTYPES[each["dtype"]]).itemsize != end - start:
            raise ValueError(f"{name!r} has {end - start} bytes, which are not those of its shape {shape}")
    return found
