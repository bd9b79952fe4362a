"""What can be evaluated: models with their decoders, oracles, and the baselines that every table shows."""

import warnings
import zlib
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from zoo.chroma.upsampling import bring_up, cell_means, shown
from zoo.chroma.yuv import compose, split_luma, to_uint8
from zoo.data.dataset import Maps
from zoo.errors import UsageError
from zoo.metrics import chroma, lab
from zoo.metrics.averaging import lab_of
from zoo.models.loading import model_file
from zoo.models.registry import list_models
from zoo.results import Way
from zoo.support.names import suggestion
from zoo.training.outcome import speed_of
from zoo.training.rundir import RunDirectory

BASELINES = ("truth", "grey", "mean colour")
FOREIGN = {"onnx": "onnx:FILE", "python": "python:MODULE:FUNCTION", "files": "files:DIR"}
"""How the command line names what is not of this zoo: see `zoo.evaluation.foreign`."""

SQUEEZE = 0.5  # of C*: what rounding and the way through RGB make of a colour that fits


@dataclass(frozen=True)
class Subject:
    """An image to colour.

    Attributes:
        name: of the image in its data set.
        group: of images that are not independent, such as the pages of a book.
        rgb: the truth, uint8 (H, W, 3).
        maps: class, object and mode of each pixel, where the page was drawn.
    """

    name: str
    group: str
    rgb: np.ndarray
    maps: Maps | None


@dataclass(frozen=True)
class Answer:
    """What a candidate made of an image.

    Attributes:
        rgb: what a user sees, uint8 (H, W, 3).
        lab: the answer in CIELAB before it was brought into RGB, (H, W, 3).
        squeezed: share of the pixels whose chroma had to be reduced for that.
        logits: (h, w, 2, 64) of a classifier, or None; those of V are given the true U where a model takes it.
        uv: the truth where there are logits, (h, w, 2).
    """

    rgb: np.ndarray
    lab: np.ndarray
    squeezed: float
    logits: np.ndarray | None = None
    uv: np.ndarray | None = None


class Candidate(Protocol):
    """Something that colours images, in one way or several."""

    @property
    def ways(self) -> Sequence[Way]:
        """Those ways."""
        ...

    def answers(self, subject: Subject) -> Iterable[Answer]:
        """One for each way, in their order."""
        ...


def answer_of(luma: np.ndarray, uv: np.ndarray) -> Answer:
    """The answer that predicted U and V (H, W, 2) make with luma (H, W, 1)."""
    rgb, scale = compose(luma, uv)
    # A scale that 8 bits cannot show is no squeeze.
    return Answer(to_uint8(rgb), lab_of(luma, uv), float((scale < 1 - 1 / 255).mean()))


def lab_answer(predicted: np.ndarray) -> Answer:
    """The answer that is CIELAB (H, W, 3); what leaves RGB is clipped, as scikit-image does."""
    from skimage.color import lab2rgb

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is clipped
        rgb = lab2rgb(predicted)
    lost = chroma(predicted) - chroma(lab(rgb))
    return Answer(to_uint8(rgb), predicted, float((lost > SQUEEZE).mean()))


class Constant:
    """The same U and V everywhere: the grey image, or the mean colour of the training images."""

    def __init__(self, name: str, uv: np.ndarray) -> None:
        self.ways = (Way(name, "baseline"),)
        self._uv = uv

    def answers(self, subject: Subject) -> Iterable[Answer]:
        """The constant on the subject's luma."""
        luma = split_luma(subject.rgb / 255)[0]
        yield answer_of(luma, np.broadcast_to(self._uv, (*luma.shape[:2], 2)))


class Truth:
    """The image itself: what each metric says of a perfect answer."""

    ways = (Way("truth", "baseline"),)

    def answers(self, subject: Subject) -> Iterable[Answer]:
        """The truth."""
        yield Answer(subject.rgb, lab(subject.rgb), 0.0)


class OracleCandidate:
    """An oracle of `zoo.evaluation.oracles`, for pages with maps."""

    def __init__(self, name: str, seed: int) -> None:
        from zoo.evaluation.oracles import ORACLES

        self.ways = (Way(name, "oracle"),)
        self._predict, self._seed = ORACLES[name], seed

    def answers(self, subject: Subject) -> Iterable[Answer]:
        """The oracle's answer; what leaves RGB is clipped in the picture."""
        if subject.maps is None:
            raise UsageError(f"{self.ways[0].title}: an oracle needs pages with maps, and {subject.name} has none")
        yield lab_answer(self._predict(subject.name, subject.rgb, subject.maps, self._seed))


class Model:
    """A trained model; a classifier with each of several decoders.

    Args:
        path: a `.keras` file, a run directory, or the name of a model with released weights.
        label: what to call it.
        decoders: for a classifier; a regression has its own answer only.
        seed: of the `sample` decoder, with each image's name.

    Attributes:
        way: the model without a decoder and gain.
        run: what `Evaluated.runs` keeps of a run directory that holds a finished run; else None.
    """

    def __init__(self, path: Path, label: str, decoders: Sequence[str], *, seed: int = 0) -> None:
        from zoo.models.loading import load
        from zoo.models.prediction import Predictor

        self._predictor = Predictor(load(path))
        self.classifies = self._predictor.contract.classifies
        self.run, self._seed = _run_of(path), seed
        self._last: dict[str, Any] = {}  # shared with what `scaled` makes
        name = self.run["config"]["model"] if self.run else label.partition(":")[0]
        self.way = Way(label, "model", name if name in list_models() else None)
        self.ways = tuple(replace(self.way, decoder=each) for each in decoders) if self.classifies else (self.way,)

    def scaled(self, gain: float) -> "Model":
        """The same regression with another gain."""
        scaled = copy(self)
        scaled.ways = (replace(self.way, gain=gain),)
        return scaled

    def predict(self, rgb: np.ndarray) -> tuple[np.ndarray, Any]:
        """Luma (H, W, 1) and the model's `Prediction` for an image; of the same one again, the one made before.

        A model that was trained to see pictures whole is shown a larger one reduced, as pages are.
        """
        if self._last.get("rgb") is not rgb:
            luma = split_luma(rgb / np.float32(255))[0]
            seen = shown(luma[..., 0], self._predictor.contract.side)[..., None]
            self._last.update(rgb=rgb, found=(luma, self._predictor(seen[None])))
        return self._last["found"]

    def answers(self, subject: Subject) -> Iterable[Answer]:
        """The regression's answer, or one for each decoder; logits come with the first."""
        luma, prediction = self.predict(subject.rgb)
        if not self.classifies:
            yield answer_of(luma, self.ways[0].gain * self.uv(luma, prediction, None))
            return
        truth = split_luma(subject.rgb / np.float32(255))[1]
        height, width = prediction.luma.shape[1:3]
        truth = np.stack([cell_means(truth[..., c], height, width) for c in (0, 1)], axis=-1)
        known = {"logits": prediction.given(truth[None])[0], "uv": self._predictor.contract.reduced(truth[None])[0]}
        # Of each image its own, or one colour would be drawn for all pages.
        seed = (self._seed, zlib.crc32(subject.name.encode()))
        for way in self.ways:
            yield replace(answer_of(luma, self.uv(luma, prediction, way.decoder, seed)), **known)
            known = {}

    def uv(self, luma: np.ndarray, prediction: Any, decoder: str | None, seed: Any = 0) -> np.ndarray:
        """A prediction as UV at the size of luma (H, W, 1), (H, W, 2)."""
        found = prediction.decode(decoder, seed=seed)[0]
        return found if found.shape[:2] == luma.shape[:2] else bring_up(luma[..., 0], found)


def _run_of(path: Path) -> dict[str, Any] | None:
    result = RunDirectory(path).result() if path.is_dir() else None
    if result is None:
        return None
    return {key: result.details[key] for key in ("config", "environment")} | {"images_per_second": speed_of(result)}


def check(spec: str) -> None:
    """Raises UsageError if a word of the command line is no baseline, no oracle and no model's path."""
    from zoo.evaluation.oracles import ORACLES

    known = (*BASELINES, *ORACLES)
    if spec in known:
        return
    if spec.partition(":")[0] in list_models() or Path(spec).exists():
        model_file(spec)
    else:
        raise UsageError(
            f"no run directory, .keras file or model {spec!r}."
            f"{suggestion(spec, (*known, *list_models())) or suggestion(spec.partition(':')[0], FOREIGN)} Models, for"
            f" their released weights: {', '.join(list_models())}; baselines: {', '.join(BASELINES)};"
            f" what is not of this zoo: {', '.join(FOREIGN.values())};"
            f" oracles, for drawn pages: {', '.join(name for name in ORACLES if name not in BASELINES)}"
        )


def label_of(spec: str) -> str:
    """What tables call a model that the command line names: the file or directory, without where it lies."""
    path = Path(spec)
    return path.stem if path.is_file() else path.name


def parse(spec: str, decoders: Sequence[str], mean_uv: np.ndarray, seed: int) -> Candidate:
    """The candidate that a word of the command line means; see `check`."""
    from zoo.evaluation.oracles import ORACLES

    if spec == "truth":
        return Truth()
    if spec == "grey":
        return Constant("grey", np.zeros(2))
    if spec == "mean colour":
        return Constant("mean colour", mean_uv)
    if spec in ORACLES:
        return OracleCandidate(spec, seed)
    return Model(Path(spec), label_of(spec), decoders, seed=seed)
