"""Data-set cards: one TOML file for each data set the zoo knows by name; a list of files for one that is downloaded."""

import csv
import hashlib
import io
import re
import tomllib
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.support.files import cache_dir

SPLITS = ("train", "val", "test")
"""The splits of every data set."""

KINDS = ("procedural", "download", "package", "local", "union")
"""How data sets are made: drawn on first use; downloaded by `python -m zoo.data get`, file by file; rendered by it,
from the drawings in a wheel or an npm package; not at all: a folder whose files are known; or of other data sets."""

LARGEST_FILE = 1 << 32
"""A list names no larger file, in bytes."""

LARGEST_SIDE = 1024
"""Drawings are rendered no larger, in pixels."""

_COLUMNS = {
    "download": ["file", "url", "bytes", "sha256"],
    "local": ["file", "source", "licence", "group", "width", "height", "sha256"],
}
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.+!]+|https?://[!-~]+/[A-Za-z0-9_][A-Za-z0-9._-]*\.tgz"
)
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}){0,7}")


@dataclass(frozen=True)
class DataCard:
    """What is known about a data set. The card's file is named after it and holds these keys.

    Attributes:
        name: what `--data` takes.
        title: the name in prose.
        summary: one sentence.
        source: where it comes from.
        licence: of the images.
        version: rises whenever an image changes.
        digest: SHA-256 (hex) of the whole set, as its maker computes it; of a "download" or a "local" one that of its
            list of files, of a "package" that of its file, of a "union" that of "NAME DIGEST" lines, one a part.
        kind: one of `KINDS`.
        pages: the number of images in each of train, val and test; of a "download" before any of them is left out,
            of a "package" when greyscale images and near-duplicates are.
        package: of a "package": its file, and what is in it.
        parts: of a "union": the names of the data sets that it is made of.
    """

    name: str
    title: str
    summary: str
    source: str
    licence: str
    version: int
    digest: str
    kind: str
    pages: dict[str, int]
    package: "DataPackage | None" = None
    parts: tuple[str, ...] = ()

    @property
    def home(self) -> Path:
        """The folder of the data set in the cache, unless it is procedural. It may not exist yet."""
        return cache_dir() / f"{self.name}-v{self.version}"


@dataclass(frozen=True)
class DataPackage:
    """The package of a data set that is rendered: the table [package] of the card.

    Attributes:
        requirement: of a wheel what pip is asked for, as NAME==VERSION; of an npm package the address of its .tgz file.
        bytes: the file's length.
        folder: where in the wheel the SVG files are, or in the .tgz file the icon set of Iconify (a JSON file).
        side: of the images, in pixels.
    """

    requirement: str
    bytes: int
    folder: str
    side: int


@dataclass(frozen=True)
class DataFile:
    """A file of a data set that is downloaded: a row of the CSV file beside the card.

    Attributes:
        file: its path in the data set, with slashes; the top folder is the work it belongs to.
        url: where it is, http or https.
        bytes: its length.
        sha256: its digest (hex).
    """

    file: str
    url: str
    bytes: int
    sha256: str


def cards_dir() -> Path:
    """The directory of the cards: inside an installed package, or at the top of the repository."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_datasets"
    return installed if installed.is_dir() else package.parent / "datasets"


def list_datasets() -> list[str]:
    """The names of all data sets that have a card, sorted."""
    return sorted(path.stem for path in cards_dir().glob("*.toml"))


def get_card(name: str) -> DataCard:
    """Loads the card of a data set.

    Raises:
        UsageError: there is no such card, or its file is wrong; the message names the file and the key.
    """
    path = cards_dir() / f"{name}.toml"
    if name not in list_datasets():
        raise UsageError(f"no data set {name!r}; known: {', '.join(list_datasets())}")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None
    return _checked(path, values)


def card_files(card: DataCard) -> list[DataFile]:
    """The files of a data set that is downloaded, from the CSV file beside its card.

    Raises:
        UsageError: the data set is not a download, or its list is missing, wrong, or not the one the card has the
            digest of.
    """
    if card.kind == "procedural":
        raise UsageError(f"{card.name} is not downloaded: it is drawn on first use, by --data {card.name}")
    if card.kind == "local":
        raise UsageError(f"{card.name} cannot be downloaded: it was {card.source}")
    if card.kind == "union":
        raise UsageError(f"{card.name} is made of other data sets; get or import each: {', '.join(card.parts)}")
    if card.kind != "download":
        raise UsageError(f"{card.name} has no list of files: it is a {card.kind}")
    return [DataFile(row["file"], row["url"], int(row["bytes"]), row["sha256"]) for row in _rows_of(card)]


def local_digests(card: DataCard) -> dict[str, str]:
    """The SHA-256 (hex) of every file of a "local" data set, by its path in the folder.

    Raises:
        UsageError: its list is missing, wrong, or not the one the card has the digest of.
    """
    return {row["file"]: row["sha256"] for row in _rows_of(card)}


def list_path(card: DataCard) -> Path:
    """The CSV file beside the card of a "download" or a "local" data set."""
    return cards_dir() / f"{card.name}.csv"


def _rows_of(card: DataCard) -> list[dict[str, str]]:
    """The rows of a data set's list, all checked."""
    path = list_path(card)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != card.digest:
        raise UsageError(f"{path}: its SHA-256 is not the digest in {card.name}.toml; install the package again")
    reader = csv.DictReader(io.StringIO(data.decode("utf-8", "replace")))
    columns = _COLUMNS[card.kind]
    if reader.fieldnames != columns:
        raise UsageError(f"{path}: the columns must be {', '.join(columns)}, not {reader.fieldnames!r}")
    rows, seen = [], set[str]()
    for row in reader:
        file, digest = row["file"] or "", row["sha256"] or ""
        fault = (
            (not _NAME.fullmatch(file) and f"{file!r} is not a plain relative path")
            or (file.lower() in seen and f"{file!r} is there twice")
            or (card.kind == "download" and _address_fault(row["url"] or "", row["bytes"] or ""))
            or (not re.fullmatch("[0-9a-f]{64}", digest) and f"{digest!r} is not a SHA-256")
        )
        if fault:
            raise UsageError(f"{path}, line {reader.line_num}: {fault}")
        seen.add(file.lower())
        rows.append(row)
    if not rows:
        raise UsageError(f"{path}: it lists no file")
    return rows


def _address_fault(url: str, size: str) -> str | None:
    if not url.startswith(("http://", "https://")):
        return f"{url!r} is not an http or https address"
    return None if size.isdecimal() and 0 < int(size) <= LARGEST_FILE else f"{size!r} is not a length in bytes"


def _checked(path: Path, values: dict[str, Any]) -> DataCard:
    _check_keys(path, "a card", DataCard, values)
    pages = values["pages"]
    if not isinstance(pages, dict) or set(pages) != set(SPLITS) or any(type(n) is not int for n in pages.values()):
        raise UsageError(f"{path}: [pages] must give an integer for each of {', '.join(SPLITS)}, not {pages!r}")
    if values["kind"] not in KINDS:
        raise UsageError(f"{path}: kind must be one of {', '.join(KINDS)}, not {values['kind']!r}")
    if values["name"] != path.stem:
        raise UsageError(f"{path}: the name {values['name']!r} differs from the file's")
    parts = values.get("parts", [])
    if bool(parts) != (values["kind"] == "union"):
        raise UsageError(f"{path}: a card of the kind union, and no other, has parts")
    if parts:
        return _checked_union(path, values, parts)
    package = values.get("package")
    if isinstance(package, dict) != (values["kind"] == "package"):
        raise UsageError(f"{path}: a card of the kind package, and no other, has a table [package]")
    if package is None:
        return DataCard(**values)
    _check_keys(path, "[package]", DataPackage, package)
    if not _REQUIREMENT.fullmatch(package["requirement"]):
        raise UsageError(f"{path}: requirement must be NAME==VERSION or https://….tgz, not {package['requirement']!r}")
    if not 16 <= package["side"] <= LARGEST_SIDE:
        raise UsageError(f"{path}: side must be from 16 to {LARGEST_SIDE}, not {package['side']}")
    return DataCard(**values | {"package": DataPackage(**package)})


def _checked_union(path: Path, values: dict[str, Any], parts: Any) -> DataCard:
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts) or len(set(parts)) < len(parts):
        raise UsageError(f"{path}: parts must be a list of different names, not {parts!r}")
    cards = [get_card(part) for part in parts if part != values["name"]]
    if len(cards) < len(parts) or any(card.kind in ("procedural", "union") for card in cards):
        raise UsageError(f"{path}: a union is made of data sets with files of their own, not of {', '.join(parts)}")
    listed = "".join(f"{card.name} {card.digest}\n" for card in cards)
    if hashlib.sha256(listed.encode()).hexdigest() != values["digest"]:
        raise UsageError(f"{path}: the digest is not that of its parts; install the package again")
    return DataCard(**values | {"parts": tuple(parts)})


def _check_keys(path: Path, what: str, kind: type, values: dict[str, Any]) -> None:
    """Raises UsageError if `values` are not those that the dataclass `kind` takes."""
    known = {field.name: field for field in fields(kind)}
    for key in values:
        if key not in known:
            raise UsageError(f"{path}: unknown key {key!r}; {what} has {', '.join(known)}")
    for key, field in known.items():
        if key not in values and field.default is MISSING:
            raise UsageError(f"{path}: the key {key!r} is missing")
        if field.type in (str, int) and type(values[key]) is not field.type:
            raise UsageError(f"{path}: {key} must be of type {field.type.__name__}, not {values[key]!r}")
