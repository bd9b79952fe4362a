"""What the commands share: error messages, exit codes, and an import of TensorFlow that keeps quiet."""

import os
import sys
from collections.abc import Callable

from zoo.errors import ZooError


def run(command: Callable[[], None]) -> int:
    """Runs a command; an error made on purpose becomes a message on standard error and its exit code."""
    try:
        command()
    except ZooError as error:
        print(f"error: {error}" if error.exit_code != 130 else str(error), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def import_tensorflow() -> None:
    """Imports TensorFlow without its remarks about absent GPUs.

    Some of them are written before its logging is set up, whatever the level: the file descriptor itself has to be
    turned away. What goes wrong in the import still comes as an exception.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        import keras  # noqa: F401
        import tensorflow as tf

        tf.config.list_logical_devices()
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
