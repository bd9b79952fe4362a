"""Data sets: a card's name, a folder or an archive of images becomes three splits of usable colour images.

Every file is read once, for its header, digest and a greyscale check. What cannot be used is left out, named and
counted. Where folders do not say which split an image is in, its content decides.
"""

import difflib
import hashlib
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from zoo.data.cards import SPLITS, DataCard, get_card, list_datasets
from zoo.data.decode import decode_rgb, inspect
from zoo.data.image_files import READABLE, ImageFile, Progress, archive_images, are_splits, folder_images, folder_split
from zoo.data.panels import find_panels
from zoo.data.prepared.manifest import read_facts
from zoo.errors import ImageError, RunError, UsageError
from zoo.support.files import real, user_path
from zoo.support.machine import cores
from zoo.support.names import printable

LEAST_PAGE = 400
"""Pixels: images with a shorter side are not looked at for panels."""

HASHED = {"val": (0.0, 0.1), "test": (0.1, 0.2)}
"""Where a data set does not say: the ranges of the digest, read as a fraction, that go to val and to test."""

FEW = 10
"""Images that a data set of one folder needs for two in val."""

Maps = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Class, object and mode of every pixel of a page: three uint8 arrays (height, width)."""


@dataclass(frozen=True, kw_only=True)
class ImageRef(ImageFile):
    """An image that was found usable.

    Attributes:
        width, height: pixels, with the image upright.
        fast: "jpeg" or "png" when TensorFlow's decoder of that name gives the same pixels.
        digest: SHA-256 (hex) of the file's bytes.
        panels: of a page that was cut into panels, (top, left, height, width) of each in pixels; otherwise empty.
    """

    width: int
    height: int
    fast: str | None
    digest: str
    panels: tuple[tuple[int, int, int, int], ...] = ()

    @property
    def pictures(self) -> tuple[tuple[int, int, int, int], ...]:
        """The panels, or the whole image as the only one."""
        return self.panels or ((0, 0, self.height, self.width),)

    def decode(self) -> np.ndarray:
        """Returns the image as uint8 RGB (height, width, 3); raises ImageError or OSError."""
        return decode_rgb(self.read())


@dataclass(frozen=True)
class Split:
    """The images of one split, ordered by digest, which no renaming changes.

    Attributes:
        name: "train", "val" or "test".
        images: may be empty for "test" only.
        read_maps: for drawn pages: gives the maps of the page at a path.
    """

    name: str
    images: tuple[ImageRef, ...]
    read_maps: Callable[[Path], Maps] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Dataset:
    """Three splits with no image in common, and what was left out of them.

    Attributes:
        name: the card's name, or that of the folder or archive.
        root: the folder or archive; of a union its name alone.
        splits: "train", "val" and "test".
        skipped: (name, reason) of each file that could not be decoded.
        small: (name, "width x height") of each image smaller than the crop.
        gray: names of the greyscale images.
        duplicates: names of the images whose bytes are those of a kept one.
        outside: how many images lie beside the split folders.
        fingerprint: SHA-256 (hex) over the splits' digests: another one means other data.
        parts: of a union: name and folder of each part; its images are called NAME/FILE.
    """

    name: str
    root: Path
    splits: dict[str, Split]
    skipped: tuple[tuple[str, str], ...]
    small: tuple[tuple[str, str], ...]
    gray: tuple[str, ...]
    duplicates: tuple[str, ...]
    outside: int
    fingerprint: str
    parts: tuple[tuple[str, Path], ...] = ()

    def facts(self, *columns: str) -> dict[str, dict[str, str]]:
        """What the manifests beside the splits say of each image, as `zoo.data.prepared.manifest.read_facts`."""
        if not self.parts:
            return read_facts(self.root, *columns)
        return {f"{part}/{file}": row for part, root in self.parts for file, row in read_facts(root, *columns).items()}

    def summary(self) -> str:
        """One line: the sizes of the splits, and what was left out and why."""
        sizes = ", ".join(f"{len(self.splits[name].images)} {name}" for name in SPLITS)
        parts = [
            f"{len(self.gray)} grey" * bool(self.gray),
            f"{len(self.skipped)} unreadable ({_some(self.skipped)})" * bool(self.skipped),
            f"{len(self.small)} smaller than the crop ({_some(self.small)})" * bool(self.small),
            f"{len(self.duplicates)} duplicate{'s' * (len(self.duplicates) > 1)}" * bool(self.duplicates),
            f"{self.outside} outside the split folders" * bool(self.outside),
        ]
        left_out = ", ".join(filter(None, parts))
        return f"{self.name}: {sizes} images" + f"; left out: {left_out}" * bool(left_out)


def open_dataset(
    spec: str | Path,
    *,
    crop: int,
    max_bad: float = 0.1,
    progress: Progress | None = None,
    flags: Collection[str] = (),
) -> Dataset:
    """Opens a data set and checks every image of it.

    Sub-folders called train, val (or valid, validation) and test are the splits, if there is train and one of
    the others; a missing one is taken from train. Otherwise images are assigned by the hash of their bytes, so
    that an image stays in its split when others are added.

    Args:
        spec: a card's name, tfds:NAME of TensorFlow Datasets (see `zoo.data.fetched.tfds`), or the path of a folder
            (searched with its sub-folders) or of a .zip or .cbz file.
        crop: side of the training crops in pixels; images smaller than that are left out.
        max_bad: the share of files, from 0 to 1, that may be unreadable or too small.
        progress: called after each file.
        flags: those that the user can set, of --crop and --max-bad: messages advise no other.

    Raises:
        UsageError: nothing usable is there, or too much of it is bad; the message says what to do.
    """
    if isinstance(spec, str) and spec.startswith("tfds:"):
        from zoo.data.fetched.tfds import tfds_pages

        pages = tfds_pages(spec)
        return _scan(spec, pages, list(folder_images(pages)), crop, max_bad, progress, flags)
    if isinstance(spec, str) and spec in list_datasets():
        return _open_card(spec, crop, max_bad, progress, flags)
    path = user_path(spec)
    if not path.exists():
        near = difflib.get_close_matches(str(spec), list_datasets(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"data sets: {', '.join(list_datasets())}."
        raise UsageError(
            f"no data set, folder or file {str(spec)!r}; {hint} A path of a folder, .zip or .cbz file may be given too"
        )
    sources = list(folder_images(path) if path.is_dir() else archive_images(path))
    return _scan(real(path).name, path, sources, crop, max_bad, progress, flags)


def with_panels(dataset: Dataset, *, progress: Progress | None = None) -> Dataset:
    """The data set with the panels of its pages (`zoo.data.panels`): what views are taken of.

    Raises:
        RunError: a file is not what it was when the data set was opened.
    """
    images = [image for split in dataset.splits.values() for image in split.images]
    found = {}
    with ThreadPoolExecutor(cores()) as pool:
        for done, (image, panels) in enumerate(zip(images, pool.map(_panels_of, images), strict=True), 1):
            found[image.digest] = panels
            if progress:
                progress(done, len(images))
    splits = {
        name: replace(split, images=tuple(replace(image, panels=found[image.digest]) for image in split.images))
        for name, split in dataset.splits.items()
    }
    return replace(dataset, splits=splits)


def _panels_of(image: ImageRef) -> tuple[tuple[int, int, int, int], ...]:
    if min(image.width, image.height) < LEAST_PAGE:
        return ()
    try:
        luma = np.asarray(Image.fromarray(image.decode()).convert("L"))
    except (ImageError, OSError) as error:
        raise RunError(f"{image.name} can no longer be read: {error}") from None
    found = find_panels(luma)
    return tuple(found) if len(found) > 1 else ()


def _open_card(name: str, crop: int, max_bad: float, progress: Progress | None, flags: Collection[str]) -> Dataset:
    card = get_card(name)
    if card.parts:
        parts = tuple((part, _pages_of(get_card(part), progress)) for part in card.parts)
        sources, given = list[ImageFile](), list[str | None]()
        for part, pages in parts:
            found = list(folder_images(pages))
            given += _given_splits([source.name for source in found])
            sources += [replace(source, name=f"{part}/{source.name}") for source in found]
        return replace(_scan(name, Path(name), sources, crop, max_bad, progress, flags, given), parts=parts)
    pages = _pages_of(card, progress)
    dataset = _scan(name, pages, list(folder_images(pages)), crop, max_bad, progress, flags)
    if card.kind != "procedural":
        return dataset
    from zoo.data.drawn.procedural import read_maps

    return replace(dataset, splits={key: replace(split, read_maps=read_maps) for key, split in dataset.splits.items()})


def _pages_of(card: DataCard, progress: Progress | None) -> Path:
    """The folder of a data set's images; draws them if it is procedural, verifies them if it is local."""
    if card.kind == "procedural":
        from zoo.data.drawn.procedural import materialise

        return materialise(name=card.name, progress=progress) / "pages"
    if card.kind == "local":
        from zoo.data.fetched.local import local_pages

        return local_pages(card)
    from zoo.data.fetched.get import prepared_pages

    return prepared_pages(card)


def _scan(
    name: str,
    root: Path,
    sources: Sequence[ImageFile],
    crop: int,
    max_bad: float,
    progress: Progress | None,
    flags: Collection[str],
    given: Sequence[str | None] | None = None,
) -> Dataset:
    """Examines all sources and makes the data set of the usable ones; `given` are their splits, if not by folder."""
    given = given or _given_splits([source.name for source in sources])
    wanted = [source for source, split in zip(sources, given, strict=True) if split]
    if not wanted:
        raise UsageError(f"{root}: no images in it (looked for {', '.join(sorted(READABLE))})")
    found: dict[str, list[ImageRef]] = {split: [] for split in SPLITS}
    skipped, small, gray = [], [], []
    # No more at a time than can be computed at a time: each may take memory for an image of the largest size.
    with ThreadPoolExecutor(cores()) as pool:
        results = zip(wanted, filter(None, given), pool.map(_examine, wanted), strict=True)
        for done, (source, split, result) in enumerate(results, 1):
            if isinstance(result, str):
                skipped.append((source.name, result))
            elif result is None:
                gray.append(source.name)
            elif min(result.width, result.height) < crop:
                small.append(result)
            else:
                found[split].append(result)
            if progress:
                progress(done, len(wanted))

    too_small = [(image.name, f"{image.width} x {image.height}") for image in small]
    bad = len(skipped) + len(small)
    if bad > max_bad * len(wanted):
        message = (
            f"{root}: {bad} of {len(wanted)} images cannot be used, and at most {max_bad:.0%} may be bad: "
            f"{_some(skipped + too_small)}."
        )
        or_raise = ", or raise --max-bad" * ("--max-bad" in flags)
        if skipped:
            message += f" Repair or remove what cannot be read{or_raise}."
        if small:
            largest = min(min(image.width, image.height) for image in small) // 8 * 8
            message += f" {len(small)} are smaller than the crop of {crop}"
            cropped = "--crop" in flags and largest >= 16
            message += f": --crop {largest} would take them all." if cropped else f": remove them{or_raise}."
        raise UsageError(message)
    if len(gray) == len(wanted):
        raise UsageError(f"{root}: all {len(gray)} images are greyscale; colour images are needed")
    duplicates = _drop_duplicates(found)
    _fill_missing(found)
    if not found["train"] or not found["val"]:
        raise UsageError(
            f"{root}: {sum(map(len, found.values()))} of {len(wanted)} images are usable ({len(gray)} greyscale, "
            f"{len(duplicates)} duplicates, {bad} bad); one to train on and one for val are the least"
        )
    listing = "".join(f"{split} {image.digest}\n" for split in SPLITS for image in found[split])
    return Dataset(
        name=printable(name),
        root=root,
        splits={split: Split(split, tuple(found[split])) for split in SPLITS},
        skipped=tuple(skipped),
        small=tuple(too_small),
        gray=tuple(gray),
        duplicates=duplicates,
        outside=len(sources) - len(wanted),
        fingerprint=hashlib.sha256(listing.encode()).hexdigest(),
    )


def _examine(source: ImageFile) -> ImageRef | str | None:
    """The image; None if it is greyscale; or the reason why it cannot be used."""
    try:
        data = source.read()
        header, gray = inspect(data)
    except (ImageError, OSError) as error:
        return getattr(error, "strerror", None) or str(error)
    if gray:
        return None
    digest = hashlib.sha256(data).hexdigest()
    return ImageRef(**vars(source), width=header.width, height=header.height, fast=header.fast, digest=digest)


def _given_splits(names: Sequence[str]) -> list[str | None]:
    """The split each path is in by its folder, None beside the split folders; all "train" if the folders are none.

    A folder that holds everything, as archives often have, is looked through.
    """
    paths = [PurePosixPath(name).parts for name in names]
    while len({path[0] for path in paths}) == 1 and all(len(path) > 1 for path in paths):
        paths = [path[1:] for path in paths]
    given = [folder_split(path[0]) if len(path) > 1 else None for path in paths]
    return given if are_splits(path[0] for path in paths if len(path) > 1) else ["train"] * len(names)


def _drop_duplicates(found: dict[str, list[ImageRef]]) -> tuple[str, ...]:
    """Keeps one image of each digest, in test rather than val rather than train; sorts by digest."""
    seen, dropped = set[str](), list[str]()
    for split in reversed(SPLITS):
        images, found[split] = sorted(found[split], key=lambda image: (image.digest, image.name)), []
        for image in images:
            if image.digest in seen:
                dropped.append(image.name)
            else:
                found[split].append(image)
            seen.add(image.digest)
    return tuple(sorted(dropped))


def _fill_missing(found: dict[str, list[ImageRef]]) -> None:
    """Takes an empty val, then an empty test, from train: by hash, or its first images; one is always left.

    Of `FEW` images on, val has two at least: one page says too little of the others.
    """
    for split, (low, high) in HASHED.items():
        if not found[split]:
            pool = found["train"]
            hashed = [image for image in pool if low <= int(image.digest[:8], 16) / 2**32 < high]
            least = 2 if split == "val" and len(pool) >= FEW else 1
            if len(hashed) < least:
                hashed = pool[:least]  # ordered by digest, so that of val the hashed are the first
            found[split] = hashed[: max(0, len(pool) - 1)]
            taken = {image.digest for image in found[split]}
            found["train"] = [image for image in pool if image.digest not in taken]


def _some(pairs: Sequence[tuple[str, str]], limit: int = 3) -> str:
    """The first few (name, reason) pairs and how many more there are."""
    shown = [f"{name}: {reason}" for name, reason in pairs[:limit]]
    return "; ".join(shown + [f"and {len(pairs) - limit} more"] * (len(pairs) > limit))
