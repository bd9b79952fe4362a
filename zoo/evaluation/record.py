"""An evaluation as a result file: its metrics are rows, everything else is details."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.metrics.classification import CONFIDENCE_BINS
from zoo.results import Environment, Found, Result, Row, Way, as_record, data_digest, found_of, load_result
from zoo.support.schema import misfit
from zoo.training.outcome import CONFIG, ENVIRONMENT

CHROMA_EDGES = np.arange(0, 132, 4)  # C* of the histogram's bins
_DETAILS: dict[str, Any] = {
    **dict.fromkeys(("data", "data_fingerprint", "split"), str),
    **dict.fromkeys(("max_side", "seed"), int),
    "environment": {"cpu": str, "python": str, "commit": str | None, "libraries": dict[str, str | None]},
    "palettes": dict[str, list[tuple[float, float]]],
    "images": list[dict[str, str]],
    "runs": dict[str, dict[str, Any]],
    "ideal_indices": dict[str, dict[str, float | None]] | None,
    "candidates": list[dict[str, Any]],
}
_CANDIDATE: dict[str, Any] = {
    **dict.fromkeys(("label", "kind"), str),
    **dict.fromkeys(("model", "decoder"), str | None),
    "gain": float,
    "per_image": dict[str, list[float | None]],
    "squeezed": float | None,
    "chroma_histogram": tuple[(float,) * (len(CHROMA_EDGES) - 1)],  # type: ignore[misc]
}
_BINS: Any = tuple[(float | None,) * CONFIDENCE_BINS]  # type: ignore[misc]
_OF_SOME: dict[str, Any] = {
    "object_uv": dict[str, list[tuple[float, float]]] | None,
    "calibration": tuple[(tuple[_BINS, _BINS, _BINS],) * 2] | None,  # type: ignore[misc]
}
_RUN: dict[str, Any] = {"config": CONFIG, "environment": ENVIRONMENT, "images_per_second": float | None}
"""What is needed of an evaluation's details, of each candidate and of each run there: see `zoo.results.fits`."""

CLASSIFICATION = ("nll_bits", "ece_u", "ece_v")


@dataclass(frozen=True)
class Measured:
    """What was measured of one way of colouring.

    Attributes:
        way: which one.
        scores: image metrics; of pages with maps the averaging indices; of a classifier's first decoder
            `CLASSIFICATION`. By metric, and each as `zoo.metrics.bootstrap.scored` answers.
        per_image: each image metric's value for each image, None where it is not defined.
        squeezed: share of the pixels whose chroma was reduced to fit into RGB.
        chroma_histogram: share of the pixels in each bin of `CHROMA_EDGES`.
        object_uv: mean U and V of each object, by class; None without maps.
        calibration: count, confidence and accuracy by bin, of U and of V; of a classifier's first decoder, or None.
    """

    way: Way
    scores: dict[str, Found]
    per_image: dict[str, list[float | None]]
    squeezed: float | None
    chroma_histogram: list[float]
    object_uv: dict[str, list[list[float]]] | None = None
    calibration: list[list[list[float | None]]] | None = None

    def value(self, metric: str) -> float | None:
        """The value of a metric; None where it was not measured, or is not defined."""
        return self.scores[metric]["value"] if metric in self.scores else None


@dataclass(frozen=True)
class Evaluated:
    """What `zoo.evaluate` found.

    Attributes:
        data: the data set's name.
        data_fingerprint: SHA-256 (hex) of what it holds.
        split: `train`, `val` or `test`.
        max_side: larger images were cut to the middle of this side, in pixels.
        seed: of sampling.
        environment: of `zoo.support.machine.describe`.
        palettes: U and V of the possible colours, by class of the drawn pages.
        images: `name` and `group` of each.
        runs: `config`, `environment` and `images_per_second` of the training runs among the candidates, by label.
        ideal_indices: of every oracle without noise and chance; None without maps, or objects that are large enough.
        candidates: in the order of the tables.
        foreign: of those that are not of this zoo, by title: where they are `from`, and of a file its `sha256`,
            `licence` and `source`, as its card says.
    """

    data: str
    data_fingerprint: str
    split: str
    max_side: int
    seed: int
    environment: dict[str, Any]
    palettes: dict[str, list[list[float]]]
    images: list[dict[str, str]]
    runs: dict[str, dict[str, Any]]
    ideal_indices: dict[str, dict[str, float | None]] | None
    candidates: list[Measured]
    foreign: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def groups(self) -> int:
        """How many groups of images there are."""
        return len({image["group"] for image in self.images})


def evaluation_result(evaluation: Evaluated) -> Result:
    """An evaluation as a result: a row a candidate and metric; its candidates in the details are without `scores`."""
    here = Environment.of(evaluation.environment)
    digest = data_digest(evaluation.data_fingerprint, evaluation.split, evaluation.max_side, evaluation.images)
    rows = [
        Row(
            suite="evaluation",
            benchmark=f"{evaluation.data}, {evaluation.split}",
            model=each.way.model,
            variant=each.way.title,
            against="",
            metric=metric,
            samples=len(evaluation.images),
            precision=evaluation.environment["precision"],
            seed=evaluation.seed,
            data=digest,
            **found,
        )
        for each in evaluation.candidates
        for metric, found in each.scores.items()
    ]
    details = asdict(evaluation)
    for candidate in details["candidates"]:
        del candidate["scores"]
    details["candidates"] = [each.pop("way") | each for each in details["candidates"]]
    return Result("evaluation", [as_record(row, here) for row in rows], details)


def load_evaluation(path: Path) -> Evaluated:
    """An evaluation from a file.

    Raises:
        UsageError: as `load_result`, or candidates without rows.
    """
    return as_evaluation(load_result(path, "evaluation"), path)


def as_evaluation(result: Result, path: Path) -> Evaluated:
    """The same from a result that is read already; `path` is for the error."""
    found = found_of(result.rows)
    wrong = misfit(result.details, _DETAILS)
    if not wrong:
        details = result.details
        checks = [(dict.fromkeys(_OF_SOME) | each, _CANDIDATE | _OF_SOME) for each in details["candidates"]]
        checks += [(each, {"name": str, "group": str}) for each in details["images"]]
        checks += [(each, _RUN) for each in details["runs"].values()]
        wrong = next(filter(None, (misfit(*check) for check in checks)), None)
    if wrong:
        raise UsageError(f"{path} is not a whole evaluation: {wrong}")
    names = {each.name for each in fields(Way)}
    try:
        candidates = [
            Measured(way, found[way.title], **{name: value for name, value in each.items() if name not in names})
            for each in result.details["candidates"]
            for way in (Way.of(each),)
        ]
        return Evaluated(**result.details | {"candidates": candidates})
    except (KeyError, TypeError) as error:
        raise UsageError(f"{path} is not a whole evaluation: {error!r} is missing") from None
