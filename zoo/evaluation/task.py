"""Tasks: what is evaluated, written down once, so that numbers of one name and version can be put side by side.

Each is a file `tasks/NAME@VERSION.toml` of this package. What a task says never changes: other images, or another
definition of a metric, make the next version.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.evaluation.record import Evaluated
from zoo.results import METRICS, Result
from zoo.support.names import suggestion

FOLDER = Path(__file__).parent / "tasks"

SETTLED = ("split", "limit", "max_side", "seed", "decode")
"""Options of `zoo evaluate` that a task decides."""


@dataclass(frozen=True)
class Task:
    """What is evaluated.

    Attributes:
        name: with the version, such as `drawn@1`.
        summary: one line.
        data: the data set's name.
        fingerprint: SHA-256 (hex) of what it holds.
        split: `train`, `val` or `test`.
        limit: the first so many images; None for all.
        max_side: larger images are cut to the middle of this side, in pixels.
        seed: of sampling.
        decoders: of a classifier's answers, those that are run.
        images: how many.
        digest: of the images, as every row of a result has it.
        metrics: that a result must have, and the version of each.
    """

    name: str
    summary: str
    data: str
    fingerprint: str
    split: str
    max_side: int
    seed: int
    decoders: tuple[str, ...]
    images: int
    digest: str
    metrics: dict[str, int]
    limit: int | None = None

    def settings(self) -> dict[str, Any]:
        """Values of the options of `SETTLED`, but for the decoders, which are those of classifiers alone."""
        return {"split": self.split, "limit": self.limit, "max_side": self.max_side, "seed": self.seed}

    def check_versions(self) -> None:
        """Raises UsageError if this version of the zoo defines one of the metrics otherwise."""
        for metric, version in self.metrics.items():
            if METRICS[metric].version != version:
                raise UsageError(
                    f"task {self.name} wants version {version} of {metric}, and here it is"
                    f" {METRICS[metric].version}: take a newer version of the task"
                )

    def check_data(self, fingerprint: str, path: str) -> None:
        """Raises UsageError if a data set holds other images than the task's."""
        if fingerprint != self.fingerprint:
            raise UsageError(
                f"{path} holds other images than {self.data} of task {self.name}: its fingerprint is"
                f" {fingerprint[:12]}…, and the task's is {self.fingerprint[:12]}…"
            )

    def faults(self, result: Result, evaluation: Evaluated) -> list[str]:
        """What keeps a result from being one of this task; empty if nothing does."""
        found = [
            f"{what} is {value}, and the task's is {wanted}"
            for what, value, wanted in (
                ("the data set", evaluation.data, self.data),
                ("the split", evaluation.split, self.split),
                ("the largest side", evaluation.max_side, self.max_side),
                ("the seed", evaluation.seed, self.seed),
                ("the number of images", len(evaluation.images), self.images),
            )
            if value != wanted
        ]
        if evaluation.data_fingerprint != self.fingerprint or {row["data"] for row in result.rows} != {self.digest}:
            found.append("its images are not the task's")
        ways = dict.fromkeys(row["variant"] for row in result.rows)
        for metric, version in self.metrics.items():
            rows = [row for row in result.rows if row["metric"] == metric]
            other = {row["metric_version"] for row in rows} - {version}
            if other:
                found.append(f"{metric} is of its version {min(other)}, and the task's is {version}")
            without = [way for way in ways if way not in {row["variant"] for row in rows}]
            if without:
                found.append(f"{metric} is missing of {', '.join(without)}")
        return found


def list_tasks() -> list[str]:
    """The names of the tasks, each with its version."""
    return sorted(path.stem for path in FOLDER.glob("*@*.toml"))


def get_task(name: str) -> Task:
    """A task by its name and version.

    Raises:
        UsageError: there is none; the message suggests the nearest.
    """
    known = list_tasks()
    if name not in known:
        raise UsageError(f"no task {name!r}.{suggestion(name, known)} There are {', '.join(known)}")
    content = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    return Task(name, **content | {"decoders": tuple(content["decoders"])})
