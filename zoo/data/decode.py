"""Untrusted image bytes to RGB, with Pillow: JPEG, PNG, WebP, GIF and TIFF, told apart by content.

Pillow is given only what the pixels need. Metadata is cut out first, because Pillow parses it while opening
and warns about what is damaged in it, and warnings cannot be silenced for one thread alone. The decoder
classes are called directly, since `Image.open` warns about large images; the limit here is `MAX_PIXELS`.
"""

import codecs
import contextlib
import ctypes
import functools
import io
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import GifImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

MAX_PIXELS = 200_000_000
"""A larger image is refused before a pixel of it is decoded."""

MAX_PIXELS_A_BYTE = 10_000
"""PNG packs at most 8,256 pixels into a byte, GIF and JPEG fewer: a file that claims more is refused before memory is
taken for it. WebP and the fax codes of TIFF know no such limit."""

GRAY_CHROMA = 12
"""A pixel whose channels differ by no more than this (of 255) is neutral: JPEG noise stays below it."""

GRAY_SHARE = 0.005
"""An image with a smaller share of coloured pixels is greyscale."""

_THUMBNAIL = 256
_MAX_TILE = 1 << 24  # pixels
_MAX_TAG = 1 << 20  # bytes
_MAX_PROFILE = 4_000_000
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TIFF_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TIFF_TYPES = " BBHIQbBhiqfd"  # for `struct`, by TIFF's number of the type
_TIFF_NUMBERS = {  # tags of one value
    *(256, 257, 259, 262, 266),  # width, length, compression, photometric, fill order
    *(277, 278, 284, 292, 293, 317, 322, 323),  # samples, rows a strip, planes, fax options, predictor, tiles
}
_TIFF_LISTS = {
    *(258, 273, 279, 320, 324, 325),  # bits, strips, colour map, tiles
    *(338, 339, 347, 529, 530, 531, 532),  # extra samples, sample format, JPEG tables, YCbCr
}
_FAX = (2, 3, 4)
_TIFF_COMPRESSIONS = (1, *_FAX, 5, 7, 8, 32946, 32773)  # none, fax, LZW, JPEG, deflate (twice), PackBits
_TIFF_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBX", "RGBA", "RGBa", "CMYK", "YCbCr", "I;16", "I;16B")
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageError(ValueError):
    """The bytes cannot be decoded; the message is a short reason such as "truncated"."""


@dataclass(frozen=True)
class Header:
    """What an image says about itself.

    Attributes:
        format: "JPEG", "PNG", "WEBP", "GIF" or "TIFF".
        width: pixels, after the EXIF orientation is applied.
        height: pixels, likewise.
        mode: Pillow's name of the stored pixel format, such as "RGB", "CMYK" or "P".
        fast: "jpeg" or "png" when TensorFlow's decoder of that name gives the same pixels as `decode_rgb`.
    """

    format: str
    width: int
    height: int
    mode: str
    fast: str | None


def read_header(data: bytes) -> Header:
    """Reads the header of an image without decoding its pixels.

    Raises:
        ImageError: not an image of a known format, too many pixels, or visibly cut short.
    """
    with _reasons(data):
        return _open(data)[0]


def decode_rgb(data: bytes) -> np.ndarray:
    """Decodes an image to uint8 RGB of shape (height, width, 3).

    The EXIF orientation is applied, transparency is composited on white, an animation or a TIFF of several pages
    gives its first, and 16-bit samples keep their high byte. Colour profiles are ignored.

    Raises:
        ImageError: the image is damaged or refused; the message says why.
    """
    with _reasons(data):
        _, image, orientation = _open(data)
        return _to_rgb(image, orientation)


def decode_samples(data: bytes) -> np.ndarray:
    """Decodes an image in its depth, upright: uint8 or uint16, (H, W) of grey, or (H, W, C).

    C is 2 for grey and alpha, 3 for RGB and 4 for RGB and alpha. Only PNG and grey TIFF bring 16 bits. A palette
    becomes RGB, CMYK too; one bit becomes 0 and 255.

    Raises:
        ImageError: the image is damaged or refused; the message says why.
    """
    with _reasons(data):
        _, image, orientation = _open(data)
        if data.startswith(_PNG_SIGNATURE) and data[24] == 16:
            samples = _deep_png(data)
        elif image.mode.startswith("I;16"):
            samples = _deep_gray(image)
        else:
            image.load()
            modes = {"1": "L", "L": "L", "LA": "LA", "RGB": "RGB", "RGBA": "RGBA"}
            mode = modes.get(image.mode, "RGBA" if image.has_transparency_data else "RGB")
            if image.mode in ("L", "RGB") and image.has_transparency_data:
                mode += "A"
            samples = np.asarray(image if image.mode == mode else image.convert(mode))
            image.close()
        return _turned(samples, orientation)


def _deep_png(data: bytes) -> np.ndarray:
    """A 16-bit PNG in full depth, by TensorFlow's decoder: Pillow gives 8 bits of its colours."""
    import tensorflow as tf

    try:
        with tf.device("CPU"):
            samples = tf.io.decode_png(_strip_png(data)[0], channels=0, dtype=tf.uint16).numpy()
    except tf.errors.OpError:
        raise ImageError("damaged (16-bit PNG)") from None
    return samples[..., 0] if samples.shape[-1] == 1 else samples


def _deep_gray(image: Image.Image) -> np.ndarray:
    """The samples of a 16-bit grey image, uint16 (H, W); 0 is black."""
    samples = np.asarray(image).astype(np.uint16)  # in this machine's order of bytes
    return ~samples if image.info.get("white is zero") else samples


def _turned(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Samples (H, W, …) with an EXIF orientation (1 to 8) applied."""
    if orientation >= 5:
        samples = np.swapaxes(samples, 0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def raw_metadata(data: bytes) -> tuple[bytes, bytes]:
    """The EXIF block and the ICC profile of an image as they stand in it; empty where none can be read."""
    exif, profile = b"", b""
    with contextlib.suppress(Exception):
        if data.startswith(b"\xff\xd8\xff"):
            exif, parts = _strip_jpeg(data)[1], {}
            for marker, segment in _segments(data):
                if marker == 0xE2 and segment[4:16] == b"ICC_PROFILE\0":
                    parts[segment[16]] = segment[18:]
            profile = b"".join(parts[number] for number in sorted(parts))
        elif data.startswith(_PNG_SIGNATURE):
            exif = _strip_png(data)[1]
            at = data.find(b"iCCP", 8, data.find(b"IDAT"))
            if at > 0:
                body = data[at + 4 : at + 4 + int.from_bytes(data[at - 4 : at])]
                start = body.index(b"\0") + 2
                profile = zlib.decompressobj().decompress(body[start:], _MAX_PROFILE)
        elif data[:4] == b"RIFF":
            position = 12
            while position + 8 <= len(data):
                size = int.from_bytes(data[position + 4 : position + 8], "little")
                body = data[position + 8 : position + 8 + size]
                exif = body if data[position : position + 4] == b"EXIF" else exif
                profile = body if data[position : position + 4] == b"ICCP" else profile
                position += 8 + size + size % 2
        elif data[:4] in _TIFF_ORDERS:
            for tag, layout, start, _ in _directory(data):
                if tag == 34675:
                    profile = data[start : start + struct.calcsize(layout)]
    return exif, profile[:_MAX_PROFILE]


def inspect(data: bytes) -> tuple[Header, bool]:
    """Returns the header and whether the image is greyscale, having decoded all of it once.

    A JPEG is decoded at a reduced size, which reads every byte of it and takes a fraction of the time.

    Raises:
        ImageError: the image is damaged or refused; the message says why.
    """
    with _reasons(data):
        header, image, orientation = _open(data)
        if header.format == "JPEG":
            image.draft(image.mode, (_THUMBNAIL, _THUMBNAIL))
        return header, is_gray(_to_rgb(image, orientation))


def is_gray(rgb: np.ndarray) -> bool:
    """Whether a uint8 RGB image (height, width, 3) is greyscale, or nearly so.

    It is when fewer than `GRAY_SHARE` of the pixels of a thumbnail have channels that differ by more than
    `GRAY_CHROMA`. Only neutral grey counts: sepia or yellowed paper is a colour that a model may learn.
    """
    factor = min(rgb.shape[:2]) // _THUMBNAIL
    if factor > 1:
        rgb = np.asarray(Image.fromarray(rgb).reduce(factor))
    red, green, blue = np.moveaxis(rgb, -1, 0)
    # Twenty times as fast as reducing along the last axis.
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return bool((spread > GRAY_CHROMA).mean() < GRAY_SHARE)


@contextlib.contextmanager
def _reasons(data: bytes) -> Iterator[None]:
    """Turns whatever Pillow raises into an ImageError with a short reason."""
    try:
        yield
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError("too many pixels: a decompression bomb") from None
    # Decoders of hostile bytes raise struct.error, SyntaxError, IndexError, zlib.error and more.
    except Exception as error:
        past_end = isinstance(error, EOFError | IndexError | struct.error)
        cut = past_end or "truncated" in str(error).lower()
        short_webp = data[:4] == b"RIFF" and len(data) < 8 + int.from_bytes(data[4:8], "little")
        raise ImageError("truncated" if cut or short_webp else f"damaged ({error})") from None


def _open(data: bytes) -> tuple[Header, ImageFile.ImageFile, int]:
    """The header, the image not yet loaded, and its EXIF orientation (1 to 8)."""
    exif, fast, dense = b"", None, False
    image: ImageFile.ImageFile
    if data.startswith(b"\xff\xd8\xff"):
        pixels, exif, frame = _strip_jpeg(data)
        image = JpegImagePlugin.JpegImageFile(io.BytesIO(pixels))
        # TensorFlow's decoder knows baseline, extended and progressive Huffman frames, not arithmetic coding.
        if image.mode == "RGB" and frame in (0xC0, 0xC1, 0xC2):
            fast = "jpeg"
    elif data.startswith(_PNG_SIGNATURE):
        pixels, exif = _strip_png(data)
        image = PngImagePlugin.PngImageFile(io.BytesIO(pixels))
        depth, transparency = pixels[24], image.info.get("transparency")
        if image.mode == "RGB" and depth == 8 and transparency is None:
            fast = "png"
        if depth == 16 and isinstance(transparency, tuple):
            # Pillow keeps the high byte of 16-bit colours, but not of the one that means transparent.
            image.info["transparency"] = tuple(value >> 8 for value in transparency)
    elif data.startswith((b"GIF87a", b"GIF89a")):
        image = GifImagePlugin.GifImageFile(io.BytesIO(_first_gif_frame(data)))
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        image = WebPImagePlugin.WebPImageFile(io.BytesIO(data))
        exif = image.info.get("exif", b"")
        dense = True
    elif data[:4] in _TIFF_ORDERS:
        (image, dense), exif = _open_tiff(data), data
    elif data[:4] in (b"II+\0", b"MM\0+"):
        raise ImageError("a BigTIFF, which is not read: save it as an ordinary TIFF")
    else:
        raise ImageError(_what_else(data))

    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(f"{width} x {height} pixels: a decompression bomb")
    if width * height > MAX_PIXELS_A_BYTE * len(data) and not dense:
        raise ImageError(f"{width} x {height} pixels in {len(data)} bytes: truncated, or a decompression bomb")
    orientation = _orientation(exif)
    if orientation != 1:
        fast = None
    if orientation >= 5:
        width, height = height, width
    return Header(str(image.format), width, height, image.mode, fast), image, orientation


def _to_rgb(image: Image.Image, orientation: int) -> np.ndarray:
    """Decodes an opened image to uint8 RGB, and closes it: the largest ones would not fit twice."""
    image.load()
    if image.mode.startswith("I;16"):
        # Pillow's own conversion to 8 bits clips.
        samples = _deep_gray(image)
        gray = np.where(samples == image.info.get("transparency"), 255, samples >> 8).astype(np.uint8)
        rgb = Image.fromarray(gray).convert("RGB")
    elif image.has_transparency_data:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        rgb = Image.new("RGB", rgba.size, "white")
        rgb.paste(rgba, mask=rgba.getchannel("A"))
        rgba.close()
    else:
        rgb = image.convert("RGB")
    image.close()
    if orientation != 1:
        rgb = rgb.transpose(_TRANSPOSE[orientation])
    return np.asarray(rgb)


def _strip_jpeg(data: bytes) -> tuple[bytes, bytes, int]:
    """The JPEG without metadata segments, its EXIF block, and the marker code of its frame (0xC0 to 0xCF)."""
    kept, exif, frame, position = [data[:2]], b"", 0, 2
    while (position := data.find(b"\xff", position)) >= 0 and position + 4 <= len(data):
        marker = data[position + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD9:
            position += 1  # padding, or a marker that stands alone
            continue
        if marker == 0xDA:  # the scans
            # Entropy-coded data never holds this pair, and libjpeg makes one up at the end of a cut file.
            if data.rfind(b"\xff\xd9") < position:
                break
            return b"".join([*kept, data[position:]]), exif, frame
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        segment = data[position:end]
        if marker == 0xE1 and segment[4:10] == b"Exif\0\0":
            exif = exif or segment[4:]
        elif 0xC0 <= marker <= 0xDF or marker in (0xE0, 0xEE):  # APP0 and APP14 tell the colour space
            kept.append(segment)
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # not DHT, JPG, DAC
                frame = marker
        position = end
    raise ImageError("truncated")


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and bytes of each segment of a JPEG before its scans."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != 0xDA:
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        yield data[position + 1], data[position:end]
        position = end


def _strip_png(data: bytes) -> tuple[bytes, bytes]:
    """The PNG's still image (IHDR, PLTE, tRNS, IDAT, IEND) and its EXIF block, wherever it stands."""
    kept, exif, position = [_PNG_SIGNATURE], b"", len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        kind = data[position + 4 : position + 8]
        end = position + 12 + int.from_bytes(data[position : position + 4])
        if end > len(data):
            break
        if kind == b"eXIf":
            exif = data[position + 8 : end - 4]
        elif kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            if zlib.crc32(data[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
                raise ImageError(f"damaged (wrong checksum of {kind.decode()})")
            kept.append(data[position:end])
            if kind == b"IEND":
                return b"".join(kept), exif
        position = end
    raise ImageError("truncated")


def _first_gif_frame(data: bytes) -> bytes:
    """The GIF from its first frame on, arranged so that opening it allocates nothing and warns of nothing.

    Disposal of the frame is turned off, and the screen is made to hold a frame that sticks out of it, which
    is what Pillow does too.
    """
    flags = data[10]
    position = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    screen, control = bytearray(data[:position]), b""
    while data[position] == 0x21:  # an extension
        block = position
        position += 2
        while data[position]:
            position += 1 + data[position]
        position += 1
        if data[block + 1] == 0xF9:
            control = data[block : block + 3] + bytes([data[block + 3] & 0xE3]) + data[block + 4 : position]
    if data[position] != 0x2C:
        raise ImageError("damaged (a GIF without a frame)")
    left, top, width, height = struct.unpack_from("<4H", data, position + 1)
    stored = struct.unpack_from("<2H", data, 6)
    size = max(stored[0], left + width), max(stored[1], top + height)
    if max(size) > 0xFFFF:
        raise ImageError("damaged (a GIF frame far outside its screen)")
    struct.pack_into("<2H", screen, 6, *size)
    return bytes(screen) + control + data[position:]


class _Tiff(TiffImagePlugin.TiffImageFile):
    """Without the warning about large images: the limit here is `MAX_PIXELS`."""

    def load_prepare(self) -> None:
        if self._im is None:
            self.im = Image.new(self.mode, self._tile_size).im
        super().load_prepare()


def _open_tiff(data: bytes) -> tuple[_Tiff, bool]:
    """The first page of a TIFF, not turned, and whether a byte of it may hold any number of pixels.

    Pillow and libtiff are given a directory of the tags alone that the pixels need, checked, at the end of the file.
    """
    entries, values = dict[int, bytes](), dict[int, tuple[int, ...]]()
    for tag, layout, start, entry in _directory(data):
        size = struct.calcsize(layout)
        if tag in _TIFF_NUMBERS | _TIFF_LISTS and layout[-1] in "BHIQ":
            if size > _MAX_TAG or (tag in _TIFF_NUMBERS and layout[1:-1] != "1"):
                raise ImageError(f"damaged (a tag {tag} of {size} bytes)")
            entries[tag], values[tag] = entry, struct.unpack_from(layout, data, start)
    width, height = values.get(256, (0,))[0], values.get(257, (0,))[0]
    compression, photometric = values.get(259, (1,))[0], values.get(262, (0,))[0]
    if compression not in _TIFF_COMPRESSIONS:
        raise ImageError(f"a TIFF compressed by method {compression}, which is not read: save it with LZW or deflate")
    if not {1, 2, 4, 8, 16}.issuperset(values.get(258, (1,))):
        raise ImageError(f"a TIFF of {max(values[258])} bits a sample: save it with 8 or 16")
    samples = values.get(277, (1,))[0]
    if samples > TiffImagePlugin.MAX_SAMPLESPERPIXEL:  # which Pillow would log
        raise ImageError(f"damaged ({samples} samples a pixel)")
    planes = samples if values.get(284) == (2,) else 1
    if planes > 1 and compression == 1 and 16 in values.get(258, ()):  # Pillow gives other values
        raise ImageError("a TIFF of 16 bits in planes, which is not read: save it with LZW or deflate")
    if 273 in values:
        across, down, offsets, lengths = width, min(height, values.get(278, (height,))[0]), values[273], values.get(279)
        entries = {tag: entry for tag, entry in entries.items() if tag not in (322, 323, 324, 325)}
    else:
        across, down = values.get(322, (0,))[0], values.get(323, (0,))[0]
        offsets, lengths = values.get(324, ()), values.get(325)
        if across * down > _MAX_TILE:
            raise ImageError(f"tiles of {across} x {down} pixels: a decompression bomb")
    if min(width, height, across, down) < 1 or (lengths is None and compression != 1):
        raise ImageError("damaged (no sizes)")
    parts = math.ceil(width / across) * math.ceil(height / down) * planes
    ends = map(sum, zip(offsets, lengths, strict=False)) if lengths else offsets
    if parts > len(offsets) or (lengths and parts > len(lengths)) or max(ends) > len(data):
        raise ImageError("truncated")
    order = _TIFF_ORDERS[data[:4]]
    directory = struct.pack(order + "H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    pad = bytes(len(data) % 2)
    head = data[:4] + struct.pack(order + "I", len(data) + len(pad))
    _hush_libtiff()
    image = _Tiff(io.BytesIO(b"".join([head, memoryview(data)[8:], pad, directory])))
    if image.mode not in _TIFF_MODES:
        raise ImageError(f"a TIFF of {image.mode} samples, which are not read: save it as grey or RGB")
    image.info["white is zero"] = photometric == 0
    return image, compression in _FAX


@functools.cache
def _hush_libtiff() -> None:
    """Keeps libtiff, where it can be reached, from writing to standard error what Pillow raises."""
    with contextlib.suppress(AttributeError, OSError):
        library = ctypes.CDLL(Image.core.__file__)
        library.TIFFSetErrorHandler(None)
        library.TIFFSetWarningHandler(None)


def _directory(tiff: bytes) -> Iterator[tuple[int, str, int, bytes]]:
    """The first directory of a TIFF, or of an EXIF block, which is one without pixels.

    Yields the tag of each entry, the layout of its values for `struct`, where they start, and the entry itself.
    """
    order = _TIFF_ORDERS[tiff[:4]]
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, directory)
    for entry in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, kind, number, place = struct.unpack_from(order + "HHII", tiff, entry)
        if 0 < kind < len(_TIFF_TYPES):
            layout = f"{order}{number}{_TIFF_TYPES[kind]}"
            yield tag, layout, entry + 8 if struct.calcsize(layout) <= 4 else place, tiff[entry : entry + 12]


def _orientation(exif: bytes) -> int:
    """The orientation (tag 0x0112 of the first directory) of an EXIF block; 1, upright, if it has none."""
    tiff = exif.removeprefix(b"Exif\0\0")
    with contextlib.suppress(KeyError, struct.error):
        for tag, layout, start, _ in _directory(tiff):
            if tag == 0x0112 and layout[1:] == "1H":
                (value,) = struct.unpack_from(layout, tiff, start)
                return value if value in _TRANSPOSE else 1
    return 1


def _what_else(data: bytes) -> str:
    """Says what bytes that are none of the formats above look like."""
    if not data:
        return "empty file"
    start = data[:512]
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "not an image (it looks like a web page)"
    # Text has no control characters but white space; its last character may be cut in two.
    if not any(byte < 32 and byte not in b"\t\n\f\r" for byte in start):
        with contextlib.suppress(UnicodeDecodeError):
            codecs.getincrementaldecoder("utf-8")().decode(start)
            return "not an image (it looks like a text file)"
    return "not a JPEG, PNG, WebP, GIF or TIFF image"
