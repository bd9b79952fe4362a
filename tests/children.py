"""Training runs in processes of their own, which may be killed at a chosen moment.

They are forked from a server that has imported TensorFlow once: a run of a few steps then takes two seconds.
"""

import io
import multiprocessing
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["zoo.harness.trainer", "zoo.train"])


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


def run_child(arguments: list[Any], moment: Moment | None = None, log: Path | None = None) -> tuple[int, str]:
    """Runs `python -m zoo.train`, with the model `tiny`; the exit code (negative: the signal), and the messages."""
    process, log = start_child(arguments, moment, log)
    process.join(timeout=300)
    assert not process.is_alive(), log.read_text()
    return process.exitcode, log.read_text()


def start_child(arguments: list[Any], moment: Moment | None = None, log: Path | None = None) -> tuple[Any, Path]:
    """The started process, and the file of its messages."""
    words = [str(each) for each in arguments]
    log = log or Path(words[words.index("--run-dir") + 1]).with_suffix(".log")
    log.touch()
    process = CONTEXT.Process(target=_child, args=(words, moment, log))
    process.start()
    return process, log


def _child(arguments: list[str], moment: Moment | None, log: Path) -> None:
    os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), 1)
    os.dup2(1, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    if moment:
        _arm(moment, Path(arguments[arguments.index("--run-dir") + 1]))
    import tiny  # noqa: F401  (registers the model)

    from zoo import train

    sys.exit(train.main(arguments))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()


def _arm(moment: Moment, folder: Path) -> None:
    import numpy as np

    from zoo.harness.checkpoints import Checkpoints
    from zoo.harness.rundir import RunDirectory

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
