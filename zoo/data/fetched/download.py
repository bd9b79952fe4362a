"""Files of known length and digest, over HTTP, from servers that drop, stall, cut short or lie.

What has come so far is in a file with the suffix `.part`; a file gets its name when its SHA-256 is right, not before.
"""

import contextlib
import hashlib
import http
import http.client
import os
import random
import re
import threading
import time
import urllib.error
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.data.cards import DataFile
from zoo.data.fetched.web import Call, RedirectError
from zoo.data.files import printable
from zoo.errors import RunError
from zoo.support.version import __version__

PARALLEL = 4
"""Downloads at a time."""

_BLOCK = 1 << 16
_LONGEST_PAUSE = 60.0
_AGAIN = {408, 425, 429, 500, 502, 503, 504}  # what a server says when it may yet answer


@dataclass(frozen=True)
class Patience:
    """How long to bear with a server.

    Attributes:
        attempts: in a row that bring nothing new, before a file is given up.
        silence: seconds without a byte, or with fewer than `slowest` bytes a second, before an attempt is.
        slowest: bytes a second.
        pause: seconds before the second attempt, doubled before each later one.
    """

    attempts: int = 5
    silence: float = 30.0
    slowest: int = 1024
    pause: float = 1.0


class _GiveUpError(Exception):
    """No use trying again."""


class _AgainError(Exception):
    """The attempt failed; another may not. `after` is what the server asked to wait, in seconds."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


class _WrongError(_AgainError):
    """Other content than the file's."""


class _NoRangeError(_AgainError):
    """The server has nothing where the file is said to go on."""


class _StoppedError(Exception):
    """The downloads are being stopped."""


class _Stop(threading.Event):
    """Set when all downloads are to end; the calls that are to be hung up then."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: set[Call] = set()

    def now(self) -> None:
        """Ends all downloads."""
        self.set()
        for call in list(self.calls):
            call.hang_up()


def download(
    files: Sequence[DataFile],
    root: Path,
    *,
    parallel: int = PARALLEL,
    patience: Patience | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Downloads the files that are not at `root` yet. Those that are there are verified first.

    Args:
        files: what to download; their paths were checked by `zoo.data.cards.card_files`.
        root: where to.
        parallel: downloads at a time.
        patience: with servers.
        progress: called with the bytes that are there and the bytes of all files.

    Raises:
        RunError: some files could not be had, and the others were; or the disk is full.
    """
    total = sum(file.bytes for file in files)
    have: dict[str, int] = {}
    counting, stop = threading.Lock(), _Stop()

    def one(file: DataFile) -> None:
        def report(size: int) -> None:
            with counting:
                have[file.file] = size
                if progress:
                    progress(sum(have.values()), total)

        _fetch(file, root / file.file, patience or Patience(), stop, report)

    failed = []
    with ThreadPoolExecutor(parallel) as pool:
        try:
            futures = {pool.submit(one, file): file for file in files}
            for future in as_completed(futures):
                try:
                    future.result()
                except _GiveUpError as error:
                    failed.append(f"{futures[future].file}: {error}")
        except BaseException as error:
            stop.now()
            pool.shutdown(cancel_futures=True)
            if isinstance(error, OSError):
                raise RunError(
                    f"{error.filename or root}: {error.strerror or error}; what has come is kept: the same command goes"
                    " on from there"
                ) from error
            raise
    if failed:
        shown = "; ".join(sorted(failed)[:5]) + f"; and {len(failed) - 5} more" * (len(failed) > 5)
        raise RunError(
            f"{len(failed)} of {len(files)} files could not be had: {shown}. What has come is kept: the same command"
            " goes on from there"
        )


def _fetch(file: DataFile, target: Path, patience: Patience, stop: _Stop, report: Callable[[int], None]) -> None:
    """Downloads one file, in as many attempts as it takes.

    Raises:
        OSError: the file cannot be written.
        _GiveUpError: it cannot be had.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        if _has_digest(target, file):
            report(file.bytes)
            return
        target.unlink()
    part = target.with_name(f"{target.name}.part")
    most = _size(part)
    failures = wrong = 0
    while True:
        try:
            _attempt(file, part, patience, stop, report)
            os.replace(part, target)
            return
        except _AgainError as error:
            failures, wrong = failures + 1, wrong + isinstance(error, _WrongError)
            size = _size(part)
            if size >= most + _BLOCK:  # a server that drops every connection gets there too
                failures, most = 0, size
            if failures >= patience.attempts or wrong > 1:
                raise _GiveUpError(str(error)) from None
            pause = max(error.after, patience.pause * 2 ** max(0, failures - 1) * random.uniform(0.8, 1.2))
        if stop.wait(min(pause, _LONGEST_PAUSE)):
            raise _StoppedError


def _attempt(file: DataFile, part: Path, patience: Patience, stop: _Stop, report: Callable[[int], None]) -> None:
    """One request, for what is missing, and the check of what is there then."""
    size = _size(part)
    if size > file.bytes:
        part.unlink()
        size = 0
    if size < file.bytes:
        headers = {"Accept-Encoding": "identity", "User-Agent": f"keras-colorization-zoo/{__version__}"}
        if size:
            headers["Range"] = f"bytes={size}-"
        call = Call()
        stop.calls.add(call)
        try:
            with _network_errors(stop), call.open(file.url, headers, patience.silence) as response:
                size = _receive(response, file, part, size, patience, stop, report)
        except _NoRangeError:
            part.unlink(missing_ok=True)
            raise
        finally:
            stop.calls.discard(call)
    if size < file.bytes:
        raise _AgainError(f"ended after {size} of {file.bytes} bytes")
    if not _has_digest(part, file):
        part.unlink()
        raise _WrongError(f"other content: its SHA-256 is not {file.sha256}")


def _receive(
    response: Any,
    file: DataFile,
    part: Path,
    size: int,
    patience: Patience,
    stop: _Stop,
    report: Callable[[int], None],
) -> int:
    """Writes what comes, never more than the file's length; returns the length of what is there."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _WrongError("other content: it was sent compressed")
    if response.status == 206:
        match = re.fullmatch(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15}|\*)", response.headers.get("Content-Range", ""))
        if not match or int(match[1]) != size or match[2] not in ("*", str(file.bytes)):
            part.unlink(missing_ok=True)
            raise _WrongError("other content: the range that was sent is not the one asked for")
    else:
        size = 0  # the server knows no ranges
        length = response.headers.get("Content-Length")
        if response.status != 200 or (length is not None and length.strip() != str(file.bytes)):
            raise _WrongError(f"other content: {str(length)[:20]!r} bytes, status {response.status}")
    since, came = time.monotonic(), 0
    with _disk():
        out = open(part, "ab" if size else "wb")  # noqa: SIM115 (closed below; its errors are the disk's)
    with out:
        while size < file.bytes:
            if stop.is_set():
                raise _StoppedError
            block = response.read1(min(_BLOCK, file.bytes - size))
            if not block:
                break
            with _disk():
                out.write(block)
                out.flush()
            size, came = size + len(block), came + len(block)
            report(size)
            now = time.monotonic()
            if now - since >= patience.silence:
                if came < patience.slowest * patience.silence:
                    raise _AgainError(f"fewer than {patience.slowest} bytes a second")
                since, came = now, 0
        with _disk():
            os.fsync(out.fileno())
    return size


class _DiskError(Exception):
    """Carries an OSError of the disk past those of the network."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _DiskError(error) from error


@contextlib.contextmanager
def _network_errors(stop: _Stop) -> Iterator[None]:
    """Turns what the network raises into another attempt, or the end."""
    try:
        yield
    except _DiskError as error:
        raise error.error from None
    except RedirectError as error:
        raise _GiveUpError(str(error)) from None
    except urllib.error.HTTPError as error:
        error.close()
        raise _refusal(error) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if stop.is_set():
            raise _StoppedError from None
        text = "no answer" if isinstance(reason, TimeoutError) else str(reason) or type(reason).__name__
        raise _AgainError(printable(text)[:200]) from None


def _refusal(error: urllib.error.HTTPError) -> Exception:
    """What an HTTP error status comes to."""
    try:
        phrase = http.HTTPStatus(error.code).phrase
    except ValueError:
        phrase = "unknown status"
    reason = f"the server says {error.code} {phrase}"
    if error.code == 416:
        return _NoRangeError(reason)
    if error.code not in _AGAIN:
        return _GiveUpError(reason)
    after = error.headers.get("Retry-After", "") if error.headers else ""
    return _AgainError(reason, float(after) if re.fullmatch(r"\d{1,4}", after) else 0.0)


def _has_digest(path: Path, file: DataFile) -> bool:
    if _size(path) != file.bytes:
        return False
    with open(path, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
