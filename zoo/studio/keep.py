"""Everything that was decided of a book, on disk as soon as it is decided: the files that `zoo colorize` takes."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from zoo.chroma.decoders import Decoder
from zoo.errors import UsageError
from zoo.pages.hint import SUFFIXES, color_of, hex_of
from zoo.pages.palette import palette_of
from zoo.pages.sheet import SheetEntry, read_sheet, write_entries
from zoo.results import slug
from zoo.studio.bounded import Bounded
from zoo.studio.marks import Marks, read_marks, write_marks
from zoo.support.files import MOST_BYTES, atomic_path, locked, regular, write_text

CHOICES = "studio.json"
KINDS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "TIFF": "tif"}
"""The suffix that a reference gets, by what it is."""

MOST_REFERENCES = 16

MOST_MARKS = 32 << 20
"""Bytes of marks that are kept in memory; all are on disk."""

MOST_TITLES = 1 << 20
"""Bytes of titles of references that count no more, but may again."""

REFERENCE = r"[0-9a-f]{16}\.[a-z]{3,4}"
"""The name that a reference gets."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keeps other studios from a folder inside the block.

    Raises:
        UsageError: another one has it, or it cannot be written.
    """
    with locked(folder, f"another studio keeps its hints in {folder}: end it, or give another --keep"):
        yield


@dataclass(frozen=True)
class Choices:
    """What was chosen for a whole book.

    Attributes:
        model: that colours it.
        decode: its decoder; None of a regression.
        palette: colours as #rrggbb.
        limited: whether the palette's colours are to be the only ones.
        references: names of files in the folder `references`, those that count.
        titles: what the files of these were called, by their names here.
    """

    model: str
    decode: str | None
    palette: tuple[str, ...] = ()
    limited: bool = False
    references: tuple[str, ...] = ()
    titles: dict[str, str] | None = None


class Keep:
    """A folder with what was decided of a book. Several threads may read it, and one changes it.

    Args:
        folder: it is made when something is kept.
        pages: names and labels of the book's pages.
        usual: what is chosen where nothing was before.
        insisted: whether its model, and its decoder if it has one, count whatever was chosen before.
        models: those that may be chosen.

    Attributes:
        folder: the same.
        choices: what was chosen.

    Raises:
        UsageError: what is there cannot be read, or is of pages that are not in the book.
    """

    def __init__(
        self,
        folder: Path,
        pages: dict[PurePosixPath, str],
        usual: Choices,
        *,
        insisted: bool = False,
        models: Sequence[str] = (),
    ) -> None:
        self.folder, self._pages = folder, pages
        self._marks: Bounded[Marks] = Bounded(MOST_MARKS)
        self._of_marks = threading.Lock()
        self._titles: Bounded[str] = Bounded(MOST_TITLES)
        found = self._read_choices(usual)
        if found.model not in models or (insisted and found.model != usual.model):
            found = replace(found, model=usual.model, decode=usual.decode)
        self.choices = found
        for file in sorted(self.hints.rglob("*")) if self.hints.is_dir() else ():
            name = PurePosixPath(file.relative_to(self.hints).with_suffix("").as_posix())
            if file.suffix.lower() in SUFFIXES and name not in pages:
                raise UsageError(
                    f"{file} is of a page {name}, which is not there: give another --keep, or move it away"
                )
            if file.suffix.lower() in SUFFIXES and file.suffix != ".json":
                raise UsageError(f"{file}: the studio keeps hints as {name}.json alone: move it away")
        if found.palette and (self.folder / CHOICES).exists():
            self._write_palette()  # a studio that was killed may have written the other one alone

    @property
    def hints(self) -> Path:
        """The folder of the pages' hints, as `zoo colorize --hints` takes it."""
        return self.folder / "hints"

    @property
    def palette(self) -> Path:
        """The palette, as `--palette` takes it."""
        return self.folder / "palette.gpl"

    @property
    def coloured(self) -> Path:
        """The folder of coloured pages."""
        return self.folder / "coloured"

    def sheet(self, model: str) -> Path:
        """The colour sheet of a model, as `--sheet` takes it."""
        return self.folder / f"sheet-{slug(model)}.json"

    def reference(self, name: str) -> Path:
        """A reference, as `--reference` takes it."""
        return self.folder / "references" / name

    def marks(self, page: PurePosixPath) -> Marks:
        """The marks of a page.

        Raises:
            UsageError: its file of hints cannot be read.
        """
        with self._of_marks:
            found = self._marks.get(page)
            if found is None:
                found = read_marks(self._file(page))
                self._marks.put(page, found, found.nbytes)
            return found

    def mark(self, page: PurePosixPath, marks: Marks) -> None:
        """Keeps the marks of a page."""
        with self._of_marks:
            write_marks(self._file(page), marks, self._pages[page], self.folder)
            self._marks.put(page, marks, marks.nbytes)

    def marked(self) -> list[PurePosixPath]:
        """The pages that have a file of hints."""
        return [page for page in self._pages if self._file(page).exists()]

    @property
    def is_marked(self) -> bool:
        """Whether any page has a file of hints."""
        return any(self._file(page).exists() for page in self._pages)

    def _file(self, page: PurePosixPath) -> Path:
        return self.hints / f"{page}.json"

    def choose(self, **changes: Any) -> None:
        """Chooses otherwise: see `Choices`.

        Raises:
            UsageError: a colour that is none, a palette of greys, or a reference that is not there.
        """
        found = replace(self.choices, **changes)
        found = replace(found, palette=tuple(hex_of(color_of(color)) for color in found.palette))
        if found.limited or len(found.palette) > 1:
            palette_of(list(found.palette))
        if len(found.references) > MOST_REFERENCES:
            raise UsageError(f"{MOST_REFERENCES} references are the most")
        for name in found.references:
            if not re.fullmatch(REFERENCE, name) or not self.reference(name).is_file():
                raise UsageError(f"there is no reference {name}")
        found = replace(found, titles={name: self._titles.get(name) or name for name in found.references})
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / CHOICES, json.dumps(asdict(found), indent=1) + "\n")
        self.choices = found
        self._write_palette()

    def _write_palette(self) -> None:
        if self.choices.palette:
            write_text(self.palette, _gimp(self.choices.palette))
        else:
            self.palette.unlink(missing_ok=True)

    def add_reference(self, data: bytes, kind: str, title: str) -> str:
        """Keeps a coloured page as a reference, under a name of our own, which is the answer.

        Args:
            data: the file.
            kind: its format, see `KINDS`.
            title: what it was called.

        Raises:
            UsageError: there are `MOST_REFERENCES` already.
        """
        name = f"{hashlib.sha256(data).hexdigest()[:16]}.{KINDS[kind]}"
        there = [each for each in self.choices.references if each != name]
        if len(there) >= MOST_REFERENCES:
            raise UsageError(f"{MOST_REFERENCES} references are the most: take one away first")
        file = self.reference(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(file) as temporary:
            temporary.write_bytes(data)
        self._called(name, title)
        self.choose(references=(*there, name))
        return name

    def _called(self, name: str, title: str) -> None:
        """Remembers what a reference was called, for when it counts again."""
        self._titles.put(name, title, 200 + 4 * len(title))

    def entries(self, model: str, weights: str | None) -> list[SheetEntry]:
        """The entries of a model's colour sheet; none if there is no sheet.

        Raises:
            UsageError: it cannot be read, or is of other weights.
        """
        file = self.sheet(model)
        return read_sheet(file, weights) if file.exists() else []

    def write_entries(self, model: str, weights: str | None, entries: Sequence[SheetEntry]) -> None:
        """Keeps the entries of a colour sheet."""
        file = self.sheet(model)
        if not entries:
            file.unlink(missing_ok=True)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        write_entries(file, entries, weights)

    def example(self, model: str, name: str) -> Path:
        """The picture of an entry; names that a person gave have none."""
        known = name if re.fullmatch("[0-9]{1,4}", name) else "none"
        return self.folder / f"sheet-{slug(model)}-pictures" / f"{known}.jpg"

    def write_example(self, model: str, name: str, example: np.ndarray) -> None:
        """Keeps the picture of an entry, uint8 RGB (H, W, 3)."""
        file = self.example(model, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(file) as temporary:
            Image.fromarray(example).save(temporary, "JPEG", quality=90)

    def _read_choices(self, usual: Choices) -> Choices:
        file = self.folder / CHOICES
        try:
            held = json.loads(regular(file, MOST_BYTES).read_text(encoding="utf-8"))
            known = {field.name: held[field.name] for field in fields(Choices)}
            references, titles = tuple(map(str, known["references"])), known["titles"] or {}
            if not all(re.fullmatch(REFERENCE, name) and str(titles[name]) for name in references):
                raise ValueError
            for name, title in titles.items():
                self._called(str(name), str(title))
            if known["decode"] is not None:
                Decoder.parse(known["decode"])
            return Choices(
                str(known["model"]),
                known["decode"],
                tuple(hex_of(color_of(color)) for color in known["palette"]),
                bool(known["limited"]),
                tuple(name for name in references if self.reference(name).is_file()),
                {str(name): str(title) for name, title in titles.items()},
            )
        except FileNotFoundError:
            return usual
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, UsageError):
            raise UsageError(f"{file} is not as the studio wrote it: move it away, and it is made anew") from None


def _gimp(colors: Sequence[str]) -> str:
    """A GIMP palette of colours."""
    rows = "".join(f"{r:3d} {g:3d} {b:3d}\t{hex_of((r, g, b))}\n" for r, g, b in map(color_of, colors))
    return f"GIMP Palette\nName: studio\n#\n{rows}"
