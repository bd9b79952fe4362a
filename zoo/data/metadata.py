"""What is cut out of an image file before Pillow sees it, and what a page keeps of that: EXIF and colour profile.

A file of many small parts would keep these loops busy for minutes, so that their number has a limit.
"""

import contextlib
import struct
import zlib
from collections.abc import Iterator

from zoo.errors import ImageError

MAX_PARTS = 100_000
"""Segments, chunks and blocks that a file may have: a PNG of 256 MB has 32,768 chunks of the usual 8 KB."""

MAX_EXIF = 65_527
"""Bytes of an EXIF block that a page keeps: JPEG has no room for more."""

MAX_PROFILE = 4_000_000
"""Bytes of a colour profile that a page keeps."""

ORIENTATION = 0x0112
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
TIFF_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TIFF_TYPES = " BBHIQbBhiqfd"  # for `struct`, by TIFF's number of the type
_EXIF = b"Exif\0\0"


def _counted() -> Iterator[int]:
    """Counts the parts of a file, and refuses one of too many."""
    yield from range(MAX_PARTS)
    raise ImageError(f"more than {MAX_PARTS} parts: a decompression bomb")


def strip_jpeg(data: bytes) -> tuple[bytes, bytes, int, int]:
    """The JPEG without metadata segments, its EXIF block, the marker of its frame (0xC0 to 0xCF), how many scans.

    Raises:
        ImageError: it is cut, or of too many segments.
    """
    kept, exif, frame, position = [data[:2]], b"", 0, 2
    for _ in _counted():
        position = data.find(b"\xff", position)
        if position < 0 or position + 4 > len(data):
            break
        marker = data[position + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD9:
            position += 1  # padding, or a marker that stands alone
            continue
        if marker == 0xDA:  # the scans
            # Entropy-coded data never holds this pair, and libjpeg makes one up at the end of a cut file.
            if data.rfind(b"\xff\xd9") < position:
                break
            return b"".join([*kept, data[position:]]), exif, frame, data.count(b"\xff\xda", position)
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        segment = data[position:end]
        if marker == 0xE1 and segment[4:10] == _EXIF:
            exif = exif or segment[4:]
        elif 0xC0 <= marker <= 0xDF or marker in (0xE0, 0xEE):  # APP0 and APP14 tell the colour space
            kept.append(segment)
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # not DHT, JPG, DAC
                frame = marker
        position = end
    raise ImageError("truncated")


def strip_png(data: bytes) -> tuple[bytes, bytes]:
    """The PNG's still image (IHDR, PLTE, tRNS, IDAT, IEND) and its EXIF block, wherever it stands.

    Raises:
        ImageError: it is cut or damaged, or of too many chunks.
    """
    kept, exif, position = [PNG_SIGNATURE], b"", len(PNG_SIGNATURE)
    for _ in _counted():
        if position + 12 > len(data):
            break
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


def first_gif_frame(data: bytes) -> bytes:
    """The GIF from its first frame on, arranged so that opening it allocates nothing and warns of nothing.

    Disposal of the frame is turned off, and the screen is made to hold a frame that sticks out of it, which
    is what Pillow does too.

    Raises:
        ImageError: it has no frame, or too many blocks before it.
        IndexError: it is cut.
    """
    flags = data[10]
    position = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    screen, control, parts = bytearray(data[:position]), b"", _counted()
    while data[position] == 0x21:  # an extension
        block = position
        position += 2
        while data[position]:
            next(parts)
            position += 1 + data[position]
        next(parts)
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


def directory(tiff: bytes) -> Iterator[tuple[int, str, int, bytes]]:
    """The first directory of a TIFF, or of an EXIF block, which is one without pixels.

    Yields the tag of each entry, the layout of its values for `struct`, where they start, and the entry itself.
    """
    order = TIFF_ORDERS[tiff[:4]]
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, number, place = struct.unpack_from(order + "HHII", tiff, entry)
        if 0 < kind < len(_TIFF_TYPES):
            layout = f"{order}{number}{_TIFF_TYPES[kind]}"
            yield tag, layout, entry + 8 if struct.calcsize(layout) <= 4 else place, tiff[entry : entry + 12]


def orientation(exif: bytes) -> int:
    """The orientation (tag 0x0112 of the first directory) of an EXIF block, 1 to 8; 1, upright, if it has none."""
    tiff = exif.removeprefix(_EXIF)
    with contextlib.suppress(KeyError, struct.error):
        for tag, layout, start, _ in directory(tiff):
            if tag == ORIENTATION and layout[1:] == "1H":
                (value,) = struct.unpack_from(layout, tiff, start)
                return value if 1 <= value <= 8 else 1
    return 1


def upright(exif: bytes) -> bytes:
    """An EXIF block for a page that was turned as it said: its orientation is 1, and its thumbnail is left out.

    Nothing but the first directory is read. Empty for a block that is damaged there, or longer than `MAX_EXIF`.
    """
    tiff = bytearray(exif.removeprefix(_EXIF))
    with contextlib.suppress(KeyError, struct.error):
        order = TIFF_ORDERS[bytes(tiff[:4])]
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, start)
        for tag, layout, place, _ in directory(bytes(tiff)):
            if tag == ORIENTATION and layout[1:] == "1H":
                struct.pack_into(layout, tiff, place, 1)
        struct.pack_into(order + "I", tiff, start + 2 + 12 * count, 0)  # where the thumbnail's directory would be
        return _EXIF + bytes(tiff) if len(tiff) <= MAX_EXIF else b""
    return b""


def raw_metadata(data: bytes) -> tuple[bytes, bytes]:
    """The EXIF block and the ICC profile of an image as they stand in it; empty where none can be read."""
    exif, profile = b"", b""
    with contextlib.suppress(Exception):
        if data.startswith(b"\xff\xd8\xff"):
            exif, parts = strip_jpeg(data)[1], {}
            for marker, segment in _segments(data):
                if marker == 0xE2 and segment[4:16] == b"ICC_PROFILE\0":
                    parts[segment[16]] = segment[18:]
            profile = b"".join(parts[number] for number in sorted(parts))
        elif data.startswith(PNG_SIGNATURE):
            exif = strip_png(data)[1]
            at = data.find(b"iCCP", 8, data.find(b"IDAT"))
            if at > 0:
                body = data[at + 4 : at + 4 + int.from_bytes(data[at - 4 : at])]
                start = body.index(b"\0") + 2
                profile = zlib.decompressobj().decompress(body[start:], MAX_PROFILE)
        elif data[:4] == b"RIFF":
            position = 12
            for _ in _counted():
                if position + 8 > len(data):
                    break
                size = int.from_bytes(data[position + 4 : position + 8], "little")
                body = data[position + 8 : position + 8 + size]
                exif = body if data[position : position + 4] == b"EXIF" else exif
                profile = body if data[position : position + 4] == b"ICCP" else profile
                position += 8 + size + size % 2
        elif data[:4] in TIFF_ORDERS:
            for tag, layout, start, _ in directory(data):
                if tag == 34675:
                    profile = data[start : start + struct.calcsize(layout)]
    return exif, profile[:MAX_PROFILE]


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and bytes of each segment of a JPEG before its scans."""
    position = 2
    for _ in _counted():
        if position + 4 > len(data) or data[position] != 0xFF or data[position + 1] == 0xDA:
            return
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        yield data[position + 1], data[position:end]
        position = end
