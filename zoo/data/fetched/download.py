"""Files of known length and digest, over HTTP, by pooch: each is verified before it gets its name."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from zoo.data.cards import DataFile
from zoo.errors import RunError
from zoo.support.names import printable
from zoo.support.version import __version__

PARALLEL = 4
"""Downloads at a time."""

ATTEMPTS = 5
"""For a file whose server answers late, wrongly or that it is busy; pooch pauses 1 s, 2 s … between them."""

TIMEOUT = 30.0
"""Seconds without a byte before an attempt is given up."""

_BLOCK = 1 << 14
_AGAIN = {408, 425, 429, 500, 502, 503, 504}  # what a server says when it may yet answer


class _GiveUpError(Exception):
    """No use trying again: pooch does not know it, and lets it through."""


def download(
    files: Sequence[DataFile],
    root: Path,
    *,
    parallel: int = PARALLEL,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Downloads the files that are not at `root` yet. Those that are there are verified first.

    Args:
        files: what to download; their paths were checked by `zoo.data.cards.card_files`.
        root: where to.
        parallel: downloads at a time.
        progress: called with the bytes that are there and the bytes of all files.

    Raises:
        RunError: some files could not be had, and the others were; or the disk is full.
    """
    import pooch

    pooch.get_logger().setLevel("ERROR")  # it tells of every file
    total = sum(file.bytes for file in files)
    have: dict[str, int] = {}
    counting, stop = threading.Lock(), threading.Event()
    store = pooch.create(
        root,
        base_url="",
        registry={file.file: f"sha256:{file.sha256}" for file in files},
        urls={file.file: file.url for file in files},
        retry_if_failed=ATTEMPTS - 1,
    )

    def report(file: DataFile, size: int) -> None:
        if stop.is_set():
            raise _GiveUpError("stopped")
        with counting:
            have[file.file] = size
            if progress:
                progress(sum(have.values()), total)

    def one(file: DataFile) -> None:
        (root / file.file).parent.mkdir(parents=True, exist_ok=True)  # pooch does it too, but not for several threads
        store.fetch(file.file, downloader=partial(_receive, file, partial(report, file)))
        report(file, file.bytes)

    failed = []
    with ThreadPoolExecutor(parallel) as pool:
        try:
            futures = {pool.submit(one, file): file for file in files}
            for future in as_completed(futures):
                if reason := _failure(future.exception(), futures[future]):
                    failed.append(f"{futures[future].file} from {futures[future].url}: {reason}")
        except BaseException as error:
            stop.set()
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


def _receive(file: DataFile, report: Callable[[int], None], url: str, target: str, _: Any) -> None:
    """One request, as pooch's downloaders: writes what comes, never more than the file's length."""
    import requests

    report(0)
    headers = {"Accept-Encoding": "identity", "User-Agent": f"keras-colorization-zoo/{__version__}"}
    hooks = {"response": _check_redirect}
    with requests.get(url, headers=headers, hooks=hooks, stream=True, timeout=TIMEOUT) as response:
        if response.status_code >= 400 and response.status_code not in _AGAIN:
            raise _GiveUpError(f"the server says {response.status_code} {printable(response.reason or '')[:50]}")
        response.raise_for_status()
        length = response.headers.get("Content-Length", str(file.bytes))
        if length != str(file.bytes):
            raise _GiveUpError(f"other content: {length[:20]!r} bytes, not {file.bytes}")
        size = 0
        with open(target, "wb") as out:
            for block in response.iter_content(_BLOCK):
                size += len(block)
                if size > file.bytes:
                    raise _GiveUpError(f"other content: more than the {file.bytes} bytes listed")
                out.write(block)
                report(size)


def _check_redirect(response: Any, *_: Any, **__: Any) -> None:
    """Lets no redirect lead from https to http, or to another scheme."""
    to = urljoin(response.url, response.headers.get("location", ""))
    allowed = ("https:",) if response.url.startswith("https:") else ("https:", "http:")
    if response.is_redirect and not to.lower().startswith(allowed):
        response.close()
        raise _GiveUpError(f"redirected to {to[:200]!r}, which is not followed")


def _failure(error: BaseException | None, file: DataFile) -> str:
    """Why a file could not be had; empty if it was. An error that ends all downloads is raised."""
    import requests

    if error is None:
        return ""
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT:g} s"
    if isinstance(error, requests.RequestException | _GiveUpError):
        return printable(str(error))[:300]
    if isinstance(error, ValueError):
        return f"other content: its SHA-256 is not {file.sha256}"
    raise error
