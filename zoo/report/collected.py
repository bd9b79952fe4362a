"""What a report is made of: result files and run directories; a broken one is left out and named."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from zoo.errors import UsageError
from zoo.evaluation.record import as_evaluation
from zoo.results import Record, Result, load_result

T = TypeVar("T")


@dataclass
class Sources:
    """The results of a report, each by its name, in the order of the names.

    Attributes:
        benchmarks: rows of each machine.
        runs: details of each training run; one that is not done has no `scores` but `step`, where it got to.
        run_rows: rows of the runs that are done.
        evaluations: as `zoo.evaluation.record.load_evaluation` has them.
        evaluation_rows: rows of the evaluations.
        pictures: of an evaluation, the directory of its gallery, where there is one.
        broken: what is wrong with the files that were left out.
    """

    benchmarks: dict[str, list[Record]] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    run_rows: list[Record] = field(default_factory=list)
    evaluations: dict[str, dict[str, Any]] = field(default_factory=dict)
    evaluation_rows: list[Record] = field(default_factory=list)
    pictures: dict[str, Path] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


def collect(results: Path, runs: Sequence[Path] = ()) -> Sources:
    """Reads `bench-*.json`, `run-*.json` and `evaluation-*.json` of a directory, and run directories.

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

    for path in sorted(results.glob("bench-*.json")):
        benchmark = read(lambda path: load_result(path, "benchmark"), path)
        if benchmark and benchmark.rows:
            sources.benchmarks[path.stem.removeprefix("bench-")] = benchmark.rows
    found = [(path.stem.removeprefix("run-"), path, load_run_file) for path in sorted(results.glob("run-*.json"))]
    found += [(path.name, path, load_run_directory) for path in runs if not (path / "results.json").exists()]
    for name, path, load in found:
        run = read(load, path)
        if run:
            sources.runs[name] = run.details
            sources.run_rows += run.rows
    kept = sorted(results.glob("evaluation-*.json"))
    evaluated = [(path.stem.removeprefix("evaluation-"), path, path.with_suffix("")) for path in kept]
    others = [path for path in runs if (path / "results.json").exists()]
    evaluated += [(path.resolve().name, path / "results.json", path / "gallery") for path in others]
    for name, path, pictures in evaluated:
        evaluation = read(load_evaluation_file, path)
        if evaluation:
            sources.evaluations[name], rows = evaluation
            sources.evaluation_rows += rows
            if pictures.is_dir():
                sources.pictures[name] = pictures
    return sources


def load_evaluation_file(path: Path) -> tuple[dict[str, Any], list[Record]]:
    """An evaluation, and its rows.

    Raises:
        UsageError: it is none, or candidates lack their rows.
    """
    result = load_result(path, "evaluation")
    return as_evaluation(result, path), result.rows


def load_run_file(path: Path) -> Result:
    """The result of a run, with the details that every report shows.

    Raises:
        UsageError: it is none, or lacks one of them.
    """
    result = load_result(path, "training")
    for name in ("config", "environment", "images_per_second", "scores", "history"):
        if name not in result.details:
            raise UsageError(f"{path} is not a whole run: {name} is missing from its details")
    return result


def load_run_directory(path: Path) -> Result:
    """The result of a run directory; of a run that is not done, what there is of it.

    Raises:
        UsageError: it is no run directory, or one of its files is damaged.
    """
    if (path / "result.json").exists():
        return load_run_file(path / "result.json")
    from zoo.training.outcome import history
    from zoo.training.rundir import RunDirectory

    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        environment = json.loads((path / "environment.json").read_text(encoding="utf-8"))[-1]
    except (OSError, ValueError, LookupError) as error:
        raise UsageError(f"{path} holds no run that can be read: {error}") from None
    records = RunDirectory(path).records()
    speeds = [record["images_per_second"] for record in records if "images_per_second" in record]
    details = {
        "config": config,
        "environment": environment,
        "images_per_second": speeds[-1] if speeds else None,
        "history": history(records),
        "step": max((record["step"] for record in records), default=0),
    }
    return Result("training", [], details)
