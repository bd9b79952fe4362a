"""A page as it was scanned: its luma in full depth, and what has to survive being coloured."""

import io
import zlib
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from zoo.chroma.yuv import RGB_TO_YUV
from zoo.data.decode import decode_samples, is_gray
from zoo.data.metadata import raw_metadata, upright
from zoo.data.panels import Panel

LONGEST = {"jpg": 65_500, "webp": 16_383}
"""Pixels of a side, at most, of the formats that have a limit."""


@dataclass(frozen=True)
class Scan:
    """A page to colour.

    Attributes:
        samples: uint8 or uint16, (H, W) of a grey page, (H, W, 3) of a colour one, upright.
        alpha: of the same type, (H, W), or None.
        colored: whether it has colours.
        exif: its EXIF block with the orientation set to upright; empty if it has none that can be read.
        profile: its ICC profile if that is one of RGB; a grey profile does not fit a colour image.
    """

    samples: np.ndarray
    alpha: np.ndarray | None = None
    colored: bool = False
    exif: bytes = b""
    profile: bytes = b""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.samples.shape[0], self.samples.shape[1]

    @property
    def levels(self) -> int:
        """The largest sample: 255 or 65535."""
        return int(np.iinfo(self.samples.dtype).max)

    def part(self, panel: Panel) -> "Scan":
        """The pixels of a panel, shared with the page."""
        box = np.s_[panel.top : panel.top + panel.height, panel.left : panel.left + panel.width]
        return replace(self, samples=self.samples[box], alpha=None if self.alpha is None else self.alpha[box])

    def luma(self, rows: slice = slice(None)) -> np.ndarray:
        """Y of some rows, float32 (rows, W) in [0, 1]."""
        part = self.samples[rows]
        if part.ndim == 2:
            return part.astype(np.float32) / np.float32(self.levels)
        weights = RGB_TO_YUV[0].astype(np.float32) / np.float32(self.levels)
        return part[..., 0] * weights[0] + part[..., 1] * weights[1] + part[..., 2] * weights[2]

    def luma8(self, rows: slice = slice(None)) -> np.ndarray:
        """Y of some rows, uint8 (rows, W)."""
        if self.samples.ndim == 2 and self.levels == 255:
            return self.samples[rows]
        return np.rint(self.luma(rows) * 255).astype(np.uint8)


def read_scan(data: bytes) -> Scan:
    """Reads a page, 16-bit PNG in full depth.

    Raises:
        ImageError: the bytes are damaged or no image; the message says why.
    """
    exif, profile = raw_metadata(data)
    return replace(scan_of(decode_samples(data)), exif=upright(exif), profile=_of_rgb(profile))


def scan_of(samples: np.ndarray) -> Scan:
    """A page of its pixels: uint8 or uint16 (H, W), or (H, W, C), where C counts an alpha channel (2, 4) or not."""
    alpha = None
    if samples.ndim == 3 and samples.shape[-1] in (2, 4):
        alpha, samples = np.ascontiguousarray(samples[..., -1]), samples[..., :-1]
        alpha = None if alpha.min() == np.iinfo(alpha.dtype).max else alpha
    if samples.ndim == 3 and samples.shape[-1] == 1:
        samples = samples[..., 0]
    colored = False
    if samples.ndim == 3:
        eight = samples if samples.dtype == np.uint8 else (samples >> 8).astype(np.uint8)
        if alpha is not None:  # what nobody sees is no colour
            eight = np.where(alpha[..., None] == 0, eight[..., :1], eight)
        colored = not is_gray(eight)
        if (samples[..., :1] == samples[..., 1:]).all():
            samples = samples[..., 0]
    return Scan(np.ascontiguousarray(samples), alpha, colored)


def _of_rgb(profile: bytes) -> bytes:
    return profile if profile[16:20] == b"RGB " else b""


def encode(rgb: np.ndarray, scan: Scan, kind: str, quality: int) -> bytes:
    """A coloured page as the bytes of a file, with the scan's alpha, EXIF and profile where the format has room.

    JPEG has none for transparency, which is white there.

    Args:
        rgb: uint8 or uint16 (H, W, 3); 16 bits for PNG alone.
        scan: what it was made of.
        kind: `png`, `jpg` or `webp`.
        quality: of JPEG and WebP, 1 to 100.

    Raises:
        ValueError: a side is longer than the format allows.
    """
    height, width = rgb.shape[:2]
    if max(height, width) > LONGEST.get(kind, max(height, width)):
        raise ValueError(f"{width} x {height} pixels: {kind} has at most {LONGEST[kind]} a side, png has more")
    if rgb.dtype == np.uint16:
        return _encode_deep(rgb, scan)
    image = Image.fromarray(rgb)
    if scan.alpha is not None:
        alpha = scan.alpha if scan.alpha.dtype == np.uint8 else (scan.alpha >> 8).astype(np.uint8)
        image.putalpha(Image.fromarray(alpha))
    if kind == "jpg":
        image = on_white(image)
    options: dict[str, object] = {"exif": scan.exif} if scan.exif else {}
    if scan.profile:
        options["icc_profile"] = scan.profile
    stream = io.BytesIO()
    if kind == "png":
        image.save(stream, "PNG", compress_level=4, **options)
    elif kind == "jpg":
        image.save(stream, "JPEG", quality=quality, subsampling=0, **options)
    else:
        image.save(stream, "WEBP", quality=quality, **options)
    return stream.getvalue()


def on_white(image: Image.Image) -> Image.Image:
    """RGB of an image for a format without transparency: white shows through, as the network saw it."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _encode_deep(rgb: np.ndarray, scan: Scan) -> bytes:
    """A 16-bit PNG, which Pillow does not write."""
    import tensorflow as tf

    if scan.alpha is not None:
        alpha = scan.alpha if scan.alpha.dtype == np.uint16 else scan.alpha.astype(np.uint16) * 257
        rgb = np.concatenate([rgb, alpha[..., None]], axis=-1)
    with tf.device("CPU"):
        plain = bytes(tf.io.encode_png(rgb, compression=4).numpy())
    chunks = b""
    if scan.profile:
        chunks += _chunk(b"iCCP", b"ICC\0\0" + zlib.compress(scan.profile))
    if scan.exif:
        chunks += _chunk(b"eXIf", scan.exif.removeprefix(b"Exif\0\0"))
    return plain[:33] + chunks + plain[33:]  # after the signature and IHDR


def _chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)
