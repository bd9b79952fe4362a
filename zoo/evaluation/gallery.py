"""A gallery: pages that a rule chooses, in grey, as each model colours them, and as they are."""

import argparse
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from zoo.chroma.decoders import PAGE_DECODER, Decoder
from zoo.data.prepared.manifest import read_facts
from zoo.errors import UsageError
from zoo.results import Way
from zoo.support.command import naming
from zoo.support.files import regular

RULE = "the images of the split by the SHA-256 of their files, one of every group in turn"
DEFAULT_DECODERS = f"annealed,{PAGE_DECODER}"
RECORD = "gallery.json"
OPTIONS = ("pages", "scans", "headroom", "strip")
"""What `add_options` adds, and `Gallery` takes."""


def add_options(p: argparse.ArgumentParser) -> None:
    """The options of a gallery alone: `OPTIONS`."""
    group = p.add_argument_group("gallery")
    group.add_argument("--pages", type=int, default=24, metavar="N", help="how many pages (default: 24)")
    group.add_argument(
        "--scans", type=Path, metavar="DIR", help="a folder of black-and-white pages to show as well, without truth"
    )
    group.add_argument(
        "--headroom",
        type=float,
        default=0.0,
        metavar="LUMA",
        help="on the scans, let light areas get darker by up to this share of luma, to make room for colours (default:"
        " 0)",
    )
    group.add_argument(
        "--strip", type=int, default=4, metavar="N", help="how many of the first pages strip.webp shows (default: 4)"
    )


def decoders_of(arguments: argparse.Namespace, default: str) -> list[str]:
    """The decoders of `--decode`, each once; `--seed`, of sampling, is checked as well.

    Raises:
        UsageError: an unknown decoder, none at all, or a negative seed.
    """
    words = default if arguments.decode is None else arguments.decode
    decoders = list(dict.fromkeys(word.strip() for word in words.split(",") if word.strip()))
    if not decoders:
        raise UsageError(f"--decode {words!r} names no decoder")
    for name in decoders:
        with naming("--decode"):
            Decoder.parse(name)
    if arguments.seed < 0:
        raise UsageError(f"--seed must not be negative: {arguments.seed}")
    return decoders


def choose(groups: Sequence[str], count: int) -> list[int]:
    """The places of `count` pages, given the group of each: the first page of every group, then the second, …"""
    seen: Counter[str] = Counter()
    order = []
    for place, group in enumerate(groups):
        order.append((seen[group], place))
        seen[group] += 1
    return [place for _, place in sorted(order)[:count]]


class Columns:
    """What is beside the grey page: each model's colours, with each of several decoders if it classifies.

    Args:
        models: as `zoo.load` takes them.
        decoders: of classifiers.
        seed: of sampling, with each page's name.

    Attributes:
        names: a title a column.
    """

    def __init__(self, models: Sequence[str], decoders: Sequence[str], seed: int) -> None:
        from zoo.evaluation.candidates import label_of
        from zoo.pages.colorizer import Colorizer

        self.names: list[str] = []
        self._models: list[tuple[Colorizer, list[str | None]]] = []
        self._seed = seed
        for spec in models:
            colorizer, label = Colorizer(spec), label_of(spec)
            ways: list[str | None] = [*decoders] if colorizer.decode else [None]
            names = [Way(label, "model", decoder=way).title for way in ways]
            if set(names) & set(self.names):
                raise UsageError(f"two of the models are called {label!r}: rename one")
            self.names += names
            self._models.append((colorizer, ways))

    def of(self, scan: Any, name: str, headroom: float) -> Iterator[np.ndarray]:
        """A scan in colours, uint8 RGB (H, W, 3), a column at a time."""
        seed = self._seed + zlib.crc32(name.encode()) % 2**31
        for colorizer, ways in self._models:
            (examined,) = colorizer.examined([colorizer.pictures(scan)])
            for way in ways:
                yield colorizer.paint(scan, examined.chroma(way, seed), headroom=headroom)


@dataclass(frozen=True)
class GalleryPage:
    """A page before it is coloured."""

    name: str
    read: Callable[[], Any]
    truth: bool
    facts: Mapping[str, str]


class Gallery:
    """A gallery to be written.

    Args:
        out: the directory, for a picture a page and `gallery.json`.
        pages: how many pages of the split.
        scans: a folder of black-and-white pages to show as well, or None.
        headroom: of the scans, how much luma, of 1, may be lowered where a colour does not fit.
        strip: how many pages `strip.webp` has.

    Raises:
        UsageError: a value out of its range, no scans, or something else than a gallery in `out`.
    """

    def __init__(self, out: Path, *, pages: int, scans: Path | None, headroom: float, strip: int) -> None:
        for option, value in (("--pages", pages), ("--strip", strip)):
            if value < 1:
                raise UsageError(f"{option} must be at least 1, not {value}")
        if not 0 <= headroom <= 0.5:
            raise UsageError(f"--headroom must be in 0 … 0.5, not {headroom}")
        if out.exists() and not out.is_dir():
            raise UsageError(f"{out} is a file; give a directory for the gallery")
        if out.is_dir() and any(out.iterdir()) and not (out / RECORD).is_file():
            raise UsageError(f"{out} holds something else than a gallery; give a new directory")
        if others := _others(out):
            raise UsageError(f"{out / others[0]} is no part of the gallery there, which is written anew: move it away")
        self._scans = _scans(scans) if scans else []
        self._out, self._pages, self._headroom, self._strip = out, pages, headroom, strip

    def write(
        self,
        dataset: Any,
        split: str,
        models: Sequence[str],
        decoders: Sequence[str],
        seed: int,
        progress: Callable[[int, int], None],
    ) -> int:
        """Colours the pages, and writes the gallery in place of an older one.

        Args:
            dataset: an open data set.
            split: of it.
            models: as `zoo.load` takes them.
            decoders: of classifiers, a column each.
            seed: of sampling.
            progress: is told how many pages are done, and of how many.

        Returns:
            How many pages were coloured.

        Raises:
            UsageError: no images, a page that cannot be read, or two models of one name.
        """
        from zoo.evaluation.pictures import save_sheet
        from zoo.support import machine
        from zoo.support.files import atomic_folder, write_text

        held = [*held_out(dataset, split, self._pages), *self._scans]
        columns = Columns(models, decoders, seed)
        titles = ["grey", *columns.names, "truth"]
        pages, strip = [], []
        self._out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(self._out) as folder:
            for number, page in enumerate(held, 1):
                row = _row(page, columns, 0 if page.truth else self._headroom)
                picture = f"{number:02}.webp"
                save_sheet(folder / picture, [row], titles[: len(row)])
                if number <= self._strip:
                    strip.append(row)
                facts = {key: page.facts.get(key) or "" for key in ("group", "source", "licence")}
                pages.append({"picture": picture, "name": page.name, "truth": page.truth} | facts)
                progress(number, len(held))
            save_sheet(folder / "strip.webp", strip, titles)
            record = {
                "rule": RULE,
                "data": dataset.name,
                "data_fingerprint": dataset.fingerprint,
                "split": split,
                "seed": seed,
                "headroom": self._headroom,
                "models": [Path(spec).name for spec in models],
                "columns": titles,
                "environment": machine.describe(machine.resolve_precision("auto")),
                "pages": pages,
            }
            write_text(folder / RECORD, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
        return len(pages)


def _others(out: Path) -> list[str]:
    """The names of what lies in a gallery's folder and was not put there by an earlier call, but for hidden files."""
    if not (out / RECORD).exists():
        return []
    try:
        pages = json.loads(regular(out / RECORD).read_text(encoding="utf-8"))["pages"]
        own = {RECORD, "strip.webp", *(page["picture"] for page in pages)}
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise UsageError(f"{out / RECORD} is damaged ({error}): give a new directory") from None
    return sorted(path.name for path in out.iterdir() if path.name not in own and not path.name.startswith("."))


def held_out(dataset: Any, split: str, count: int) -> list[GalleryPage]:
    """So many pages of a split, by `RULE`.

    Raises:
        UsageError: the split has no images.
    """
    images = dataset.splits[split].images
    if not images:
        raise UsageError(f"{dataset.name} has no images in its {split} split")
    facts = dataset.facts()
    groups = [facts.get(image.name, {}).get("group") or image.name for image in images]
    return [
        GalleryPage(image.name, partial(_decoded, image), True, facts.get(image.name, {}))
        for image in (images[place] for place in choose(groups, count))
    ]


def _scans(folder: Path) -> list[GalleryPage]:
    from zoo.data.image_files import files_below, is_image

    if not folder.is_dir():
        raise UsageError(f"--scans: {folder} is no folder")
    paths = [path for path in files_below(folder) if is_image(path)]
    if not paths:
        raise UsageError(f"--scans: {folder} holds no images")
    facts = read_facts(folder)
    named = {path.relative_to(folder).as_posix(): path for path in paths}
    return [GalleryPage(name, partial(_read, path), False, facts.get(name, {})) for name, path in named.items()]


def _decoded(image: Any) -> Any:
    from zoo.pages.scan import scan_of

    return scan_of(image.decode())


def _read(path: Path) -> Any:
    from zoo.data.image_files import ImageFile
    from zoo.pages.scan import read_scan

    return read_scan(ImageFile(str(path), path).read())


def _row(page: GalleryPage, columns: Columns, headroom: float) -> list[np.ndarray]:
    """Grey, every column and the truth, if there is one: uint8 RGB (H, W, 3)."""
    from zoo.pages.scan import Scan

    try:
        scan: Scan = page.read()
    except (ValueError, OSError) as error:
        raise UsageError(f"{page.name} cannot be read: {error}") from None
    if scan.levels != 255:
        scan = replace(scan, samples=(scan.samples >> 8).astype(np.uint8), alpha=None)
    grey = np.repeat(scan.luma8()[..., None], 3, axis=-1)
    return [grey, *columns.of(scan, page.name, headroom), *([scan.samples] if page.truth else [])]
