"""What the commands share: error messages, exit codes, tables."""

import os
import sys
from collections.abc import Callable

from zoo.errors import ZooError


def run(command: Callable[[], None]) -> int:
    """Runs a command; an error made on purpose becomes a message on standard error and its exit code."""
    # TensorFlow reports on absent GPUs at start; what it has to say about errors comes as exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        command()
    except ZooError as error:
        print(f"error: {error}" if error.exit_code != 130 else str(error), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0
