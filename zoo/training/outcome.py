"""A training run as a result: the best model's scores as rows; configuration, machine, learning curves as details."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo.results import Environment, Found, Record, Result, Row, Way, as_record, data_digest, found_of
from zoo.support.schema import fits, misfit

Difference = tuple[float, float | None, float | None]
"""A difference and the ends of its interval, None where there is none."""

KEPT_BY = "annealed"
"""The decoder by whose colours the best model of a classifier is told."""

CONFIG: dict[str, Any] = {
    **dict.fromkeys(("model", "data", "recipe", "optimizer", "loss"), str),
    **dict.fromkeys(("steps", "batch_size", "crop", "seed", "overfit"), int),
    "learning_rate": float,
}
ENVIRONMENT: dict[str, Any] = {
    **dict.fromkeys(("cpu", "python", "precision"), str),
    **dict.fromkeys(("gpus", "cpu_flags"), list[str]),
    "cores": int,
    "libraries": {"keras": str, "tensorflow": str},
}
_POINT: dict[str, Any] = {"step": int, **dict.fromkeys(("loss", "rmse_ab", "chroma_ratio"), float | None)}
HISTORY: dict[str, Any] = {"training": list[tuple[float, float]], "validation": [_POINT]}
RECORDED: dict[str, Any] = {"history": HISTORY, "speed": float | None, "mean": float | None}
_DETAILS: dict[str, Any] = {
    "config": CONFIG,
    "environment": ENVIRONMENT,
    "history": HISTORY,
    "step": int,
    "candidates": list[dict[str, Any]],
}
_CANDIDATE: dict[str, Any] = {
    **dict.fromkeys(("label", "kind"), str),
    **dict.fromkeys(("model", "decoder"), str | None),
    **dict.fromkeys(("against_grey", "against_mean"), list[float | None]),
    "gain": float,
    "controls": dict[str, float],
}
_RECORD: dict[str, Any] = {"step": int, **dict.fromkeys(("loss", "images_per_second"), float | None)}
_VALIDATION: dict[str, Any] = {"loss": float | None, "rows": list[Any]}
_LINE: dict[str, Any] = {"name": str, "rmse_ab": float | None}
"""What is needed of a run's settings, machine and learning curves, of its result and of each candidate there, and of
a line of metrics.jsonl and a validation there."""

POINTS = 200  # of a learning curve: more than a figure can show


@dataclass(frozen=True)
class ValidationRow:
    """One candidate's scores.

    Attributes:
        way: `grey image`, `mean colour`, or the model (with its decoder).
        against_grey: RMSE-ab minus that of the grey image, with the ends of its paired 95 % bootstrap interval over
            crops, None of a single crop.
        against_mean: the same against the mean colour.
        controls: RMSE-ab by single-colour class, where the data set knows its classes.
        found: RMSE-ab and, unless the truth is grey, chroma ratio, see `zoo.metrics.bootstrap.scored`.
        before: of a run that began from weights, `rmse_ab` and `chroma_ratio` of those, and `difference`, RMSE-ab less
            that of before with the ends of its paired 95 % bootstrap interval over pages, None of a single page.
    """

    way: Way
    against_grey: Difference
    against_mean: Difference
    controls: dict[str, float]
    found: dict[str, Found]
    before: dict[str, Any] | None = None

    @property
    def rmse_ab(self) -> float:
        """Root mean squared error of a* and b*, lower is better."""
        return self.found["rmse_ab"]["value"]

    @property
    def chroma_ratio(self) -> float | None:
        """ΣC* of the prediction over ΣC* of the truth, near 1 is better; None when the truth is grey."""
        return self.found["chroma_ratio"]["value"] if "chroma_ratio" in self.found else None

    def details(self) -> dict[str, Any]:
        """What no result row has of it."""
        names = ("against_grey", "against_mean", "controls", *(("before",) if self.before else ()))
        return asdict(self.way) | {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Scores:
    """A validation: the model's loss, and a row for each baseline and decoder; the first model row is the headline.

    Its crops are of so many `pages`; 0 where an older result does not say.
    """

    step: int
    crops: int
    loss: float
    baselines: tuple[ValidationRow, ValidationRow]
    rows: tuple[ValidationRow, ...]
    pages: int = 0

    @property
    def error(self) -> float:
        """What the best model has the least of: see `error_of`."""
        return error_of(self.as_json())

    def as_json(self) -> dict[str, Any]:
        """What metrics.jsonl has of it."""

        def line(row: ValidationRow) -> dict[str, Any]:
            values = {"name": row.way.title, "rmse_ab": row.rmse_ab, "chroma_ratio": row.chroma_ratio}
            return values | {name: getattr(row, name) for name in ("against_grey", "against_mean", "controls")}

        head = {"step": self.step, "crops": self.crops, "loss": _finite(self.loss)}
        return head | {"baselines": [line(row) for row in self.baselines], "rows": [line(row) for row in self.rows]}


def is_record(record: dict[str, Any]) -> bool:
    """Whether an object is a line of metrics.jsonl: of a step and, if it has them, a loss, a speed and a validation."""
    if not fits({"loss": None, "images_per_second": None} | record, _RECORD):
        return False
    validation = record.get("validation", {"loss": None, "rows": [{"name": "", "rmse_ab": None}]})
    return (
        fits(validation, _VALIDATION)
        and bool(validation["rows"])
        and all(fits(row, _LINE) for row in validation["rows"])
    )


def error_of(validation: dict[str, Any]) -> float:
    """RMSE-ab of the colours that a user would get: a regression's, or a classifier's annealed ones.

    The cross-entropy would not do: as a classifier grows surer of itself it rises, while the colours get nearer.

    Args:
        validation: of `Scores.as_json`.
    """
    rows = validation["rows"]
    error = next((row for row in rows if row["name"].endswith(f", {KEPT_BY}")), rows[0])["rmse_ab"]
    return math.inf if error is None else float(error)


def training_result(
    identity: dict[str, Any], environment: dict[str, Any], scores: Scores, records: Iterable[dict[str, Any]]
) -> Result:
    """The result of a run that is done.

    Args:
        identity: the run's configuration and its data set's fingerprint.
        environment: of `zoo.support.machine.describe`.
        scores: of the best model.
        records: the lines of metrics.jsonl.
    """
    records = list(records)
    # Where the images and the weights lie on this machine is nothing to publish.
    paths = ("data", "recipe", "start", "encoder_weights")
    identity = identity | {key: _name_of(identity[key]) for key in paths if identity.get(key)}
    here = Environment.of(environment)
    on = f"the {identity['overfit']} crops trained on" if identity["overfit"] else f"{scores.crops} validation crops"
    shared: dict[str, Any] = {
        "suite": "training",
        "benchmark": f"{identity['data']}, {on} of {identity['crop']}²",
        "against": "",
        "batch_size": identity["batch_size"],
        "crop": identity["crop"],
        "precision": environment["precision"],
        "seed": identity["seed"],
    }
    data = data_digest(*(identity[key] for key in ("data_fingerprint", "crop", "validation_crops", "seed", "overfit")))
    rows = [Row(model=identity["model"], variant="", metric="images_per_second", value=last_speed(records), **shared)]
    candidates = (*scores.baselines, *scores.rows)
    for row in candidates:
        for metric, found in row.found.items():
            about: dict[str, Any] = {
                "model": row.way.model,
                "variant": row.way.title,
                "samples": scores.crops,
                "data": data,
            }
            rows.append(Row(metric=metric, **about, **found, **shared))
    return Result(
        "training",
        [as_record(row, here) for row in rows],
        {
            "config": identity,
            "environment": environment,
            "step": scores.step,
            "loss": _finite(scores.loss),
            **({"pages": scores.pages} if scores.pages else {}),
            "candidates": [row.details() for row in candidates],
            "history": history(records),
        },
    )


def scores_of(result: Result) -> Scores:
    """The scores of the best model, from the result of a run.

    Raises:
        KeyError, TypeError, ValueError, StopIteration: the result lacks some.
    """
    checks = [(result.details, _DETAILS), *((each, _CANDIDATE) for each in result.details.get("candidates", []))]
    for value, wanted in checks:
        if wrong := misfit(value, wanted):
            raise ValueError(wrong)
        for name in ("against_grey", "against_mean"):
            if wanted is _CANDIDATE and len(value[name]) != 3:
                raise ValueError(f"{name} has {len(value[name])} numbers, not 3")
    found = found_of(result.rows)
    names = ("against_grey", "against_mean", "controls")
    rows = [
        ValidationRow(way, found=found[way.title], before=each.get("before"), **{name: each[name] for name in names})
        for each in result.details["candidates"]
        for way in (Way.of(each),)
    ]
    if any(row.found["rmse_ab"]["value"] is None for row in rows):
        raise ValueError("rmse_ab is unknown")
    crops = next(row["samples"] for row in result.rows if row["variant"])
    grey, mean, *models = rows
    details = result.details
    return Scores(details["step"], crops, details["loss"], (grey, mean), tuple(models), details.get("pages", 0))


def speed_of(result: Result) -> float | None:
    """Images a second of a training run."""
    return next(row["value"] for row in result.rows if row["metric"] == "images_per_second")


def last_speed(records: Iterable[dict[str, Any]]) -> float | None:
    """The newest speed in the lines of metrics.jsonl, in images a second."""
    return next((each["images_per_second"] for each in reversed(list(records)) if "images_per_second" in each), None)


def _finite(loss: float) -> float | None:
    """A loss for JSON, which has no infinity: None instead."""
    return loss if math.isfinite(loss) else None


def _name_of(data: str) -> str:
    """What `--data` takes without the folders that lead there."""
    return data if data.startswith("tfds:") else Path(data).name or data


def history(records: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Learning curves: `[step, loss]` of training, thinned to `POINTS`, and of every validation the headline's scores.

    Args:
        records: the lines of metrics.jsonl.
    """
    losses: list[list[Record]] = []
    validations = []
    for record in records:
        if "loss" in record:
            losses.append([record["step"], record["loss"]])
        elif "validation" in record:
            found, headline = record["validation"], record["validation"]["rows"][0]
            values = {name: headline[name] for name in ("rmse_ab", "chroma_ratio")}
            validations.append({"step": record["step"], "loss": found["loss"]} | values)
    every = -(-len(losses) // POINTS) or 1
    return {"training": losses[::-1][::every][::-1], "validation": validations}
