"""TIFF for Pillow: a directory of checked tags alone, at the end of the file."""

import contextlib
import ctypes
import functools
import io
import math
import struct

from PIL import Image, TiffImagePlugin

from zoo.data.metadata import TIFF_ORDERS, directory
from zoo.errors import ImageError

_MAX_TILE = 1 << 24  # pixels
_MAX_TAG = 1 << 20  # bytes
_MAX_SHARED = 8  # times that a byte may be part of a strip, in the mean: blank strips may be one
_NUMBERS = {  # tags of one value
    *(256, 257, 259, 262, 266),  # width, length, compression, photometric, fill order
    *(277, 278, 284, 292, 293, 317, 322, 323),  # samples, rows a strip, planes, fax options, predictor, tiles
}
_LISTS = {
    *(258, 273, 279, 320, 324, 325),  # bits, strips, colour map, tiles
    *(338, 339, 347, 529, 530, 531, 532),  # extra samples, sample format, JPEG tables, YCbCr
}
_FAX = (2, 3, 4)
_COMPRESSIONS = (1, *_FAX, 5, 7, 8, 32946, 32773)  # none, fax, LZW, JPEG, deflate (twice), PackBits
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBX", "RGBA", "RGBa", "CMYK", "YCbCr", "I;16", "I;16B")


class _Tiff(TiffImagePlugin.TiffImageFile):
    """Without the warning about large images: `zoo.data.decode` has a limit of its own."""

    def load_prepare(self) -> None:
        if self._im is None:
            self.im = Image.new(self.mode, self._tile_size).im
        super().load_prepare()


def open_tiff(data: bytes) -> tuple[_Tiff, bool]:
    """The first page of a TIFF, not turned, and whether a byte of it may hold any number of pixels.

    Pillow and libtiff are given a directory of the tags alone that the pixels need, checked, at the end of the file.
    """
    entries, values = dict[int, bytes](), dict[int, tuple[int, ...]]()
    for tag, layout, start, entry in directory(data):
        size = struct.calcsize(layout)
        if tag in _NUMBERS | _LISTS and layout[-1] in "BHIQ":
            if size > _MAX_TAG or (tag in _NUMBERS and layout[1:-1] != "1"):
                raise ImageError(f"damaged (a tag {tag} of {size} bytes)")
            entries[tag], values[tag] = entry, struct.unpack_from(layout, data, start)
    width, height = values.get(256, (0,))[0], values.get(257, (0,))[0]
    compression, photometric = values.get(259, (1,))[0], values.get(262, (0,))[0]
    if compression not in _COMPRESSIONS:
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
    if lengths and sum(lengths) > _MAX_SHARED * len(data):
        raise ImageError("parts that lie over each other: a decompression bomb")
    order = TIFF_ORDERS[data[:4]]
    pixels_alone = struct.pack(order + "H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    pad = bytes(len(data) % 2)
    head = data[:4] + struct.pack(order + "I", len(data) + len(pad))
    _hush_libtiff()
    image = _Tiff(io.BytesIO(b"".join([head, memoryview(data)[8:], pad, pixels_alone])))
    if image.mode not in _MODES:
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
