"""Where coloured pages go: a folder, an archive, a PDF."""

import contextlib
import hashlib
import json
import os
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from zoo.data.image_files import is_image
from zoo.errors import UsageError
from zoo.pages.input import BOOKS, Page
from zoo.pages.scan import on_white
from zoo.support.files import LOCK, atomic_path, locked, real, regular, write_text
from zoo.support.settings import differences

FORMATS = ("png", "jpg", "webp")

NO_FOLDER = {".7z", ".cb7", ".cbr", ".cbt", ".djvu", ".epub", ".html", ".psd", ".rar", ".svg", ".tar", ".tga", ".txt"}
"""Extensions of files that cannot be written, and that nobody means a folder by."""

RECORD = ".zoo-colorize.json"
"""In a folder: the settings that each page was made with, so that others are not taken for the same."""


class Output:
    """Where coloured pages go. A page is written whole or not at all, and what is there already stays.

    Args:
        path: a folder; a file ending in .cbz, .zip or .pdf; or, of a single page, an image file.
        kind: of images: see `FORMATS`.
        overwrite: make what is there already anew.
        single: whether there is only one page.
        renew: make anew the pages of a folder that were made with other settings, as those of other hints.

    Attributes:
        unknown: how many pages are there of which no record says how they were made.

    Raises:
        UsageError: the file is there already, or what is there is of another kind.
    """

    def __init__(self, path: Path, kind: str, *, overwrite: bool, single: bool, renew: bool = False) -> None:
        self.path, self.kind, self._renew = path, kind, renew
        self._file = path if single and path.suffix.lower().lstrip(".") in (*FORMATS, "jpeg") else None
        self.is_book = path.suffix.lower() in BOOKS
        self._overwrite = overwrite
        if not self._file and (is_image(path) or path.suffix.lower() in NO_FOLDER) and not path.is_dir():
            known = ", ".join(f".{each}" for each in FORMATS)
            raise UsageError(
                f"-o {path}: an image is written as {known}, of one page; give a folder or a book for more"
                if path.suffix.lower().lstrip(".") in (*FORMATS, "jpeg")
                else f"-o {path}: {path.suffix} files cannot be written; give {known}, {', '.join(BOOKS)} or a folder"
            )
        self._check_new()
        if others := [each for each in path.parents if each.exists() and not each.is_dir()]:
            raise UsageError(f"-o {path}: {others[0]} is no folder")
        if not self._file and not self.is_book and path.is_file():
            raise UsageError(f"-o {path} is a file: give a folder, or a name that ends in {', '.join(BOOKS)}")
        self.folder = path.with_name(path.name + ".parts") if self.is_book else path.parent if self._file else path
        self.unknown = 0
        self._settings: dict[str, Any] = {}
        self._digest = ""
        self._begun_otherwise = False
        self._known: dict[str, dict[str, Any]] = {}  # settings by digest
        self._made: dict[str, str] = {}  # digest by page, and after a plus that of its hints
        self._own: set[str] = set()  # pages of which this call says that, or that it is not known
        self._hints: Mapping[PurePosixPath, str] = {}

    def _check_new(self) -> None:
        if (self._file or self.is_book) and self.path.exists() and not self._overwrite:
            raise UsageError(f"{self.path} is there already: --overwrite replaces it")

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other processes from making the same book inside the block. A folder may be filled by several.

        Raises:
            UsageError: another process makes it, or has made it since this output was opened.
        """
        if not self.is_book:
            yield
            return
        with locked(self.folder, f"another process is making {self.path}: wait for it, or give another -o"):
            self._check_new()
            yield
        with contextlib.suppress(OSError):  # it is there still if the book goes on at the next call
            if [path.name for path in self.folder.iterdir()] == [LOCK]:
                (self.folder / LOCK).unlink()
                self.folder.rmdir()

    def _empty(self) -> None:
        """Removes what a book's folder holds, but its lock."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()

    def check_apart(self, pages: Sequence[Page], extras: Sequence[str], *, summary: bool = False) -> None:
        """Looks at where the pages go, and their summaries if there are any.

        Raises:
            UsageError: one would be written over one of the inputs, over another one, or over a file that is beside
                the image file that was asked for.
        """
        inputs = {real(page.source.path) for page in pages}
        suffixes = [each for extra in extras for each in (extra, f"{extra}-summary")[: 1 + summary]]
        written = [self.path] if self.is_book else [self.page(page.name, each) for page in pages for each in suffixes]
        for path in written:
            if real(path) in inputs:
                raise UsageError(f"-o {self.path}: {path} is one of the inputs; give another place")
            if self._file and not self._overwrite and path.exists():
                raise UsageError(f"{path} is there already: --overwrite replaces it")
        for path, count in Counter(written).items():
            if count > 1:
                raise UsageError(f"-o {self.path}: {path} would be a page and the summary of another: rename one")

    def check(self, settings: dict[str, Any], pages: Sequence[Page], extras: Sequence[str]) -> None:
        """Looks at what is there, and writes nothing.

        Args:
            settings: what decides how pages look.
            pages: what is to be coloured.
            extras: see `page`.

        Raises:
            UsageError: it was made with other settings, and is not to be overwritten.
        """
        self._settings = settings
        if self.is_book:
            file, labels = self.folder / "settings.json", [page.label for page in pages]
            held = _read(file)
            lines = differences(held | {"pages": labels}, settings | {"pages": labels}) if file.exists() else []
            if lines == [] and held.get("pages", labels) != labels:
                lines = ["they are other pages"]
            self._settings = settings | {"pages": labels}
            if lines and not self._overwrite:
                what = f"{self.folder} holds pages that were made with other settings: --overwrite begins anew"
                raise UsageError("\n  ".join([what, *lines]))
            self._begun_otherwise = bool(lines)
            return
        self._digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
        if not self._file:
            self._known, self._made = self._recorded()
        names = [self._name(page.name, extra) for page in pages for extra in extras]
        there = [name for name in names if os.path.exists(self.folder / name)]
        self.unknown = sum(name not in self._made for name in there)
        others = [name for name in there if self._made.get(name, self._digest).partition("+")[0] != self._digest]
        if self._renew:  # their record stays until they are made
            return
        if others and not self._overwrite:
            lines = differences(self._known.get(self._made[others[0]].partition("+")[0], {}), settings)
            raise UsageError(
                "\n  ".join([f"-o {self.path} holds {len(others)} of these pages, made with other settings:", *lines])
                + "\n--overwrite makes them anew; another folder keeps both"
            )
        for name in others:
            del self._made[name]
            self._own.add(name)

    def begin(self, pages: Sequence[Page], extras: Sequence[str]) -> None:
        """Makes ready for the pages that `check` has looked at."""
        if self._file:
            return
        if self.is_book and self._begun_otherwise:
            self._empty()
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.is_book:
            write_text(self.folder / "settings.json", _text(self._settings))
            return
        # Before they are made: a call may be killed.
        for page in pages:
            for name in (self._name(page.name, extra) for extra in extras):
                if not os.path.exists(self.folder / name):
                    self._mark(name, page.name)
        self.record()

    def record(self) -> None:
        """Writes down how the pages of a folder were made."""
        if self._file or self.is_book:
            return
        known, made = self._recorded()  # other calls may have filled the folder too
        known |= self._known | {self._digest: self._settings}
        for name in self._own:
            made.pop(name, None)
        made |= {name: self._made[name] for name in self._own if name in self._made}
        digests = sorted({each.partition("+")[0] for each in made.values()})
        used = {digest: known[digest] for digest in digests if digest in known}
        write_text(self.folder / RECORD, _text({"settings": used, "pages": made}))

    def _recorded(self) -> tuple[dict[str, Any], dict[str, str]]:
        """What the folder's record says: settings by digest, and digests by page."""
        record = _read(self.folder / RECORD)
        settings, pages = (found if isinstance(found := record.get(key), dict) else {} for key in ("settings", "pages"))
        return settings, {name: made for name, made in pages.items() if isinstance(made, str)}

    def _mark(self, name: str, page: PurePosixPath) -> None:
        """Has the record say that this call makes a page's file."""
        self._made[name] = self._digest + self._hinted(page)
        self._own.add(name)

    def _name(self, page: PurePosixPath, extra: str) -> str:
        return self.page(page, extra).relative_to(self.folder).as_posix()

    def page(self, name: PurePosixPath, extra: str = "") -> Path:
        """The file of a page."""
        if self._file and not extra:
            return self._file
        if self._file:
            return self._file.with_name(f"{self._file.stem}{extra}.{self.kind}")
        return self.folder / f"{name}{extra}.{self.kind}"

    def follow(self, hints: Mapping[PurePosixPath, str]) -> None:
        """Makes pages anew whose hints have changed since they were made.

        Args:
            hints: the digest of each page's.
        """
        self._hints = hints

    def _hinted(self, name: PurePosixPath) -> str:
        """What is added to a page's digest for its hints."""
        return f"+{self._hints[name][:16]}" if name in self._hints else ""

    def has(self, name: PurePosixPath, extra: str = "") -> bool:
        """Whether a page is there and is to stay."""
        # What a book's folder holds was made by this very command.
        if not os.path.exists(self.page(name, extra)):
            return False
        if self.is_book:
            return True
        made = self._made.get(self._name(name, extra), self._digest + self._hinted(name))
        return not self._overwrite and made == self._digest + self._hinted(name)

    def missing(self, pages: Sequence[Page], extras: Sequence[str]) -> list[Page]:
        """Those of the pages that are to be made."""
        return [page for page in pages if not all(self.has(page.name, extra) for extra in extras)]

    def write(self, name: PurePosixPath, data: bytes, extra: str = "") -> None:
        """Writes a page."""
        path = self.page(name, extra)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)
        if not self._file and not self.is_book:
            self._mark(self._name(name, extra), name)

    def finish(self, names: Sequence[tuple[PurePosixPath, str]]) -> None:
        """Binds the pages of a book, in this order, if there are any, and removes their files."""
        if not self.is_book:
            return
        files = [file for name, extra in names if os.path.exists(file := self.page(name, extra))]
        if files:
            bind(self.path, files, self.folder)
        self._empty()


def bind(path: Path, files: Sequence[Path], folder: Path) -> None:
    """Makes a book of pages.

    Args:
        path: of the book, which ends in .cbz, .zip or .pdf; it is replaced if it is there.
        files: the pages, one at least, in their order.
        folder: what their names in an archive are relative to.
    """
    with atomic_path(path) as temporary:
        if path.suffix.lower() == ".pdf":
            _bind_pdf(files, temporary)
            return
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as book:
            for file in files:
                book.write(file, file.relative_to(folder).as_posix())


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def _read(file: Path) -> dict[str, Any]:
    """A JSON object; an empty one if there is none, or what is there is something else."""
    try:
        found = json.loads(regular(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _bind_pdf(files: Sequence[Path], path: Path) -> None:
    def pages() -> Iterator[Image.Image]:
        for file in files[1:]:
            with Image.open(file) as image:
                yield on_white(image)

    with Image.open(files[0]) as first:
        on_white(first).save(path, "PDF", save_all=True, append_images=pages(), resolution=150, quality=92)
