"""Untrusted image bytes to RGB, with Pillow: JPEG, PNG, WebP, GIF and TIFF, told apart by content.

Pillow is given only what the pixels need. Metadata is cut out first, because Pillow parses it while opening
and warns about what is damaged in it, and warnings cannot be silenced for one thread alone. The decoder
classes are called directly, since `Image.open` warns about large images; the limit here is `MAX_PIXELS`.
"""

import codecs
import contextlib
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import GifImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from zoo.data.metadata import PNG_SIGNATURE, TIFF_ORDERS, first_gif_frame, orientation, strip_jpeg, strip_png
from zoo.data.tiff import open_tiff
from zoo.errors import ImageError

MAX_PIXELS = 100_000_000
"""A larger image is refused before a pixel of it is decoded; a pixel of 16 bits a channel counts for two."""

MAX_SCANNED = 2_000_000_000
"""Pixels times scans of a JPEG, at most: each scan of a progressive one goes over all pixels, however few its bytes."""

MAX_PIXELS_A_BYTE = 10_000
"""PNG packs at most 8,256 pixels into a byte, GIF and JPEG fewer: a file that claims more is refused before memory is
taken for it. WebP and the fax codes of TIFF know no such limit."""

GRAY_CHROMA = 12
"""A pixel whose channels differ by no more than this (of 255) is neutral: JPEG noise stays below it."""

GRAY_SHARE = 0.005
"""An image with a smaller share of coloured pixels is greyscale."""

_THUMBNAIL = 256
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Header:
    """What an image says about itself.

    Attributes:
        format: "JPEG", "PNG", "WEBP", "GIF" or "TIFF".
        width: pixels, after the EXIF orientation is applied.
        height: pixels, likewise.
        mode: Pillow's name of the stored pixel format, such as "RGB", "CMYK" or "P".
        deep: whether `decode_samples` gives 16 bits.
        fast: "jpeg" or "png" when TensorFlow's decoder of that name gives the same pixels as `decode_rgb`.
    """

    format: str
    width: int
    height: int
    mode: str
    deep: bool
    fast: str | None

    @property
    def sample_bytes(self) -> int:
        """Bytes of what `decode_samples` gives, at most."""
        channels = {"1": 1, "L": 1, "LA": 2, "RGB": 3, "YCbCr": 3, "CMYK": 3}.get(
            self.mode, 1 if "I" in self.mode else 4
        )
        return self.width * self.height * channels * (1 + self.deep)


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
        _, image, turn = _open(data)
        return _to_rgb(image, turn)


def decode_samples(data: bytes) -> np.ndarray:
    """Decodes an image in its depth, upright: uint8 or uint16, (H, W) of grey, or (H, W, C).

    C is 2 for grey and alpha, 3 for RGB and 4 for RGB and alpha. Only PNG and grey TIFF bring 16 bits. A palette
    becomes RGB, CMYK too; one bit becomes 0 and 255.

    Raises:
        ImageError: the image is damaged or refused; the message says why.
    """
    with _reasons(data):
        header, image, turn = _open(data)
        if header.deep:
            samples = _deep_gray(image) if header.format == "TIFF" else _deep_png(data)
        else:
            image.load()
            modes = {"1": "L", "L": "L", "LA": "LA", "RGB": "RGB", "RGBA": "RGBA"}
            mode = modes.get(image.mode, "RGBA" if image.has_transparency_data else "RGB")
            if image.mode in ("L", "RGB") and image.has_transparency_data:
                mode += "A"
            samples = np.asarray(image if image.mode == mode else image.convert(mode))
            image.close()
        return _turned(samples, turn)


def _deep_png(data: bytes) -> np.ndarray:
    """A 16-bit PNG in full depth, by TensorFlow's decoder: Pillow gives 8 bits of its colours."""
    import tensorflow as tf

    try:
        with tf.device("CPU"):
            samples = tf.io.decode_png(strip_png(data)[0], channels=0, dtype=tf.uint16).numpy()
    except tf.errors.OpError:
        raise ImageError("damaged (16-bit PNG)") from None
    return samples[..., 0] if samples.shape[-1] == 1 else samples


def _deep_gray(image: Image.Image) -> np.ndarray:
    """The samples of a 16-bit grey image, uint16 (H, W); 0 is black."""
    samples = np.asarray(image).astype(np.uint16)  # in this machine's order of bytes
    return ~samples if image.info.get("white is zero") else samples


def _turned(samples: np.ndarray, turn: int) -> np.ndarray:
    """Samples (H, W, …) with an EXIF orientation (1 to 8) applied."""
    if turn >= 5:
        samples = np.swapaxes(samples, 0, 1)
    if turn in (3, 4, 7, 8):
        samples = samples[::-1]
    if turn in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def inspect(data: bytes) -> tuple[Header, bool]:
    """Returns the header and whether the image is greyscale, having decoded all of it once.

    A JPEG is decoded at a reduced size, which reads every byte of it and takes a fraction of the time.

    Raises:
        ImageError: the image is damaged or refused; the message says why.
    """
    with _reasons(data):
        header, image, turn = _open(data)
        if header.format == "JPEG":
            image.draft(image.mode, (_THUMBNAIL, _THUMBNAIL))
        return header, is_gray(_to_rgb(image, turn))


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
    exif, fast, dense, deep, scans = b"", None, False, False, 1
    image: ImageFile.ImageFile
    if data.startswith(b"\xff\xd8\xff"):
        pixels, exif, frame, scans = strip_jpeg(data)
        image = JpegImagePlugin.JpegImageFile(io.BytesIO(pixels))
        # TensorFlow's decoder knows baseline, extended and progressive Huffman frames, not arithmetic coding.
        if image.mode == "RGB" and frame in (0xC0, 0xC1, 0xC2):
            fast = "jpeg"
    elif data.startswith(PNG_SIGNATURE):
        pixels, exif = strip_png(data)
        image = PngImagePlugin.PngImageFile(io.BytesIO(pixels))
        deep, transparency = pixels[24] == 16, image.info.get("transparency")
        if image.mode == "RGB" and not deep and transparency is None:
            fast = "png"
        if deep and isinstance(transparency, tuple):
            # Pillow keeps the high byte of 16-bit colours, but not of the one that means transparent.
            image.info["transparency"] = tuple(value >> 8 for value in transparency)
    elif data.startswith((b"GIF87a", b"GIF89a")):
        image = GifImagePlugin.GifImageFile(io.BytesIO(first_gif_frame(data)))
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        image = WebPImagePlugin.WebPImageFile(io.BytesIO(data))
        exif = image.info.get("exif", b"")
        dense = True
    elif data[:4] in TIFF_ORDERS:
        (image, dense), exif = open_tiff(data), data
        deep = image.mode.startswith("I;16")
    elif data[:4] in (b"II+\0", b"MM\0+"):
        raise ImageError("a BigTIFF, which is not read: save it as an ordinary TIFF")
    else:
        raise ImageError(_what_else(data))

    width, height = image.size
    if width * height * (1 + deep) > MAX_PIXELS:
        most = f"{MAX_PIXELS // (1 + deep) // 10**6} million{' of 16 bits' if deep else ''}"
        raise ImageError(f"{width} x {height} pixels: a decompression bomb, or larger than the {most} that are read")
    if width * height * scans > MAX_SCANNED:
        raise ImageError(f"{width} x {height} pixels in {scans} scans: a decompression bomb")
    if width * height > MAX_PIXELS_A_BYTE * len(data) and not dense:
        raise ImageError(f"{width} x {height} pixels in {len(data)} bytes: truncated, or a decompression bomb")
    turn = orientation(exif)
    if turn != 1:
        fast = None
    if turn >= 5:
        width, height = height, width
    return Header(str(image.format), width, height, image.mode, deep, fast), image, turn


def _to_rgb(image: Image.Image, turn: int) -> np.ndarray:
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
    if turn != 1:
        rgb = rgb.transpose(_TRANSPOSE[turn])
    return np.asarray(rgb)


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
