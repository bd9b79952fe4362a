"""Damaged images: mutants of good JPEG, PNG, WebP, GIF, TIFF and CBZ files.

A batch is read as a data set, training crops are taken of what was accepted, and it is coloured.
"""

import collections
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, PngImagePlugin

if TYPE_CHECKING:
    from fuzz.runner import Batch, Found

SECONDS = 300.0
"""How long a batch may take."""

KINDS = ("jpeg", "png", "webp", "gif", "tiff", "cbz")


def good_files(rng: np.random.Generator) -> dict[str, list[bytes]]:
    """Good files of every kind and of the variants that decoders treat differently."""
    coarse = Image.fromarray(rng.integers(0, 256, (6, 5, 3), dtype=np.uint8))
    picture = coarse.resize((56, 72), Image.Resampling.BICUBIC)
    alpha = picture.copy()
    alpha.putalpha(picture.convert("L"))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    deep = Image.fromarray(rng.integers(0, 65536, (48, 40), dtype=np.uint16))
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * 200, zip=True)
    frames = [picture.rotate(angle) for angle in (0, 90, 180)]

    def save(image: Image.Image, kind: str, **options: Any) -> bytes:
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        return stream.getvalue()

    jpeg = [
        save(picture, "JPEG", quality=90),
        save(picture, "JPEG", progressive=True),
        save(picture, "JPEG", subsampling=0, exif=exif, icc_profile=b"not a profile" * 20),
        save(picture, "JPEG", restart_marker_blocks=2),
        save(picture.convert("L"), "JPEG"),
        save(picture.convert("CMYK"), "JPEG"),
    ]
    png = [
        save(picture, "PNG"),
        save(alpha, "PNG", exif=exif, pnginfo=text),
        save(picture.quantize(32), "PNG", transparency=3),
        save(picture.convert("1"), "PNG"),
        save(deep, "PNG"),
        save(picture, "PNG", icc_profile=b"not a profile" * 20, save_all=True, append_images=frames),
    ]
    webp = [
        save(picture, "WEBP", quality=80),
        save(alpha, "WEBP", lossless=True),
        save(picture, "WEBP", save_all=True, append_images=frames, exif=exif),
    ]
    tiff = [
        save(picture, "TIFF"),
        save(picture, "TIFF", compression="tiff_lzw", save_all=True, append_images=frames),
        save(picture, "TIFF", compression="jpeg"),
        save(alpha, "TIFF", compression="tiff_adobe_deflate", icc_profile=b"not a profile" * 20),
        save(picture.convert("CMYK"), "TIFF", compression="packbits", exif=exif),
        save(picture.convert("1"), "TIFF", compression="group4"),
        save(deep, "TIFF", compression="tiff_lzw"),
        save(picture.quantize(32), "TIFF"),
    ]
    gif = [save(picture, "GIF"), save(picture, "GIF", save_all=True, append_images=frames, transparency=0)]
    books = [_book(jpeg, png, method) for method in (0, 8)]
    return {"jpeg": jpeg, "png": png, "webp": webp, "gif": gif, "tiff": tiff, "cbz": books}


def _book(jpeg: list[bytes], png: list[bytes], method: int) -> bytes:
    stream = io.BytesIO()

    def entry(name: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name)  # of 1980, whatever the clock says
        info.compress_type = method
        return info

    with zipfile.ZipFile(stream, "w") as book:
        for index, (page, suffix) in enumerate([(jpeg[0], "jpg"), (png[0], "png"), (jpeg[1], "jpg"), (jpeg[2], "jpg")]):
            book.writestr(entry(f"book/page{index}.{suffix}"), page)
        book.writestr(entry("../../etc/outside.png"), png[1])
        book.writestr(entry("/absolute.png"), png[2])
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        book.writestr(link, "/etc/passwd")
        book.writestr(entry("weird\u202ename\x07é.png"), png[0])
    return stream.getvalue()


def mutate(data: bytes, others: list[bytes], rng: np.random.Generator) -> bytes:
    """A damaged copy: one to eight changes of the kinds that break decoders."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(2, 9)) if rng.random() < 0.3 else 1):
        size = len(changed)
        if size < 16:
            break
        # Half of the changes are in the first bytes, where the sizes are.
        at = int(rng.integers(min(size, 128))) if rng.random() < 0.5 else int(rng.integers(size))
        match int(rng.integers(8)):
            case 0:
                changed[at] ^= 1 << int(rng.integers(8))
            case 1:
                changed[at] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF]))
            case 2:
                value = int(rng.choice([0, 1, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF]))
                packed = struct.pack(str(rng.choice(["<I", ">I"])), value)[int(rng.choice([0, 2])) :]
                changed[at : at + len(packed)] = packed
            case 3:
                del changed[at:]
            case 4:
                del changed[at : at + int(rng.integers(1, 64))]
            case 5:
                changed[at:at] = changed[at : at + int(rng.integers(1, 64))]
            case 6:
                other = others[int(rng.integers(len(others)))]
                start = int(rng.integers(len(other)))
                changed[at : at + 64] = other[start : start + 64]
            case 7:
                changed[at : at + 32] = rng.integers(0, 256, 32, dtype=np.uint8).tobytes()
    return bytes(changed)


def with_right_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have the checksums of what they hold, so that decoders look at it."""
    fixed, position = bytearray(data), 8
    while position + 12 <= len(fixed):
        length = int.from_bytes(fixed[position : position + 4])
        end = position + 8 + length
        if end + 4 > len(fixed):
            break
        fixed[end : end + 4] = zlib.crc32(fixed[position + 4 : end]).to_bytes(4)
        position = end + 4
    return bytes(fixed)


def mutants(seed: int, count: int) -> list[tuple[str, bytes]]:
    """Kind and content of `count` mutants; another seed gives others."""
    rng = np.random.default_rng(seed)
    good = good_files(rng)
    everything = [content for kind in KINDS for content in good[kind]]
    found = []
    for index in range(count):
        kind = KINDS[index % len(KINDS)]
        content = mutate(good[kind][int(rng.integers(len(good[kind])))], everything, rng)
        if kind == "png" and rng.random() < 0.7:
            content = with_right_checksums(content)
        found.append((kind, content))
    return found


def feed(batch: "Batch", folder: Path, found: "Found", begin: Callable[[str], None]) -> None:
    """Takes the mutants of a batch all the way, and counts what became of them.

    Raises:
        AssertionError: a file vanished without a word, or was refused without its name.
    """
    from zoo.data.dataset import open_dataset
    from zoo.errors import UsageError

    begin(f"the batch from {batch.first}")
    seed, count, outcome = batch.seed * 1_000_003 + batch.first, batch.count, found.counts
    pages = folder / "pages"
    pages.mkdir()
    good = good_files(np.random.default_rng(0))
    for index in range(2):  # so that there is something to train on, whatever becomes of the rest
        (pages / f"good{index}.jpg").write_bytes(good["jpeg"][index])
    kinds: dict[str, str] = {}
    for index, (kind, content) in enumerate(mutants(seed, count)):
        if kind == "cbz":
            outcome["cbz"] += 1
            book = folder / f"{index}.cbz"
            book.write_bytes(content)
            try:
                dataset = open_dataset(book, crop=16, max_bad=1.0)
            except UsageError as error:
                _require(str(book) in str(error), f"{book} was refused without its name: {error}")
                outcome["cbz refused"] += 1
            else:
                outcome["cbz read"] += 1
                outcome["pages of a cbz refused"] += len(dataset.skipped)
                _use(dataset, outcome)
            _color(book, folder, outcome)
            continue
        name = f"{index}.{kind}".replace("jpeg", "jpg")
        (pages / name).write_bytes(content)
        kinds[name] = kind
    dataset = open_dataset(pages, crop=16, max_bad=1.0)
    accounted = {
        "read": [image.name for split in dataset.splits.values() for image in split.images],
        "refused": [name for name, reason in dataset.skipped if reason],
        "too small": [name for name, _ in dataset.small],
        "grey": list(dataset.gray),
        "duplicate": list(dataset.duplicates),
    }
    names = [name for group in accounted.values() for name in group]
    _require(sorted(names) == sorted(p.name for p in pages.iterdir()), "a file vanished without a word")
    for what, group in accounted.items():
        for name in group:
            if name in kinds:
                outcome[kinds[name]] += 1
                outcome[f"{kinds[name]} {what}"] += 1
    _use(dataset, outcome)
    _color(pages, folder, outcome)


def _use(dataset: Any, outcome: collections.Counter[str]) -> None:
    """Takes training crops of everything."""
    from zoo.data.pipeline import crop_batches, iterate
    from zoo.errors import RunError

    for split in dataset.splits.values():
        if not split.images:
            continue
        batches = iterate(crop_batches(split, batch_size=1, crop=16, seed=0), split)
        try:
            for _ in split.images:
                next(batches)
                outcome["crops"] += 1
        except RunError as error:
            _require(any(image.name in str(error) for image in split.images), f"no file is named: {error}")
            outcome["crops refused by name"] += 1
        finally:
            batches.close()


def _color(path: Path, folder: Path, outcome: collections.Counter[str]) -> None:
    """Colours a folder or a book as `python -m zoo.colorize` does: every page is there in the end, or named."""
    from zoo.data.pdf import Renderers
    from zoo.errors import UsageError
    from zoo.pages.input import find_pages
    from zoo.pages.job import Job
    from zoo.pages.look import Look
    from zoo.pages.output import Output

    with Renderers() as renderers:
        try:
            pages = find_pages([str(path)], renderers)
        except UsageError as error:
            _require(str(path) in str(error) or "would both become" in str(error), f"no file is named: {error}")
            return
        output = Output(folder / f"coloured-{path.name}", "png", overwrite=False, single=False)
        job = Job(_colorizer(), output, renderers, Look(desaturate=True), batch_size=4)
        done = job.run(pages, lambda done, total: None)
    _require(done + len(job.failed) == len(pages), f"{path}: {len(pages)} pages, {done} coloured, {job.failed}")
    _require(all(job.failed.values()), f"{path}: a page failed without a reason")
    written = sum(1 for file in output.folder.rglob("*.png")) if output.folder.exists() else 0
    _require(written == done, f"{path}: {done} pages coloured, and {written} files written")
    outcome["coloured"] += done
    outcome["not coloured, by name"] += len(job.failed)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


_models: list[Any] = []


def _colorizer() -> Any:
    if not _models:
        import tiny

        from zoo.pages.colorizer import Colorizer

        _models.append(Colorizer(tiny.build(), side=256))
    return _models[0]


def table(found: "Found") -> str:
    """The counts in Markdown."""
    counts = found.counts
    lines = ["| kind | mutants | read | refused by name | too small or grey |", "|---|---|---|---|---|"]
    for kind in KINDS:
        other = counts[f"{kind} too small"] + counts[f"{kind} grey"] + counts[f"{kind} duplicate"]
        lines.append(f"| {kind} | {counts[kind]} | {counts[f'{kind} read']} | {counts[f'{kind} refused']} | {other} |")
    lines += [
        "",
        f"{counts['crops']} training crops were made of what was read; {counts['crops refused by name']} splits were"
        f" refused by the name of a file, and {counts['pages of a cbz refused']} pages of readable archives. The way of"
        f" `zoo.colorize` coloured {counts['coloured']} pages and named {counts['not coloured, by name']} that it could"
        f" not. Peak memory of a process that reads and colours 100 of them: {found.peak / 1e6:.0f} MB more than"
        f" before. Crashes, hangs and other problems: {len(found.problems)}.",
    ]
    return "\n".join(lines)
