"""What Ctrl-C and SIGTERM do to a program of the zoo while it has nothing to save, from the first moment.

`import zoo` imports this module first, since what comes after takes a moment. Python's own answer to Ctrl-C is an
exception: in the middle of an import it becomes a traceback, or an error of the module that is being imported.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


def _exit(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


ENDS = _exit if os.getpid() == 1 else signal.SIG_DFL
"""Ends the process at once. The system does so for any process but the first of a container."""


def _is_program() -> bool:
    """Whether this process was started as `zoo` or `python -m zoo…`, and not to import the package."""
    # While -m imports the package, only the words of the command line tell what it looks for.
    word = [*sys.orig_argv[-len(sys.argv) :], ""][0] if sys.argv else ""
    return os.path.basename(word.removeprefix("-m")).partition(".")[0] == "zoo"


if _is_program():
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell's background jobs ignore it
        signal.signal(signal.SIGINT, ENDS)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, ENDS)


class Interrupt:
    """A handler of Ctrl-C that raises KeyboardInterrupt, and remembers that it came.

    Args:
        before: the handler that it stands in for.
    """

    def __init__(self, before: Any) -> None:
        self.before, self.asked = before, False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handles the signal."""
        self.asked = True
        raise KeyboardInterrupt


@contextmanager
def at_once() -> Iterator[None]:
    """Inside the block Ctrl-C ends a program by itself, as before `run`: it meets libraries, and nothing is to save."""
    handler = signal.getsignal(signal.SIGINT)
    if not isinstance(handler, Interrupt) or handler.before is not ENDS:
        yield
        return
    signal.signal(signal.SIGINT, ENDS)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def heard(again: Callable[[], Any]) -> Iterator[None]:
    """Has a KeyboardInterrupt come again that met a destructor, where Python prints it and goes on.

    Args:
        again: sends the signal once more, from another thread.
    """
    before = sys.unraisablehook

    def later() -> None:
        time.sleep(0.01)
        again()

    def hook(found: Any) -> None:
        if issubclass(found.exc_type, KeyboardInterrupt):
            threading.Thread(target=later, daemon=True).start()
        else:
            before(found)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
