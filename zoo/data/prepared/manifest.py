"""Prepared folders: their manifest, what is recorded of how they were made, and whether all of it still holds.

DIR/train|val|test/*.jpg   the pages
DIR/manifest.csv           a row for each page
DIR/dropped.csv            a row for each page that was left out, and why
DIR/prepared.json          settings, counts and the digest over all files; written last
"""

import csv
import hashlib
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.cards import SPLITS
from zoo.data.decode import decode_rgb
from zoo.data.image_files import ImageFile, Progress, files_below, is_image
from zoo.data.prepared.near import near_pairs, perceptual_hash
from zoo.errors import ImageError, UsageError
from zoo.support.files import regular, write_text
from zoo.support.machine import cores
from zoo.support.names import printable

MANIFEST = "manifest.csv"
DROPPED = "dropped.csv"
RECORD = "prepared.json"
FORMAT = 1


@dataclass(frozen=True)
class ManifestRow:
    """A page in the manifest.

    Attributes:
        file: SPLIT/NAME.jpg.
        source: the page it was made of: a source's name and the path inside it; of a PDF with #page.
        group: pages of one group are in one split.
        split: train, val or test.
        width, height: pixels.
        sha256: of the file.
        licence: of the page.
        source_sha256: of the image it was made of, or of the whole PDF.
    """

    file: str
    source: str
    group: str
    split: str
    width: int
    height: int
    sha256: str
    licence: str
    source_sha256: str


COLUMNS = [field.name for field in fields(ManifestRow)]


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a CSV file, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_manifest(root: Path, rows: Sequence[ManifestRow]) -> None:
    """Writes the manifest, in the order of the files' names."""
    write_table(root / MANIFEST, COLUMNS, (asdict(row) for row in sorted(rows, key=lambda row: row.file)))


def read_manifest(root: Path) -> list[ManifestRow]:
    """Reads the manifest of a prepared folder.

    Raises:
        UsageError: it is missing or not a manifest; the message names the line.
    """
    path = root / MANIFEST
    rows = []
    try:
        with open(regular(path), newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames != COLUMNS:
                raise UsageError(f"{path}: the columns must be {', '.join(COLUMNS)}, not {reader.fieldnames!r}")
            for row in reader:
                try:
                    values: dict[str, Any] = {name: row[name] or "" for name in COLUMNS}
                    rows.append(ManifestRow(**values | {side: int(values[side]) for side in ("width", "height")}))
                except ValueError as error:
                    raise UsageError(f"{path}, line {reader.line_num}: {error}") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None
    return rows


def read_facts(root: Path, *columns: str) -> dict[str, dict[str, str]]:
    """What a folder's manifest, of this package or not, says of each file, by its name; nothing where there is none.

    Args:
        root: the folder.
        columns: those it has to have, besides `file`.

    Raises:
        UsageError: it lacks one of them.
    """
    path = root / MANIFEST
    if not path.is_file():
        return {}
    try:
        with open(regular(path), newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None
    for column in ("file", *columns):
        if any(row.get(column) is None for row in rows):
            raise UsageError(f"{path} has no column {column!r}: it needs {' and '.join(('file', *columns))}")
    return {row["file"]: row for row in rows}


def files_digest(rows: Iterable[ManifestRow]) -> str:
    """SHA-256 (hex) over the digests and names of all files, a line each as `sha256sum` prints them, by name."""
    lines = "".join(f"{row.sha256}  {row.file}\n" for row in sorted(rows, key=lambda row: row.file))
    return hashlib.sha256(lines.encode()).hexdigest()


def read_record(root: Path) -> dict[str, Any] | None:
    """What `prepared.json` says; None if it is not there.

    Raises:
        UsageError: it is damaged, or of another version.
    """
    path = root / RECORD
    try:
        record = json.loads(regular(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {error}") from None
    settings = record.get("settings") if isinstance(record, dict) and record.get("format") == FORMAT else None
    if not isinstance(settings, dict) or type(settings.get("near")) is not int:
        raise UsageError(f"{path}: not a record of format {FORMAT}; prepare the pages again, into a new folder")
    return record


def check(root: Path, *, progress: Progress | None = None) -> tuple[int, list[str]]:
    """Verifies a prepared folder, reading every file of it.

    Every file of the manifest is there, has its digest and decodes to its size; there is no other file beside them; no
    file, image or group is in two splits, and no two pages of different splits are near-duplicates; and the digest
    over all is the recorded one.

    Returns:
        The number of files, and a sentence about each problem.

    Raises:
        UsageError: this is no prepared folder.
    """
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder")
    record = read_record(root)
    if record is None:
        raise UsageError(f"{root}: no {RECORD} in it: not a prepared folder, or one that is not finished yet")
    rows = read_manifest(root)
    problems = []
    if files_digest(rows) != record.get("digest"):
        problems.append(f"{MANIFEST}: not the files that {RECORD} has the digest of")
    named = Counter(row.file for row in rows)
    problems += [f"{file}: {count} times in {MANIFEST}" for file, count in named.items() if count > 1]
    found = {path.relative_to(root).as_posix() for path in files_below(root) if is_image(path)}
    problems += [f"{printable(file)}: not in {MANIFEST}" for file in sorted(found - set(named))]

    hashes = []
    with ThreadPoolExecutor(cores()) as pool:
        for done, (row, result) in enumerate(zip(rows, pool.map(lambda row: _verify(root, row), rows), strict=True), 1):
            if isinstance(result, str):
                problems.append(f"{row.file}: {result}")
            else:
                hashes.append((row, result))
            if progress:
                progress(done, len(rows))

    problems += _in_two_splits("group", ((row.group, row) for row in rows))
    problems += _in_two_splits("file", ((row.sha256, row) for row in rows))
    # The pages of a PDF have its digest in common: its work is what keeps them together, or --group none parts them.
    problems += _in_two_splits("source", ((row.source_sha256, row) for row in rows if "#" not in row.source))
    first, pairs = near_pairs(np.array([value for _, value in hashes], np.uint64), record["settings"]["near"])
    for one, other in [*enumerate(first.tolist()), *pairs.tolist()]:
        page, twin = hashes[one][0], hashes[other][0]
        if page.split != twin.split:
            problems.append(f"{page.file} and {twin.file}: near-duplicates in two splits")
    return len(rows), problems


def _verify(root: Path, row: ManifestRow) -> int | str:
    """The perceptual hash of a file, or what is wrong with it."""
    split, _, name = row.file.partition("/")
    if split not in SPLITS or not name or "/" in name or "\\" in name or name.startswith("."):
        return "not a file of a split"
    if split != row.split:
        return f"the manifest says that it is in {row.split}"
    try:
        data = ImageFile(row.file, root / split / name).read()
        if hashlib.sha256(data).hexdigest() != row.sha256:
            return "its SHA-256 is not the manifest's"
        rgb = decode_rgb(data)
    except FileNotFoundError:
        return "missing"
    except (ImageError, OSError) as error:
        return getattr(error, "strerror", None) or str(error)
    if rgb.shape[:2] != (row.height, row.width):
        return f"{rgb.shape[1]} x {rgb.shape[0]} pixels, {row.width} x {row.height} in the manifest"
    return perceptual_hash(rgb)


def _in_two_splits(what: str, pairs: Iterable[tuple[str, ManifestRow]]) -> list[str]:
    splits = defaultdict[str, dict[str, str]](dict)
    for key, row in pairs:
        splits[key].setdefault(row.split, row.file)
    return [
        f"{what} {key} is in {' and '.join(sorted(found))}: {', '.join(found.values())}"
        for key, found in splits.items()
        if len(found) > 1
    ]
