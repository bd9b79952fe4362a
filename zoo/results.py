"""Results of training runs, evaluations and benchmarks: rows with fixed columns, in JSON files of one schema.

A file is an object: `schema`, `kind` (`training`, `evaluation` or `benchmark`), `rows`, and `details`, which holds what
a kind has beyond numbers that can be compared: a run's configuration and history, an evaluation's images and palettes.
"""

import json
import re
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn

from zoo.errors import UsageError
from zoo.metrics import IMAGE_METRICS, INDICES, Metric
from zoo.support.files import regular, write_text
from zoo.support.names import brief, printable
from zoo.support.schema import fits

SCHEMA = 3
KINDS = ("training", "evaluation", "benchmark")

Record = dict[str, Any]
Found = dict[str, Any]
ORACLE = " (oracle)"
"""Behind the name of an oracle where readers see it; commands take the name with it and without."""

FOUND = ("value", "low", "high", "values")
"""What `Found`, a metric of a candidate, holds of a row; `zoo.metrics.bootstrap.scored` makes it."""


@dataclass(frozen=True)
class Way:
    """One way of colouring: a baseline, an oracle, a model with a decoder and a gain, or what is not of this zoo.

    Attributes:
        label: what the user calls the model, or the name of the baseline or oracle.
        kind: `baseline`, `oracle`, `model`, or `foreign`, which competes as models do and is marked everywhere.
        model: the registered model's name; None where it is none, or not known.
        decoder: of a classifier, as `zoo.chroma.decoders` reads it, or None.
        gain: U and V are multiplied by it.
    """

    label: str
    kind: str
    model: str | None = None
    decoder: str | None = None
    gain: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", printable(self.label))  # of a file's name

    @classmethod
    def of(cls, details: dict[str, Any]) -> "Way":
        """From a dictionary that holds these fields among others."""
        return cls(**{each.name: details[each.name] for each in fields(cls)})

    @property
    def name(self) -> str:
        """The label, marked if it is not of this zoo."""
        return f"{self.label} (foreign)" if self.kind == "foreign" else self.label

    @property
    def title(self) -> str:
        """What tables call it, and rows `variant`."""
        if self.decoder:
            return f"{self.label}, {self.decoder}"
        return self.name if self.gain == 1 else f"{self.label} × {self.gain:.2f}"

    @property
    def shown(self) -> str:
        """The title as readers see it: an oracle is marked, since a decoder or a model may be called alike."""
        return f"{self.title}{ORACLE}" if self.kind == "oracle" else self.title

    @property
    def form(self) -> str:
        """What is done with the model's answer: its decoder, `gain-matched`, or nothing; `foreign` of what is so."""
        return "foreign" if self.kind == "foreign" else self.decoder or ("" if self.gain == 1 else "gain-matched")

    @property
    def contends(self) -> bool:
        """Whether it is a model, of this zoo or not."""
        return self.kind in ("model", "foreign")

    @property
    def control(self) -> bool:
        """Whether it competes with nobody: no model, or a regression made as colourful as the truth."""
        return not self.contends or self.gain != 1


MEASURES = {
    "seconds": Metric("s", False, 1, "median time of one call, after warm-up"),
    "first_call_seconds": Metric("s", False, 1, "time of the first call: tracing, compiling, first allocations"),
    "images_per_second": Metric("images/s", True, 1, "images of a call over its median time"),
    "share_of_peak": Metric("1", True, 1, "operations of the graph a second over the machine's convolution peak"),
    "operations_per_second": Metric("1/s", True, 1, "multiplications and additions a second, at the median time"),
    "operation_seconds": Metric(
        "s", False, 1, "time of one kind of operation in a call, in the encoder or in the rest, no two overlapping"
    ),
    "processor_seconds": Metric(
        "s", False, 1, "processor time of one part of colouring a page, on all cores, no two parts overlapping"
    ),
    "ratio": Metric("1", False, 1, "median time over the median time of `against`, calls taken in turn"),
    "working_memory_ratio": Metric("1", False, 1, "working memory over that of `against`"),
    "rss_growth_ratio": Metric("1", False, 1, "growth of the resident set over that of `against`"),
    "working_memory": Metric("bytes", False, 1, "TensorFlow's allocator: peak of a call less what was held before it"),
    "held_at_peak": Metric(
        "bytes", False, 1, "of one kind, when a call holds most: encoder or rest, maps or gradients, none overlapping"
    ),
    "rss_growth": Metric("bytes", False, 1, "process: peak resident set of a call less the set before it"),
    "held_memory": Metric("bytes", False, 1, "TensorFlow's allocator: held before the call by weights and inputs"),
    "ink_chroma_error": Metric(
        "a*b*", False, 1, "distance of a*b* to the truth, mean over the pixels within 2 of ink (luma below 0.15)"
    ),
}
DISTRIBUTIONS = {
    "ece_u": Metric("1", False, 1, "expected calibration error of the most probable bin of U"),
    "ece_v": Metric("1", False, 1, "expected calibration error of the most probable bin of V, given the true U"),
    "nll_bits": Metric("bits/pixel", False, 1, "bits of the true colours under the distributions"),
}


class _Metrics(Mapping[str, Metric]):
    """Every metric by name. Those of images are asked for each time, so that one registered later is known too."""

    def __getitem__(self, name: str) -> Metric:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, Metric]:
        others = MEASURES | INDICES | DISTRIBUTIONS
        for name in IMAGE_METRICS:
            if name in others:
                raise UsageError(f"a metric of images is registered as {name!r}, which another metric is called")
        return MEASURES | {name: IMAGE_METRICS[name] for name in IMAGE_METRICS} | INDICES | DISTRIBUTIONS


METRICS = _Metrics()


@dataclass(frozen=True)
class Row:
    """One measured number.

    Attributes:
        suite: the benchmark file it is from, such as `throughput`; `training` or `evaluation` of the others.
        benchmark: what was run, such as `training_step`, or what it was evaluated on.
        model: a registered model, or None.
        variant: which form of it, such as `factored`; of an evaluation the candidate; "" for the only one.
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
        data: digest of the images that `values` belong to; None of a benchmark. See `data_digest`.
        values: what `value` is made of: of a benchmark each round's; else a jackknife pseudo-value a group of images,
            whose mean is the metric (`zoo.metrics.bootstrap.pseudo_values`). None where they were not kept.
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
    data: str | None = None
    values: Sequence[float | None] | None = None

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"unknown metric {self.metric!r}: one of {', '.join(METRICS)}")


@dataclass(frozen=True)
class Environment:
    """The columns that say what a row was measured on and with."""

    zoo: str
    commit: str | None
    dirty: bool | None
    python: str
    platform: str
    cpu: str
    cpu_flags: list[str]
    cores: int
    gpus: list[str]
    keras: str
    tensorflow: str
    numpy: str
    torch: str | None
    date: str | None

    @classmethod
    def of(cls, described: dict[str, Any]) -> "Environment":
        """From what `zoo.support.machine.describe` answers."""
        everything = described | described["libraries"]
        return cls(**{each.name: everything.get(each.name) for each in fields(cls)})


# A row in a file: these, then the metric's description, then the environment's, flat and always all of them.
KEY = ("suite", "benchmark", "model", "variant", "against", "metric", "batch_size", "crop", "precision", "jit", "seed")
MACHINE = ("cpu", "cpu_flags", "cores", "gpus")
_NUMBERS = tuple(each.name for each in fields(Row) if each.name != "values")
_DESCRIPTION: dict[str, Any] = {"metric_version": int, "unit": str, "higher_is_better": bool | None}
COLUMNS = ("schema", *_NUMBERS, *_DESCRIPTION, *(each.name for each in fields(Environment)), "values")
_TYPES = {
    "schema": int,
    **typing.get_type_hints(Row),
    **_DESCRIPTION,
    **typing.get_type_hints(Environment),
    "values": list[float | None] | None,
}


def as_record(row: Row, environment: Environment) -> Record:
    """A row with its metric's description and the environment, in the order of `COLUMNS`."""
    metric = METRICS[row.metric]
    described = {
        "schema": SCHEMA,
        "metric_version": metric.version,
        "unit": metric.unit,
        "higher_is_better": metric.higher_is_better,
    }
    everything = asdict(row) | described | asdict(environment)
    if row.values is not None:
        everything["values"] = list(row.values)
    return {name: everything[name] for name in COLUMNS}


def machine_of(record: Record) -> tuple[Any, ...]:
    """What makes two machines the same one, as far as speed goes: processor, its flags, cores and GPUs."""
    return tuple(tuple(record[name]) if isinstance(record[name], list) else record[name] for name in MACHINE)


def machine_name(record: Record) -> str:
    """The machine in a few words: processor, what it computes with, cores, GPUs."""
    flags = f" {record['cpu_flags'][-1]}" if record["cpu_flags"] else ""
    cores = f"{record['cores']} core{'s' if record['cores'] > 1 else ''}"
    return ", ".join([f"{record['cpu']}{flags}", cores, *record["gpus"]])


def slug(text: str) -> str:
    """Lower-case letters, digits and hyphens: for names of files and anchors."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def found_of(rows: Iterable[Record]) -> dict[str, dict[str, Found]]:
    """What was found of every candidate, by its title and the metric."""
    found: dict[str, dict[str, Found]] = {}
    for row in rows:
        if row["variant"]:
            found.setdefault(row["variant"], {})[row["metric"]] = {name: row[name] for name in FOUND}
    return found


def data_digest(*parts: Any) -> str:
    """Sixteen hexadecimal digits of SHA-256 over what determines a set of images: the same digits, the same images."""
    import hashlib

    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Result:
    """What a file holds.

    Attributes:
        kind: one of `KINDS`.
        rows: records with the columns `COLUMNS`.
        details: what the kind has beyond rows; {} of a benchmark.
    """

    kind: str
    rows: list[Record]
    details: dict[str, Any] = field(default_factory=dict)


def load_result(path: Path, kind: str | None = None) -> Result:
    """The result in a file.

    Args:
        path: of the file.
        kind: what it has to be; None for any.

    Raises:
        UsageError: the file is missing, cut short, no result file, of another kind, or of a schema that this version
            does not read; the message names the file and, where it is one, the row and column.
    """
    try:
        text = regular(path).read_text(encoding="utf-8")
        found = json.loads(text, parse_constant=_refuse_constant)
        if "\\u" in text:  # a half of a pair is no text that could be written
            json.dumps(found, ensure_ascii=False).encode()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not a result file, or is cut short: {error}") from None
    schema = found.get("schema") if isinstance(found, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool):
        raise UsageError(f"{path} is not a result file: it does not say which schema it is of")
    if schema != SCHEMA:
        older = "an older version wrote it: python tools/migrate_results.py FILE, of the project's sources, renews it"
        what = "a newer version wrote it: upgrade" if schema > SCHEMA else older
        raise UsageError(f"{path} is of schema {brief(schema)}, and this version reads {SCHEMA}; {what}")
    if found.get("kind") not in KINDS:
        known = ", ".join(KINDS)
        raise UsageError(f"{path} holds a result of kind {brief(found.get('kind'))}, which is none of {known}")
    if kind not in (None, found["kind"]):
        raise UsageError(f"{path} holds a result of kind {found['kind']!r}, not {kind!r}")
    rows, details = found.get("rows"), found.get("details")
    if not isinstance(rows, list) or not isinstance(details, dict):
        raise UsageError(f"{path} is not a result file: it has no list of rows, or no details")
    for index, row in enumerate(rows):
        _check(path, index, row)
    return Result(found["kind"], rows, details)


def result_text(result: Result) -> str:
    """A result as the JSON of its file: a row a line, so that a change reads well in a diff."""
    rows = ",\n".join(json.dumps(record, ensure_ascii=False, allow_nan=False) for record in result.rows)
    details = json.dumps(result.details, ensure_ascii=False, allow_nan=False)
    head = f'"schema": {SCHEMA}, "kind": "{result.kind}",'
    return f'{{{head}\n"rows": [\n{rows}\n],\n"details": {details}}}\n'


def save_result(path: Path, result: Result) -> None:
    """Writes a result, atomically."""
    text = result_text(result)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


def merge_rows(path: Path, records: Iterable[Record]) -> None:
    """Writes a benchmark's records into a file; one that was there and measured the same is replaced, others stay.

    Raises:
        UsageError: the file that is there is not of benchmarks; it is left as it is.
    """
    merged = {_key(record): record for record in (load_result(path, "benchmark").rows if path.exists() else [])}
    merged |= {_key(record): record for record in records}
    ordered = [merged[key] for key in sorted(merged, key=lambda key: tuple(str(part) for part in key))]
    save_result(path, Result("benchmark", ordered))


def extend_history(path: Path, records: Iterable[Record]) -> None:
    """Adds a benchmark's ratios to a file that keeps one of each commit, in the order in which they were measured.

    Times of a shared machine say little on another day; what was measured in turn with something else can be compared.

    Raises:
        UsageError: the file that is there is not of benchmarks; it is left as it is.
    """
    ratios = {(*_key(record), record["commit"]): record for record in records if record["against"]}
    before = load_result(path, "benchmark").rows if path.exists() else []
    kept = [record for record in before if (*_key(record), record["commit"]) not in ratios]
    if ratios:
        save_result(path, Result("benchmark", [*kept, *ratios.values()]))


def _key(record: Record) -> tuple[Any, ...]:
    return tuple(record[name] for name in KEY)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _check(path: Path, index: int, row: Any) -> None:
    if not isinstance(row, dict) or set(row) != set(COLUMNS):
        odd = sorted(set(row) ^ set(COLUMNS)) if isinstance(row, dict) else COLUMNS
        raise UsageError(f"{path} is not a result file: row {index} lacks or adds {brief(', '.join(odd))}")
    for name, wanted in _TYPES.items():
        if not fits(row[name], wanted):
            raise UsageError(f"{path}: {name} of row {index} is {brief(row[name])}, not {_name_of(wanted)}")
    if row["metric"] not in METRICS:
        raise UsageError(
            f"{path}: row {index} is of the metric {brief(row['metric'])}, which is not known here; if it is one of"
            " yours, import the file that registers it"
        )
    if row["schema"] != SCHEMA:
        raise UsageError(f"{path}: row {index} is of schema {row['schema']}, the file of {SCHEMA}")


def _name_of(wanted: Any) -> str:
    return getattr(wanted, "__name__", None) or str(wanted)
