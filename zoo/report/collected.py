"""What a report is made of: result files and run directories; a broken one is left out and named."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from zoo.errors import UsageError
from zoo.evaluation.pictures import read_gallery
from zoo.evaluation.record import Evaluated, as_evaluation
from zoo.results import Record, load_result
from zoo.support.files import real, regular
from zoo.support.names import printable
from zoo.support.schema import misfit
from zoo.training.outcome import CONFIG, ENVIRONMENT, RECORDED, Scores, history, last_speed, scores_of, speed_of
from zoo.training.rundir import RunDirectory

T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """A training run.

    Attributes:
        config: its configuration.
        environment: of `zoo.support.machine.describe`.
        images_per_second: its speed, or None.
        history: of `zoo.training.outcome.history`.
        step: whose weights were kept; of a run that is not done, where it got to.
        mean_color: RMSE-ab of the mean colour on the validation crops; None before the first validation.
        scores: of the best model; None of a run that is not done.
        rows: of its result; none of a run that is not done.
    """

    config: dict[str, Any]
    environment: dict[str, Any]
    images_per_second: float | None
    history: dict[str, Any]
    step: int
    mean_color: float | None
    scores: Scores | None = None
    rows: list[Record] = field(default_factory=list)


@dataclass
class Sources:
    """The results of a report, each by its name, in the order of the names.

    Attributes:
        benchmarks: rows of each machine.
        ratios: of each machine, what `zoo.results.extend_history` has kept.
        runs: training runs.
        evaluations: what was evaluated.
        evaluation_rows: rows of the evaluations.
        pictures: of an evaluation with a gallery, as `zoo.evaluation.pictures.read_gallery` finds it.
        broken: what is wrong with the files that were left out.
    """

    benchmarks: dict[str, list[Record]] = field(default_factory=dict)
    ratios: dict[str, list[Record]] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    evaluations: dict[str, Evaluated] = field(default_factory=dict)
    evaluation_rows: list[Record] = field(default_factory=list)
    pictures: dict[str, list[tuple[int, list[bytes]]]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


def collect(results: Path, runs: Sequence[Path] = ()) -> Sources:
    """Reads the `bench-`, `history-`, `run-` and `evaluation-*.json` of a directory, and run directories.

    Of two runs, or two evaluations, of one name the first is kept, and the other is named among the broken ones.

    Raises:
        UsageError: there is neither such a directory nor a run.
    """
    if not results.is_dir() and not runs:
        raise UsageError(f"{results}: no such directory. Run this where the project is, or give --root")
    sources = Sources()

    def read(load: Callable[[Path], T], path: Path) -> T | None:
        try:
            return load(path)
        except UsageError as error:
            sources.broken.append(str(error))
            return None

    def free(name: str, path: Path, taken: Mapping[str, object]) -> bool:
        if name in taken:
            sources.broken.append(f"{path}: another one is called {name!r}; rename one of the two")
        return name not in taken

    for prefix, machines in (("bench-", sources.benchmarks), ("history-", sources.ratios)):
        for path in sorted(results.glob(f"{prefix}*.json")):
            benchmark = read(lambda path: load_result(path, "benchmark"), path)
            if benchmark and benchmark.rows:
                machines[path.stem.removeprefix(prefix)] = benchmark.rows
    found = [(path.stem.removeprefix("run-"), path, load_run_file) for path in sorted(results.glob("run-*.json"))]
    found += [(printable(path.name), path, load_run_directory) for path in runs if not (path / "results.json").exists()]
    for name, path, load in found:
        run = read(load, path)
        if run and free(name, path, sources.runs):
            sources.runs[name] = run
    kept = sorted(results.glob("evaluation-*.json"))
    evaluated = [(path.stem.removeprefix("evaluation-"), path, path.with_suffix("")) for path in kept]
    others = [path for path in runs if (path / "results.json").exists()]
    evaluated += [(printable(real(path).name), path / "results.json", path / "gallery") for path in others]
    for name, path, pictures in evaluated:
        evaluation = read(load_evaluation_file, path)
        if evaluation and free(name, path, sources.evaluations):
            sources.evaluations[name], rows = evaluation
            sources.evaluation_rows += rows
            if pictures.is_dir():
                sizes = len(evaluation[0].images), len(evaluation[0].candidates)
                sources.pictures[name], wrong = read_gallery(pictures, *sizes)
                sources.broken += wrong
    return sources


def load_evaluation_file(path: Path) -> tuple[Evaluated, list[Record]]:
    """An evaluation, and its rows.

    Raises:
        UsageError: it is none, or candidates lack their rows.
    """
    result = load_result(path, "evaluation")
    return as_evaluation(result, path), result.rows


def load_run_file(path: Path) -> Run:
    """A run from its result.

    Raises:
        UsageError: it is none, or lacks something that every report shows.
    """
    result = load_result(path, "training")
    details = result.details
    try:
        scores = scores_of(result)
        shown = {name: details[name] for name in ("config", "environment", "history")}
        mean = scores.baselines[1].rmse_ab
        return Run(
            **shown,
            images_per_second=speed_of(result),
            step=scores.step,
            mean_color=mean,
            scores=scores,
            rows=result.rows,
        )
    except (KeyError, TypeError, ValueError, StopIteration, IndexError) as error:
        raise UsageError(f"{path} is not a whole run: {error}") from None


def load_run_directory(path: Path) -> Run:
    """The run of a directory; of one that is not done, what there is of it.

    Raises:
        UsageError: it is no run directory, or one of its files is damaged.
    """
    if (path / "result.json").exists():
        return load_run_file(path / "result.json")
    try:
        config, starts = (
            json.loads(regular(path / name).read_text(encoding="utf-8")) for name in ("config.json", "environment.json")
        )
        for name, value, wanted in (("config.json", config, CONFIG), ("environment.json", starts[-1], ENVIRONMENT)):
            if wrong := misfit(value, wanted):
                raise ValueError(f"{name}: {wrong}")
        records = RunDirectory(path).records()
        step = max((record["step"] for record in records), default=0)
        baselines = [record["validation"]["baselines"] for record in records if "validation" in record]
        mean = baselines[-1][1]["rmse_ab"] if baselines else None
        curves, speed = history(records), last_speed(records)
        if wrong := misfit({"history": curves, "speed": speed, "mean": mean}, RECORDED):
            raise ValueError(f"metrics.jsonl: {wrong}")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{path} holds no run that can be read: {error}") from None
    return Run(config, starts[-1], speed, curves, step, mean)
