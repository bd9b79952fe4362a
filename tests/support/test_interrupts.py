"""Ctrl-C and SIGTERM while a program of the zoo has nothing to save: it ends at once and says nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from images import make_images

from zoo.support.command import run

ROOT = Path(__file__).parents[2]
SIGNALS = (signal.SIGINT, signal.SIGTERM)
NOT_HEARD = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.{name})
    time.sleep(10)
except BaseException:
    pass
"""
"""A module that loses every exception."""


def python(*words: object, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What Python ends with, with the modules in `path` before all others."""
    folders = [str(folder) for folder in (path, ROOT) if folder]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(folders)}
    # A shell's background jobs ignore Ctrl-C, and so do their children.
    heeding = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.executable, sys.argv[1:])"
    )
    command = [sys.executable, "-c", heeding, sys.executable, *map(str, words)]
    return subprocess.run(command, env=environment, cwd=path, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("words", [["-m", "zoo.train", "--help"], ["-mzoo"], ["-m", "zoo.report"], ["zoo"]], ids=str)
def test_a_signal_while_the_package_is_imported(tmp_path, words, number):
    (tmp_path / "dataclasses.py").write_text(NOT_HEARD.format(name=number.name))  # one of the first it imports
    (tmp_path / "zoo").write_text("import zoo.__main__\n")  # as the console script does
    found = python(*words, path=tmp_path)
    assert (found.returncode, found.stdout, found.stderr) == (-number, "", "")


def test_a_signal_while_tensorflow_is_imported(tmp_path):
    make_images(tmp_path / "images", train=2, val=1)
    (tmp_path / "keras.py").write_text(NOT_HEARD.format(name="SIGINT"))
    command = ["-m", "zoo.train", "residual", "--data", "images", "--crop", 16, "--run-dir", "run"]
    found = python(*command, path=tmp_path)
    assert found.returncode == -signal.SIGINT, found.stderr
    assert found.stderr.endswith("loading TensorFlow\n")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_the_first_process_of_a_container_ends_too(number):
    """Where the system does nothing, with exit codes as a shell tells them."""
    started = "import os, signal, sys; os.getpid = lambda: 1; sys.argv = sys.orig_argv = ['/usr/bin/zoo', 'train']; "
    found = python("-c", f"{started} import zoo; signal.raise_signal({number})")
    assert (found.returncode, found.stderr) == (128 + number, "")


def test_a_program_that_imports_the_package_keeps_its_handlers():
    look = "print([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]); "
    found = python("-c", f"import signal; {look} import zoo; {look}", "zoo")
    before, after = found.stdout.splitlines()
    assert before == after
    assert "default_int_handler" in after


class Last:
    """Sends a signal when it is deleted, where Python loses what the handler raises."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)


def test_ctrl_c_that_meets_a_destructor_is_heard(capsys, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def command() -> None:
        Last(signal.SIGINT)
        for _ in range(100):
            time.sleep(0.1)

    try:
        hook = sys.unraisablehook
        assert run(command) == 130
        assert capsys.readouterr().err == "interrupted\n"
        assert sys.unraisablehook is hook
    finally:
        signal.signal(signal.SIGINT, before)
