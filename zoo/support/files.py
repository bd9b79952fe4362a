"""Where things lie on disk: the cache, and files that are written whole or not at all."""

import contextlib
import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import filelock

from zoo.errors import UsageError

CACHE_VARIABLE = "COLORIZATION_ZOO_CACHE"

MOST_BYTES = 1 << 28
"""A larger file of text or of a run's records is not read."""

LOCK = ".lock"
"""The file that is locked in a folder that one process at a time may change."""


def real(path: Path) -> Path:
    """Where a path leads, through all links; where they lead round in a circle, as far as they lead."""
    return Path(os.path.realpath(path))  # Path.resolve raises at a circle


def user_path(text: str | Path) -> Path:
    """A path as a user gives it, with `~` for a home directory; that of an unknown user stays as it is."""
    return Path(os.path.expanduser(text))  # Path.expanduser raises at an unknown user


def cache_dir() -> Path:
    """The cache directory: `$COLORIZATION_ZOO_CACHE`, or the platform's own place. It may not exist yet."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return user_path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "colorization-zoo"


def regular(path: Path, most: int = MOST_BYTES) -> Path:
    """The path, once it is known to be of a file that ends: reading a pipe or a device might not.

    Raises:
        OSError: it is of no regular file, or of one of more than `most` bytes.
    """
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.ENOTSUP, "not a regular file", str(path))
    if found.st_size > most:
        raise OSError(
            errno.EFBIG, f"larger than {f'{most >> 20} MiB' if most >> 20 else f'{most >> 10} KiB'}", str(path)
        )
    return path


@contextlib.contextmanager
def atomic_path(target: Path | str, folder: Path | None = None) -> Iterator[Path]:
    """Yields a temporary path beside `target`, or in `folder` of the same disk, with its suffix; renames it to
    `target` if the block succeeds.

    Readers see the old file or the new one, never half of one. On an error the temporary file is
    removed and `target` is left as it was.
    """
    target = Path(target)
    handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=folder or target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        _publish(temporary, 0o666)
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, target)
        _sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(target: Path | str) -> Iterator[Path]:
    """As `atomic_path`, for a folder, which is empty at first.

    No system call replaces a folder that is not empty: between two renames the old one lies beside `target`, under a
    hidden name.
    """
    target = Path(target)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    old = temporary.with_name(f"{temporary.name}-old")
    try:
        _publish(temporary, 0o777)
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                with open(file, "rb+") as written:
                    os.fsync(written.fileno())
        replaced = target.exists()
        if replaced:
            os.rename(target, old)
        try:
            os.rename(temporary, target)
        except BaseException:
            if replaced:
                os.rename(old, target)
            raise
        _sync_folder(target.parent)
        if replaced:
            shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _publish(temporary: Path, mode: int) -> None:
    """What `tempfile` made is private; gives it the mode that an ordinary new file or folder would have had."""
    umask = os.umask(0)
    os.umask(umask)
    temporary.chmod(mode & ~umask)


def _sync_folder(folder: Path) -> None:
    """Makes a rename last through a power cut, where the system lets a folder be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def locked(folder: Path, busy: str) -> Iterator[None]:
    """Makes `folder` and holds its lock inside the block; takes away again what stayed empty.

    Raises:
        UsageError: another process holds the lock (the message is `busy`), or the folder cannot be written.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    lock = filelock.FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UsageError(busy) from None
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()
        if made and not any(path.name != LOCK for path in folder.iterdir()):
            (folder / LOCK).unlink(missing_ok=True)
            for path in made:
                if any(path.iterdir()):  # what was made beside the folder stays
                    break
                path.rmdir()


def write_text(target: Path | str, text: str, folder: Path | None = None) -> None:
    """Writes `text` (UTF-8) to `target` atomically; what a file's name may hold and is no character becomes a `?`.

    A process that is killed leaves its temporary file: `folder` is for those that must not lie beside the others.
    """
    with atomic_path(target, folder) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")
