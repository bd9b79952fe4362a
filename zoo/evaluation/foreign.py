"""Candidates that are not of this zoo: an ONNX file with its card, a Python function, pictures from elsewhere."""

import hashlib
import importlib
import importlib.util
import os
import re
import sys
import tomllib
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from zoo.chroma.decoders import gumbel_noise
from zoo.chroma.upsampling import bring_up, reduced_size
from zoo.chroma.yuv import split_luma, to_uint8
from zoo.data.dataset import ImageRef
from zoo.data.decode import decode_rgb, read_header
from zoo.data.image_files import ImageFile, folder_split, inner_path, is_archive, list_images
from zoo.errors import ImageError, UsageError
from zoo.evaluation.candidates import FOREIGN, Answer, Subject, answer_of
from zoo.metrics import chroma, lab
from zoo.results import Way
from zoo.support.arrays import kind_of
from zoo.support.command import silence
from zoo.support.console import say
from zoo.support.names import printable, suggestion
from zoo.support.schema import Range
from zoo.support.table import plural

CARD_KEY = "colorizer card"
"""The metadata of an ONNX file that holds its card, where no file beside it does: `zoo.export` writes it."""

LAYOUTS = ("NHWC", "NCHW")
CHANNELS = {"luma": 1, "L": 1, "gray rgb": 3, "uv": 2, "ab": 2, "rgb": 3}
LEAST, LARGEST = 8, 8192  # pixels a side of what a network may see
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
SQUEEZE = 0.5  # of C*: what rounding and the way through RGB make of a colour that fits
_SPEC = re.compile(rf"(?:([^=:/]+)=)?({'|'.join(FOREIGN)}):(.*)", re.DOTALL)


def is_foreign(spec: str) -> bool:
    """Whether a word of the command line means a candidate that is not of this zoo."""
    return _SPEC.fullmatch(spec) is not None


def open_foreign(spec: str, seed: int) -> "OnnxModel | PythonFunction | PictureFolder":
    """The candidate that such a word means.

    Args:
        spec: `onnx:FILE`, `python:MODULE:FUNCTION` or `files:DIR`, after `NAME=` if it is to have another name.
        seed: of the noise of an exported model that draws.

    Raises:
        UsageError: it cannot be opened; the message says why.
    """
    found = _SPEC.fullmatch(spec)
    assert found
    name, kind, where = found.groups()
    if not where:
        raise UsageError(f"{spec}: give {FOREIGN[kind]}")
    if kind == "onnx":
        return OnnxModel(Path(where), name, seed)
    return PythonFunction(where, name) if kind == "python" else PictureFolder(Path(where), name)


def _one(kind: type, **bounds: Any) -> Any:
    """A field of a card with one value, whose default is nothing; a text is one that a terminal may show."""

    def read(name: str, value: Any) -> Any:
        checked = Range(**bounds).check(name, value, kind)
        return printable(checked) if kind is str else checked

    return field(default=kind(), metadata={"read": read})


def _choice(*choices: str) -> Any:
    """A field of a card that has to be there."""
    return field(metadata={"read": lambda name, value: Range(choices=choices).check(name, value, str)})


def _numbers(default: tuple[float, ...], kind: type = float, counts: Sequence[int] = (1, 3), **bounds: Any) -> Any:
    """A field of a card with one number, or a list of them."""

    def read(name: str, value: Any) -> tuple[Any, ...]:
        values = value if isinstance(value, list) else [value]
        if len(values) not in counts:
            raise UsageError(f"{name} must hold {' or '.join(map(str, counts))} numbers, not {value!r}")
        return tuple(Range(**bounds).check(name, each, kind) for each in values)

    return field(default=default, metadata={"read": read})


def _zeros(name: str, value: Any) -> dict[str, int]:
    return {key: Range(least=1).check(f"{name}.{key}", each, int) for key, each in _table(name, value).items()}


@dataclass(frozen=True)
class CardInput:
    """The table `[input]` of a card: what the network is given, scale × value + offset.

    Attributes:
        color: `luma`, Y in [0, 1]; `L`, CIELAB's in [0, 100]; `gray rgb`, Y three times.
        layout: of `LAYOUTS`.
        name: of the graph's input; empty where there is one alone.
        scale: one number, or one for each channel.
        offset: likewise.
        size: the only height and width that it takes; empty for any.
        multiple: what height and width have to be multiples of; 0 for any.
        side: the longer side of larger pictures is reduced to this; 0 for none.
        zeros: other inputs, which get zeros: by name, how many times smaller than the picture they are.
        noise: the input that takes Gumbel noise (2, 64), as exported samples of this zoo do; empty for none.
    """

    color: str = _choice("luma", "L", "gray rgb")
    layout: str = _choice(*LAYOUTS)
    name: str = _one(str)
    scale: tuple[float, ...] = _numbers((1.0,))
    offset: tuple[float, ...] = _numbers((0.0,))
    size: tuple[int, ...] = _numbers((), int, (2,), least=LEAST, most=LARGEST)
    multiple: int = _one(int, least=1, most=LARGEST)
    side: int = _one(int, least=LEAST, most=LARGEST)
    zeros: dict[str, int] = field(default_factory=dict, metadata={"read": _zeros})
    noise: str = _one(str)

    def seen(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what the network sees of a picture."""
        if self.size:
            return self.size[0], self.size[1]
        multiple = self.multiple or 1
        high, wide = (max(1, round(each / multiple)) * multiple for each in reduced_size(height, width, self.side))
        return high, wide


@dataclass(frozen=True)
class CardOutput:
    """The table `[output]` of a card: what scale × answer + offset is.

    Attributes:
        color: `uv` of this zoo; `ab` of CIELAB; `rgb` in [0, 1].
        layout: of `LAYOUTS`.
        name: of the graph's output; empty where there is one alone.
        scale: one number, or one for each channel.
        offset: likewise.
    """

    color: str = _choice("uv", "ab", "rgb")
    layout: str = _choice(*LAYOUTS)
    name: str = _one(str)
    scale: tuple[float, ...] = _numbers((1.0,), counts=(1, 2, 3))
    offset: tuple[float, ...] = _numbers((0.0,), counts=(1, 2, 3))


@dataclass(frozen=True)
class OnnxCard:
    """What an ONNX model takes and gives, and whose it is."""

    input: CardInput = field(metadata={"read": lambda name, value: _read(CardInput, name, value)})
    output: CardOutput = field(metadata={"read": lambda name, value: _read(CardOutput, name, value)})
    name: str = _one(str)
    licence: str = _one(str)
    source: str = _one(str)

    def __post_init__(self) -> None:
        for where, part in (("input", self.input), ("output", self.output)):
            for name in ("scale", "offset"):
                if len(getattr(part, name)) not in (1, CHANNELS[part.color]):
                    raise UsageError(f"{where}.{name} must hold 1 or {CHANNELS[part.color]} numbers, for {part.color}")
        given = [name for name in ("size", "multiple", "side") if getattr(self.input, name)]
        if len(given) > 1 and "size" in given:
            raise UsageError(f"input.size leaves nothing to input.{given[1]}: give one of them")


def card_of(text: str, where: str) -> OnnxCard:
    """A card from its TOML.

    Raises:
        UsageError: no TOML, an unknown key, one that is missing, or a value that it may not have; `where` it is from.
    """
    try:
        return _read(OnnxCard, "", tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where} is not a TOML file: {error}") from None
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def _table(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{name} must be a table, not {value!r}")
    return value


def _read(kind: Callable[..., Any], name: str, table: Any) -> Any:
    """One of the classes above from a table, each key read as its field says."""
    known = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
    before = f"{name}." if name else ""
    values = {}
    for key, value in _table(name, table).items():
        if key not in known:
            raise UsageError(f"unknown key {before}{key}.{suggestion(key, known)} Known: {', '.join(known)}")
        values[key] = known[key].metadata["read"](f"{before}{key}", value)
    for key, each in known.items():
        if key not in values and each.default is MISSING and each.default_factory is MISSING:
            raise UsageError(f"{before}{key} is missing")
    return kind(**values)


class OnnxModel:
    """An ONNX file, run by ONNX Runtime on the CPU.

    The picture's own luma stays: of an answer in RGB only U and V count; a* and b* are put beside the picture's L.

    Args:
        path: of the file. Its card lies beside it, as `.toml`, or in its metadata, under `CARD_KEY`.
        name: what to call it; None for what its card says, or the file's name.
        seed: of the noise, with each image's name.

    Attributes:
        about: what the results file says of it.

    Raises:
        UsageError: no such file, no card or a wrong one, or a graph that the card does not fit.
    """

    def __init__(self, path: Path, name: str | None, seed: int) -> None:
        if not path.is_file():
            raise UsageError(f"onnx:{path}: no such file")
        beside = path.with_suffix(".toml")
        card = card_of(beside.read_text(encoding="utf-8", errors="replace"), str(beside)) if beside.exists() else None
        self._path, self._seed, self._session = path, seed, _session(path)
        if card is None:
            text = self._session.get_modelmeta().custom_metadata_map.get(CARD_KEY)
            if text is None:
                raise UsageError(
                    f"onnx:{path}: nothing says what it takes and gives; write {beside}, a card as docs/evaluating.md"
                    " shows, or export a model of this zoo anew"
                )
            card = card_of(text, f"{path}, its card within")
        self._card = card
        self._check_graph()
        self.ways = (Way(name or card.name or path.stem, "foreign"),)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self.about = {"from": f"onnx:{path.name}", "sha256": digest, "licence": card.licence, "source": card.source}

    def _check_graph(self) -> None:
        """Finds the input and output of the card in the graph; sizes that the graph fixes become the card's."""
        card, extras = self._card.input, [*self._card.input.zeros, self._card.input.noise]
        inputs = {each.name: each for each in self._session.get_inputs()}
        outputs = {each.name: each for each in self._session.get_outputs()}
        for extra in filter(None, extras):
            if extra not in inputs:
                raise UsageError(f"onnx:{self._path}: it has no input {extra!r}; its inputs: {', '.join(inputs)}")
        rest = {key: each for key, each in inputs.items() if key not in extras}
        image = self._the_one("input", card.name, rest)
        if len(rest) > 1:
            other = next(key for key in rest if key != image.name)
            raise UsageError(
                f"onnx:{self._path}: it has an input {other!r} besides {image.name!r}; if it may get zeros, say so in"
                f" the card: zeros = {{ {other} = 1 }} under [input]"
            )
        self._input, self._types = image.name, {key: self._type_of(each) for key, each in inputs.items()}
        self._shapes = {key: inputs[key].shape for key in card.zeros}
        output = self._the_one("output", self._card.output.name, outputs)
        self._output = output.name
        fixed = self._sides(image, card)
        self._sides(output, self._card.output)
        self._size = tuple(wanted or None for wanted in fixed)
        for have, wanted in zip(card.size, fixed, strict=False):
            if wanted and have != wanted:
                raise UsageError(
                    f"onnx:{self._path}: input {image.name!r} has the shape {image.shape}, and its card another size"
                    f" {list(card.size)}"
                )

    def _the_one(self, what: str, name: str, known: dict[str, Any]) -> Any:
        if name and name not in known:
            raise UsageError(f"onnx:{self._path}: it has no {what} {name!r}; its {what}s: {', '.join(known)}")
        if not name and len(known) != 1:
            raise UsageError(
                f"onnx:{self._path}: it has {plural(len(known), what)} ({', '.join(known)}); name the one of the"
                f' picture in its card: name = "…" under [{what}]'
            )
        return known[name or next(iter(known))]

    def _type_of(self, node: Any) -> Any:
        if node.type not in TYPES:
            raise UsageError(f"onnx:{self._path}: input {node.name!r} takes {node.type}; known are {', '.join(TYPES)}")
        return TYPES[node.type]

    def _sides(self, node: Any, part: CardInput | CardOutput) -> tuple[int, int]:
        """Height and width of a graph's input or output that is a picture, 0 where it leaves them free."""
        shape = [each if isinstance(each, int) and each > 0 else 0 for each in node.shape]
        what = "input" if isinstance(part, CardInput) else "output"
        channels = CHANNELS[part.color]
        if len(shape) == 4:
            batch, *rest = shape
            height, width, found = rest if part.layout == "NHWC" else (*rest[1:], rest[0])
            # A side of a few pixels is a channel axis of the other layout.
            if batch <= 1 and found in (0, channels) and not any(0 < side < LEAST for side in (height, width)):
                return height, width
        wanted = {"NHWC": f"1, H, W, {channels}", "NCHW": f"1, {channels}, H, W"}[part.layout]
        raise UsageError(
            f"onnx:{self._path}: {what} {node.name!r} has the shape {node.shape}, where {part.color!r} in the layout"
            f" {part.layout} wants ({wanted}); mend its card"
        )

    def answers(self, subject: Subject) -> Iterable[Answer]:
        """Its answer on the subject's luma."""
        rgb = subject.rgb / np.float32(255)
        luma = split_luma(rgb)[0][..., 0]
        lightness = lab(subject.rgb)[..., 0]
        found = self._run(lightness if self._card.input.color == "L" else luma, subject.name)
        if self._card.output.color == "rgb":
            found = split_luma(np.clip(found, 0, 1))[1]
        found = _at_size(found, luma)
        if self._card.output.color == "ab":
            yield _lab_answer(np.dstack([lightness, found]))
        else:
            yield answer_of(luma[..., None], found)

    def _run(self, plane: np.ndarray, name: str) -> np.ndarray:
        """The network's answer, scaled, (h, w, channels), for what of the picture it takes, (H, W)."""
        card = self._card
        seen = card.input.seen(*plane.shape)
        height, width = (fixed or each for fixed, each in zip(self._size, seen, strict=True))
        small = np.clip(_resized(plane, height, width), 0, 100 if card.input.color == "L" else 1)
        image = np.repeat(small[..., None], CHANNELS[card.input.color], axis=-1)
        image = _laid_out(image * np.array(card.input.scale) + np.array(card.input.offset), card.input.layout)
        inputs = {self._input: image}
        for key, stride in card.input.zeros.items():
            inputs[key] = self._zeros(self._shapes[key], -(-height // stride), -(-width // stride))
        if card.input.noise:
            # Of each image its own, as models of the zoo draw.
            inputs[card.input.noise] = gumbel_noise((self._seed, zlib.crc32(name.encode())))
        inputs = {key: np.ascontiguousarray(value, self._types[key]) for key, value in inputs.items()}
        where = f"onnx:{self._path}: on {name}, shown as {image.shape},"
        try:
            found = np.asarray(self._session.run([self._output], inputs)[0])
        except Exception as error:  # of whatever kind ONNX Runtime makes them
            raise UsageError(f"{where} it failed: {_first_line(error)}") from None
        channels = CHANNELS[card.output.color]
        axis = 1 if card.output.layout == "NCHW" else 3
        if found.ndim != 4 or found.shape[0] != 1 or found.shape[axis] != channels or not found.size:
            raise UsageError(
                f"{where} it answered with {kind_of(found)}; its card says {card.output.color!r} in the layout"
                f" {card.output.layout}"
            )
        found = np.moveaxis(found[0], axis - 1, -1).astype(np.float32)
        if not np.isfinite(found).all():
            raise UsageError(f"{where} it answered with values that are not finite")
        scaled = found * np.array(card.output.scale, np.float32) + np.array(card.output.offset, np.float32)
        return np.ascontiguousarray(scaled)

    def _zeros(self, shape: Sequence[Any], height: int, width: int) -> np.ndarray:
        """Zeros for an input of a graph: what it fixes, and of the rest one image of these sides."""
        layout = self._card.input.layout
        free = (1, height, width, 1) if layout == "NHWC" else (1, 1, height, width)
        return np.zeros([n if isinstance(n, int) and n > 0 else f for n, f in zip(shape, free, strict=False)])


def _session(path: Path) -> Any:
    if importlib.util.find_spec("onnxruntime") is None:
        raise UsageError(
            f'onnx:{path}: ONNX files take the package onnxruntime: pip install "keras-colorization-zoo[onnx]"'
        )
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        with silence():
            # Given the path, it reads weights beside the file, and none outside its folder.
            return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of whatever kind ONNX Runtime makes them
        raise UsageError(f"onnx:{path} cannot be loaded: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:400]


def _laid_out(image: np.ndarray, layout: str) -> np.ndarray:
    """An image (H, W, C) as a batch of one."""
    return (np.moveaxis(image, -1, 0) if layout == "NCHW" else image)[None]


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """An image (H, W), float32, or uint8 RGB at another size: means over areas, or bicubic where a side grows."""
    if image.shape[:2] == (height, width):
        return image
    grows = height > image.shape[0] or width > image.shape[1]
    image = image if image.dtype == np.uint8 else np.ascontiguousarray(image, np.float32)
    method = Image.Resampling.BICUBIC if grows else Image.Resampling.BOX
    return np.asarray(Image.fromarray(image).resize((width, height), method))


def _at_size(colors: np.ndarray, luma: np.ndarray) -> np.ndarray:
    """Predicted chroma (h, w, 2) at the size of luma (H, W), as `bring_up` does it; a larger one is reduced first."""
    height, width = (min(pair) for pair in zip(colors.shape[:2], luma.shape, strict=True))
    colors = np.dstack([_resized(colors[..., channel], height, width) for channel in (0, 1)])
    return colors if colors.shape[:2] == luma.shape else bring_up(luma, colors)


def _lab_answer(predicted: np.ndarray) -> Answer:
    """The answer that is CIELAB (H, W, 3); what leaves RGB is clipped, as scikit-image does."""
    from skimage.color import lab2rgb

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is clipped
        rgb = lab2rgb(predicted)
    lost = chroma(predicted) - chroma(lab(rgb))
    return Answer(to_uint8(rgb), predicted, float((lost > SQUEEZE).mean()))


class PythonFunction:
    """A function from luma to colours, of a module that is imported, and so runs.

    Args:
        where: `MODULE:FUNCTION`; the module is of the working directory, or installed.
        name: what to call it; None for the function's name.

    Attributes:
        about: what the results file says of it.

    Raises:
        UsageError: no such module or function, or one that cannot be imported.
    """

    def __init__(self, where: str, name: str | None) -> None:
        module, _, function = where.partition(":")
        if not module or not function:
            raise UsageError(f"python:{where}: give {FOREIGN['python']}")
        if os.getcwd() not in sys.path and "" not in sys.path:  # as `python -m` does
            sys.path.insert(0, os.getcwd())
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise UsageError(f"python:{where}: importing {module} failed: {_where(error)}") from error
            raise UsageError(f"python:{where}: no module {module} in the working directory, nor installed") from None
        except Exception as error:
            raise UsageError(f"python:{where}: importing {module} failed: {_where(error)}") from error
        self._function = getattr(found, function, None)
        if not callable(self._function):
            near = suggestion(function, (key for key, each in vars(found).items() if callable(each)))
            raise UsageError(f"python:{where}: {module} has no function {function!r}.{near}")
        self._where = f"python:{where}"
        self.ways = (Way(name or function, "foreign"),)
        self.about = {"from": self._where}

    def answers(self, subject: Subject) -> Iterable[Answer]:
        """U and V on the subject's luma, or the picture as the function made it."""
        luma = split_luma(subject.rgb / np.float32(255))[0]
        try:
            found = np.asarray(self._function(luma[..., 0].copy()))  # type: ignore[misc]
        except Exception as error:
            raise UsageError(f"{self._where} failed on {subject.name}: {_where(error)}") from error
        if found.shape == subject.rgb.shape and found.dtype == np.uint8:
            yield _picture(found)
            return
        height, width = luma.shape[:2]
        if found.shape != (height, width, 2) or found.dtype.kind != "f":
            raise UsageError(
                f"{self._where} answered {subject.name} with {kind_of(found)}; give U and V, floats of shape"
                f" ({height}, {width}, 2), or RGB, uint8 of shape ({height}, {width}, 3)"
            )
        if not np.isfinite(found).all():
            raise UsageError(f"{self._where} answered {subject.name} with values that are not finite")
        yield answer_of(luma, found.astype(np.float32))


def _where(error: Exception) -> str:
    """What an error of somebody's code is, and the last line of the code that it came from."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {_first_line(error)} ({Path(last.filename).name}, line {last.lineno})"


def _picture(rgb: np.ndarray) -> Answer:
    """The answer that a finished picture is: its own luma counts too."""
    return Answer(rgb, lab(rgb), 0.0)


class PictureFolder:
    """Pictures that another program made, by the names of the images; what counts is each as it is, luma and all.

    Args:
        path: a folder, searched with its sub-folders, or an archive.
        name: what to call it; None for the folder's name.

    Attributes:
        about: what the results file says of it.

    Raises:
        UsageError: no such folder.
    """

    def __init__(self, path: Path, name: str | None) -> None:
        if not path.is_dir() and not (is_archive(path) and path.is_file()):
            raise UsageError(f"files:{path}: no such folder")
        self._path = path
        self._found: dict[str, tuple[ImageFile, ImageRef]] = {}
        label = path.resolve().name if path.is_dir() else path.stem
        self.ways = (Way(name or label, "foreign"),)
        self.about = {"from": f"files:{path.name}"}

    def find(self, images: Sequence[ImageRef]) -> None:
        """Finds the picture of every image: of the same path and, but for the extension, of the same name.

        A folder of a split's name may be missing in front of the path.

        Raises:
            UsageError: one is missing, cannot be read, or there are two of them; the message names it.
        """
        exact: dict[PurePosixPath, ImageFile] = {}
        stems: dict[PurePosixPath, list[ImageFile]] = {}
        for each in list_images(self._path):
            inner = inner_path(each.name)
            exact[inner] = each
            stems.setdefault(inner.with_suffix(""), []).append(each)
        used: dict[str, str] = {}
        resized = 0
        for image in images:
            full = inner_path(image.name)
            short = PurePosixPath(*full.parts[1:]) if len(full.parts) > 1 and folder_split(full.parts[0]) else full
            picture = None
            for inner in dict.fromkeys((full, short)):
                alike = [exact[inner]] if inner in exact else stems.get(inner.with_suffix(""), [])
                if len(alike) > 1:
                    raise UsageError(
                        f"files:{self._path}: {alike[0].name} and {alike[1].name} may both be {image.name}: keep one"
                    )
                picture = picture or next(iter(alike), None)
            if picture is None:
                raise UsageError(
                    f"files:{self._path}: no picture of {image.name} (looked for {full.with_suffix('')} with any"
                    " extension of a readable image)"
                )
            if picture.name in used:
                raise UsageError(
                    f"files:{self._path}: {picture.name} may be {used[picture.name]} or {image.name}: give one each"
                )
            used[picture.name] = image.name
            with_size = self._reading(picture, partial(_size_of, picture))
            resized += with_size != (image.height, image.width)
            self._found[image.name] = picture, image
        if resized:
            count = plural(resized, "picture")
            say(f"files:{self._path}: {count} of {len(images)} not of their images' sizes, and resized to them")

    def _reading(self, picture: ImageFile, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except (ImageError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"files:{self._path}: {picture.name} cannot be read: {reason}") from None

    def answers(self, subject: Subject) -> Iterable[Answer]:
        """The picture of the subject, of which the same middle part counts."""
        picture, image = self._found[subject.name]
        rgb = self._reading(picture, lambda: decode_rgb(picture.read()))
        rgb = _resized(rgb, image.height, image.width)
        height, width = subject.rgb.shape[:2]
        top, left = (image.height - height) // 2, (image.width - width) // 2
        yield _picture(rgb[top : top + height, left : left + width])


def _size_of(picture: ImageFile) -> tuple[int, int]:
    header = read_header(picture.read())
    return header.height, header.width
