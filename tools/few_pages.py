"""`python tools/few_pages.py PAGES`: what a few pages of a series teach a model, measured on other pages of it.

Some pages are kept apart. Of the others 3, 10, 30 … are trained on by `zoo.train --from`, each time from the same
weights, and the pages kept apart are coloured as `zoo.colorize` does. They also decide when a training ends: the gain
is a little flattered.
"""

import argparse
import json
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import RunError, UsageError
from zoo.support.command import Parser, import_tensorflow, run
from zoo.support.files import write_text

METRICS = ("delta_e00", "ab_energy", "cf", "chroma_ratio")
SHOWN = 4  # pages in the picture


def parser() -> Parser:
    """The command line."""
    p = Parser(prog="python tools/few_pages.py", description="Measures what a few pages of a series teach a model.")
    p.add_argument("pages", type=Path, metavar="PAGES", help="a folder of coloured pages of one series")
    p.add_argument(
        "--from", dest="start", default="context", metavar="MODEL", help="as of zoo.train (default: context)"
    )
    p.add_argument("--sizes", default="3,10,30", metavar="NUMBERS", help="of pages to train on (default: 3,10,30)")
    p.add_argument("--kept", type=int, default=12, metavar="N", help="pages kept apart (default: 12)")
    p.add_argument(
        "-o", "--out", type=Path, required=True, metavar="DIR", help="for the runs, results.json and a picture"
    )
    return p


def sizes_of(words: str) -> list[int]:
    """The numbers of pages that `--sizes` names, each once.

    Raises:
        UsageError: one of them is no number above 0.
    """
    sizes = []
    for word in words.split(","):
        if not (word.strip().isdecimal() and int(word)):
            raise UsageError(f"--sizes: {word!r} is no number above 0; give such as 3,10,30")
        sizes.append(int(word))
    return list(dict.fromkeys(sizes))


def few_pages(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from zoo import train
    from zoo.data.dataset import open_dataset
    from zoo.evaluation.pictures import save_sheet

    if arguments.out.exists():
        raise UsageError(f"{arguments.out} is there already; give a new directory")
    sizes = sizes_of(arguments.sizes)
    if arguments.kept < 1:
        raise UsageError(f"--kept must be at least 1, not {arguments.kept}")
    dataset = open_dataset(arguments.pages, crop=64)
    images = sorted(
        (image for split in dataset.splits.values() for image in split.images), key=lambda each: each.digest
    )
    if len(images) < arguments.kept + max(sizes):
        raise UsageError(f"{arguments.pages} has {len(images)} pages; {arguments.kept} and {max(sizes)} are asked for")
    kept, others = images[: arguments.kept], images[arguments.kept :]
    truth = [image.decode() for image in kept]
    import_tensorflow()
    colored = {"0": _colored(arguments.start, truth)}
    for size in sizes:
        folder = arguments.out / f"{size}-pages"
        for split, some in (("train", others[:size]), ("val", kept)):
            (folder / "data" / split).mkdir(parents=True)
            for index, image in enumerate(some):  # pages of two chapters may have one name
                shutil.copy(image.path, folder / "data" / split / f"{index:03}-{image.path.name}")
        command = ["--from", arguments.start, "--data", str(folder / "data"), "--run-dir", str(folder / "run")]
        if train.main(command):
            raise RunError(f"the training on {size} pages failed")
        colored[str(size)] = _colored(str(folder / "run"), truth)
    scores = {
        size: [_scores(rgb, true) for rgb, true in zip(each, truth, strict=True)] for size, each in colored.items()
    }
    report = {
        "start": arguments.start,
        "pages": [image.digest for image in kept],
        "scores": {size: _summary(found, scores["0"]) for size, found in scores.items()},
    }
    write_text(arguments.out / "results.json", json.dumps(report, indent=1) + "\n")
    rows = [[*some, true] for *some, true in zip(*colored.values(), truth, strict=True)][:SHOWN]
    titles = [*(f"{size} pages" for size in colored), "truth"]
    save_sheet(arguments.out / "sheet.webp", rows, titles)
    for size, found in report["scores"].items():
        print(f"{size:>4} pages: " + ", ".join(f"{name} {found[name]['value']:.3g}" for name in METRICS))


def _colored(model: str, truth: list[np.ndarray]) -> list[np.ndarray]:
    """The pages in the model's colours, as zoo.colorize gives them."""
    from zoo.chroma.yuv import split_luma
    from zoo.pages.colorizer import Colorizer

    colorizer = Colorizer(model)
    return [colorizer(np.rint(split_luma(rgb / 255)[0] * 255).astype(np.uint8)) for rgb in truth]


def _scores(rgb: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    import zoo

    found = zoo.metrics.evaluate(rgb, truth)
    return {name: float(found[name]) for name in METRICS}


def _summary(found: list[dict[str, float]], before: list[dict[str, float]]) -> dict[str, Any]:
    """Means, and the difference to before with its paired 95 % bootstrap interval over pages."""
    from zoo.metrics.bootstrap import interval

    summary = {}
    for name in METRICS:
        now, then = (np.array([each[name] for each in scores]) for scores in (found, before))
        mean = partial(_mean, now - then)
        difference, low, high = interval(mean, range(len(now)))
        summary[name] = {"value": float(now.mean()), "difference": difference, "low": low, "high": high}
    return summary


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights @ values / weights.sum(-1)


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: few_pages(parsed))


if __name__ == "__main__":
    sys.exit(main())
