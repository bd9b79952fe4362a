"""Checkpoints: everything a run goes on from, written whole, verified by digest, the last few kept.

A checkpoint is a `.npz` file that NumPy alone can read: the variables of model and optimizer in order, then those of
a discriminator and its optimizer if the run trains one, a JSON text that says which step they are of, and a SHA-256
over all of that. What else decides the next step needs no state: crops and their order follow from seed and step (see
`zoo.data.pipeline`), and a layer that draws random numbers has the state of its generator among the model's variables.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import RunError, UsageError
from zoo.support.files import atomic_path, regular

KEEP = 2
MOST = 1 << 36
"""Bytes: a larger file is no checkpoint."""


class DamagedError(ValueError):
    """A checkpoint's file is not what was written; the message says how it shows."""


class Checkpoints:
    """The checkpoints in a folder, by step.

    Args:
        folder: made when the first is saved.
        keep: how many stay.
    """

    def __init__(self, folder: Path, keep: int = KEEP) -> None:
        self.folder, self.keep = folder, keep

    def steps(self) -> list[int]:
        """The steps there is a file of, the newest first."""
        if not self.folder.is_dir():
            return []
        found = [re.fullmatch(r"step-(\d+)\.npz", path.name) for path in self.folder.iterdir()]
        return sorted((int(match[1]) for match in found if match), reverse=True)

    def path(self, step: int) -> Path:
        """The file of a step."""
        return self.folder / f"step-{step:07d}.npz"

    def save(self, variables: Sequence[Any], state: dict[str, Any]) -> None:
        """Writes a checkpoint, then removes those that are older than the last `keep`, or of a later step.

        Of a later step are those alone that `load` found damaged: a run goes on from the newest.

        Args:
            variables: of model and optimizer.
            state: what else to keep, for JSON; its `step` names the file.

        Raises:
            RunError: a value is not finite. Nothing is written or removed.
        """
        arrays = [np.asarray(variable) for variable in variables]
        if not all(np.isfinite(array).all() for array in arrays):
            raise RunError(f"after step {state['step']} a weight is not finite: training diverged")
        text = json.dumps(state)
        self.folder.mkdir(exist_ok=True)
        with atomic_path(self.path(state["step"])) as temporary, open(temporary, "wb") as file:
            named = {f"v{index:04d}": array for index, array in enumerate(arrays)}
            np.savez(file, **named, state=np.array(text), sha256=np.array(_digest(text, arrays)))  # type: ignore[arg-type]
        steps = self.steps()
        now = steps.index(state["step"])
        for step in steps[:now] + steps[now + self.keep :]:
            self.path(step).unlink(missing_ok=True)

    def load(self, variables: Sequence[Any], say: Callable[[str], None], run: str = "") -> dict[str, Any]:
        """Puts the newest undamaged checkpoint into `variables`; returns its state.

        Args:
            variables: of model and optimizer.
            say: told of every damaged one.
            run: what the state of this run's checkpoints has as `run`. Those of older versions have nothing.

        Raises:
            UsageError: all are damaged, or one is of another model or run. The variables are then as they were.
        """
        for step in self.steps():
            try:
                state, arrays = read_checkpoint(self.path(step))
                if state["step"] != step:
                    raise DamagedError(f"it says that it is of step {state['step']}")
            except DamagedError as error:
                say(f"{self.path(step)} is damaged ({error}): looking for the one before it")
                continue
            if state.get("run", run) != run:
                raise UsageError(
                    f"{self.path(step)} is of another run: remove it to go on from the one before it, or choose another"
                    " --run-dir"
                )
            if [array.shape for array in arrays] != [tuple(variable.shape) for variable in variables]:
                raise UsageError(f"{self.path(step)} is of another model: choose another --run-dir")
            for variable, array in zip(variables, arrays, strict=True):
                variable.assign(array)
            return state
        raise UsageError(
            f"every checkpoint in {self.folder} is damaged: delete that folder to start again, or choose another"
            " --run-dir"
        )


def read_checkpoint(path: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    """A checkpoint's state and variables.

    Raises:
        DamagedError: the file cannot be read, or its content is not what its digest says.
    """
    try:
        # Opened here: np.load leaves the file of a damaged archive open.
        with open(regular(path, MOST), "rb") as file, np.load(file) as held:
            text, digest = str(held["state"]), str(held["sha256"])
            arrays = [held[name] for name in sorted(held.files) if name.startswith("v")]
        if _digest(text, arrays) != digest:
            raise DamagedError("its content does not have the digest written in it")
        return json.loads(text), arrays
    except DamagedError:
        raise
    # Reading damaged bytes raises nearly anything: zipfile, zlib, struct, tokenize and memory errors among it.
    except Exception as error:
        raise DamagedError(str(error) or type(error).__name__) from None


def _digest(text: str, arrays: Sequence[np.ndarray]) -> str:
    digest = hashlib.sha256(text.encode())
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
