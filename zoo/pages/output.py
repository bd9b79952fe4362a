"""Where coloured pages go: a folder, an archive, a PDF."""

import json
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from zoo.data.files import is_image
from zoo.errors import UsageError
from zoo.pages.input import BOOKS, Page
from zoo.support.files import atomic_path, write_text

FORMATS = ("png", "jpg", "webp")

NO_FOLDER = {".7z", ".cb7", ".cbr", ".cbt", ".djvu", ".epub", ".html", ".psd", ".rar", ".svg", ".tar", ".tga", ".txt"}
"""Extensions of files that cannot be written, and that nobody means a folder by."""


class Output:
    """Where coloured pages go. A page is written whole or not at all, and what is there already stays.

    Args:
        path: a folder; a file ending in .cbz, .zip or .pdf; or, of a single page, an image file.
        kind: of images: see `FORMATS`.
        overwrite: make what is there already anew.
        single: whether there is only one page.

    Raises:
        UsageError: the file is there already, or what is there is of another kind.
    """

    def __init__(self, path: Path, kind: str, *, overwrite: bool, single: bool) -> None:
        self.path, self.kind = path, kind
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
        if (self._file or self.is_book) and path.exists() and not overwrite:
            raise UsageError(f"{path} is there already: --overwrite replaces it")
        if not self._file and not self.is_book and path.is_file():
            raise UsageError(f"-o {path} is a file: give a folder, or a name that ends in {', '.join(BOOKS)}")
        self.folder = path.with_name(path.name + ".parts") if self.is_book else path

    def check_apart(self, pages: Sequence[Page], extras: Sequence[str]) -> None:
        """Raises UsageError if a page would be written over one of the inputs."""
        inputs = {page.source.path.resolve() for page in pages}
        written = [self.path] if self.is_book else [self.page(page.name, extra) for page in pages for extra in extras]
        for path in written:
            if path.resolve() in inputs:
                raise UsageError(f"-o {self.path}: {path} is one of the inputs; give another place")

    def begin(self, settings: dict[str, Any]) -> None:
        """Makes ready for the pages of a book, or for more of them.

        Args:
            settings: what decides how pages look.

        Raises:
            UsageError: the book was begun with other settings, and is not to be overwritten.
        """
        if not self.is_book:
            return
        file = self.folder / "settings.json"
        text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
        if file.exists() and file.read_text(encoding="utf-8") != text:
            if not self._overwrite:
                raise UsageError(
                    f"{self.folder} holds pages that were made with other settings: --overwrite begins anew"
                )
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(file, text)

    def page(self, name: PurePosixPath, extra: str = "") -> Path:
        """The file of a page."""
        if self._file and not extra:
            return self._file
        if self._file:
            return self._file.with_name(f"{self._file.stem}{extra}.{self.kind}")
        return self.folder / f"{name}{extra}.{self.kind}"

    def has(self, name: PurePosixPath, extra: str = "") -> bool:
        """Whether a page is there and is to stay."""
        # What a book's folder holds was made by this very command.
        return (self.is_book or not self._overwrite) and self.page(name, extra).exists()

    def write(self, name: PurePosixPath, data: bytes, extra: str = "") -> None:
        """Writes a page."""
        path = self.page(name, extra)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)

    def finish(self, names: Sequence[tuple[PurePosixPath, str]]) -> None:
        """Binds the pages of a book, in this order, if there are any, and removes its folder."""
        if not self.is_book:
            return
        files = [self.page(name, extra) for name, extra in names if self.page(name, extra).exists()]
        if files:
            self._bind(files)
        shutil.rmtree(self.folder)

    def _bind(self, files: Sequence[Path]) -> None:
        with atomic_path(self.path) as temporary:
            if self.path.suffix.lower() == ".pdf":
                _bind_pdf(files, temporary)
            else:
                with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as book:
                    for file in files:
                        book.write(file, file.relative_to(self.folder).as_posix())


def _bind_pdf(files: Sequence[Path], path: Path) -> None:
    def pages() -> Iterator[Image.Image]:
        for file in files[1:]:
            with Image.open(file) as image:
                yield image.convert("RGB")

    with Image.open(files[0]) as first:
        first.convert("RGB").save(path, "PDF", save_all=True, append_images=pages(), resolution=150, quality=92)
