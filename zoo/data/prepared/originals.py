"""Pages of folders, archives and PDF files, one after another, and what becomes of one: a small JPEG, or a reason."""

import hashlib
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from zoo.data.decode import decode_rgb, is_gray, read_header
from zoo.data.image_files import (
    ImageFile,
    archive_images,
    files_below,
    folder_split,
    is_archive,
    is_image,
    why_unreadable,
)
from zoo.data.pdf import Renderers, require_pdfium
from zoo.data.prepared.near import color_sketch, perceptual_hash
from zoo.errors import ImageError, UsageError
from zoo.support.files import atomic_path, real
from zoo.support.names import printable

_PDF = ".pdf"


@dataclass(frozen=True)
class Original:
    """A page that was found, not read yet.

    Attributes:
        name: the SOURCE's name and the path inside it, with the number of a PDF's page, from 1, after a #.
        work: the name of the work it is of.
        key: a file name without suffix that only this page has, while its source stays as it is.
        source: where an image is; of a PDF's page, or of what cannot be opened, the file.
        index: the page of a PDF, counted from 0.
        fault: why there is nothing to read.
    """

    name: str
    work: str
    key: str
    source: ImageFile
    index: int | None = None
    fault: str | None = None


@dataclass(frozen=True)
class _Found:
    """A page without its key: `state` changes when the page does, as far as a listing shows."""

    name: str
    work: str
    source: ImageFile
    state: str
    index: int | None = None
    fault: str | None = None


def check_source(path: Path) -> None:
    """Raises UsageError if there is no folder, archive or PDF at `path`, or one that cannot be opened at all."""
    if path.is_dir():
        return
    if not path.exists():
        raise UsageError(f"{path}: no such folder or file")
    if path.suffix.lower() == _PDF:
        require_pdfium()
    elif is_archive(path):
        next(archive_images(path), None)
    else:
        what = why_unreadable(path)
        raise UsageError(f"{path}: {what or 'a source is a folder, a .zip or .cbz archive, or a PDF'}")


def source_name(path: Path) -> str:
    """What pages and works of a source are named after: the last part of its path."""
    return printable(real(path).name or "root")


def list_pages(paths: Sequence[Path], group: str, renderers: Renderers) -> Iterator[Original]:
    """Every page of the sources, in the same order each time. An archive is open only while its pages are in use.

    Args:
        paths: folders, which are searched for images, archives and PDF files; archives; PDF files.
        group: one of `zoo.data.prepared.groups.GROUPS`. Of "split", a page's work is its split; those of none are left
            out.
        renderers: count the pages of PDF files.

    Raises:
        UsageError: a folder cannot be read, or there is a PDF file and no pypdfium2.
    """
    numbers = Counter[str]()
    for path in paths:
        for found in _pages_of(path, group, renderers):
            if group == "split":
                inside = found.name.split("/")[1:]
                split = folder_split(inside[0]) if len(inside) > 1 else None
                if split is None:
                    continue
                found = replace(found, work=split)
            numbers[found.work] += 1
            plain = unicodedata.normalize("NFKD", found.work).encode("ascii", "ignore").decode()
            slug = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-")[-48:].lstrip("-") or "page"
            digest = hashlib.sha256(f"{found.name}\0{found.state}".encode()).hexdigest()[:8]
            key = f"{slug}-{numbers[found.work]:04d}-{digest}"
            yield Original(found.name, found.work, key, found.source, found.index, found.fault)


def _pages_of(path: Path, group: str, renderers: Renderers) -> Iterator[_Found]:
    root = source_name(path)
    if not path.is_dir():
        yield from _pages_in_file(path, root, group, renderers)
        return
    for file in files_below(path):
        inside = file.relative_to(path)
        name = f"{root}/{printable(inside.as_posix())}"
        if is_image(file):
            top = f"{root}/{printable(inside.parts[0])}" if len(inside.parts) > 1 else root
            work = top if group == "folder" else name
            yield _Found(name, work, ImageFile(name, file), _size(file))
        else:
            yield from _pages_in_file(file, name, group, renderers)


def _pages_in_file(path: Path, name: str, group: str, renderers: Renderers) -> Iterator[_Found]:
    """The pages of an archive or a PDF; none of another file."""
    whole, kind = ImageFile(name, path), path.suffix.lower()
    try:
        if is_archive(path):
            for source in archive_images(path):
                entry = f"{name}/{source.name}"
                assert source.entry is not None
                state = f"{source.entry.file_size} {source.entry.CRC}"
                yield _Found(entry, entry if group == "none" else name, source, state)
        elif kind == _PDF:
            for index in range(renderers.count(path)):
                page = f"{name}#{index + 1}"
                yield _Found(page, page if group == "none" else name, whole, f"{_size(path)} {index}", index)
    except ImageError as error:
        yield _Found(name, name, whole, _size(path), fault=str(error))
    except UsageError as error:
        if kind == _PDF:  # no renderer
            raise
        yield _Found(name, name, whole, _size(path), fault=str(error).removeprefix(f"{path}: "))


def _size(path: Path) -> str:
    try:
        return str(path.stat().st_size)
    except OSError:  # a link to nowhere: reading it will say so
        return "?"


def convert(
    page: Original, folder: Path, renderers: Renderers, *, quality: int, longest: int, shortest: int
) -> dict[str, Any]:
    """Writes a page as `folder`/`page.key`.jpg, if it is one to learn from. Safe to call from several threads.

    The JPEG is baseline with 4:2:0 chroma, without metadata; its values are sRGB's, as all images are taken to be.

    Args:
        page: what to read.
        folder: where to write.
        renderers: render PDF files.
        quality: of the JPEG, 1 to 95.
        longest: the longer side in pixels; larger pages are reduced (Lanczos), smaller ones stay.
        shortest: pages with a shorter side of fewer pixels, once reduced, are dropped.

    Returns:
        The JPEG's `width`, `height`, `sha256`, perceptual hash (`phash`, hex) and colours (`colors`, hex), and the
        `source_sha256` of the image or of the whole PDF; or `dropped`, one of "unreadable", "small" and "grey", and a
        `detail`.

    Raises:
        OSError: the JPEG cannot be written.
    """
    try:
        if page.fault:
            raise ImageError(page.fault)
        if page.index is None:
            data = page.source.read()
            header = read_header(data)
            if fault := _too_small(header.width, header.height, longest, shortest):
                return fault
            digest, rgb = hashlib.sha256(data).hexdigest(), decode_rgb(data)
            del data
        else:
            rgb = renderers.mine().render(page.source.path, page.index, longest)
            if fault := _too_small(rgb.shape[1], rgb.shape[0], longest, shortest):
                return fault
            digest = _file_digest(page.source.path)
    except (ImageError, OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "not enough memory"
        return {"dropped": "unreadable", "detail": reason}
    if is_gray(rgb):
        return {"dropped": "grey", "detail": ""}
    size = _reduced(rgb.shape[1], rgb.shape[0], longest)
    picture = Image.fromarray(rgb)
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    del rgb
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    data = stream.getvalue()
    with atomic_path(folder / f"{page.key}.jpg") as temporary:
        temporary.write_bytes(data)
    written = decode_rgb(data)
    return {
        "width": size[0],
        "height": size[1],
        "sha256": hashlib.sha256(data).hexdigest(),
        "phash": f"{perceptual_hash(written):016x}",
        "colors": color_sketch(written).tobytes().hex(),
        "source_sha256": digest,
    }


def _reduced(width: int, height: int, longest: int) -> tuple[int, int]:
    scale = min(1.0, longest / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _too_small(width: int, height: int, longest: int, shortest: int) -> dict[str, Any] | None:
    if min(_reduced(width, height, longest)) >= shortest:
        return None
    return {"dropped": "small", "detail": f"{width} x {height}"}


@lru_cache(maxsize=64)
def _file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
