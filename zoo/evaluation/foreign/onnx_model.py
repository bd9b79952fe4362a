"""An ONNX file as a candidate, run by ONNX Runtime."""

import hashlib
import importlib.util
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.chroma.decoders import gumbel_noise
from zoo.chroma.upsampling import bring_up
from zoo.chroma.yuv import split_luma
from zoo.errors import UsageError
from zoo.evaluation.candidates import Answer, Subject, answer_of, lab_answer
from zoo.evaluation.foreign.finished import resized
from zoo.evaluation.foreign.onnx_card import CARD_KEY, CHANNELS, LEAST, CardInput, CardOutput, card_of
from zoo.metrics import lab
from zoo.results import Way
from zoo.support.arrays import kind_of
from zoo.support.command import silence
from zoo.support.names import first_line
from zoo.support.table import plural

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


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
            yield lab_answer(np.dstack([lightness, found]))
        else:
            yield answer_of(luma[..., None], found)

    def _run(self, plane: np.ndarray, name: str) -> np.ndarray:
        """The network's answer, scaled, (h, w, channels), for what of the picture it takes, (H, W)."""
        card = self._card
        seen = card.input.seen(*plane.shape)
        height, width = (fixed or each for fixed, each in zip(self._size, seen, strict=True))
        small = np.clip(resized(plane, height, width), 0, 100 if card.input.color == "L" else 1)
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
            raise UsageError(f"{where} it failed: {first_line(error)}") from None
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
        raise UsageError(f"onnx:{path} cannot be loaded: {first_line(error)}") from None


def _laid_out(image: np.ndarray, layout: str) -> np.ndarray:
    """An image (H, W, C) as a batch of one."""
    return (np.moveaxis(image, -1, 0) if layout == "NCHW" else image)[None]


def _at_size(colors: np.ndarray, luma: np.ndarray) -> np.ndarray:
    """Predicted chroma (h, w, 2) at the size of luma (H, W), as `bring_up` does it; a larger one is reduced first."""
    height, width = (min(pair) for pair in zip(colors.shape[:2], luma.shape, strict=True))
    colors = np.dstack([resized(colors[..., channel], height, width) for channel in (0, 1)])
    return colors if colors.shape[:2] == luma.shape else bring_up(luma, colors)
