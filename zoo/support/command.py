"""What the commands share: the parser, error messages, exit codes, and an import of TensorFlow that keeps quiet."""

import argparse
import contextlib
import errno
import io
import os
import re
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from zoo.errors import InterruptError, StallError, UsageError, ZooError
from zoo.support.interrupts import ENDS, Interrupt, heard
from zoo.support.names import printable_lines, suggestion

_OF_THE_USER = (
    errno.EACCES,
    errno.EEXIST,
    errno.EFBIG,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ENOTSUP,
    errno.EPERM,
    errno.EROFS,
)
"""What is wrong with a path that was given; anything else is wrong with the machine."""


def program(command: str) -> str:
    """How the user calls a command: `zoo train` by the console script, `python -m zoo.train` otherwise."""
    return f"zoo {command}".strip() if Path(sys.argv[0]).stem == "zoo" else f"python -m zoo.{command}".strip(".")


MANY = 6
"""Options from which on the first line of a command's help does not name each of them."""


class Parser(argparse.ArgumentParser):
    """A command's parser: it shows every default, takes no abbreviation, and knows the nearest flag and choice.

    Args:
        command: the command's name, such as `train`; None for a command of a command, "" for the one of them all.
        **settings: those of `argparse.ArgumentParser`.
    """

    def __init__(self, command: str | None = None, **settings: Any) -> None:
        prog = {} if command is None else {"prog": program(command)}
        super().__init__(**{"allow_abbrev": False, "formatter_class": _Help, **prog, **settings})

    @property
    def usage(self) -> str | None:
        """How the command is called; of many options those alone that it cannot do without."""
        if self._usage is not None or sum(bool(each.option_strings) for each in self._actions) <= MANY:
            return self._usage
        formatter = self._get_formatter()
        words = ["%(prog)s"]
        for action in self._actions:
            if action.option_strings and action.required:
                words += [action.option_strings[-1], formatter._format_args(action, action.dest.upper())]
            elif not action.option_strings:
                words.append(formatter._format_args(action, action.dest))
        return " ".join([*words, "[options]"])

    @usage.setter
    def usage(self, usage: str | None) -> None:
        self._usage = usage

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As argparse does, after a look for mistyped flags, which it would name after anything else."""
        words = sys.argv[1:] if args is None else args
        shown = [flag for flag, action in self._option_string_actions.items() if action.help != argparse.SUPPRESS]
        for word in words:
            if word == "--" or (self._subparsers and not word.startswith("-")):
                break  # what comes after is no flag, or another parser's
            flag = word.partition("=")[0]
            if flag.startswith("--") and " " not in flag and flag not in self._option_string_actions:
                self.error(f"unknown flag {flag}.{suggestion(flag, shown)}")
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Says what is wrong, and ends with exit code 2."""
        super().error(printable_lines(message))

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        if action.option_strings and action.nargs is None and arg_strings == ["--"]:  # which argparse drops
            raise argparse.ArgumentError(action, "expected one argument")
        return super()._get_values(action, arg_strings)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += f".{suggestion(str(value), map(str, action.choices or ()))}".rstrip(".")
            raise


class _Help(argparse.HelpFormatter):
    """Shows defaults, and keeps the lines of a description or an epilog."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        silent = not action.option_strings or action.default is None or action.default is False
        if silent or action.default in (argparse.SUPPRESS, [], "") or "(default" in text:
            return text
        return f"{text} (default: %(default)s)"

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        found = []
        for line in text.splitlines():
            # What is said of a name, as in "  name  meaning", goes on below the meaning.
            name = re.match(r"  \S+\s+", line)
            further = " " * len(name[0]) if name else ""
            found.append(textwrap.fill(line, width, initial_indent=indent, subsequent_indent=indent + further))
        return "\n".join(found)


def run(command: Callable[[], None]) -> int:
    """Runs a command; an error made on purpose becomes a message on standard error and its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a file's name may be no text
    interrupt = Interrupt(signal.getsignal(signal.SIGINT))
    replaced = threading.current_thread() is threading.main_thread() and interrupt.before in (
        signal.default_int_handler,
        ENDS,
    )
    if not replaced:
        return _run(command, interrupt)
    try:
        signal.signal(signal.SIGINT, interrupt)
        with heard(lambda: signal.raise_signal(signal.SIGINT)):
            return _run(command, interrupt)
    except (Exception, KeyboardInterrupt):
        # Libraries make errors of their own of a Ctrl-C that meets them at work.
        if not interrupt.asked:
            raise
        print("interrupted", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGINT, interrupt.before)


def _run(command: Callable[[], None], interrupt: Interrupt) -> int:
    try:
        command()
    except ZooError as error:
        if interrupt.asked and not isinstance(error, InterruptError):  # made of a Ctrl-C by what caught it
            print("interrupted", file=sys.stderr)
            return 130
        text = printable_lines(str(error))
        print(text if isinstance(error, InterruptError) else f"error: {text}", file=sys.stderr)
        if isinstance(error, StallError):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(error.exit_code)
        return error.exit_code
    except OSError as error:
        # Of a file that the user named, or of a disk: what it is and why say more than where in the code it showed.
        if error.filename is None or error.strerror is None:
            raise
        name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else str(error.filename)
        print(f"error: {printable_lines(name)}: {error.strerror}", file=sys.stderr)
        return 2 if error.errno in _OF_THE_USER else 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


@contextlib.contextmanager
def naming(flag: str) -> Iterator[None]:
    """Puts a flag in front of what is found wrong with its value."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{flag}: {error}") from None


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


def import_tensorflow(open_devices: Callable[[], Any] | None = None) -> Any:
    """Imports TensorFlow, and opens the devices of a run, without its remarks about absent GPUs.

    Where Keras runs on another backend, TensorFlow reads the images, and GPUs are hidden from it.

    Some of the remarks are written before its logging is set up, whatever the level: the file descriptor itself has to
    be turned away.

    Args:
        open_devices: called once TensorFlow is there, before it has computed anything.

    Returns:
        What that answered.
    """
    from zoo.support.console import say

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "tensorflow" not in sys.modules:
        say("loading TensorFlow")
    with silence():
        import keras
        import tensorflow as tf

        if keras.backend.backend() != "tensorflow":
            tf.config.set_visible_devices([], "GPU")
        devices = open_devices() if open_devices else None
        tf.config.list_logical_devices()
        return devices
