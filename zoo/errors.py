"""Errors that the command line turns into a message and an exit code."""


class ZooError(Exception):
    """Base of every error this package raises on purpose; the message says what to do."""

    exit_code = 1


class UsageError(ZooError, ValueError):
    """The caller's input is wrong: a flag, a name, a file. Exit code 2."""

    exit_code = 2


class RunError(ZooError, RuntimeError):
    """Something failed while running: a full disk, a diverged loss. Exit code 1."""


class StallError(RunError):
    """A thread is stuck and can never be joined: the process has to end without waiting for it. Exit code 1."""


class InterruptError(ZooError):
    """The run was stopped from outside, and saved. Exit code 130 after Ctrl-C, 143 after SIGTERM."""

    def __init__(self, message: str, exit_code: int = 130) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class RegressionError(ZooError):
    """Something got worse than it may, or is stale. Exit code 1."""


class ImageError(ValueError):
    """An image cannot be decoded, which costs that image alone; the message is a short reason such as "truncated"."""
