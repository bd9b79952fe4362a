"""Two results side by side: which numbers differ, by how much, and whether chance would do that.

Numbers of images are compared by a paired bootstrap: both sides have a value for each group of the same images (see
`zoo.metrics.bootstrap.pseudo_values`), and the mean of their differences gets a bootstrap-t interval (Efron &
Tibshirani, An Introduction to the Bootstrap, 1993, section 12.5), which keeps its word for a dozen groups too. Times
have a value a round, and rounds of two runs are no pairs: a Mann-Whitney test says whether they differ. What changes
between two runs of a benchmark, such as other work on the machine, no round sees: a time has to differ by more than
`DRIFT` as well. `ratio` rows, taken in turn within one run, need not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.results import METRICS, ORACLE, Record, load_result, machine_name, machine_of
from zoo.support.names import suggestion

CANDIDATE = "::"
CONFIDENCE = 0.95
RESAMPLES = 4000
FEWEST = 5  # values on each side: of fewer nothing is said
DRIFT = 0.05
# Of a benchmark what has to be the same; of a run or an evaluation the settings are what is compared.
SAME = ("suite", "benchmark", "model", "variant", "against", "metric", "batch_size", "crop", "precision", "jit")
SAME_SCORE = ("suite", "model", "variant", "metric")
FILE = "file"  # of a row from a directory of results: there may be many runs
TIMES = (
    "seconds",
    "first_call_seconds",
    "images_per_second",
    "share_of_peak",
    "operations_per_second",
    "operation_seconds",
    "processor_seconds",
)


@dataclass(frozen=True)
class Side:
    """One of the two: where it is from, and its rows."""

    name: str
    rows: list[Record]


@dataclass(frozen=True)
class Comparison:
    """A number on both sides.

    Attributes:
        what: what was measured, in words.
        metric: a key of `METRICS`.
        a, b: the values.
        low, high: of the difference b − a, the 95 % interval; None where nothing is known of the spread.
        differs: whether chance alone would hardly do it; None where nothing is known of the spread.
        worse: whether b is worse than a, whatever chance says; None if they are equal or no direction is better.
        unlike: how the two sides are not alike: `machine`, `metric version`, `images`.
    """

    what: str
    metric: str
    a: float
    b: float
    low: float | None
    high: float | None
    differs: bool | None
    worse: bool | None
    unlike: tuple[str, ...]

    @property
    def percent(self) -> float:
        """The difference as a percentage of a; infinite if a is 0 and b is not."""
        if self.a == self.b:
            return 0.0
        return 100 * (self.b - self.a) / abs(self.a) if self.a else float("inf") * (1 if self.b > self.a else -1)

    @property
    def verdict(self) -> str:
        """`same`; `unclear`, as chance could do it, or `?`, as its spread is not known; `better`, `worse`, `differs`.

        `differs` is for metrics of which no direction is better.
        """
        if self.a == self.b:
            return "same"
        if self.differs is None:
            return "?"
        if not self.differs:
            return "unclear"
        return "differs" if self.worse is None else "worse" if self.worse else "better"

    def as_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold."""
        percent = self.percent if np.isfinite(self.percent) else None
        return asdict(self) | {"percent": percent, "verdict": self.verdict}


def load_side(word: str) -> Side:
    """A side from the command line.

    Args:
        word: a result file, a run directory, what `zoo.evaluate --out` wrote, or a directory of result files; with
            `::NAME` at its end only the candidate of that name, which then compares with any other.

    Raises:
        UsageError: there is no result, or no such candidate; the message lists those there are.
    """
    name, separator, candidate = word.partition(CANDIDATE)
    path = Path(name)
    if not path.exists():
        raise UsageError(
            f"{path}: no such file or directory; give a result file, a run directory or a directory of them"
        )
    rows: list[Record] = []
    files = _files(path)
    for file in files:
        result = load_result(file, "training" if file.name == "result.json" else None)
        several = len(files) > 1 and result.kind != "benchmark"
        rows += [row | {FILE: file.stem} for row in result.rows] if several else result.rows
    if separator:
        known = list(dict.fromkeys(row["variant"] for row in rows if row["variant"]))
        candidate = candidate.removesuffix(ORACLE)
        if candidate not in known:
            raise UsageError(f"{path} has no {candidate!r}.{suggestion(candidate, known)} It has: {'; '.join(known)}")
        rows = [row | {"variant": "", "model": None} for row in rows if row["variant"] == candidate]
    return Side(word, rows)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    for name in ("result.json", "results.json"):
        if (path / name).is_file():
            return [path / name]
    files = sorted(path.glob("*.json"))
    if not files or (path / "config.json").exists():
        raise UsageError(f"{path} holds no result; a run has one when it is done")
    return files


def compare(a: Side, b: Side, *, across: bool = False, metrics: Sequence[str] = ()) -> list[Comparison]:
    """Every number that both sides have, in the order of a's rows; of a history of benchmarks the newest.

    Args:
        a: the one that is compared with.
        b: the one that is asked about.
        across: compare what is not alike too, and mark it.
        metrics: only these.

    Raises:
        UsageError: nothing in common, or numbers of other machines, metric versions or images without `across`.
    """
    left, right = (_newest(side.rows, metrics) for side in (a, b))
    alike = {_key(row) + _conditions(row): row for row in right}
    pairs = [(row, alike[_key(row) + _conditions(row)]) for row in left if _key(row) + _conditions(row) in alike]
    if len(pairs) < len(left):
        taken = {id(row) for pair in pairs for row in pair}
        others = {_key(row): row for row in right if id(row) not in taken}
        rest = [(row, others[_key(row)]) for row in left if id(row) not in taken and _key(row) in others]
        if rest and not across:
            raise UsageError(_refusal(rest, a, b))
        order = {id(row): place for place, row in enumerate(left)}
        pairs = sorted(pairs + rest, key=lambda pair: order[id(pair[0])])
    if not pairs:
        raise UsageError(f"{a.name} and {b.name} have no number in common.{_advice(a, b)}")
    return [_compared(*pair) for pair in pairs]


def _newest(rows: Iterable[Record], metrics: Sequence[str]) -> list[Record]:
    """The rows with a value; of a number that a history has at several commits the last, as it is the newest."""
    known = (row for row in rows if row["value"] is not None and (not metrics or row["metric"] in metrics))
    return list({_key(row) + _conditions(row): row for row in known}.values())


def unmatched(a: Side, b: Side) -> list[str]:
    """The candidates and variants that only one side has, in words."""
    found = [{row["variant"] for row in side.rows if row["variant"]} for side in (a, b)]
    words = []
    for side, mine, other in ((a, found[0], found[1]), (b, found[1], found[0])):
        if mine - other:
            words.append(f"only in {side.name}: {'; '.join(sorted(mine - other))}")
    if len(words) == 2:
        words.append(f"to compare one of each: {a.name}{CANDIDATE}NAME {b.name}{CANDIDATE}NAME")
    return words


def undefined(a: Side, b: Side, metrics: Iterable[str] = ()) -> list[str]:
    """The numbers that a has and b has without a value, as A* of an answer that became grey, in words.

    Args:
        a: the one that is compared with.
        b: the one that is asked about.
        metrics: only these; all by default.
    """
    known = {_key(row) for row in b.rows if row["value"] is not None}
    lost = {_key(row) for row in b.rows if row["value"] is None} - known
    rows = [row for row in a.rows if row["value"] is not None and _key(row) in lost]
    chosen = [row for row in rows if not metrics or row["metric"] in metrics]
    return list(
        dict.fromkeys(f"{row['metric']} of {row['variant'] or row['model'] or row['benchmark']}" for row in chosen)
    )


def failures(found: Iterable[Comparison], limits: dict[str, float]) -> list[Comparison]:
    """Those that are worse by more than the percentage of their metric, and not by chance.

    A number of which no spread is known, such as memory, fails by its size alone; its verdict is `?`.

    Raises:
        UsageError: a metric that no number has, or whose direction is not known: a gate that sees nothing must not
            let anything pass.
    """
    found = list(found)
    for metric in limits:
        if metric not in {each.metric for each in found}:
            known = list(dict.fromkeys(each.metric for each in found))
            raise UsageError(
                f"--fail-on {metric}: none was compared.{suggestion(metric, known)} There are {', '.join(known)}"
            )
        if METRICS[metric].higher_is_better is None and METRICS[metric].target is None:
            raise UsageError(f"--fail-on {metric}: it is best at the truth's own value, so worse is not known")
    return [
        each
        for each in found
        if each.metric in limits
        and each.worse
        and each.differs is not False
        and abs(each.percent) > limits[each.metric]
    ]


def _key(row: Record) -> tuple[Any, ...]:
    names = SAME_SCORE if row["suite"] in ("training", "evaluation") else SAME
    return (row.get(FILE, ""), *(row[name] for name in names))


def _conditions(row: Record) -> tuple[Any, ...]:
    return machine_of(row), row["metric_version"], row["data"]


def _unlike(a: Record, b: Record) -> tuple[str, ...]:
    names = ("machine", "metric version", "images")
    return tuple(name for name, x, y in zip(names, _conditions(a), _conditions(b), strict=True) if x != y)


def _refusal(pairs: list[tuple[Record, Record]], a: Side, b: Side) -> str:
    words = []
    for name in ("machine", "metric version", "images"):
        odd = [pair for pair in pairs if name in _unlike(*pair)]
        if odd:
            x, y = odd[0]
            told = {
                "machine": f"{machine_name(x)}; {machine_name(y)}",
                "metric version": f"{x['metric']} {x['metric_version']}; {y['metric']} {y['metric_version']}",
                "images": "; ".join(
                    f"{each['samples']} of {each['benchmark']}, seed {each['seed']}" for each in (x, y)
                ),
            }[name]
            words.append(f"  other {name} in {len(odd)} of {len(pairs)} numbers ({told})")
    lines = "\n".join(words)
    return f"{a.name} and {b.name} are not alike:\n{lines}\n--across compares them all the same, and marks it"


def _advice(a: Side, b: Side) -> str:
    only = unmatched(a, b)
    return " " + ". ".join(only) if only else ""


def _compared(a: Record, b: Record) -> Comparison:
    metric = METRICS[a["metric"]]
    words = [
        a.get(FILE, ""),
        a["suite"],
        a["benchmark"],
        a["model"] if a["variant"] != a["model"] else "",
        a["variant"],
    ]
    if a["against"]:
        words[-1] += f" / {a['against']}"
    words += [
        f"batch {a['batch_size']}" if a["batch_size"] else "",
        a["precision"] if a["suite"] != "evaluation" else "",
    ]
    unlike = _unlike(a, b)
    low, high, differs = _chance(a, b, paired=a["data"] is not None and "images" not in unlike)
    worse: bool | None = None
    if a["value"] != b["value"]:
        if metric.higher_is_better is not None:
            worse = (b["value"] < a["value"]) == metric.higher_is_better
        elif metric.target is not None:
            worse = abs(b["value"] - metric.target) > abs(a["value"] - metric.target)
    return Comparison(
        what=", ".join(word.replace("_", " ") for word in words if word),
        metric=a["metric"],
        a=a["value"],
        b=b["value"],
        low=low,
        high=high,
        differs=differs,
        worse=worse,
        unlike=unlike,
    )


def _chance(a: Record, b: Record, *, paired: bool) -> tuple[float | None, float | None, bool | None]:
    """Interval of the difference, and whether it is none of chance; None each where the spread is not known."""
    x, y = _values(a), _values(b)
    if x is None or y is None or min(len(x), len(y)) < FEWEST:
        return None, None, None
    if a["data"] is None:
        return _of_rounds(x, y, drift=DRIFT if a["metric"] in TIMES else 0.0)
    if paired and len(x) == len(y):
        low, high = paired_interval(y - x)
    else:
        low, high = unpaired_interval(x, y)
    return low, high, not low <= 0 <= high


def _values(row: Record) -> np.ndarray | None:
    values = row["values"]
    return None if not values or None in values else np.array(values, dtype=float)


@cache
def _counts(size: int, seed: int) -> np.ndarray:
    """How often each of `size` values is drawn, in each resample: (RESAMPLES, size)."""
    return np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), RESAMPLES).astype(float)


def _resampled(values: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Means and squared standard errors of resamples, (RESAMPLES,) each."""
    count, size = _counts(len(values), seed), len(values)
    means = count @ values / size
    squares = np.maximum(count @ np.square(values) / size - np.square(means), 0.0)
    return means, squares / (size - 1)


def paired_interval(differences: np.ndarray) -> tuple[float, float]:
    """The bootstrap-t interval of the mean of differences (n,)."""
    return _studentised(float(differences.mean()), [(differences, 1.0)])


def unpaired_interval(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The same of mean y − mean x, of values that are no pairs."""
    return _studentised(float(y.mean() - x.mean()), [(y, 1.0), (x, -1.0)])


def _studentised(difference: float, parts: list[tuple[np.ndarray, float]]) -> tuple[float, float]:
    error = np.sqrt(sum(values.var() / (len(values) - 1) for values, _ in parts))
    if error <= 1e-12 * max(1.0, abs(difference)):  # every value differs by the same amount
        return difference, difference
    resampled = [(*_resampled(values, seed), sign) for seed, (values, sign) in enumerate(parts)]
    means = np.sum([sign * mean for mean, _, sign in resampled], axis=0)
    errors = np.sqrt(np.sum([square for _, square, _ in resampled], axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (means - difference) / errors
    low, high = np.quantile(t[np.isfinite(t)], ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return difference - float(high) * float(error), difference - float(low) * float(error)


def _of_rounds(x: np.ndarray, y: np.ndarray, *, drift: float) -> tuple[float, float, bool]:
    """Rounds of two runs: the percentile interval of the difference of the medians, and whether they differ."""
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(0)
    drawn = [np.median(rng.choice(values, (RESAMPLES, len(values))), axis=1) for values in (y, x)]
    low, high = np.quantile(drawn[0] - drawn[1], ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    beyond = abs(np.median(y) / np.median(x) - 1) > drift if np.median(x) else True
    differs = bool(beyond and np.ptp(np.concatenate([x, y])) and mannwhitneyu(x, y).pvalue < 1 - CONFIDENCE)
    return float(low), float(high), differs
