"""Archives, written by hand: odd names and entries, overlaps, damaged directories.

Each is read as a data set, is coloured by the command as a user would, into a folder or a book, or is prepared.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fuzz import fixture, sandbox
from fuzz.arguments import one_of
from fuzz.images import good_files, mutate

if TYPE_CHECKING:
    from fuzz.runner import Batch, Found

SECONDS = sandbox.SECONDS
prepare = fixture.prepare

NAMES = ["a.png", "A.PNG", "a.PNG", "a.jpg", "a/a.png", "a/a/a.png", "a", "a/", "/a.png", "//a.png", "///x/a.png"]
NAMES += ["..", "."]
NAMES += ["../a.png", "../../../../../../tmp/escaped.png", "a/../../b.png", "./a.png", "a//b.png", "a/./b.png", ""]
NAMES += ["/", "//"]
NAMES += ["C:a.png", "C:\\a.png", "c:/a.png", "C:C:a.png", "\\\\server\\share\\a.png", "a\\b.png", "..\\a.png"]
NAMES += ["\\a.png"]
NAMES += ["a\x00b.png", "a\nb.png", "\x1b[31m.png", "\x07.png", "\x7f.png", "\u202egnp.a", "a\u202e.png", "é.png"]
NAMES += ["e\u0301.png"]
NAMES += ["ж/🎨.png", "x" * 300 + ".png", "x" * 251 + ".png", "d/" * 100 + "a.png", "x" * 65000 + ".png", " .png"]
NAMES += ["a .png"]
NAMES += ["a .png/b.png", "a.png/b.png", "a.png/c/d.png", "CON.png", "nul.png", "a.png.", ".hidden.png"]
NAMES += ["__MACOSX/a.png"]
NAMES += [".png", "-o.png", "--help.png", "*.png", "a?.png", "a|b.png", "%s.png", "{}.png", "~/a.png", "$HOME/a.png"]
NAMES += ["train/a.png", "val/a.png", "test/b.png", "Train/c.png", "valid/d.png", "settings.json", "made.json", "a.gif"]
NAMES += ["a.tiff", "a.webp", "a.avif", "a.cbz", "a.pdf", "a.txt", "a-1.png", "a-summary.png", ".lock", "a.png\udcff"]


@dataclass
class Entry:
    """An entry, of which every field may be wrong."""

    name: bytes
    content: bytes
    method: int = 8
    flags: int = 0
    version: int = 20
    external: int = 0
    extra: bytes = b""
    stored: bytes = b""
    crc: int = 0
    size: int = 0
    packed: int = 0
    offset: int | None = None
    local_name: bytes | None = None
    comment: bytes = b""
    system: int = 3


def feed(batch: "Batch", folder: Path, found: "Found", begin: Callable[[str], None]) -> None:
    """Runs the cases of a batch."""
    with fixture.at_the_edge():
        sandbox.feed(batch, folder, found, begin, _case)


def _number(rng: np.random.Generator, bits: int, good: int) -> int:
    """A number of a field: odd, or near the right one."""
    top = (1 << bits) - 1
    return (
        int(rng.choice(np.array([0, 1, good + 1, max(0, good - 1), good * 2, 1 << 28, top - 1, top, top >> 1]))) & top
    )


def _entry(rng: np.random.Generator, contents: list[bytes]) -> Entry:
    name = (
        one_of(rng, NAMES)
        if rng.random() < 0.6
        else f"p{rng.integers(6)}/{rng.integers(9)}.{one_of(rng, ['png', 'jpg'])}"
    )
    raw = name.encode("utf-8", "surrogateescape")
    content = contents[int(rng.integers(len(contents)))]
    entry = Entry(raw, content, crc=zlib.crc32(content), size=len(content))
    entry.flags = 0x800 * int(rng.random() < 0.7)
    entry.method = int(rng.choice([0, 8]))
    packer = zlib.compressobj(wbits=-15)
    entry.stored = content if entry.method == 0 else packer.compress(content) + packer.flush()
    entry.packed = len(entry.stored)
    for _ in range(int(rng.integers(1, 4)) if rng.random() < 0.35 else 0):
        match int(rng.integers(12)):
            case 0:
                entry.method = int(rng.choice([0, 1, 6, 8, 9, 12, 14, 93, 95, 98, 99, 65535]))
            case 1:
                entry.flags ^= 1 << int(rng.integers(16))
            case 2:
                entry.size = _number(rng, 32, entry.size)
            case 3:
                entry.packed = _number(rng, 32, entry.packed)
            case 4:
                entry.crc ^= 1 << int(rng.integers(32))
            case 5:
                entry.external = int(rng.choice([0o120777, 0o040755, 0o010644, 0o020666, 0o060666, 0o100000])) << 16
                entry.external |= 0x10 * int(rng.random() < 0.3)
            case 6:
                entry.offset = _number(rng, 32, 0)
            case 7:
                entry.version = int(rng.choice([0, 10, 45, 46, 63, 255]))
            case 8:  # ZIP64, right or wrong
                wide = struct.pack("<QQQ", entry.size, entry.packed, 0)[: int(rng.choice([0, 4, 8, 16, 24]))]
                entry.extra += struct.pack("<HH", 1, int(rng.choice([len(wide), len(wide) + 1, 0xFFFF]))) + wide
                entry.size = entry.packed = 0xFFFFFFFF
            case 9:
                entry.extra += rng.integers(0, 256, int(rng.integers(40)), dtype=np.uint8).tobytes()
            case 10:
                entry.local_name = one_of(rng, NAMES).encode("utf-8", "surrogateescape")
            case 11:
                entry.stored = mutate(entry.stored, [content], rng)
                entry.system = int(rng.integers(256))
    return entry


@cache
def _contents() -> list[bytes]:
    good = good_files(np.random.default_rng(0))
    pages = [good["jpeg"][0], good["png"][0], good["jpeg"][1], good["jpeg"][2], good["jpeg"][3]]
    return [*pages, *pages, good["jpeg"][4], b"", b"text", bytes(3000)]


def archive(rng: np.random.Generator) -> bytes:
    """An archive of a few entries."""
    entries = [_entry(rng, _contents()) for _ in range(int(rng.integers(1, 9)))]
    if rng.random() < 0.3:  # one name twice
        entries.append(entries[int(rng.integers(len(entries)))])
    body = bytearray(b"MZ junk before" * int(rng.random() < 0.1))
    places = []
    for each in entries:
        places.append(len(body))
        name = each.name if each.local_name is None else each.local_name
        sizes = (each.crc, each.packed & 0xFFFFFFFF, each.size & 0xFFFFFFFF)
        times = (0, 33)
        fields = (each.version & 0xFFFF, each.flags, each.method, *times, *sizes, len(name) & 0xFFFF, len(each.extra))
        body += struct.pack("<4s5H3I2H", b"PK\3\4", *fields) + name + each.extra + each.stored
    start = len(body)
    overlapping = rng.random() < 0.1
    for each, place in zip(entries, places, strict=True):
        at = place if each.offset is None else each.offset
        if overlapping:
            at = places[0] + int(rng.integers(3))
        fields = (each.version | each.system << 8, each.version, each.flags, each.method, 0, 33)
        sizes = (each.crc, each.packed & 0xFFFFFFFF, each.size & 0xFFFFFFFF)
        lengths = (len(each.name) & 0xFFFF, len(each.extra), len(each.comment), 0, 0)
        body += struct.pack("<4s6H3I5H2I", b"PK\1\2", *fields, *sizes, *lengths, each.external, at)
        body += each.name + each.extra + each.comment
    size, count = len(body) - start, len(entries)
    if rng.random() < 0.15:
        count = _number(rng, 16, count)
    if rng.random() < 0.1:
        size = _number(rng, 32, size)
    if rng.random() < 0.1:
        start = _number(rng, 32, start)
    if rng.random() < 0.1:  # ZIP64's end, right or wrong
        wide = (_number(rng, 64, count), _number(rng, 64, size)) if rng.random() < 0.5 else (count, size)
        at = len(body)
        body += struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, wide[0], wide[0], wide[1], start)
        body += struct.pack("<4sIQI", b"PK\6\7", 0, at if rng.random() < 0.8 else _number(rng, 64, at), 1)
        count, size, start = 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF
    comment = bytes(int(rng.integers(50))) if rng.random() < 0.2 else b""
    disks = (1, 1) if rng.random() < 0.03 else (0, 0)
    body += (
        struct.pack("<4s4H2IH", b"PK\5\6", *disks, count & 0xFFFF, count & 0xFFFF, size, start, len(comment)) + comment
    )
    if rng.random() < 0.15:
        return mutate(bytes(body), [bytes(body)], rng)
    return bytes(body)


def _case(here: Path, rng: np.random.Generator) -> tuple[str, Callable[[], str]]:
    content = archive(rng)
    book = here / f"odd{one_of(rng, ['.cbz', '.zip'])}"
    book.write_bytes(content)
    way = one_of(rng, ["data set", "folder", "folder", "in a folder", "book", "prepare"])
    return f"{way}: {len(content)} bytes", lambda: _take(here, book, way)


def _take(here: Path, book: Path, way: str) -> str:
    from zoo.data.dataset import open_dataset
    from zoo.errors import UsageError

    before = {*here.rglob("*")}
    result = "done"
    if way == "data set":
        try:
            dataset = open_dataset(book, crop=16, max_bad=1.0)
            for split in dataset.splits.values():
                for image in split.images:
                    image.decode()
            sandbox.require(all(reason for _, reason in dataset.skipped), "no reason is given")
        except UsageError as error:
            sandbox.require(str(book) in str(error), f"no file is named: {error}")
            result = "refused"
    elif way == "prepare":
        asked = ["data", "prepare", str(book), "out", "--shortest", "16"]
        result = sandbox.outcome(asked, sandbox.run(asked), [book.name])
    else:
        source, out = str(book), "out" if "folder" in way else "out.cbz"
        if way == "in a folder":
            (here / "in").mkdir()
            book.rename(here / "in" / book.name)
            source = "in"
        asked = ["colorize", "tiny.keras", source, "-o", out, "--desaturate"]
        ran = sandbox.run(asked)
        result = sandbox.outcome(asked, ran, [book.name, "page"])
        if ran.code == 0:
            sandbox.require((here / out).exists(), "nothing was written")
    allowed = {here / "in", here / "in" / book.name, here / "out.cbz"}
    after = {path for path in here.rglob("*") if path.relative_to(here).parts[0] not in ("out", "temporary")}
    sandbox.require(after - before <= allowed, f"written beside the output: {after - before - allowed}")
    escapes = sandbox.guard().escapes
    sandbox.require(not escapes, f"tried to change {escapes}")
    return result
