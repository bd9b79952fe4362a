"""Makes the lists of the local data sets whose licences let weights be released, from folders with a `manifest.csv`.

python tools/open_lists.py DIR     the lists `datasets/*-open.csv` and `photos-various.csv`, of DIR/illustrations, …

DIR/SET/manifest.csv has the columns file (SPLIT/NAME), source, licence, group, width, height, sha256, and others that
are ignored. Of every image is asked whether

- its licence is in `ALLOWED` (no copyleft, nothing non-commercial), and names the author where it is CC BY;
- it has more than grey, and more than one tint: U and V of `SHARE` of its pixels are off one ray from the origin;
- it is of train and looks like one of val or test, of whatever set: it is left out then.

`comics-open` was made before the last two: its list stays, and its images are compared with. Digests and counts are
printed; they go into the cards by hand.
"""

import argparse
import csv
import hashlib
import re
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.data.cards import SPLITS
from zoo.data.decode import GRAY_CHROMA, GRAY_SHARE, is_gray
from zoo.data.prepared.manifest import read_facts, write_table
from zoo.data.prepared.near import near_pairs, perceptual_hash
from zoo.data.prepared.prepare import Settings

DATASETS = Path(__file__).resolve().parents[1] / "datasets"
SETS = {"illustrations-open": "illustrations", "photos-open": "photos-open", "photos-various": "photos"}
COLUMNS = ["file", "source", "licence", "group", "width", "height", "sha256"]

ALLOWED = re.compile(
    r"public[- ]domain.*|CC Public Domain Dedication|CC0-1\.0( \(.+\))?|CC-BY(-[1-4]\.0)? \(.+\)"
    r"|(MIT|Expat)( \(.+\))?",
    re.IGNORECASE,
)
"""Licences of which derived weights may be released; CC BY where the author is named."""

NAMED = {
    "CC-BY (china, flower)": "CC-BY-2.0 (danielbuechele, vultilion)",  # sklearn/datasets/images/README.txt
    "CC0/PD/BSD (skimage data)": "public domain or CC0-1.0",  # its docstrings: astronaut, cat, coffee, rocket
}
"""Licences that the manifests put otherwise."""

LEFT_OUT = re.compile(
    r".*Microsoft Clip Art.*"  # named as illustrator of stories under CC BY, whose publisher could not license it
    r"|train/scikit-image_0003_.*"  # of the Middlebury stereo data, which state no licence
)
"""Files and licences that are left out by name."""


def is_tinted(rgb: np.ndarray) -> bool:
    """Whether Cb and Cr of nearly all pixels lie on one ray from the origin: black, white and shades of one colour."""
    small = Image.fromarray(rgb)
    small.thumbnail((128, 128), Image.Resampling.BOX)
    chroma = np.asarray(small.convert("YCbCr"))[..., 1:].reshape(-1, 2).astype(float) - 128
    across, along = np.linalg.eigh(chroma.T @ chroma)[1].T
    along = along * np.sign((chroma @ along).sum())
    off = np.maximum(np.abs(chroma @ across), -(chroma @ along)) > GRAY_CHROMA / 2
    return bool(off.mean() < GRAY_SHARE)


def main() -> None:
    """Entry point."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=Path, metavar="DIR")
    folder = p.parse_args().folder
    with open(DATASETS / "comics-open.csv", newline="", encoding="utf-8") as file:
        comics = list(csv.DictReader(file))
    rows = [("comics-open", folder / "comics", row) for row in comics]
    left_out = {name: Counter[str]() for name in SETS}
    for name, sub in SETS.items():
        for row in read_facts(folder / sub, *COLUMNS).values():
            row["licence"] = NAMED.get(row["licence"], row["licence"])
            if not ALLOWED.fullmatch(row["licence"]) or any(map(LEFT_OUT.fullmatch, row.values())):
                left_out[name]["licence"] += 1
            else:
                rows.append((name, folder / sub, row))
    kept, hashes = [], []
    tinted_comics = 0
    for name, root, row in rows:
        data = (root / row["file"]).read_bytes()
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            raise SystemExit(f"{root / row['file']}: not the file of the manifest")
        with Image.open(root / row["file"]) as image:
            rgb = np.asarray(image.convert("RGB"))
        if is_gray(rgb) or is_tinted(rgb):
            if name in SETS:
                left_out[name]["grey" if is_gray(rgb) else "of one tint"] += 1
                continue
            tinted_comics += 1
        kept.append((name, row))
        hashes.append(perceptual_hash(rgb))
    first, pairs = near_pairs(np.array(hashes, np.uint64), Settings().near)
    dropped = set()
    for one, other in [*enumerate(first.tolist()), *pairs.tolist()]:
        splits = {kept[each][1]["file"].split("/")[0]: each for each in (one, other)}
        if len(splits) == 2:
            # Of train, or of val if the other is of test; never of comics-open, whose list stays.
            drop = min(splits.values(), key=lambda each: (kept[each][0] not in SETS, _split(kept[each][1])))
            if kept[drop][0] in SETS and drop not in dropped:
                dropped.add(drop)
                left_out[kept[drop][0]][f"of {SPLITS[_split(kept[drop][1])]} like one of another split"] += 1
    print(f"comics-open: stays as it is; {tinted_comics} are of one tint")
    for name in SETS:
        chosen = [row for at, (of, row) in enumerate(kept) if of == name and at not in dropped]
        path = DATASETS / f"{name}.csv"
        chosen.sort(key=lambda row: row["file"])
        write_table(path, COLUMNS, ({key: row[key] for key in COLUMNS} for row in chosen))
        counts = Counter(SPLITS[_split(row)] for row in chosen)
        print(f"{name}: {dict(counts)}, left out: {dict(left_out[name])}, {path.stat().st_size:,} bytes")
        print(f'  digest = "{hashlib.sha256(path.read_bytes()).hexdigest()}"')
        print(
            "  " + ", ".join(f"{count} {source}" for source, count in Counter(row["source"] for row in chosen).items())
        )


def _split(row: dict[str, str]) -> int:
    return SPLITS.index(row["file"].split("/")[0])


if __name__ == "__main__":
    main()
