"""The run directory: what a run is, where it got to, and what it made.

config.json       the run's configuration: another one is refused
environment.json  machine, versions, precision; a list, one entry a start
metrics.jsonl     one JSON object a line: training losses and validations
checkpoints/      the last few checkpoints: see `zoo.training.checkpoints`
best.keras        the model whose colours are the nearest on validation crops: see `zoo.training.outcome.error_of`
last.keras        the model as it was at the newest validation
summary-*.png     grey | output | truth on validation crops, as training went; summary.png is the last
before-after.png  grey | before | after | truth on pages kept apart, of a run that began from weights
result.json       the final scores, once the run is done
tensorboard/      event files, of a run with `--log tensorboard`
wandb/, wandb-id  Weights & Biases's files, and the run's id there, of a run with `--log wandb`
.lock             held by the process that trains here
"""

import errno
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.errors import RunError, UsageError
from zoo.models.registry import MODELS, get_card
from zoo.results import Result, load_result, save_result
from zoo.support.files import LOCK, atomic_path, locked, regular, write_text
from zoo.support.schema import misfit
from zoo.support.settings import differences
from zoo.training.checkpoints import KEEP, Checkpoints
from zoo.training.config import DEFAULTS
from zoo.training.outcome import is_record, scores_of

BACKEND = {"backend": "tensorflow"}
"""Keras's backend of a run that does not say it: it is older than other ones."""

LENGTH = ("steps", "patience")
"""Settings that decide how long a run goes on, and nothing else of it."""

_BEGUN = re.compile(rf"{re.escape(LOCK)}|environment\.json|\.(environment|config)-.*\.json")
"""The files of a start that was cut before it wrote config.json."""


class RunDirectory:
    """One run's files. Nothing is written before `lock`.

    Args:
        path: of the directory.
        keep: how many checkpoints to keep.
    """

    def __init__(self, path: Path, keep: int = KEEP) -> None:
        self.path = path
        self.checkpoints = Checkpoints(path / "checkpoints", keep)

    def check(self, identity: dict[str, Any]) -> dict[str, Any] | None:
        """The settings of the run that the directory holds, if it is this one or a shorter one; None if it holds none.

        Raises:
            UsageError: it holds another run, something else, or cannot be a directory.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"--run-dir {self.path} is a file: give a directory")
        file = self.path / "config.json"
        if not file.exists():
            if self.path.is_dir() and not all(_BEGUN.fullmatch(path.name) for path in self.path.iterdir()):
                raise UsageError(f"{self.path} is not empty and holds no run: choose another --run-dir")
            return None
        held = _read(file, dict, "choose another --run-dir")
        # A setting that is younger than the run had its default there.
        model = str(held.get("model"))
        encoder = {"encoder": get_card(model).encoder} if model in MODELS else {}
        held = DEFAULTS | BACKEND | encoder | held
        if wrong := misfit(held, dict.fromkeys(LENGTH, int)):
            raise UsageError(f"{file} is damaged ({wrong}): choose another --run-dir")
        asked = BACKEND | json.loads(json.dumps(identity))
        changed = differences(held, asked)
        if changed and not _is_longer(held, asked):
            if held["backend"] != asked["backend"]:
                raise UsageError(
                    f"{self.path} holds a run on {held['backend']}, and this is {asked['backend']}: set"
                    f" KERAS_BACKEND={held['backend']}, or choose another --run-dir"
                )
            lines = "\n  ".join(changed)
            raise UsageError(
                f"{self.path} holds a run of another configuration:\n  {lines}\n"
                "Choose another --run-dir, or ask for what it holds; more --steps lengthen it."
            )
        return held

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Makes the directory, and keeps other processes from training in it inside the block.

        Raises:
            UsageError: another process trains here, or the directory cannot be written.
        """
        busy = f"another process is training in {self.path}: wait for it, or choose another --run-dir"
        with locked(self.path, busy):
            yield

    def create(self, identity: dict[str, Any], environment: dict[str, Any]) -> None:
        """Records what runs here and on what, and removes what a killed process left half-written.

        A run that is lengthened is not done any more: its result is removed.

        Raises:
            UsageError: environment.json is damaged.
        """
        for folder in (self.path, self.checkpoints.folder):
            for path in folder.glob(".*-*"):  # the temporary files of `atomic_path`
                path.unlink(missing_ok=True)
        starts: list[Any] = []
        file = self.path / "environment.json"
        if file.exists():
            starts = _read(file, list, "delete it, it is but a record")
        write_text(file, json.dumps([*starts, environment], indent=2) + "\n")
        held = self.check(identity) if (self.path / "config.json").exists() else None
        if held and any(held[key] != identity[key] for key in LENGTH):
            (self.path / "result.json").unlink(missing_ok=True)
        # Last, since its presence says that the directory holds a run.
        write_text(self.path / "config.json", json.dumps(identity, indent=2) + "\n")

    def digest(self) -> str:
        """What tells this run from others: a SHA-256 of its settings, without those that decide its length.

        Settings at their defaults do not count, so that a version with more of them goes on with older runs.
        """
        held = _read(self.path / "config.json", dict, "choose another --run-dir")
        usual = DEFAULTS | BACKEND
        own = {key: value for key, value in held.items() if key not in LENGTH and usual.get(key, ...) != value}
        return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()

    def log(self, **record: Any) -> None:
        """Appends a line to metrics.jsonl."""
        with open(self.path / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def records(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl up to the first that is no record, as one that a crash cut short."""
        file = self.path / "metrics.jsonl"
        if not file.exists():
            return []
        records = []
        for line in regular(file).read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                break
            if not isinstance(record, dict) or not is_record(record):
                break
            records.append(record)
        return records

    def rewind(self, step: int) -> list[dict[str, Any]]:
        """Drops the records after `step`, which are about to be made again; returns what is left."""
        kept = [record for record in self.records() if record["step"] <= step]
        write_text(self.path / "metrics.jsonl", "".join(json.dumps(record) + "\n" for record in kept))
        return kept

    def summary_picture(self, step: int) -> Path:
        """The file of the summary image of a validation."""
        return self.path / f"summary-{step:06d}.png"

    def save_model(self, model: Any, name: str) -> None:
        """Writes a model as `name`, atomically."""
        with atomic_path(self.path / name) as temporary:
            model.save(temporary)

    def save_result(self, result: Result) -> None:
        """Writes result.json, atomically: the run is then done."""
        save_result(self.path / "result.json", result)

    def result(self) -> Result | None:
        """The final scores, or None while the run is not done.

        Raises:
            UsageError: result.json is damaged, of another schema, or lacks scores.
        """
        file = self.path / "result.json"
        if not file.exists():
            return None
        result = load_result(file, "training")
        try:
            scores_of(result)
        except (KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
            raise UsageError(
                f"{file} lacks a part of a training's scores ({error}): delete it, and give the same command again"
            ) from error
        return result


def _read(file: Path, kind: type, advice: str) -> Any:
    """What a JSON file of the run holds.

    Raises:
        UsageError: it cannot be read, or holds something that is not of this kind.
    """
    try:
        found = json.loads(regular(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{file} cannot be read ({error}): {advice}") from error
    if not isinstance(found, kind):
        raise UsageError(f"{file} holds no {kind.__name__}: {advice}")
    return found


def _is_longer(held: dict[str, Any], asked: dict[str, Any]) -> bool:
    """Whether settings are those that are held but for a larger `steps` or `patience` (0 is the largest)."""
    if differences(held, asked | {key: held[key] for key in LENGTH}):
        return False
    steps, patience = ((asked[key], held[key]) for key in LENGTH)
    return steps[0] >= steps[1] and (patience[0] == 0 or 0 < patience[1] <= patience[0])


def disk_error(error: OSError, path: Path) -> RunError:
    """What to tell the user when a file of the run could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunError(
            f"the disk is full: {error.filename or path} could not be written. What was there before is intact;"
            " free some space and give the same command to go on from the last checkpoint."
        )
    return RunError(f"{error.filename or path} could not be written: {error.strerror or error}")
