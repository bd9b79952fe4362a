"""What a user says of the pages of a book, page by page."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from zoo.chroma.evidence import Given
from zoo.data.image_files import ImageFile, why_unreadable
from zoo.errors import UsageError
from zoo.pages.guide import Guide, check_hints, takes_color
from zoo.pages.hint import hint_files, read_hints
from zoo.pages.input import Page
from zoo.pages.palette import read_palette
from zoo.pages.scan import Scan, read_scan
from zoo.support.files import regular, user_path


@dataclass(frozen=True)
class Said:
    """What a user says of pages.

    Attributes:
        files: of hints, by page.
        palette: of all pages, U and V (n, 2); None for any colours.
        references: the colours of coloured pages, and what they are given for.
        pages: those pages, by name.
        carried: whether the hints of each page are taken by alike places of all pages.
        sheet: the text of a colour sheet; empty without one.
        settings: what tells all of it but hints and sheet from something else that was said.
    """

    files: Mapping[PurePosixPath, Path] = field(default_factory=dict)
    palette: np.ndarray | None = None
    references: tuple[Given, ...] = ()
    pages: Mapping[str, Scan] = field(default_factory=dict)
    carried: bool = False
    sheet: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def digests(self, pages: Iterable[PurePosixPath]) -> dict[PurePosixPath, str]:
        """What tells the hints and the sheet that a page is coloured by from others, SHA-256 (hex), of those that have
        any."""
        own = {}
        for page, file in self.files.items():
            try:
                own[page] = regular(file).read_bytes()
            except OSError:
                own[page] = b""
        shared = self.sheet.encode() + b"".join(own.values()) * self.carried
        found = {page: shared + own.get(page, b"") for page in pages}
        return {page: hashlib.sha256(data).hexdigest() for page, data in found.items() if data}

    def with_references(self, of: Callable[[Scan], tuple[Given, ...]]) -> "Said":
        """The same, and the colours of the references as a model sees them."""
        return self.and_of(tuple(each for scan in self.pages.values() for each in of(scan)))

    def and_of(self, references: tuple[Given, ...]) -> "Said":
        """The same, and further references."""
        return replace(self, references=(*self.references, *references))

    def of(self, page: PurePosixPath, scan: Scan, headroom: float) -> tuple[Guide, list[str]]:
        """What is said of a page, and notes on hints that become something else there.

        Raises:
            UsageError: its hints cannot be read, or followed on this page.
        """
        guide = Guide(palette=self.palette, references=self.references)
        if page not in self.files:
            return guide, []
        file = self.files[page]
        hints = read_hints(file)
        if not hints.hints:
            return guide, [f"{file} gives no colour yet: the page is coloured without it"]
        try:
            there = hints.on(scan.size)
            if hints.size is None:
                notes = check_hints(scan, there, headroom)
            else:  # a stroke crosses lines, which keep their ink
                there = tuple(hint for hint in there if takes_color(scan, hint, headroom))
                notes = []
        except UsageError as error:
            raise UsageError(f"hints {file}: {error}") from None
        return replace(guide, hints=there), notes


def read_said(
    hints: Path | None,
    palette: str | None,
    references: Sequence[str],
    pages: Sequence[Page],
    *,
    carried: bool = False,
) -> Said:
    """What the flags say of some pages; what a file of hints holds is read with its page.

    Args:
        hints: a file, of one page, or a folder.
        palette: colours, or a file.
        references: coloured pages.
        pages: what is to be coloured.
        carried: whether hints are carried over to all pages.

    Raises:
        UsageError: one of them is not there, or cannot be followed.
    """
    files = {} if hints is None else hint_files(user_path(hints), [page.name for page in pages])
    colors = None if palette is None else read_palette(palette)
    settings: dict[str, Any] = {}
    if colors is not None:
        settings["palette"] = np.round(colors, 5).tolist()
    if carried:
        settings["carried"] = True
    scans = {}
    for text in references:
        path = user_path(text)
        if fault := (None if path.exists() else "there is no such file") or why_unreadable(path):
            raise UsageError(f"--reference {text}: {fault}")
        try:
            data = ImageFile(text, path).read()
            scans[text] = read_scan(data)
        except (OSError, ValueError) as error:
            raise UsageError(f"--reference {text}: {error}") from None
        if not scans[text].colored:
            raise UsageError(f"--reference {text}: it has no colours: give a coloured page of the same work")
        settings.setdefault("references", []).append(hashlib.sha256(data).hexdigest())
    return Said(files, colors, (), scans, carried, "", settings)
