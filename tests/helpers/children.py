"""Training runs in processes of their own, which may be killed at a chosen moment.

They are forked from a server that has imported TensorFlow once: a run of a few steps then takes two seconds.
"""

import io
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.results import load_result
from zoo.training.checkpoints import Checkpoints, read_checkpoint
from zoo.training.outcome import scores_of

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["zoo.training.trainer", "zoo.train", "scipy.stats", "skimage.color"])


@dataclass(frozen=True)
class Moment:
    """When a run kills itself with SIGKILL, counted from its first checkpoint above step 0.

    Attributes:
        of: what it is doing: see `_arm`; or `time`.
        nth: the how-manieth time it does that; for `time`, milliseconds.
        when: `before`, `half` (of the bytes are written) or `after`.
    """

    of: str
    nth: int = 1
    when: str = "before"


class Child:
    """A process that runs `python -m zoo.train`, in which there is also the model `tiny`.

    Args:
        arguments: of the command, `--run-dir` among them.
        moment: when it kills itself.
        log: the file of its messages; by default beside the run directory.
        setup: called before anything else.
        environment: variables to set.
        devices: logical CPU devices.
        out: the file of its standard output; by default that of its messages.
    """

    def __init__(
        self,
        arguments: list[Any],
        *,
        moment: Moment | None = None,
        log: Path | None = None,
        setup: Callable[[], None] | None = None,
        environment: dict[str, str] | None = None,
        devices: int = 1,
        out: Path | None = None,
    ) -> None:
        words = [str(each) for each in arguments]
        self._log = log or Path(words[words.index("--run-dir") + 1] + ".log")
        self._log.write_text("")
        self.process = CONTEXT.Process(
            target=_child, args=(words, moment, self._log, setup, environment or {}, devices, out), daemon=True
        )
        self.process.start()

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text()

    def wait_for(self, text: str, seconds: float = 120) -> None:
        """Returns once it has said `text`."""
        until = time.monotonic() + seconds
        while text not in self.log:
            assert self.process.is_alive(), self.log
            assert time.monotonic() < until, self.log
            time.sleep(0.05)

    def end(self, seconds: float = 300) -> tuple[int, str]:
        """Its exit code (negative: the signal that killed it), and all it said."""
        self.process.join(timeout=seconds)
        alive = self.process.is_alive()
        self.process.kill()
        assert not alive, self.log
        return self.process.exitcode, self.log


def run_child(arguments: list[Any], moment: Moment | None = None, **options: Any) -> tuple[int, str]:
    """Exit code and messages of a `Child`."""
    return Child(arguments, moment=moment, **options).end()


def arrays(folder: Path, step: int) -> list[bytes]:
    """The variables of model and optimizer in a run's checkpoint."""
    return [array.tobytes() for array in read_checkpoint(Checkpoints(folder / "checkpoints").path(step))[1]]


def records(folder: Path) -> list[dict[str, Any]]:
    """What a run recorded, but for how fast it was."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "images_per_second"} for line in lines]


def differences(folder: Path, whole: Path) -> list[str]:
    """In what a run that is done differs from one that nothing happened to: for runs that repeat to the last bit."""
    last = max(Checkpoints(whole / "checkpoints").steps())
    pairs = {
        "weights or optimizer": [arrays(each, last) for each in (folder, whole)],
        "metrics.jsonl": [records(each) for each in (folder, whole)],
        "scores": [scores_of(load_result(each / "result.json")) for each in (folder, whole)],
        "summary.png": [(each / "summary.png").read_bytes() for each in (folder, whole)],
        "files": [sorted(path.name for path in each.iterdir()) for each in (folder, whole)],
        "temporary files": [sorted(path.name for path in each.rglob(".*-*")) for each in (folder, whole)],
    }
    return [f"{name} differ" for name, (one, other) in pairs.items() if one != other]


def _child(
    arguments: list[str],
    moment: Moment | None,
    log: Path,
    setup: Callable[[], None] | None,
    environment: dict[str, str],
    devices: int,
    out: Path | None,
) -> None:
    os.environ.update(environment)
    os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), 2)
    os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT) if out else 2, 1)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    if moment:
        _arm(moment, Path(arguments[arguments.index("--run-dir") + 1]))
    import tiny

    tiny.register()
    from zoo import train

    if devices > 1:
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
    if setup:
        setup()
    sys.exit(train.main(arguments))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()


def _arm(moment: Moment, folder: Path) -> None:
    import numpy as np

    from zoo.training.rundir import RunDirectory

    places = {
        "write": (np, "savez"),
        "flush": (os, "fsync"),
        "rename": (os, "replace"),
        "remove": (Path, "unlink"),
        "checkpoint": (Checkpoints, "save"),
        "model": (RunDirectory, "save_model"),
        "record": (RunDirectory, "log"),
        "result": (RunDirectory, "save_result"),
    }
    count = 0

    def armed() -> bool:
        return any(int(path.stem[5:]) > 0 for path in folder.glob("checkpoints/step-*.npz"))

    if moment.of == "time":
        save = Checkpoints.save

        def first(self: Any, variables: Any, state: dict[str, Any]) -> None:
            save(self, variables, state)
            if state["step"] and not any(thread.name == "killer" for thread in threading.enumerate()):
                killer = threading.Timer(moment.nth / 1000, _die)
                killer.name, killer.daemon = "killer", True
                killer.start()

        Checkpoints.save = first  # type: ignore[method-assign]
        return
    owner, name = places[moment.of]
    original = getattr(owner, name)

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += armed()
        if count < moment.nth or not armed():
            return original(*args, **kwargs)
        if moment.when == "half":
            _half(moment.of, original, args, kwargs)
        elif moment.when == "after":
            original(*args, **kwargs)
        _die()

    setattr(owner, name, counted)


def _half(of: str, original: Any, args: Any, kwargs: Any) -> None:
    """Leaves on disk what a process leaves that is killed while it writes."""
    if of == "write":
        file, content = args[0], io.BytesIO()
        original(content, **kwargs)
        file.write(content.getvalue()[: len(content.getvalue()) // 2])
        file.flush()
    elif of == "record":
        with open(args[0].path / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write('{"step": 6, "lo')
    else:
        raise ValueError(of)
