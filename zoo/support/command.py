"""What the commands share: error messages, exit codes, and an import of TensorFlow that keeps quiet."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from zoo.errors import InterruptError, StallError, ZooError


def run(command: Callable[[], None]) -> int:
    """Runs a command; an error made on purpose becomes a message on standard error and its exit code."""
    asked: list[int] = []

    def interrupt(number: int, frame: Any) -> None:
        asked.append(number)
        raise KeyboardInterrupt

    replaced = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if replaced:
        signal.signal(signal.SIGINT, interrupt)
    try:
        return _run(command)
    except Exception:
        # Libraries make errors of their own of a Ctrl-C that meets them at work.
        if not asked:
            raise
        print("interrupted", file=sys.stderr)
        return 130
    finally:
        if replaced:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _run(command: Callable[[], None]) -> int:
    try:
        command()
    except ZooError as error:
        print(str(error) if isinstance(error, InterruptError) else f"error: {error}", file=sys.stderr)
        if isinstance(error, StallError):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(error.exit_code)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Throws away what is written to standard error, by libraries below Python too; exceptions still come through."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)


def import_tensorflow(distribute: str | None = None) -> Any:
    """Imports TensorFlow without its remarks about absent GPUs, and opens the devices of a run.

    Some of the remarks are written before its logging is set up, whatever the level: the file descriptor itself has to
    be turned away.

    Args:
        distribute: see `zoo.training.devices.open_devices`.

    Returns:
        The `zoo.training.devices.Devices`.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with silence():
        import keras  # noqa: F401
        import tensorflow as tf

        from zoo.training.devices import open_devices

        devices = open_devices(distribute)
        tf.config.list_logical_devices()
        return devices
