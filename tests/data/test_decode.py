"""Decoding of untrusted bytes: every format, every way of being broken."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from zoo.data import decode
from zoo.data.decode import decode_rgb, decode_samples, inspect, is_gray, read_header
from zoo.data.metadata import raw_metadata
from zoo.errors import ImageError


def picture(height: int = 48, width: int = 64) -> np.ndarray:
    """A smooth colour image, which lossy formats keep well."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 / width, y * 255 / height, 128 + 80 * np.sin(x / 9)], -1).astype(np.uint8)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(samples: np.ndarray, color_type: int, extra: bytes = b"") -> bytes:
    """A 16-bit PNG of (height, width, channels) samples, which Pillow cannot write."""
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 16, color_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    image = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + image


RGB = picture()
IMAGE = Image.fromarray(RGB)


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 12),
        ("JPEG", {"quality": 95, "subsampling": 0}, 6),
        ("JPEG", {"quality": 95, "progressive": True}, 12),
        ("GIF", {}, 40),
        ("TIFF", {}, 0),
        *(("TIFF", {"compression": name}, 0) for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits")),
        ("TIFF", {"compression": "jpeg", "quality": 95}, 16),
    ],
)
def test_colour_formats(kind: str, options: dict[str, object], tolerance: int) -> None:
    data = encode(IMAGE, kind, **options)
    rgb = decode_rgb(data)
    assert (rgb.dtype, rgb.shape) == (np.uint8, RGB.shape)
    assert np.abs(rgb.astype(int) - RGB).max() <= tolerance
    header = read_header(data)
    assert (header.format, header.width, header.height) == (kind, 64, 48)
    assert inspect(data) == (header, False)


def test_only_what_tensorflow_decodes_alike_is_fast() -> None:
    palette = IMAGE.quantize(16)
    assert read_header(encode(IMAGE, "JPEG")).fast == "jpeg"
    assert read_header(encode(IMAGE, "JPEG", progressive=True)).fast == "jpeg"
    assert read_header(encode(IMAGE, "JPEG", exif=oriented(1))).fast == "jpeg"
    assert read_header(encode(IMAGE, "PNG")).fast == "png"
    for slow in (
        encode(IMAGE.convert("CMYK"), "JPEG"),
        encode(IMAGE.convert("L"), "JPEG"),
        encode(IMAGE, "JPEG", exif=oriented(3)),
        encode(IMAGE, "JPEG").replace(b"\xff\xc0", b"\xff\xc9", 1),  # an arithmetic-coded frame
        encode(IMAGE.convert("RGBA"), "PNG"),
        encode(palette, "PNG"),
        encode(IMAGE, "PNG", transparency=(0, 0, 0)),
        encode(IMAGE, "PNG", exif=oriented(6)),
        png(RGB.astype(np.uint16), 2),
        encode(IMAGE, "WEBP"),
        encode(IMAGE, "GIF"),
        encode(IMAGE, "TIFF"),
    ):
        assert read_header(slow).fast is None


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_few_colours(mode: str, kind: str) -> None:
    image = IMAGE.convert(mode)
    np.testing.assert_array_equal(decode_rgb(encode(image, kind)), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_composited_on_white(mode: str, kind: str) -> None:
    alpha = np.linspace(0, 255, RGB.size // 3).reshape(RGB.shape[:2]).astype(np.uint8)
    image = IMAGE.convert(mode)
    image.putalpha(Image.fromarray(alpha))
    color = np.asarray(image.convert("RGBA"))[..., :3].astype(float)
    expected = 255 + (color - 255) * (alpha[..., None] / 255)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    assert np.abs(decode_rgb(encode(image, kind, **options)) - expected).max() <= 1


def test_transparent_colours_become_white() -> None:
    index = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) % 3)
    index.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    opaque = np.asarray(index.convert("RGB"))
    white = np.where((np.asarray(index) == 1)[..., None], 255, opaque)
    np.testing.assert_array_equal(decode_rgb(encode(index, "PNG", transparency=1)), white)
    np.testing.assert_array_equal(decode_rgb(encode(index, "GIF", transparency=1)), white)
    np.testing.assert_array_equal(decode_rgb(encode(index, "PNG", transparency=b"\xff\x00\xff")), white)
    rgb = Image.fromarray(opaque)
    np.testing.assert_array_equal(decode_rgb(encode(rgb, "PNG", transparency=(0, 255, 0))), white)


@pytest.mark.parametrize(("color_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_are_scaled(color_type: int, channels: int) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (5, 7, channels), np.uint16)
    rgb = decode_rgb(png(samples, color_type)).astype(float)
    values = samples / 257
    color = values[..., :3] if channels > 2 else values[..., :1]
    opacity = values[..., -1:] / 255 if channels in (2, 4) else 1.0
    assert np.abs(rgb - (255 + (color - 255) * opacity)).max() < 2


def test_transparent_colour_of_sixteen_bits() -> None:
    gray = np.array([[[0x1234], [0xABCD]]], np.uint16)
    data = png(gray, 0, chunk(b"tRNS", b"\x12\x34"))
    np.testing.assert_array_equal(decode_rgb(data)[0, :, 0], [255, 0xAB])
    color = np.array([[[0x1234, 0x5678, 0x9ABC], [0xABCD, 0, 0]]], np.uint16)
    data = png(color, 2, chunk(b"tRNS", color[0, 0].astype(">u2").tobytes()))
    np.testing.assert_array_equal(decode_rgb(data)[0], [[255, 255, 255], [0xAB, 0, 0]])


def test_cmyk_jpeg() -> None:
    image = IMAGE.convert("CMYK")
    rgb = decode_rgb(encode(image, "JPEG", quality=95)).astype(int)
    assert np.abs(rgb - np.asarray(image.convert("RGB"))).max() < 12


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_cmyk_tiff(compression: str) -> None:
    image = IMAGE.convert("CMYK")
    data = encode(image, "TIFF", compression=compression)
    np.testing.assert_array_equal(decode_rgb(data), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "layout",
    [{}, {"tile": (16, 16)}, {"rowsperstrip": 7}, {"compression": "zlib"}, {"photometric": "miniswhite"}],
    ids=["strip", "tiles", "strips", "deflate", "white"],
)
def test_deep_tiff(layout: dict[str, object], order: str) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (37, 41), np.uint16)
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, byteorder=order, **layout)
    data = stream.getvalue()
    if layout.get("photometric") and order == ">":  # Pillow knows no such mode
        with pytest.raises(ImageError, match="unknown pixel mode"):
            decode_samples(data)
        return
    expected = ~samples if layout.get("photometric") else samples
    assert decode_samples(data).dtype == np.uint16
    np.testing.assert_array_equal(decode_samples(data), expected)
    np.testing.assert_array_equal(decode_rgb(data), np.repeat((expected >> 8).astype(np.uint8)[..., None], 3, -1))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_deep_colour_tiff(planes: str, order: str) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (37, 41, 3), np.uint16)
    stored = samples if planes == "contig" else samples.transpose(2, 0, 1)
    options = {"byteorder": order, "photometric": "rgb", "planarconfig": planes}
    for compression in (None, "zlib"):
        stream = io.BytesIO()
        tifffile.imwrite(stream, stored, compression=compression, **options)
        if planes == "separate" and not compression:
            with pytest.raises(ImageError, match="16 bits in planes, which is not read: save it with LZW"):
                decode_rgb(stream.getvalue())
        else:
            np.testing.assert_array_equal(decode_rgb(stream.getvalue()), samples >> 8)


@pytest.mark.parametrize(
    ("samples", "options", "reason"),
    [
        (np.zeros((9, 9), np.float32), {}, "a TIFF of 32 bits a sample: save it with 8 or 16"),
        (np.zeros((9, 9), np.int16), {}, "a TIFF of I samples, which are not read: save it as grey or RGB"),
        (np.zeros((9, 9), np.uint8), {"bigtiff": True}, "a BigTIFF, which is not read: save it as an ordinary TIFF"),
    ],
)
def test_tiff_that_is_not_read(samples: np.ndarray, options: dict[str, object], reason: str) -> None:
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, **options)
    with pytest.raises(ImageError) as error:
        decode_rgb(stream.getvalue())
    assert str(error.value) == reason


def test_the_profile_of_a_tiff() -> None:
    data = encode(IMAGE, "TIFF", icc_profile=b"profile" * 100)
    assert raw_metadata(data) == (b"", b"profile" * 100)


def test_damaged_tiff_says_nothing_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    """libtiff writes what is wrong to the file descriptor by itself."""
    random, refused = np.random.default_rng(0), 0
    for name, image in (("tiff_lzw", IMAGE), ("tiff_adobe_deflate", IMAGE), ("group4", IMAGE.convert("1"))):
        intact = encode(image, "TIFF", compression=name)
        for _ in range(30):
            data = bytearray(intact)
            data[random.integers(8, len(data))] ^= 0x55
            try:
                decode_rgb(bytes(data))
            except ImageError:
                refused += 1
    assert refused
    assert capfd.readouterr().err == ""


def oriented(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


@pytest.mark.parametrize("value", range(10))
@pytest.mark.parametrize(
    ("kind", "options"), [("JPEG", {"quality": 95}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})]
)
def test_orientation(kind: str, options: dict[str, object], value: int) -> None:
    data = encode(IMAGE, kind, exif=oriented(value), **options)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    np.testing.assert_array_equal(decode_rgb(data), expected)
    header = read_header(data)
    assert (header.height, header.width) == expected.shape[:2]
    assert decode_samples(data).shape == expected.shape


def test_orientation_behind_the_pixels_of_a_png() -> None:
    plain = encode(IMAGE, "PNG")
    exif = oriented(6).tobytes().removeprefix(b"Exif\0\0")
    data = plain[:-12] + chunk(b"eXIf", exif) + plain[-12:]
    np.testing.assert_array_equal(decode_rgb(data), np.rot90(RGB, -1))


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (20, 10), color) for color in ("red", "blue")]
    for kind, options in (("GIF", {"disposal": 2}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})):
        data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert (decode_rgb(data) == [255, 0, 0]).all()


def test_damaged_metadata_is_no_matter_and_warns_of_nothing() -> None:
    # Warnings are errors in these tests; Pillow warns about all three of these files when it opens them.
    exif = b"Exif\0\0II*\0\x08\0\0\0\x02\0\x1a\x01\x05\0\x01\0\0\0\xf0\xff\0\0\x28\x01\x03\0"
    jpeg = encode(IMAGE, "JPEG")
    damaged_exif = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    np.testing.assert_array_equal(decode_rgb(damaged_exif), decode_rgb(jpeg))
    plain = encode(IMAGE, "PNG")
    tiff = encode(IMAGE, "TIFF", tiffinfo={270: "a description", 305: "a program"})
    for tag in (270, 305):  # a value behind the end of the file, and another type
        at = tiff.index(struct.pack("<HH", tag, 2))
        tiff = tiff[: at + 2] + struct.pack("<HII", 7 - tag % 2, 1 << 30, 1 << 30) + tiff[at + 12 :]
    np.testing.assert_array_equal(decode_rgb(tiff), RGB)
    for extra in (chunk(b"acTL", bytes(8)), chunk(b"iCCP", b"x\0\0bad"), chunk(b"zTXt", b"x\0\0bad")):
        np.testing.assert_array_equal(decode_rgb(plain[:33] + extra + plain[33:]), RGB)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.98])
def test_truncated(kind: str, share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8))
    data = encode(noise, kind)
    data = data[: int(share * len(data))]
    for read in (decode_rgb, inspect):
        with pytest.raises(ImageError, match=r"^truncated$"):
            read(data)


def test_scaled_decoding_notices_that_a_large_jpeg_is_cut() -> None:
    data = encode(Image.fromarray(picture(900, 700)), "JPEG")
    assert inspect(data)[1] is False
    for cut in (data[:-2], data[:-2] + bytes(100), data[: len(data) // 2]):
        with pytest.raises(ImageError):
            inspect(cut)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"Not found\n", "not an image (it looks like a text file)"),
        ("caf\u00e9 ".encode() * 200, "not an image (it looks like a text file)"),
        (b"\n<!DOCTYPE html><title>404</title>", "not an image (it looks like a web page)"),
        (b"BM" + bytes(100), "not a JPEG, PNG, WebP, GIF or TIFF image"),
    ],
)
def test_not_an_image(data: bytes, reason: str) -> None:
    for read in (read_header, decode_rgb, inspect):
        with pytest.raises(ImageError) as error:
            read(data)
        assert str(error.value) == reason


def test_bombs_are_refused_before_they_are_decoded() -> None:
    plain = encode(IMAGE, "PNG")
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    huge_png = plain[:8] + chunk(b"IHDR", header) + plain[33:]
    gif = bytearray(encode(Image.new("P", (4, 4)), "GIF"))
    struct.pack_into("<HH", gif, 6, 60_000, 60_000)
    jpeg = bytearray(encode(IMAGE, "JPEG"))
    struct.pack_into(">HH", jpeg, jpeg.index(b"\xff\xc0") + 5, 60_000, 60_000)
    webp = bytearray(encode(IMAGE, "WEBP"))
    struct.pack_into("<HH", webp, 26, 16_383, 16_383)
    tiff = bytearray(encode(Image.new("1", (8, 8)), "TIFF", compression="group4"))
    for tag in (256, 257, 278):
        at = tiff.index(struct.pack("<H", tag), int.from_bytes(tiff[4:8], "little"))
        struct.pack_into("<HII", tiff, at + 2, 4, 1, 60_000)
    for data in (huge_png, gif, jpeg, webp, tiff):
        for read in (read_header, decode_rgb, inspect):
            with pytest.raises(ImageError, match="pixels: a decompression bomb"):
                read(bytes(data))


def test_a_large_image_below_the_limit_warns_of_nothing() -> None:
    width, height = 10_500, 9_000  # above Pillow's own threshold
    assert Image.MAX_IMAGE_PIXELS < width * height < decode.MAX_PIXELS
    header = read_header(encode(Image.new("1", (width, height)), "PNG"))
    assert (header.width, header.height) == (width, height)
    blank = encode(Image.new("1", (width, height), 1), "TIFF", compression="group4")
    assert len(blank) * decode.MAX_PIXELS_A_BYTE < width * height
    assert decode_samples(blank).min() == 255


def test_damaged_pixels() -> None:
    data = bytearray(encode(IMAGE, "PNG"))
    data[len(data) // 2] ^= 1
    with pytest.raises(ImageError, match=r"damaged \(wrong checksum of IDAT\)"):
        decode_rgb(bytes(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
def test_random_damage_gives_an_image_or_a_reason(kind: str) -> None:
    random = np.random.default_rng(0)
    options = {} if kind == "GIF" else {"exif": oriented(6)}
    intact = encode(IMAGE, kind, **options | ({"compression": "tiff_lzw"} if kind == "TIFF" else {}))
    refused = 0
    for _ in range(300):
        data = bytearray(intact)
        for _ in range(3):
            data[random.integers(len(data))] = random.integers(256)
        try:
            assert decode_rgb(bytes(data)).shape[2] == 3
        except ImageError:
            refused += 1
    assert 0 < refused < 300


def test_is_gray() -> None:
    random = np.random.default_rng(0)
    gray = np.repeat(random.integers(0, 256, (600, 500, 1), np.uint8), 3, axis=2)
    assert is_gray(gray)
    assert is_gray(np.clip(gray.astype(int) + random.integers(-5, 6, gray.shape), 0, 255).astype(np.uint8))
    stamped = gray.copy()
    stamped[:30, :30] = [255, 0, 0]  # 0.3 % of the pixels
    assert is_gray(stamped)
    stamped[:60, :60] = [255, 0, 0]  # 1.2 %
    assert not is_gray(stamped)
    sepia = (gray * np.array([1.0, 0.9, 0.7])).astype(np.uint8)
    assert not is_gray(sepia)
    assert not is_gray(RGB)


def test_a_gray_scan_saved_as_colour_jpeg_is_gray() -> None:
    page = np.full((700, 500), 235, np.uint8)
    page[100:600:7] = 20
    page[:, 50:450:11] = 90
    data = encode(Image.fromarray(page).convert("RGB"), "JPEG", quality=60)
    assert inspect(data)[1] is True
