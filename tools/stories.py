"""What a user's word on some of a story does for the rest of it: `python tools/stories.py MODEL -o FILE.json`.

Of each African Storybook story of a split, the second page stands for one that was coloured by hand. The first page
and the three after it are coloured without it, with it as reference, and with hints carried over from it: so many
places that `zoo hints` would ask about, in their true colours. Besides, a colour sheet of the first eight pages is used
as it is made, and with its largest entries in their true colours.
"""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from zoo.chroma.evidence import Given
from zoo.chroma.yuv import split_luma
from zoo.data.dataset import open_dataset
from zoo.evaluation.hinted import hint_of
from zoo.metrics import lab
from zoo.metrics.bootstrap import interval
from zoo.pages.guide import Guide
from zoo.pages.scan import scan_of
from zoo.pages.sheet import grouped, groups_of, parts_of
from zoo.support import machine
from zoo.support.command import import_tensorflow, run
from zoo.support.files import write_text

LEAST_PAGES = 5
PAGES = 8  # of a story, for its sheet
FILLED = 12  # entries of a sheet that get their true colours
WAYS = (
    "none",
    "reference",
    "hints carried over",
    "five hints of its own",
    "reference and five hints",
    "another story",
    "sheet as made",
    "sheet, largest entries true",
)


def measure(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    dataset = open_dataset("illustrations-open", crop=64)
    stories: dict[str, list[Any]] = defaultdict(list)
    for image in dataset.splits[arguments.split].images:
        name = Path(image.name).name
        if name.startswith("asp_"):
            stories[name.split("_")[1]].append(image)
    chosen = {
        story: sorted(pages, key=lambda page: page.name)
        for story, pages in sorted(stories.items())
        if len(pages) >= LEAST_PAGES
    }
    import_tensorflow()
    from skimage.color import deltaE_ciede2000

    from zoo.pages.asking import questions
    from zoo.pages.colorizer import Colorizer

    colorizer = Colorizer(arguments.model)
    found: list[dict[str, Any]] = []
    tokens, sheets, identity = {}, {}, {}
    for story, pages in chosen.items():
        rgb = pages[1].decode()
        draft = colorizer.draft(_luma(rgb))
        places = [(each.y, each.x) for each in questions(draft.examined, arguments.hints)]
        hints = tuple(hint_of(rgb, row, column) for row, column in places)
        sheets[story], identity[story] = _sheets(colorizer, pages[:PAGES])
        tokens[story] = colorizer.references(scan_of(rgb)), draft.examined.given(hints)
    names = list(chosen)
    for story, pages in chosen.items():
        reference, carried = tokens[story]
        other = tokens[names[(names.index(story) + 1) % len(names)]][0]
        for page in [pages[0], *pages[2:5]]:
            rgb = page.decode()
            draft, truth = colorizer.draft(_luma(rgb)), lab(rgb)
            own = tuple(hint_of(rgb, each.y, each.x) for each in questions(draft.examined, 5))
            values = {}
            for way, guide in zip(
                WAYS,
                (
                    Guide(),
                    Guide(references=reference),
                    Guide(references=carried),
                    Guide(hints=own),
                    Guide(hints=own, references=reference),
                    Guide(references=other),
                    *(Guide(references=sheet) for sheet in sheets[story]),
                ),
                strict=True,
            ):
                uv = draft.examined.chroma(colorizer.decode, 0, guide)
                colored = colorizer.paint(draft.scan, uv, hints=guide.hints) >> 8
                values[way] = float(deltaE_ciede2000(truth, lab(colored.astype(np.uint8))).mean())
            found.append({"story": story, "page": page.name} | values)
        print(
            story, {way: round(np.mean([f[way] for f in found if f["story"] == story]), 2) for way in WAYS}, flush=True
        )
    groups = [each["story"] for each in found]
    table = {}
    for way in WAYS:
        x = np.array([each[way] for each in found])
        base = np.array([each["none"] for each in found])
        change = interval(lambda w, x=x, base=base: (w @ x) / (w @ base) - 1, groups)
        table[way] = {"delta_e00": round(float(x.mean()), 2), "change": [round(value, 3) for value in change]}
        print(f"{way:26} ΔE00 {x.mean():6.2f}  change {change[0]:+.1%} [{change[1]:+.1%}, {change[2]:+.1%}]")
    about = {
        "model": arguments.model,
        "split": arguments.split,
        "hints carried": arguments.hints,
        "stories": len(chosen),
    }
    environment = machine.describe(machine.resolve_precision("auto"))
    write_text(
        arguments.out,
        json.dumps(about | {"table": table, "sheets": identity, "pages": found, "environment": environment}, indent=1)
        + "\n",
    )


def _sheets(colorizer: Any, pages: list[Any]) -> tuple[list[tuple[Given, ...]], dict[str, float]]:
    """A story's sheet as it is made and with true colours, and how well regions of one entry agree in true colour."""
    parts, true = [], []
    for page in pages:
        rgb = page.decode()
        uv = split_luma(rgb / np.float32(255))[1]
        examined = colorizer.draft(_luma(rgb)).examined
        parts += parts_of(page.name, examined, colorizer.decode)
        true += parts_of(page.name, examined, colorizer.decode, uv)
    entries, groups = grouped(parts, colorizer.rule, len(pages))[0], groups_of(parts, colorizer.rule)
    corrected = grouped(true, colorizer.rule, len(pages))[0]
    area, colors = np.array([part.area for part in true]), np.stack([part.uv for part in true])

    def spread(inside: np.ndarray) -> float:
        own = np.average(colors[inside], axis=0, weights=area[inside])
        return float((area[inside] * ((colors[inside] - own) ** 2).sum(axis=-1)).sum())

    within = sum(spread(groups == group) for group in np.unique(groups))
    sizes = np.bincount(groups)
    told = {
        "entries": len(entries),
        "regions": len(parts),
        "variance within entries": within / max(1e-9, spread(np.ones(len(true), bool))),
        "area grouped with others": float(area[sizes[groups] > 1].sum() / area.sum()),
    }
    filled = [*corrected[:FILLED], *entries[FILLED:]]
    return [tuple(entry.given for entry in sheet) for sheet in (entries, filled)], told


def _luma(rgb: np.ndarray) -> np.ndarray:
    return split_luma(rgb / np.float32(255))[0][..., 0]


def main() -> int:
    """Entry point; returns the exit code."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("model")
    p.add_argument("--split", default="test", choices=("val", "test"))
    p.add_argument("--hints", type=int, default=10)
    p.add_argument("-o", "--out", type=Path, required=True)
    arguments = p.parse_args()
    return run(lambda: measure(arguments))


if __name__ == "__main__":
    sys.exit(main())
