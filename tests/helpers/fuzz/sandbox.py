"""Commands run in this process as the shell would run them, and what they may not do there."""

import contextlib
import io
import os
import re
import shutil
import signal
import socket
import stat
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from fuzz.runner import Batch, Found

SECONDS = 600.0
"""After which a case is ended that cannot be interrupted, whatever else the machine does."""

LATE = 20.0
"""How long a case may take, less what other processes took of that."""

SHOW = False
"""Whether to print every case and what it says."""

LONGEST = 20_000
"""Of a message, characters."""

_CHANGES = {
    "os.mkdir": 1,
    "os.rename": 2,
    "os.remove": 1,
    "os.rmdir": 1,
    "os.truncate": 1,
    "os.chmod": 1,
    "os.chown": 1,
    "os.utime": 1,
    "shutil.rmtree": 1,
}
"""Audited events that change files, and how many of their first arguments are paths."""


class Guard:
    """Refuses writing outside of a folder, and the network, as a system would that allows neither.

    Attributes:
        allowed: where may be written.
        escapes: what was tried outside.
    """

    def __init__(self) -> None:
        self.allowed = ""
        self.escapes: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.allowed:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if isinstance(flags, int) else "r" not in str(mode)
            if writes and isinstance(path, (str, bytes)):
                self._check(event, path)
        elif event in _CHANGES:
            for path in arguments[: _CHANGES[event]]:
                if isinstance(path, (str, bytes, os.PathLike)):
                    self._check(event, path)
        elif event in ("os.link", "os.symlink"):
            self._check(event, arguments[1])
        elif event in ("socket.connect", "socket.sendto"):
            raise ConnectionRefusedError(111, "Connection refused")
        elif event == "socket.getaddrinfo":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    def _check(self, event: str, path: Any) -> None:
        name = os.fsdecode(path)
        # The folder of what is made or moved; what is opened may be a link.
        real = os.path.realpath(name)
        if event != "open":
            real = os.path.join(os.path.realpath(os.path.dirname(name) or "."), os.path.basename(name))
        if real != "/dev/null" and not f"{real}/".startswith(f"{self.allowed}/"):
            self.escapes.append(f"{event} {real}")
            raise PermissionError(13, "Permission denied", name)


_guards: list[Guard] = []


def guard() -> Guard:
    """The guard of this process."""
    if not _guards:
        _guards.append(Guard())
    return _guards[0]


@dataclass(frozen=True)
class Ran:
    """What a command answered."""

    code: int
    out: str
    err: str


class HungError(BaseException):
    """A case took longer than `LATE`."""


def _waited() -> float:
    """Seconds that threads of this process could have computed, and others did; 0 where the system does not tell."""
    total = 0
    for thread in Path("/proc/self/task").glob("*/schedstat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            total += int(thread.read_text().split()[1])
    return total / 1e9


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Ends what takes longer than `LATE`, if it lets itself be ended; the parent ends what does not."""

    began, waited = time.monotonic(), _waited()

    def late(*_: Any) -> None:
        left = LATE - (time.monotonic() - began - (_waited() - waited))
        if left <= 0:
            raise HungError
        signal.setitimer(signal.ITIMER_REAL, max(1, left))

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, LATE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run(words: Sequence[str]) -> Ran:
    """Runs `zoo WORDS`; its streams are as those of a terminal that knows UTF-8."""
    from zoo.__main__ import main

    out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    err = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace", write_through=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(list(words))
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
    if SHOW:
        print("zoo", *map(repr, words), f"\n→ {code}\n{texts[0]}{texts[1]}")
    return Ran(code, *texts)


def outcome(words: Sequence[str], ran: Ran, more: Sequence[str] = ()) -> str:
    """`done`, `refused` or `failed`.

    Args:
        words: the command line.
        ran: what it answered.
        more: what a message may name besides words of the command line and flags.

    Raises:
        AssertionError: there is no message, it names nothing, or it holds what a terminal must not be sent.
    """
    from zoo.support.names import printable_lines

    if ran.code == 0:
        return "done"
    require(ran.code in (1, 2), f"exit code {ran.code}: {ran.err[-300:]}")
    found = re.search(r"^(.*?: )?error: (.*)", ran.err, re.M | re.S)
    require(found is not None, f"no message: {ran.err[-500:]!r}")
    assert found
    message = found[2]
    require("Traceback" not in ran.err, ran.err)
    require(len(message) <= LONGEST, f"a message of {len(message)} characters: {message[:200]}")
    odd = sorted({each for each in ran.err if not each.isprintable() and each not in "\n\r\t"})
    require(not odd, f"unprintable {odd}: {message[:300]!r}")
    named = [*more, *words, *(part for word in words for part in re.split("[=,:]", word))]
    named += [word.partition("=")[2] for word in words]
    named += [str(path) for name in named for path in (Path(name), Path(name).parent)]
    named = [name[:500] for name in named]  # a message is cut where it is longer than a screen
    named += [printable_lines(name) for name in named] + [repr(name) for name in named]
    texts = [message, message.replace("\\\\", "\\")]  # some messages show a backslash as two
    lines = [each for text in texts for line in text.split("\n") for each in (line, line.strip())]
    known = any(name in text for text in texts for name in named if len(name) > 1)
    known = known or any(f"'{name}'" in text for text in texts for name in named)
    known = known or any(name and each.startswith(name) for name in named for each in lines)
    # A flag, or what the help calls a positional.
    known = known or bool(re.search(r"(^|[ (\"'])--?[a-z]|\b[A-Z]{2,}\b|arguments?\b", message))
    require(known, f"it names neither file nor flag: {message[:500]}")
    return "refused" if ran.code == 2 else "failed"


def require(condition: bool, message: str) -> None:
    """Raises AssertionError with a message."""
    if not condition:
        raise AssertionError(message)


Case = Callable[[Path, np.random.Generator], tuple[str, Callable[[], str]]]
"""Makes a case in a folder, which is the working directory: what it is, and what runs it and says its outcome."""


def feed(batch: "Batch", folder: Path, found: "Found", begin: Callable[[str], None], case: Case) -> None:
    """Runs the cases of a batch, each in a folder of its own with the files of the fixture."""
    watch = guard()
    home = Path.cwd()
    folder = Path(os.path.realpath(folder))
    for number in range(batch.first, batch.first + batch.count):
        here = folder / "case" / "here"
        shutil.copytree(batch.fixture, here, symlinks=True)
        (here.parent / "beside").write_text("left alone")
        os.chdir(here)
        (here / "temporary").mkdir()
        tempfile.tempdir = str(here / "temporary")
        os.environ["COLORIZATION_ZOO_CACHE"] = str(here / "cache")
        name = f"{batch.subject} {number}"
        begin(name)
        began, what = time.monotonic(), ""
        try:
            watch.allowed, watch.escapes = str(here), []
            with limited():
                what, act = case(here, np.random.default_rng([batch.seed, number]))
                if SHOW:
                    print(what)
                found.counts["cases"] += 1
                found.counts[act()] += 1
        except (Exception, HungError) as error:
            steps = traceback.format_exception(error)
            lines = steps if SHOW else [*steps[-4:]]
            found.problem("".join(lines)[-3000:], f"{name}: {what[:400]}")
        finally:
            watch.allowed, tempfile.tempdir = "", None
            os.chdir(home)
        found.slowest = max(found.slowest, (time.monotonic() - began, name))
        beside = sorted(path.name for path in here.parent.iterdir())
        if beside != ["beside", "here"] or (here.parent / "beside").read_text() != "left alone":
            found.problem("something was written beside the folder", name)
        _remove(folder / "case")


def _remove(folder: Path) -> None:
    """Removes a folder, whatever rights its files have."""
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink() and not os.access(path, os.W_OK):
            path.chmod(stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)
