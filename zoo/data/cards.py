"""Data-set cards: one TOML file for each data set the zoo knows by name."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from zoo.errors import UsageError

SPLITS = ("train", "val", "test")
"""The splits of every data set."""


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
        digest: SHA-256 (hex) of the whole set, as its maker computes it.
        kind: how it is made: "procedural" sets are drawn on first use.
        pages: the number of images in each of train, val and test.
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


def _checked(path: Path, values: dict[str, Any]) -> DataCard:
    types = {field.name: field.type for field in fields(DataCard)}
    for key in values:
        if key not in types:
            raise UsageError(f"{path}: unknown key {key!r}; a card has {', '.join(types)}")
    for key, kind in types.items():
        if key not in values:
            raise UsageError(f"{path}: the key {key!r} is missing")
        if kind in (str, int) and type(values[key]) is not kind:
            raise UsageError(f"{path}: {key} must be of type {kind.__name__}, not {values[key]!r}")
    pages = values["pages"]
    if not isinstance(pages, dict) or set(pages) != set(SPLITS) or any(type(n) is not int for n in pages.values()):
        raise UsageError(f"{path}: [pages] must give an integer for each of {', '.join(SPLITS)}, not {pages!r}")
    if values["name"] != path.stem:
        raise UsageError(f"{path}: the name {values['name']!r} differs from the file's")
    return DataCard(**values)
