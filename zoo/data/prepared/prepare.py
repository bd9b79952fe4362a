"""Folders, archives and PDF files of pages to a folder that trains: small JPEGs in splits that have nothing in common.

Each page is converted on its own, in `DIR/.prepare`, whose journal has a line for each page that is done: what was
stopped goes on from there. When all are done, near-duplicates are dropped, the others go to their splits, and the
manifest is written.
"""

import contextlib
import csv
import errno
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import PIL

from zoo.data.cards import SPLITS
from zoo.data.image_files import Progress, are_splits
from zoo.data.pdf import Renderers
from zoo.data.prepared.groups import GROUPS, assign, join_works
from zoo.data.prepared.manifest import (
    DROPPED,
    FORMAT,
    RECORD,
    ManifestRow,
    files_digest,
    read_record,
    write_manifest,
    write_table,
)
from zoo.data.prepared.near import MAX_DISTANCE, SKETCH, cluster_near, drop_near
from zoo.data.prepared.originals import check_source, convert, list_pages, source_name
from zoo.errors import RunError, UsageError
from zoo.support.files import LOCK, locked, real, regular, write_text
from zoo.support.machine import cores
from zoo.support.version import __version__

FEW = 5
"""Fewer pages to validate or test on are pointed out."""

WORK = ".prepare"
"""The folder in DIR that holds what is not finished."""

Done = dict[str, dict[str, Any]]
"""By a page's key, what `convert` said of it."""


@dataclass(frozen=True)
class Settings:
    """How pages are prepared.

    Attributes:
        quality: of the JPEGs, 1 to 95.
        longest: the longer side of a page in pixels, at most.
        shortest: the shorter side of a page in pixels, at least.
        near: pages whose perceptual hashes differ in no more bits are near-duplicates.
        group: what a work is, one of `GROUPS`.
        val, test: shares of the groups.
        licence: of the pages, as the user states it.
    """

    quality: int = 90
    longest: int = 1024
    shortest: int = 224
    near: int = 6
    group: str = "folder"
    val: float = 0.1
    test: float = 0.1
    licence: str = ""

    def __post_init__(self) -> None:
        for name, low, high in (("quality", 1, 95), ("longest", 16, 8192), ("near", 0, MAX_DISTANCE)):
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"--{name} must be from {low} to {high}, not {getattr(self, name)}")
        if not 1 <= self.shortest <= self.longest:
            raise UsageError(f"--shortest must be from 1 to --longest, {self.longest}, not {self.shortest}")
        if self.group not in GROUPS:
            raise UsageError(f"--group is one of {', '.join(GROUPS)}, not {self.group!r}")
        if not (0 < self.val < 1 and 0 <= self.test < 1 and self.val + self.test < 1):
            raise UsageError(
                "--val must be above 0 and --test 0 or more, and both below 1 together,"
                f" not {self.val:g} and {self.test:g}"
            )
        if not self.licence.isprintable():
            raise UsageError(f"--licence must be one line of text, not {self.licence!r}")


@dataclass(frozen=True)
class _Listed:
    """Of an `Original` what is needed when it has been converted: unlike it, this keeps no archive open."""

    name: str
    work: str
    key: str


def prepare(
    sources: Sequence[Path],
    target: Path,
    settings: Settings,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], bool]:
    """Prepares the pages of `sources` in `target`, or goes on with it.

    Args:
        sources: folders, .zip and .cbz archives, PDF files.
        target: a new or empty folder, or one where the same was begun.
        settings: how.
        workers: threads; by default one a core.
        progress: called with the pages done and all pages, after each page.

    Returns:
        What `prepared.json` says, and whether it was there before.

    Raises:
        UsageError: a source or the target is not what it has to be, other settings were begun there, or nothing usable
            was found.
        RunError: the disk is full, or cannot be written.
    """
    for path in sources:
        _check(path, target, settings.group)
    asked = {"sources": [source_name(path) for path in sources], **asdict(settings)}
    with locked(target, f"another process is preparing {target}: wait for it"), Renderers() as renderers:
        there = read_record(target)
        if there is not None:
            _require_same(target, there["settings"], asked)
        else:
            _begin(target, asked)
        pages = [_Listed(page.name, page.work, page.key) for page in list_pages(sources, settings.group, renderers)]
        listing = hashlib.sha256("\n".join(page.key for page in pages).encode()).hexdigest()
        if there is not None:
            if there.get("listing") != listing:
                raise UsageError(
                    f"{target} was prepared from other files than the sources hold now; choose a new folder"
                    " (works stay in their splits)"
                )
            shutil.rmtree(target / WORK, ignore_errors=True)
            return there, True
        if settings.group == "split" and not are_splits({page.work for page in pages}):
            shutil.rmtree(target / WORK)
            raise UsageError("--group split needs images in a folder train, and in val or test")
        if not pages:
            shutil.rmtree(target / WORK)
            raise UsageError(f"no pages in {', '.join(map(str, sources))}: no images, archives or PDF files")
        try:
            done = _convert_all(sources, target, settings, renderers, workers or cores(), len(pages), progress)
            changed = [page.name for page in pages if page.key not in done]
            if changed:
                raise RunError(f"{changed[0]} changed while it was prepared; the same command goes on from there")
            return _finish(target, asked, settings, [(page, done[page.key]) for page in pages], listing), False
        except OSError as error:
            what = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
            raise RunError(f"{target}: {what}; what is done is kept: the same command goes on from there") from error


def _check(source: Path, target: Path, group: str) -> None:
    """Raises UsageError if `source` cannot be prepared, or not in `target`."""
    check_source(source)
    if not source.is_dir():
        return
    if real(target).is_relative_to(real(source)):
        raise UsageError(f"{target} is inside {source}: choose a folder that is not among the pages")
    try:
        folders = [path.name for path in source.iterdir() if path.is_dir()]
    except OSError as error:
        raise UsageError(f"{source}: {error.strerror}") from None
    if group == "folder" and are_splits(folders):
        raise UsageError(
            f"{source} has split folders, which are no works: train on it as it is, keep them with --group split, or"
            " split its pages anew with --group file or none"
        )


def _require_same(target: Path, there: dict[str, Any], asked: dict[str, Any]) -> None:
    other = [
        f"{key}: {there.get(key)!r} there, {asked[key]!r} asked for" for key in asked if there.get(key) != asked[key]
    ]
    if other:
        raise UsageError(f"{target} is of other settings; choose a new folder. {'; '.join(other)}")


def _begin(target: Path, asked: dict[str, Any]) -> None:
    """Makes the working folder, or checks that the one there was begun with the same settings."""
    begun = target / WORK / "settings.json"
    if begun.exists():
        try:
            there = json.loads(regular(begun).read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            there = {}
        _require_same(target, there, asked)
        return
    if any(path.name not in (LOCK, WORK) for path in target.iterdir()):
        raise UsageError(f"{target} is not empty and holds no prepared pages; choose a new folder")
    begun.parent.mkdir(exist_ok=True)
    write_text(begun, json.dumps(asked))


def _convert_all(
    sources: Sequence[Path],
    target: Path,
    settings: Settings,
    renderers: Renderers,
    workers: int,
    count: int,
    progress: Progress | None,
) -> Done:
    """Converts what is not in the journal yet, a few pages ahead at a time."""
    journal = target / WORK / "journal.jsonl"
    done = _read_journal(journal, target)
    options = {"quality": settings.quality, "longest": settings.longest, "shortest": settings.shortest}
    running: dict[Future[dict[str, Any]], str] = {}

    with open(journal, "a", encoding="utf-8") as lines, ThreadPoolExecutor(workers) as pool:

        def collect(limit: int) -> None:
            while len(running) > limit:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    key = running.pop(future)
                    done[key] = future.result()
                    _note(lines, key, done[key])
                    if progress:
                        progress(len(done), count)

        try:
            for page in list_pages(sources, settings.group, renderers):
                if page.key not in done:
                    running[pool.submit(convert, page, target / WORK, renderers, **options)] = page.key
                    collect(2 * workers)
            collect(0)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return done


def _note(lines: TextIO, key: str, result: dict[str, Any]) -> None:
    lines.write(json.dumps({"key": key, **result}) + "\n")
    lines.flush()


def _read_journal(path: Path, target: Path) -> Done:
    """What was done before, as far as its files are there. A line that was cut short is taken off."""
    done: Done = {}
    if not path.exists():
        return done
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if whole != data:
        with open(path, "rb+") as file:
            file.truncate(len(whole))
    for line in whole.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line)
            done[entry.pop("key")] = entry
    places = [target / WORK, *(target / split for split in SPLITS)]
    kept = {name.name for place in places if place.is_dir() for name in os.scandir(place)}
    return {key: entry for key, entry in done.items() if "dropped" in entry or f"{key}.jpg" in kept}


def _finish(
    target: Path, asked: dict[str, Any], settings: Settings, pages: list[tuple[_Listed, dict[str, Any]]], listing: str
) -> dict[str, Any]:
    """Drops near-duplicates, moves the others to their splits, and writes what is known of them."""
    good = [(page, entry) for page, entry in pages if "dropped" not in entry]
    dropped = [_left_out(page, entry["dropped"], entry["detail"]) for page, entry in pages if "dropped" in entry]
    # The largest of near-duplicates is kept; their digests decide between equals, whatever the order of the sources.
    good.sort(key=lambda each: (-each[1]["width"] * each[1]["height"], each[1]["sha256"], each[0].key))
    given = settings.group == "split"
    if given:  # but a split keeps its pages, whatever is in those before it
        good.sort(key=lambda each: -SPLITS.index(each[0].work))
    hashes = np.array([int(entry["phash"], 16) for _, entry in good], np.uint64)
    colors = np.frombuffer(bytes.fromhex("".join(entry["colors"] for _, entry in good)), np.uint8)
    clusters = cluster_near(hashes, settings.near)
    works = [page.work for page, _ in good]
    groups = works if given else join_works(works, clusters.tolist())
    keeper = drop_near(hashes, colors.reshape(len(good), SKETCH), groups, clusters, settings.near)
    notes = []
    if given:
        parted = {pair: number for number, pair in enumerate(dict.fromkeys(zip(works, clusters.tolist(), strict=True)))}
        numbers = [parted[pair] for pair in zip(works, clusters.tolist(), strict=True)]
        groups = join_works([page.name for page, _ in good], numbers)
    elif len(set(groups)) == 1:
        notes.append(
            f"all pages are of one work, {groups[0]}: they were split page by page, so that validation and test are"
            " flattered; add another work, or give --group file if they are no work"
        )
        groups = join_works([page.key for page, _ in good], clusters.tolist())
    kept = []
    for index, ((page, entry), group) in enumerate(zip(good, groups, strict=True)):
        if keeper[index] == index:
            kept.append((page, entry, group))
        else:
            dropped.append(_left_out(page, "near-duplicate", good[keeper[index]][0].name))
    reasons = Counter(row["reason"] for row in dropped)
    sizes = Counter(group for _, _, group in kept)
    if len(sizes) < 2 or (given and all(page.work != "train" for page, _, _ in kept)):
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        some = [f"{row['page']}: {row['detail']}" for row in dropped if row["reason"] == "unreadable"][:3]
        shutil.rmtree(target / WORK)
        raise UsageError(
            f"{target}: {len(kept)} of {len(pages)} pages are usable{f' ({counts})' * bool(counts)}: at least two pages"
            f" in colour that do not look alike are needed{'; ' * bool(some)}{'; '.join(some)}"
        )
    if given:
        splits = {group: page.work for page, _, group in kept}
        notes += [
            f"no pages for {split}: it will be a tenth of train, by the hash of their bytes"
            for split in SPLITS[1:]
            if split not in splits.values()
        ]
    else:
        splits, moved = assign(sizes, settings.val, settings.test)
        notes += moved
        held_out = Counter(splits[group] for _, _, group in kept)
        shares = {"val": settings.val, "test": settings.test}
        few = [f"{held_out[split]} for {split}" for split, share in shares.items() if share and held_out[split] < FEW]
        if few:
            notes.append(
                f"there are only {' and '.join(few)}: scores on so few pages mean little; more works, larger --val and"
                " --test, or --group none (which splits within works, and flatters) give more"
            )
    rows = []
    for page, entry, group in kept:
        split = splits[group]
        values = {key: entry[key] for key in ("width", "height", "sha256", "source_sha256")}
        rows.append(ManifestRow(f"{split}/{page.key}.jpg", page.name, group, split, licence=settings.licence, **values))
    _move(target, rows)
    write_manifest(target, rows)
    write_table(target / DROPPED, ["page", "reason", "detail"], sorted(dropped, key=lambda row: row["page"]))
    record = {
        "format": FORMAT,
        "zoo": __version__,
        "pillow": PIL.__version__,
        "settings": asked,
        "pages": {split: sum(row.split == split for row in rows) for split in SPLITS},
        "groups": {split: sum(value == split for value in splits.values()) for split in SPLITS},
        "bytes": sum((target / row.file).stat().st_size for row in rows),
        "found": len(pages),
        "dropped": dict(sorted(reasons.items())),
        "notes": notes,
        "digest": files_digest(rows),
        "listing": listing,
    }
    write_text(target / RECORD, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    shutil.rmtree(target / WORK)
    return record


def _move(target: Path, rows: Sequence[ManifestRow]) -> None:
    """Moves the pages to their splits, wherever a call that was stopped had left them."""
    for split in SPLITS:
        (target / split).mkdir(exist_ok=True)
    where = {path.name: path for folder in (WORK, *SPLITS) for path in (target / folder).glob("*.jpg")}
    for row in rows:
        path = where.pop(Path(row.file).name)
        if path != target / row.file:
            os.replace(path, target / row.file)
    for path in where.values():
        if path.parent.name != WORK:  # of a call whose sources had other pages
            path.unlink()


def _left_out(page: _Listed, reason: str, detail: str) -> dict[str, str]:
    return {"page": page.name, "reason": reason, "detail": detail}


def unreadable(target: Path) -> Iterator[tuple[str, str]]:
    """The pages of a prepared folder that could not be read, and why."""
    with open(target / DROPPED, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["reason"] == "unreadable":
                yield row["page"], row["detail"]
