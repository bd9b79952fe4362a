"""`python -m zoo.gallery MODEL …`: pages that a rule chooses, in grey, as each model colours them, and as they are."""

import argparse
import json
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from zoo.chroma.decoders import PAGE_DECODER, Decoder
from zoo.data.prepared.manifest import read_facts
from zoo.errors import UsageError
from zoo.models.kinds import answers_with
from zoo.support.command import Parser, import_tensorflow, naming, run

RULE = "the images of the split by the SHA-256 of their files, one of every group in turn"
DEFAULT_DECODERS = f"annealed,{PAGE_DECODER}"
CROP = 64  # images smaller than this are left out
RECORD = "gallery.json"


def choose(groups: Sequence[str], count: int) -> list[int]:
    """The places of `count` pages, given the group of each: the first page of every group, then the second, …"""
    seen: Counter[str] = Counter()
    order = []
    for place, group in enumerate(groups):
        order.append((seen[group], place))
        seen[group] += 1
    return [place for _, place in sorted(order)[:count]]


def parser() -> Parser:
    """The command line."""
    p = Parser(
        "gallery",
        description="Colours pages of a split that a rule chooses, and shows each in grey, in every model's colours and"
        f" as it is. The rule: {RULE}.",
    )
    p.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="a run directory, a .keras file, or the name of a model with released weights",
    )
    p.add_argument("--data", required=True, metavar="NAME|PATH", help="a data set's name, a folder, or a .zip/.cbz")
    p.add_argument("--split", choices=("train", "val", "test"), default="test", help="of the data set")
    p.add_argument("--pages", type=int, default=24, metavar="N", help="how many pages")
    p.add_argument(
        "--scans", type=Path, metavar="DIR", help="a folder of black-and-white pages to show as well, without truth"
    )
    p.add_argument(
        "--headroom",
        type=float,
        default=0.0,
        metavar="LUMA",
        help="of the scans: how much luma, of 1, may be lowered where a colour does not fit",
    )
    p.add_argument(
        "--decode", metavar="NAMES", help=f"a classifier's decoders, a column each (default: {DEFAULT_DECODERS})"
    )
    p.add_argument("--seed", type=int, default=0, help="of sampling")
    p.add_argument("--strip", type=int, default=4, metavar="N", help="pages on strip.webp, the first ones")
    p.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="a picture a page, and gallery.json")
    return p


class Columns:
    """What is beside the grey page: each model's colours, with each of several decoders if it classifies.

    Args:
        models: as `zoo.load` takes them.
        decoders: of classifiers.
        seed: of sampling, with each page's name.

    Attributes:
        names: a title a column.
    """

    def __init__(self, models: Sequence[str], decoders: Sequence[str], seed: int) -> None:
        from zoo.models.loading import load
        from zoo.models.prediction import Predictor
        from zoo.pages.colorizer import Colorizer

        self.names: list[str] = []
        self._models: list[tuple[Colorizer, Predictor, list[str | None]]] = []
        self._seed = seed
        for spec in models:
            network = load(spec)
            predictor = Predictor(network)
            label = Path(spec).stem if Path(spec).is_file() else Path(spec).name
            ways: list[str | None] = [*decoders] if predictor.contract.classifies else [None]
            names = [f"{label}, {way}" if way else label for way in ways]
            if set(names) & set(self.names):
                raise UsageError(f"two of the models are called {label!r}: rename one")
            self.names += names
            self._models.append((Colorizer(network), predictor, ways))

    def of(self, scan: Any, name: str, headroom: float) -> Iterator[np.ndarray]:
        """A scan in colours, uint8 RGB (H, W, 3), a column at a time."""
        seed = self._seed + zlib.crc32(name.encode()) % 2**31
        for colorizer, predictor, ways in self._models:
            prediction = predictor(colorizer.seen(scan)[None])
            for way in ways:
                yield colorizer.paint(scan, prediction.decode(way, seed=seed)[0], headroom=headroom)


@dataclass(frozen=True)
class Subject:
    """A page before it is coloured."""

    name: str
    read: Callable[[], Any]
    truth: bool
    facts: Mapping[str, str]


def make(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    decoders = [word.strip() for word in (arguments.decode or DEFAULT_DECODERS).split(",") if word.strip()]
    for name in decoders:
        with naming("--decode"):
            Decoder.parse(name)
    for option, value in (("--pages", arguments.pages), ("--strip", arguments.strip)):
        if value < 1:
            raise UsageError(f"{option} must be at least 1, not {value}")
    if not 0 <= arguments.headroom <= 0.5:
        raise UsageError(f"--headroom must be in 0 … 0.5, not {arguments.headroom}")
    if arguments.seed < 0:
        raise UsageError(f"--seed must not be negative: {arguments.seed}")
    out: Path = arguments.out
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out: {out} is a file; give a directory")
    if out.is_dir() and any(out.iterdir()) and not (out / RECORD).is_file():
        raise UsageError(f"--out: {out} holds something else than a gallery; give a new directory")
    from zoo.data.dataset import open_dataset
    from zoo.support.console import say, scanning, stderr_console

    answers = {answers_with(spec) for spec in arguments.models}  # a mistyped name is to be refused at once
    if arguments.decode and answers == {"uv"}:
        raise UsageError(f"--decode {arguments.decode}: none of the models is a classifier")
    scans = _scans(arguments.scans) if arguments.scans else []
    console = stderr_console()
    with scanning(console) as progress:
        dataset = open_dataset(arguments.data, crop=CROP, progress=progress)
    subjects = [*_held_out(dataset, arguments.split, arguments.pages), *scans]
    import_tensorflow()
    from zoo.evaluation.pictures import save_sheet
    from zoo.support import machine
    from zoo.support.files import atomic_folder, write_text

    say("loading the models")
    columns = Columns(arguments.models, decoders, arguments.seed)
    titles = ["grey", *columns.names, "truth"]
    pages, strip = [], []
    out.parent.mkdir(parents=True, exist_ok=True)
    with scanning(console, "colouring") as progress, atomic_folder(out) as folder:
        progress(0, len(subjects))
        for number, subject in enumerate(subjects, 1):
            row = _row(subject, columns, 0 if subject.truth else arguments.headroom)
            picture = f"{number:02}.webp"
            save_sheet(folder / picture, [row], titles[: len(row)])
            if number <= arguments.strip:
                strip.append(row)
            facts = {key: subject.facts.get(key) or "" for key in ("group", "source", "licence")}
            pages.append({"picture": picture, "name": subject.name, "truth": subject.truth} | facts)
            progress(number, len(subjects))
        save_sheet(folder / "strip.webp", strip, titles)
        record = {
            "rule": RULE,
            "data": Path(arguments.data).name,
            "data_fingerprint": dataset.fingerprint,
            "split": arguments.split,
            "seed": arguments.seed,
            "headroom": arguments.headroom,
            "models": [Path(spec).name for spec in arguments.models],
            "columns": titles,
            "environment": machine.describe(machine.resolve_precision("auto")),
            "pages": pages,
        }
        write_text(folder / RECORD, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    say(f"written: {len(pages)} pages in {out}")


def _held_out(dataset: Any, split: str, count: int) -> list[Subject]:
    images = dataset.splits[split].images
    if not images:
        raise UsageError(f"{dataset.name} has no images in its {split} split")
    facts = read_facts(dataset.root)
    groups = [facts.get(image.name, {}).get("group") or image.name for image in images]
    return [
        Subject(image.name, partial(_decoded, image), True, facts.get(image.name, {}))
        for image in (images[place] for place in choose(groups, count))
    ]


def _scans(folder: Path) -> list[Subject]:
    from zoo.data.files import files_below, is_image

    if not folder.is_dir():
        raise UsageError(f"--scans: {folder} is no folder")
    paths = [path for path in files_below(folder) if is_image(path)]
    if not paths:
        raise UsageError(f"--scans: {folder} holds no images")
    facts = read_facts(folder)
    names = [path.relative_to(folder).as_posix() for path in paths]
    return [
        Subject(name, partial(_read, path), False, facts.get(name, {})) for name, path in zip(names, paths, strict=True)
    ]


def _decoded(image: Any) -> Any:
    from zoo.pages.scan import scan_of

    return scan_of(image.decode())


def _read(path: Path) -> Any:
    from zoo.pages.scan import read_scan

    return read_scan(path.read_bytes())


def _row(subject: Subject, columns: Columns, headroom: float) -> list[np.ndarray]:
    """Grey, every column and the truth, if there is one: uint8 RGB (H, W, 3)."""
    from zoo.pages.scan import Scan

    try:
        scan: Scan = subject.read()
    except (ValueError, OSError) as error:
        raise UsageError(f"{subject.name} cannot be read: {error}") from None
    if scan.levels != 255:
        scan = replace(scan, samples=(scan.samples >> 8).astype(np.uint8), alpha=None)
    grey = np.repeat(scan.luma8()[..., None], 3, axis=-1)
    return [grey, *columns.of(scan, subject.name, headroom), *([scan.samples] if subject.truth else [])]


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: make(parsed))


if __name__ == "__main__":
    sys.exit(main())
