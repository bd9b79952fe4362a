"""Data sets that are not distributed: a folder is one if it holds the files that its card lists, by digest."""

import hashlib
from pathlib import Path

from zoo.data.cards import DataCard, get_card, list_path, local_digests
from zoo.data.image_files import ImageFile, Progress, folder_images, list_images
from zoo.data.prepared.manifest import MANIFEST
from zoo.errors import ImageError, RunError, UsageError
from zoo.support.files import atomic_path, locked, write_text


def local_place(card: DataCard) -> Path | None:
    """The folder of a local data set, unverified: NAME/ in the working directory, or what was imported."""
    here, imported = Path(card.name), card.home / "pages"
    return here if here.is_dir() else imported if (imported / MANIFEST).is_file() else None


def local_pages(card: DataCard) -> Path:
    """The folder of a local data set, whose files are those of the card's list.

    Raises:
        UsageError: there is none, or its files are others; the message says what to do.
    """
    folder, listed = local_place(card), local_digests(card)
    if folder is None:
        raise UsageError(
            f"{card.name} is not distributed (it was {card.source}): {list_path(card)} lists its {len(listed):,}"
            f" images. python -m zoo.data import {card.name} DIR brings them in from a folder that has them"
        )
    found = {source.name: _digest(source) for source in folder_images(folder)}
    other = sorted(name for name in found.keys() | listed.keys() if found.get(name) != listed.get(name))
    if other:
        remedy = "Remove it and import it again" if folder != Path(card.name) else f"Give ./{folder} to use it as it is"
        raise UsageError(
            f"the folder {folder}/ is not {card.name}: {len(other):,} images are missing, changed or not of it"
            f" ({_some(other)}). {remedy}"
        )
    return folder


def import_pages(card: DataCard, source: Path, progress: Progress) -> list[Path]:
    """Copies the images of a local data set, or of each local part of a union, to the cache, where `--data` looks.

    Args:
        card: of the data set.
        source: a folder, or a .zip or .cbz archive. Files are known by their SHA-256: names do not matter, and there
            may be others.
        progress: called after each image that is read.

    Returns:
        The folder of each data set.

    Raises:
        UsageError: an image is missing, in which case nothing is copied; or the data set is not local.
        RunError: the disk is full.
    """
    parts = [part for part in map(get_card, card.parts or [card.name]) if part.kind == "local"]
    if not parts:
        raise UsageError(f"{card.name} is not imported: python -m zoo.data list says where it comes from")
    images, have = list_images(source), dict[str, ImageFile]()
    for done, image in enumerate(images, 1):
        have.setdefault(_digest(image), image)  # one that cannot be read is missing
        progress(done, len(images))
    for part in parts:
        listed = local_digests(part)
        missing = sorted(file for file, digest in listed.items() if digest not in have)
        if missing:
            raise UsageError(
                f"{source}: {len(missing):,} of the {len(listed):,} images of {part.name} are not in it, or cannot be"
                f" read ({_some(missing)}); nothing was imported"
            )
    return [_copied(part, have) for part in parts]


def _copied(card: DataCard, have: dict[str, ImageFile]) -> Path:
    pages = card.home / "pages"
    with locked(card.home, f"another process is importing to {card.home}: wait for it"):
        try:
            for file, digest in local_digests(card).items():
                target = pages / file
                if not (target.is_file() and hashlib.sha256(target.read_bytes()).hexdigest() == digest):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with atomic_path(target) as temporary:
                        temporary.write_bytes(have[digest].read())
            write_text(pages / MANIFEST, list_path(card).read_text(encoding="utf-8"))  # last: all are there
        except (ImageError, OSError) as error:
            raise RunError(f"{pages}: {getattr(error, 'strerror', None) or error}") from error
    return pages


def _digest(source: ImageFile) -> str:
    """The SHA-256 (hex) of a file; empty where it cannot be read."""
    try:
        return hashlib.sha256(source.read()).hexdigest()
    except (ImageError, OSError):
        return ""


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + ", …" * (len(names) > 3)
