"""What one file of a stranger may cost: small ones that would take minutes, or gigabytes."""

import io
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.data import decode
from zoo.data.decode import MAX_PIXELS, MAX_SCANNED, decode_rgb, decode_samples, read_header
from zoo.data.image_files import archive_images
from zoo.data.metadata import MAX_EXIF, MAX_PARTS, raw_metadata, upright
from zoo.errors import ImageError, UsageError

COLORING_BOUND = 4_000_000_000
"""What `zoo colorize` may take in all, TensorFlow and the network included, bytes: see SECURITY.md."""

IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 32, 3), np.uint8))


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, depth: int = 8, color: int = 0, channels: int = 1) -> bytes:
    """A PNG of one grey, of any size, without its pixels in memory."""
    row, packer = bytes(1) + b"\x78" * (width * channels * depth // 8), zlib.compressobj(1)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">2I5B", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def many_parts(kind: str, count: int) -> bytes:
    """An image with so many parts that hold nothing."""
    plain = encoded(IMAGE, "JPEG" if kind == "segments" else kind)
    if kind == "PNG":
        return plain[:33] + chunk(b"IDAT", b"") * count + plain[33:]
    if kind == "JPEG":
        return plain[:2] + b"\xff" * count + plain[2:]
    if kind == "GIF":
        start = 13 + 3 * 256  # behind the palette
        return plain[:start] + b"!\xfe" + b"\1." * count + b"\0" + plain[start:]
    return plain[:2] + b"\xff\xe1\0\2" * count + plain[2:]  # segments of a JPEG


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
def test_a_file_of_too_many_parts_is_refused(kind):
    assert read_header(many_parts(kind, 100)).width == 32
    for read in (read_header, decode_rgb, decode_samples):
        with pytest.raises(ImageError, match=f"more than {MAX_PARTS} parts: a decompression bomb"):
            read(many_parts(kind, MAX_PARTS))


def test_metadata_of_too_many_parts_is_left_out():
    segments = many_parts("segments", MAX_PARTS)
    assert raw_metadata(segments)[1] == b""
    webp = encoded(IMAGE, "WEBP", exif=b"Exif\0\0II*\0")
    assert raw_metadata(webp)[0]
    crowded = webp[:12] + b"odd \0\0\0\0" * MAX_PARTS + webp[12:]
    assert raw_metadata(crowded) == (b"", b"")


def test_a_jpeg_of_many_scans_over_many_pixels_is_refused():
    plain = encoded(IMAGE, "JPEG", progressive=True)
    scan = plain[plain.rindex(b"\xff\xda") : -2]
    fast = plain[:-2] + scan * 400 + b"\xff\xd9"
    assert decode_rgb(fast).shape == (40, 32, 3)
    large = bytearray(fast)
    struct.pack_into(">HH", large, large.index(b"\xff\xc2") + 5, 9_000, 2_000)
    scans = fast.count(b"\xff\xda")
    assert 9_000 * 2_000 < MAX_PIXELS < MAX_SCANNED < 9_000 * 2_000 * scans
    large += bytes(2_000)  # so that it might hold its pixels
    for read in (read_header, decode_rgb):
        with pytest.raises(ImageError, match=f"2000 x 9000 pixels in {scans} scans: a decompression bomb"):
            read(bytes(large) + b"\xff\xd9")


def test_a_tiff_whose_strips_lie_over_each_other_is_refused():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (640, 64), np.uint8))
    data = bytearray(encoded(image, "TIFF", compression="tiff_lzw", tiffinfo={278: 8}))
    assert decode_samples(bytes(data)).shape == (640, 64)
    directory = int.from_bytes(data[4:8], "little")
    for at in range(directory + 2, len(data) - 12, 12):
        tag, _, count, place = struct.unpack_from("<HHII", data, at)
        if tag in (273, 279):
            assert count == 80
            width = 4 if data[at + 2] == 4 else 2
            value = 8 if tag == 273 else len(data) - 8
            data[place : place + width * count] = value.to_bytes(width, "little") * count
    with pytest.raises(ImageError, match="parts that lie over each other"):
        decode_samples(bytes(data))


def test_pixels_of_16_bits_count_for_two(monkeypatch):
    monkeypatch.setattr(decode, "MAX_PIXELS", 1_000_000)
    assert read_header(png(1_000, 1_000)).sample_bytes == 1_000_000
    assert read_header(png(700, 700, depth=16, color=6, channels=4)).sample_bytes == 700 * 700 * 8
    with pytest.raises(
        ImageError, match="1000 x 1000 pixels: a decompression bomb, or larger than the 0 million of 16"
    ):
        read_header(png(1_000, 1_000, depth=16))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_a_header_knows_the_bytes_of_its_samples(mode):
    image = Image.new("I;16", (30, 20)) if mode == "I;16" else IMAGE.resize((30, 20)).convert(mode)
    kinds = {"CMYK": ["JPEG", "TIFF"], "L": ["PNG", "JPEG", "TIFF"], "RGB": ["PNG", "JPEG", "WEBP", "TIFF"]}
    for kind in kinds.get(mode, ["PNG"]):
        data = encoded(image, kind)
        assert read_header(data).sample_bytes >= decode_samples(data).nbytes
        assert read_header(data).sample_bytes <= 30 * 20 * 4


# The EXIF block that a page keeps.


def exif_of(entries: int, *, order: str = "<") -> bytes:
    """A block of that many entries, one of which says how to turn the page, and a thumbnail's directory."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    lines = [struct.pack(order + "HHIHH", 0x0112, 3, 1, 6, 0)]
    lines += [struct.pack(order + "HHII", 0x9000, 250, 0xFFFFFFFF, 0xFFFFFFFF)] * (entries - 1)
    return b"Exif\0\0" + start + struct.pack(order + "IH", 8, entries) + b"".join(lines) + b"\x08\0\0\0"


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_page_keeps_its_exif_turned_upright(order, capfd):
    block = exif_of(5_000, order=order)
    kept = upright(block)
    changed = [index for index, (a, b) in enumerate(zip(block, kept, strict=True)) if a != b]
    assert len(changed) == 2  # the orientation, and the place of a thumbnail
    assert struct.unpack_from(order + "H", kept, 6 + 8 + 2 + 8)[0] == 1
    assert kept.endswith(bytes(4))
    assert capfd.readouterr() == ("", "")  # a library that reads it all complains of each entry


@pytest.mark.parametrize(
    "block", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", exif_of(300)[:-900], exif_of(6_000)]
)
def test_an_exif_block_that_cannot_be_kept_is_left_out(block):
    assert len(block) < 1000 or len(block) > MAX_EXIF or not block.endswith(b"\x08\0\0\0")
    assert upright(block) == b""


# Archives.


def test_entries_that_lie_over_each_other_are_refused(tmp_path):
    """The bomb of David Fifield (2019), in small: many entries of the directory share the bytes of one."""
    path, page = tmp_path / "book.cbz", png(64, 64)
    with zipfile.ZipFile(path, "w") as book:
        for name in ("a.png", "b.png"):
            book.writestr(name, page)
    assert len(list(archive_images(path))) == 2
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\1\2")
    struct.pack_into("<I", data, at + 42, 0)  # the second one is where the first is
    path.write_bytes(data)
    with pytest.raises(
        UsageError, match=r"book.cbz: entries lie over each other, as in a decompression bomb; unpack it"
    ):
        list(archive_images(path))


def test_an_archive_behind_another_program_is_read(tmp_path):
    path = tmp_path / "book.zip"
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("a.png", png(64, 64))
        book.writestr("folder/", b"")
        book.writestr("b.png", png(64, 64))
    path.write_bytes(b"#!/bin/sh\nexit\n" + path.read_bytes())
    assert [image.name for image in archive_images(path)] == ["a.png", "b.png"]


BOMBS = {
    "grey": [{}] * 12,
    "alpha": [{"color": 6, "channels": 4}] * 3,
    "deep": [{"depth": 16, "color": 6, "channels": 4}] * 3,
    "mixed": [{"side": 200}] * 40 + [{"side": 4_000, "color": 2, "channels": 3}] * 12 + [{}] * 4,
}
"""Pages of an archive, each of the most pixels that are read unless it says another side."""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("which", BOMBS)
def test_colouring_the_largest_pages_stays_within_the_stated_memory(tmp_path, which):
    """In a process of its own: a peak cannot be taken back."""
    with zipfile.ZipFile(tmp_path / "book.cbz", "w", zipfile.ZIP_DEFLATED) as book:
        for index, page in enumerate(BOMBS[which]):
            settings = dict(page)
            side = settings.pop("side", 7_071 if settings.get("depth") == 16 else 10_000)
            book.writestr(f"{index:03}.png", png(side, side, **settings))
    program = (
        "import sys; from fuzz import peak_memory; from zoo import colorize;"
        "code = colorize.main(sys.argv[1:]); print(peak_memory()); sys.exit(code)"
    )
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "helpers")}
    command = ["residual", str(tmp_path / "book.cbz"), "-o", str(tmp_path / "out"), "--format", "jpg"]
    done = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True, env=here)
    assert done.returncode == 0, done.stderr
    peak = int(done.stdout.split()[-1])
    print(f"{which}: {(tmp_path / 'book.cbz').stat().st_size / 1e6:.1f} MB of archive, {peak / 1e9:.2f} GB")
    assert peak < COLORING_BOUND
