"""Result rows: what a benchmark measured, with everything needed to compare it, as JSON with fixed columns."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.metrics import IMAGE_METRICS
from zoo.metrics.image import POOLED_PIXELS
from zoo.paths import write_text

SCHEMA = 1


@dataclass(frozen=True)
class Metric:
    """What a column `metric` may hold.

    Attributes:
        unit: of the value.
        higher_is_better: the direction; None where a certain value is best, such as the truth's.
        version: counted up when its definition changes; values of two versions are not comparable.
        meaning: one line.
    """

    unit: str
    higher_is_better: bool | None
    version: int
    meaning: str


DIRECTIONS = {"higher": True, "lower": False, "truth": None}
METRICS = {
    "seconds": Metric("s", False, 1, "median time of one call, after warm-up"),
    "first_call_seconds": Metric("s", False, 1, "time of the first call: tracing, compiling, first allocations"),
    "images_per_second": Metric("images/s", True, 1, "images of a call over its median time"),
    "share_of_peak": Metric("1", True, 1, "operations of the graph a second over the machine's convolution peak"),
    "operations_per_second": Metric("1/s", True, 1, "multiplications and additions a second, at the median time"),
    "operation_seconds": Metric(
        "s", False, 1, "time of one kind of operation in a call, in the encoder or in the rest, no two overlapping"
    ),
    "ratio": Metric("1", False, 1, "median time over the median time of `against`, calls taken in turn"),
    "working_memory_ratio": Metric("1", False, 1, "working memory over that of `against`"),
    "rss_growth_ratio": Metric("1", False, 1, "growth of the resident set over that of `against`"),
    "working_memory": Metric("bytes", False, 1, "TensorFlow's allocator: peak of a call less what was held before it"),
    "rss_growth": Metric("bytes", False, 1, "process: peak resident set of a call less the set before it"),
    "held_memory": Metric("bytes", False, 1, "TensorFlow's allocator: held before the call by weights and inputs"),
    **{
        name: Metric(each.unit, DIRECTIONS[each.better], each.version, each.meaning)
        for name, each in IMAGE_METRICS.items()
    },
    "ab_energy_pooled": Metric(
        "a*b*", False, 1, f"the same on {POOLED_PIXELS} pixels of every image, the images taken together"
    ),
    "a_star": Metric("1", None, 1, "averaging A*: 1 at the mean of the possible colours, 0 at one of them"),
    "a_star_noisy_mean": Metric(
        "1", None, 1, "A* of the mean of the possible colours with the answer's own noise within objects"
    ),
    "bvr": Metric("1", None, 1, "variance between the objects of a class over the truth's: 1 is the truth's diversity"),
    "ned": Metric("1", False, 1, "energy distance to the true colours over that of the mean colour"),
    "did": Metric("1", None, 1, "excess fading: 1 less the chroma ratio of ambiguous objects over that of controls"),
    "mode_rate": Metric("1", True, 1, "share of pixels at a possible colour"),
    "mean_rate": Metric("1", False, 1, "share of pixels at the mean of the possible colours"),
    "false_rate": Metric("1", False, 1, "share of pixels at neither"),
    "speckle": Metric("1", False, 1, "variance within objects beyond the truth's, over the variance between them"),
    "mse_over_var": Metric("1", None, 1, "squared error of a*b* over the variance between objects: 2 of a sampler"),
    "nll_bits": Metric("bits/pixel", False, 1, "bits of the true colours under the distributions"),
}


@dataclass(frozen=True)
class Row:
    """One measured number.

    Attributes:
        suite: the benchmark file it is from, such as `throughput`.
        benchmark: what was run, such as `training_step`.
        model: a registered model, or None.
        variant: which form of it, such as `factored`; "" for the only one.
        against: for a ratio, the variant it is over; "" otherwise.
        metric: a key of `METRICS`.
        value: in the metric's unit; None when unknown, never 0 for that.
        low: first quartile over the samples, of an evaluation the lower end of the 95 % interval; or None.
        high: third quartile or upper end, or None.
        samples: calls measured, or images.
        batch_size: crops a call, or None.
        crop: side of the crops in pixels, or None.
        precision: as resolved: `float32`, `bfloat16` or `float16`; or None.
        jit: whether the step was compiled by XLA.
        seed: of weights and data.
    """

    suite: str
    benchmark: str
    model: str | None
    variant: str
    against: str
    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    samples: int = 1
    batch_size: int | None = None
    crop: int | None = None
    precision: str | None = None
    jit: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"unknown metric {self.metric!r}: one of {', '.join(METRICS)}")


# A row in a file: these, then the metric's description, then the environment's, flat and always all of them.
KEY = ("suite", "benchmark", "model", "variant", "against", "metric", "batch_size", "crop", "precision", "jit", "seed")
ENVIRONMENT = (
    "zoo",
    "commit",
    "dirty",
    "python",
    "platform",
    "cpu",
    "cpu_flags",
    "cores",
    "gpus",
    "keras",
    "tensorflow",
    "numpy",
    "torch",
    "date",
)
COLUMNS = (
    "schema",
    *(field.name for field in fields(Row)),
    "metric_version",
    "unit",
    "higher_is_better",
    *ENVIRONMENT,
)


def as_record(row: Row, environment: dict[str, Any]) -> dict[str, Any]:
    """A row with its metric's description and the environment, in the order of `COLUMNS`.

    Raises:
        KeyError: the environment lacks one of `ENVIRONMENT`.
    """
    metric = METRICS[row.metric]
    described = {
        "schema": SCHEMA,
        "metric_version": metric.version,
        "unit": metric.unit,
        "higher_is_better": metric.higher_is_better,
    }
    everything = asdict(row) | described | {name: environment[name] for name in ENVIRONMENT}
    return {name: everything[name] for name in COLUMNS}


def load_records(path: Path) -> list[dict[str, Any]]:
    """The records of a result file.

    Raises:
        UsageError: the file is missing, is no result file, or is of a schema this version does not know.
    """
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise UsageError(f"{path} is not a result file: {error}") from None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise UsageError(f"{path} is not a result file: it holds no list of rows")
    for record in records:
        if record.get("schema") != SCHEMA:
            raise UsageError(f"{path} has rows of schema {record.get('schema')!r}; this version reads {SCHEMA}")
        if set(record) != set(COLUMNS):
            odd = sorted(set(record) ^ set(COLUMNS))
            raise UsageError(f"{path} is not a result file: a row lacks or adds {', '.join(odd)}")
    return records


def save_records(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Writes records into a file; one that was there and measured the same thing is replaced, the others stay.

    Raises:
        UsageError: the file that is there is not a result file; it is left as it is.
    """
    merged = {_key(record): record for record in (load_records(path) if path.exists() else [])}
    merged |= {_key(record): record for record in records}
    ordered = [merged[key] for key in sorted(merged, key=lambda key: tuple(str(part) for part in key))]
    lines = ",\n".join(json.dumps(record, ensure_ascii=False) for record in ordered)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, f"[\n{lines}\n]\n")


def _key(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record[name] for name in KEY)
