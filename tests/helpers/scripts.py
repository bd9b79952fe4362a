"""Scripts of users, each run as the main program of a process of its own.

The processes are forked from the server of `children`, which has imported TensorFlow once: a script begins at once.
"""

import os
import runpy
import sys
import traceback
from pathlib import Path

from children import CONTEXT


def run_script(file: str | Path, words: list[str], folder: Path, seconds: float = 500) -> str:
    """What a script printed on standard output.

    Args:
        file: of the script, in the folder or absolute.
        words: its arguments.
        folder: that it is run in.
        seconds: after which it is killed.

    Raises:
        AssertionError: its exit code is not 0, or it took longer; the message has what it said.
    """
    out, err = folder / "script-out.txt", folder / "script-err.txt"
    process = CONTEXT.Process(target=_run, args=(str(file), words, str(folder), str(out), str(err)), daemon=True)
    process.start()
    process.join(seconds)
    alive = process.is_alive()
    process.kill()
    assert not alive, f"{file} still runs: {err.read_text()}"
    assert process.exitcode == 0, err.read_text()
    return out.read_text()


def _run(file: str, words: list[str], folder: str, *logs: str) -> None:
    for descriptor, log in enumerate(logs, start=1):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    os.chdir(folder)
    sys.argv, sys.path[0:0] = [file, *words], [folder]
    try:
        runpy.run_path(file, run_name="__main__")
    except SystemExit:
        raise
    except BaseException:
        traceback.print_exc()
        sys.exit(1)
