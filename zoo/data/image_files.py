"""Image files: in folders, and in archives, which are read in place; who asks whether a name is an image's."""

import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath

from zoo.errors import ImageError, UsageError
from zoo.support.names import printable

READABLE = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".tif", ".tiff"}
"""Extensions of images. Files with another are ignored, but those of the two below are named when they are left out."""

_UNREADABLE = {".avif", ".bmp", ".heic", ".jp2", ".jxl"}
_FOREIGN = {".cbr": "RAR", ".rar": "RAR", ".cb7": "7-Zip", ".7z": "7-Zip", ".cbt": "tar"}

MAX_FILE_BYTES = 1 << 28
"""A larger file, or archive entry that says it is larger, is not read."""

MAX_ARCHIVE_ENTRIES = 100_000
"""An archive of more entries is refused."""

MAX_DIRECTORY_BYTES = 1 << 24
"""An archive with a larger directory is refused before that is read: each entry takes half a kilobyte of memory."""

_LOCAL_HEADER = 30
"""Bytes before an entry's name and data (APPNOTE 4.3.7); a character of the name takes one at least."""

_ALIASES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}

Progress = Callable[[int, int], None]
"""Called with the number of files done and the number of all."""


@dataclass(frozen=True)
class ImageFile:
    """Where an image lies: the file at `path`, or an entry of the archive there, which is held open.

    The name is the path inside the data set, for messages; characters that do not print are replaced.
    """

    name: str
    path: Path
    archive: zipfile.ZipFile | None = field(default=None, compare=False, repr=False)
    entry: zipfile.ZipInfo | None = field(default=None, compare=False, repr=False)

    def read(self) -> bytes:
        """Returns the file's bytes; safe to call from several threads.

        Raises:
            ImageError: the file is not a regular one, too large, or its archive entry is damaged.
            OSError: it cannot be read.
        """
        if self.entry is None and is_archive(self.path):
            raise ImageError(why_unreadable(self.path) or "an archive, not an image")
        size = self.entry.file_size if self.entry else self.path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ImageError(f"{size} bytes: a decompression bomb")
        if self.archive is None or self.entry is None:
            if not self.path.is_file():  # reading a pipe would never end
                raise ImageError("not a regular file")
            return self.path.read_bytes()
        # Other methods unpack a whole block at once, however little of it is asked for.
        if self.entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ImageError("compressed by a method other than deflate")
        try:
            with self.archive.open(self.entry) as stream:
                return stream.read(size)
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
            raise ImageError(f"damaged archive entry ({error})") from None


def list_images(path: Path) -> list[ImageFile]:
    """The images of a folder with its sub-folders, or of a .zip or .cbz archive, by name; none is looked at.

    Raises:
        UsageError: neither a folder nor an archive that can be read.
    """
    return sorted(folder_images(path) if path.is_dir() else archive_images(path), key=lambda source: source.name)


def folder_images(root: Path) -> Iterator[ImageFile]:
    """The image files below a folder, and its archives of a kind that cannot be read: reading one says so."""
    for path in files_below(root):
        if is_image(path) or path.suffix.lower() in _FOREIGN:
            yield ImageFile(printable(path.relative_to(root).as_posix()), path)


def files_below(root: Path) -> Iterator[Path]:
    """The files below a folder that are not hidden, following links, but visiting no folder twice.

    Raises:
        UsageError: a folder cannot be read.
    """

    def fail(error: OSError) -> None:
        raise UsageError(f"{error.filename}: {error.strerror}")

    visited = set()
    for directory, folders, files in os.walk(root, followlinks=True, onerror=fail):
        real = os.path.realpath(directory)
        if real in visited:  # a link to a folder above would lead round for ever
            folders.clear()
            continue
        visited.add(real)
        folders.sort()
        for file in sorted(files):
            path = Path(directory, file)
            if not _is_hidden(path.relative_to(root)):
                yield path


def archive_images(path: Path) -> Iterator[ImageFile]:
    """The image entries of a zip file. They are read in place: nothing is ever extracted.

    Raises:
        UsageError: it is not a readable archive, or one that is refused; the message says what to do.
    """
    if fault := why_unreadable(path):
        raise UsageError(f"{path}: {fault}")
    if path.exists() and not path.is_file():  # reading a pipe would never end
        raise UsageError(f"{path}: not a regular file; give an archive, a folder or an image")
    try:
        if _directory_bytes(path) > MAX_DIRECTORY_BYTES:
            raise UsageError(f"{path}: more than {MAX_ARCHIVE_ENTRIES} entries; unpack it and give the folder")
        archive = zipfile.ZipFile(path)
    except UsageError:
        raise
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise UsageError(f"{path}: neither a folder nor a readable .zip or .cbz archive ({error})") from None
    if len(archive.infolist()) > MAX_ARCHIVE_ENTRIES:
        raise UsageError(f"{path}: more than {MAX_ARCHIVE_ENTRIES} entries; unpack it and give the folder")
    if _overlaps(archive):
        raise UsageError(
            f"{path}: entries lie over each other, as in a decompression bomb; unpack it and give the folder"
        )
    for entry in archive.infolist():
        path_inside = entry.filename.replace("\\", "/")  # some programs of Windows write the other one
        name = PurePosixPath(path_inside)
        if entry.filename and not entry.is_dir() and is_image(name) and not _is_hidden(name):
            if entry.flag_bits & 1:
                raise UsageError(f"{path}: the archive is encrypted; unpack it and give the folder")
            yield ImageFile(printable(path_inside), path, archive, entry)


def _overlaps(archive: zipfile.ZipFile) -> bool:
    """Whether entries share bytes: such an archive is read for hours, however small it is."""
    end = 0
    for entry in sorted(archive.infolist(), key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            return True
        end = (
            entry.header_offset
            + _LOCAL_HEADER
            + len(entry.orig_filename.encode("cp437", "replace"))
            + entry.compress_size
        )
    return end > archive.start_dir


def _directory_bytes(path: Path) -> int:
    """What a zip file says of the size of its central directory, which `zipfile` reads whole; 0 if it does not say.

    ZIP's specification (APPNOTE), 4.3.14 to 4.3.16: the record at the end of the file, of 22 bytes and a comment, has
    it at offset 12; the ZIP64 one, which a locator of 20 bytes before it points at, at offset 40.
    """
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 22 - 0xFFFF - 20))
        tail = file.read()
        at = tail.rfind(b"PK\5\6")
        if at < 0 or len(tail) < at + 22:
            return 0
        found = int.from_bytes(tail[at + 12 : at + 16], "little")
        if at >= 20 and tail[at - 20 : at - 16] == b"PK\6\7":
            file.seek(min(size, int.from_bytes(tail[at - 12 : at - 4], "little")))
            record = file.read(56)
            if record[:4] == b"PK\6\6":
                found = int.from_bytes(record[40:48], "little")
    return found


def is_image(name: PurePath) -> bool:
    """Whether a path has an image's extension."""
    return name.suffix.lower() in READABLE | _UNREADABLE


def is_archive(name: PurePath) -> bool:
    """Whether a path has the extension of an archive, be it one that `archive_images` refuses."""
    return name.suffix.lower() in {".cbz", ".zip", *_FOREIGN}


def why_unreadable(name: PurePath) -> str | None:
    """What a file of this extension is and what to do about it, if it cannot be read."""
    suffix = name.suffix.lower()
    if suffix in _FOREIGN:
        return f"a {_FOREIGN[suffix]} archive, which cannot be read: unpack it, or save it as .cbz"
    return f"a {suffix} file, which cannot be read: save it as PNG or JPEG" if suffix in _UNREADABLE else None


def _is_hidden(name: PurePath) -> bool:
    """Whether a part of a relative path is hidden."""
    return any(part.startswith(".") and part != ".." for part in name.parts) or "__MACOSX" in name.parts


def inner_path(name: str) -> PurePosixPath:
    """Where a name from an archive lies below a folder: without roots, drives, and steps up, so that it leads nowhere
    else; `unnamed` if nothing is left of it.
    """
    # Parts as Windows divides them, of which those of other systems are a case; a drive is a letter and a colon.
    parts = [re.sub("^([A-Za-z]:)+", "", part) for part in name.replace("\\", "/").split("/")]
    return PurePosixPath(*[part for part in parts if part not in ("", ".", "..")] or ["unnamed"])


def folder_split(name: str) -> str | None:
    """The split that a folder of this name is, if it is one."""
    return _ALIASES.get(name.lower())


def are_splits(folders: Iterable[str]) -> bool:
    """Whether folders of these names are the splits: there has to be train and one of the others."""
    splits = set(map(folder_split, folders))
    return "train" in splits and bool(splits & {"val", "test"})
