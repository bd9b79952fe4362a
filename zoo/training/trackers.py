"""TensorBoard and Weights & Biases: what a run records, shown by a tool that the user has.

metrics.jsonl stays what a run is known by. Every tracker is opened with all that it holds, so that a run can be
resumed, or first be tracked on the way or after its end, without a gap and without a point twice. A tracker that cannot
be opened stops the command before anything is trained; one that fails later is given up with a message, and the
training goes on.
"""

import contextlib
import importlib.util
import io
import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from PIL import Image

from zoo.errors import UsageError
from zoo.support.files import regular, write_text
from zoo.training.rundir import RunDirectory

PROJECT = "keras-colorization-zoo"


class Tracker(Protocol):
    """Where scalars and images go; each step's in the order of the steps.

    Attributes:
        where: what to tell the user about where to look.
    """

    where: str

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Values by name, at a training step."""

    def image(self, step: int, name: str, rgb: np.ndarray) -> None:
        """A picture, uint8 RGB (H, W, 3), at a training step."""

    def close(self, finished: bool) -> None:
        """Writes what is left; `finished` says that the run got to its last step."""


class TensorBoard:
    """Event files in RUN_DIR/tensorboard.

    Those of an earlier start are deleted, since what it recorded is written again. A TensorBoard that is open meanwhile
    is told, by a session start at step 0, to forget what it has read. Only the steps are a run's: the times are those
    of writing.

    Args:
        run_dir: the run directory.
        identity: the run's configuration, shown as text.
    """

    def __init__(self, run_dir: Path, identity: Mapping[str, Any]) -> None:
        import tensorflow as tf

        folder = run_dir / "tensorboard"
        for file in folder.glob("events.out.tfevents.*"):
            file.unlink()
        self.where = f"tensorboard --logdir {shlex.quote(str(folder))}"
        if _missing("tensorboard"):
            self.where += ' (pip install "keras-colorization-zoo[tensorboard]" to look)'
        # What writes in version 2 tells an open TensorBoard nothing, and takes its package for scalars and images.
        self._v1 = tf.compat.v1
        with tf.Graph().as_default():  # where alone the writer can be made
            self._writer = self._v1.summary.FileWriter(str(folder))
        self._writer.add_session_log(self._v1.SessionLog(status=self._v1.SessionLog.START), 0)
        # Indented, it is code in Markdown.
        text = "\n".join(f"    {line}" for line in json.dumps(identity, indent=2).splitlines())
        as_text = {"plugin_data": {"plugin_name": "text"}}
        self._add(0, {"tag": "configuration", "tensor": tf.make_tensor_proto(text), "metadata": as_text})

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """See `Tracker`."""
        self._add(step, *({"tag": name, "simple_value": value} for name, value in values.items()))

    def image(self, step: int, name: str, rgb: np.ndarray) -> None:
        """See `Tracker`."""
        png = io.BytesIO()
        Image.fromarray(rgb).save(png, format="PNG")
        height, width, channels = rgb.shape
        held = {"height": height, "width": width, "colorspace": channels, "encoded_image_string": png.getvalue()}
        self._add(step, {"tag": name, "image": held})

    def close(self, finished: bool) -> None:
        """See `Tracker`."""
        self._writer.close()

    def _add(self, step: int, *values: dict[str, Any]) -> None:
        self._writer.add_summary(self._v1.Summary(value=[self._v1.Summary.Value(**value) for value in values]), step)
        self._writer.flush()  # it would keep them for two minutes


class WeightsAndBiases:
    """A W&B run, its files in RUN_DIR/wandb and its id in RUN_DIR/wandb-id: a run that is resumed is one run there too.

    W&B takes no step below the last it holds, so those are left out; their values were the same. Offline it cannot know
    what it holds: each start then makes a directory with the whole run, of which the newest is the one to upload.
    `WANDB_MODE`, `WANDB_PROJECT`, `WANDB_ENTITY` and the like are heeded.

    Args:
        run_dir: the run directory; its name is the run's.
        identity: the run's configuration.
    """

    def __init__(self, run_dir: Path, identity: Mapping[str, Any]) -> None:
        import wandb

        file = run_dir / "wandb-id"
        known = regular(file).read_text(encoding="utf-8").strip() if file.exists() else None
        self._run = wandb.init(
            dir=str(run_dir),
            id=known,
            resume="allow",
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=None if known else os.environ.get("WANDB_NAME", run_dir.resolve().name),
            config=dict(identity),
            settings=wandb.Settings(console="off"),  # leave standard output and the progress bar alone
        )
        self._first_step = self._run.step
        if self._run.disabled:
            self.where = "Weights & Biases is disabled: nothing is kept"
            return
        write_text(file, f"{self._run.id}\n")
        offline = f"wandb sync {shlex.quote(str(Path(self._run.dir).parent))}"
        self.where = offline if self._run.offline else str(self._run.url)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """See `Tracker`."""
        self._log(step, dict(values))

    def image(self, step: int, name: str, rgb: np.ndarray) -> None:
        """See `Tracker`."""
        import wandb

        self._log(step, {name: wandb.Image(rgb)})

    def close(self, finished: bool) -> None:
        """See `Tracker`."""
        import wandb

        try:
            self._run.finish(exit_code=0 if finished else 1)
        except Exception:
            wandb.teardown()  # or W&B would try again when the command ends, and print a traceback
            raise

    def _log(self, step: int, values: dict[str, Any]) -> None:
        if step >= self._first_step:
            self._run.log(values, step=step)


TRACKERS: dict[str, Callable[[Path, Mapping[str, Any]], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
}
"""By the name of `--log`, which is that of the extra."""


class Trackers:
    """The trackers of a run, none to begin with, as a context that closes them.

    Args:
        say: where messages go.
    """

    def __init__(self, say: Callable[[str], None] = print) -> None:
        self._opened: dict[str, Tracker] = {}
        self._say = say

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._each(lambda tracker: tracker.close(kind is None))

    def add(self, name: str, tracker: Tracker) -> None:
        """Takes a tracker in, under the name of its flag."""
        self._opened[name] = tracker
        self._say(f"--log {name}: {tracker.where}")

    def record(self, record: Mapping[str, Any]) -> None:
        """Sends a line of metrics.jsonl."""
        self._each(lambda tracker: tracker.scalars(record["step"], named_scalars(record)))

    def picture(self, step: int, rgb: np.ndarray) -> None:
        """Sends a summary picture, uint8 RGB (H, W, 3)."""
        self._each(lambda tracker: tracker.image(step, "validation/summary", rgb))

    def replay(self, run: RunDirectory) -> None:
        """Sends the records and the summary pictures that a run directory holds."""
        for record in run.records():
            self.record(record)
            if "validation" not in record:
                continue
            # A picture that is gone or damaged is left out.
            with contextlib.suppress(OSError), Image.open(run.summary_picture(record["step"])) as held:
                self.picture(record["step"], np.asarray(held.convert("RGB")))

    def _each(self, send: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._opened.items()):
            # Whatever goes wrong in it: a tracker must not cost the run.
            try:
                send(tracker)
            except Exception as error:
                del self._opened[name]
                with contextlib.suppress(Exception):
                    tracker.close(False)
                self._say(
                    f"--log {name} failed and is left out from here on: {type(error).__name__}: {error}. The run is not"
                    " harmed; its command given once more, also after the end, sends what is missing"
                )


def named_scalars(record: Mapping[str, Any]) -> dict[str, float]:
    """What a tracker shows of a line of metrics.jsonl, by names of letters, digits, `_` and `/`, which both tools take.

    Ratios to a truth without colour and losses that are not finite, which are null, are left out.
    """
    if "validation" not in record:
        return {f"training/{name}": value for name, value in record.items() if name != "step"}
    found = record["validation"]
    values = {} if found["loss"] is None else {"validation/loss": found["loss"]}
    for row in (*found["baselines"], *found["rows"]):
        for metric in ("rmse_ab", "chroma_ratio"):
            if row[metric] is not None:
                values[re.sub(r"[^A-Za-z0-9_/]+", "_", f"validation/{metric}/{row['name']}")] = row[metric]
    return values


def check_trackers(names: Iterable[str]) -> None:
    """Raises UsageError if the package that a tracker writes with is not installed; imports none of them."""
    for name in set(names) - {"tensorboard"}:  # TensorFlow writes for it
        if _missing(name):
            raise UsageError(f'--log {name} needs the package {name}: pip install "keras-colorization-zoo[{name}]"')


def _missing(package: str) -> bool:
    found = importlib.util.find_spec(package)
    # A folder of the same name, such as the one W&B writes to, is found as well, as a package without a file.
    return found is None or found.origin is None


def open_trackers(
    names: Iterable[str], run: RunDirectory, identity: Mapping[str, Any], say: Callable[[str], None]
) -> Trackers:
    """Opens trackers and sends them what the run has recorded so far.

    Args:
        names: of `TRACKERS`.
        run: the run directory, rewound to where the training goes on.
        identity: the run's configuration and its data set's fingerprint.
        say: where messages go.

    Raises:
        UsageError: a tracker cannot be opened; those that were are closed again.
    """
    trackers = Trackers(say)
    with contextlib.ExitStack() as undo:
        undo.enter_context(trackers)
        for name in dict.fromkeys(names):
            try:
                tracker = TRACKERS[name](run.path, identity)
            except Exception as error:
                what = f"{type(error).__name__}: {error}".rstrip(".")
                hint = "log in with `wandb login`, set WANDB_MODE=offline, or " if name == "wandb" else ""
                raise UsageError(f"--log {name} does not start ({what}): {hint}leave --log {name} out") from error
            trackers.add(name, tracker)
        trackers.replay(run)
        undo.pop_all()
    return trackers
