"""Errors that the command line turns into a message and an exit code."""


class ZooError(Exception):
    """Base of every error this package raises on purpose; the message says what to do."""

    exit_code = 1


class UsageError(ZooError, ValueError):
    """The caller's input is wrong: a flag, a name, a file. Exit code 2."""

    exit_code = 2


class RunError(ZooError, RuntimeError):
    """Something failed while running: a full disk, a diverged loss. Exit code 1."""


class InterruptError(ZooError):
    """The user stopped the run, which was saved. Exit code 130."""

    exit_code = 130


class RegressionError(ZooError):
    """Something got worse than it may, or is stale. Exit code 1."""
