"""`python tools/blind.py sheet | count`: two models on held-out pages, judged without knowing whose colours are whose.

`sheet` writes pairs in random order, and who is where to a key that the judge does not open. The judge writes a line a
page: `PAGE,left`, `PAGE,right` or `PAGE,neither`. `count` says whom they preferred, and with which chance a coin would
have preferred as clearly.
"""

import argparse
import csv
import json
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.support.command import Parser, import_tensorflow, run
from zoo.support.files import write_text

VERDICTS = ("left", "right", "neither")
TILE = 420  # the width of a page on the sheet, pixels


def parser() -> Parser:
    """The command line."""
    p = Parser(prog="python tools/blind.py", description="Shows two models' colours without saying whose they are.")
    commands = p.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("sheet", help="write the pairs and the key")
    one.add_argument("first", metavar="MODEL", help="as zoo.colorize takes it")
    one.add_argument("second", metavar="MODEL")
    one.add_argument("--data", action="append", required=True, metavar="NAME|PATH", help="may be given several times")
    one.add_argument("--pages", type=int, default=20, metavar="N", help="of all data sets together (default: 20)")
    one.add_argument("--seed", type=int, default=0, help="of the sides")
    one.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="for the pairs and key.json")
    one.set_defaults(command=sheet)
    one = commands.add_parser("count", help="who was preferred")
    one.add_argument("folder", type=Path, metavar="DIR", help="of `sheet`")
    one.add_argument("verdicts", type=Path, metavar="FILE", help="CSV: page, left, right or neither")
    one.set_defaults(command=count)
    return p


def sheet(arguments: argparse.Namespace) -> None:
    """`sheet`: the pages by the gallery's rule, of each data set as many."""
    from zoo.data.dataset import open_dataset
    from zoo.evaluation.gallery import RULE, held_out
    from zoo.evaluation.pictures import save_sheet

    if arguments.out.exists():
        raise UsageError(f"{arguments.out} is there already; give a new directory")
    if not 1 <= arguments.pages <= 1000:
        raise UsageError(f"--pages must be from 1 to 1000, not {arguments.pages}")
    data = [open_dataset(spec, crop=32) for spec in arguments.data]
    shares = [len(part) for part in np.array_split(np.arange(arguments.pages), len(data))]
    pages = [page for each, some in zip(data, shares, strict=True) for page in held_out(each, "test", some)]
    import_tensorflow()
    from zoo.pages.colorizer import Colorizer

    colorizers = [Colorizer(arguments.first), Colorizer(arguments.second)]
    sides = np.random.default_rng(arguments.seed).integers(0, 2, len(pages))
    arguments.out.mkdir(parents=True)
    key: list[dict[str, Any]] = []
    for number, (page, side) in enumerate(zip(pages, sides.tolist(), strict=True), 1):
        scan = page.read()
        seed = zlib.crc32(page.name.encode())
        answers = [each.paint(scan, each.chroma(each.pictures(scan), seed=seed)) for each in colorizers]
        row = [np.repeat(scan.luma8()[..., None], 3, axis=-1), answers[side], answers[1 - side]]
        save_sheet(arguments.out / f"{number:02}.webp", [row], ["grey", "left", "right"], tile_side=TILE)
        models = [arguments.first, arguments.second]
        key.append({"page": f"{number:02}", "name": page.name, "left": models[side], "right": models[1 - side]})
        print(f"{number} of {len(pages)}", file=sys.stderr)
    record = {"rule": RULE, "seed": arguments.seed, "data": [each.name for each in data], "pages": key}
    write_text(arguments.out / "key.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def count(arguments: argparse.Namespace) -> None:
    """`count`."""
    from scipy.stats import binomtest

    key = {page["page"]: page for page in json.loads((arguments.folder / "key.json").read_text())["pages"]}
    verdicts: dict[str, str] = {}
    with open(arguments.verdicts, newline="", encoding="utf-8") as file:
        for line, row in enumerate(csv.reader(file), 1):
            if len(row) < 2 or row[0] not in key or row[1] not in VERDICTS:
                raise UsageError(
                    f"{arguments.verdicts}, line {line}: {row} is no page and one of {', '.join(VERDICTS)}"
                )
            verdicts[row[0]] = row[1]
    missing = sorted(key.keys() - verdicts.keys())
    if missing:
        raise UsageError(f"{arguments.verdicts}: no verdict on {', '.join(missing)}")
    models = sorted({page[side] for page in key.values() for side in ("left", "right")})
    wins = {model: sum(key[page].get(verdict) == model for page, verdict in verdicts.items()) for model in models}
    decided = sum(wins.values())
    chance = binomtest(max(wins.values()), decided).pvalue if decided else 1.0
    for model, won in wins.items():
        print(f"{model}: {won} of {len(key)}")
    print(f"neither: {len(key) - decided} of {len(key)}; a coin would be as clear with a chance of {chance:.3f}")


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: parsed.command(parsed))


if __name__ == "__main__":
    sys.exit(main())
