"""The data sets `procedural` and `procedural-objects`: drawn by this package, with colours known to be ambiguous.

The first is of comic pages, the second of sheets on which things stand alone, from seeds that no page uses.

Each object of an ambiguous class (car, shirt, roof ...) has one of a few colours of equal luma, all equally
likely; the grey page does not tell which. The classes with one colour (sky, grass, skin ...) are the controls.
A page is drawn without colours first (`zoo.data.drawn.scenes`), then coloured by draws of their own, so that nothing
visible in grey can depend on a colour. A shade adds the same number to R, G and B, which leaves U and V as they are.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.chroma.yuv import rgb_to_yuv
from zoo.data.cards import SPLITS, get_card
from zoo.data.drawn.canvas import Dice, Sketch
from zoo.data.drawn.scenes import SCALE, sketch_page, sketch_sheet
from zoo.errors import RunError, UsageError
from zoo.support.files import CACHE_VARIABLE, atomic_path, cache_dir

VERSION = 1
PAGES_THAT_PAY_A_PROCESS = 16  # starting one takes as long as drawing about ten

_SKETCHES = {"procedural": sketch_page, "procedural-objects": sketch_sheet}
NAMES = tuple(_SKETCHES)
"""The data sets."""

PageSpec = tuple[Path, str, str, int, int]  # root, name, split, index, seed


@dataclass(frozen=True)
class ObjectClass:
    """A kind of object and the colours it may have.

    Attributes:
        name: Its name.
        label: Its value in the class map, from 1.
        palette: RGB, 0 to 255, of each mode. All modes have the same luma, within 0.25 of 255.
    """

    name: str
    label: int
    palette: tuple[tuple[int, int, int], ...]

    @property
    def ambiguous(self) -> bool:
        """Whether the grey image leaves the colour open."""
        return len(self.palette) > 1


# Channels stay within 30 .. 238, so that no shade leaves 0 .. 255.
CLASSES = (
    ObjectClass("car", 1, ((222, 61, 51), (45, 116, 232), (40, 152, 60))),
    ObjectClass("shirt", 2, ((234, 99, 105), (76, 156, 225), (191, 135, 32), (159, 113, 229))),
    ObjectClass("trousers", 3, ((45, 73, 190), (125, 63, 32))),
    ObjectClass("roof", 4, ((190, 52, 41), (39, 105, 164))),
    ObjectClass("door", 5, ((40, 140, 51), (179, 50, 150))),
    ObjectClass("balloon", 6, ((238, 105, 151), (60, 196, 149), (225, 135, 31))),
    ObjectClass("rock", 7, ((98, 53, 31), (143, 30, 32), (64, 64, 64))),  # brown, red, black
    ObjectClass("sky", 8, ((128, 200, 238),)),
    ObjectClass("grass", 9, ((122, 190, 72),)),
    ObjectClass("hill", 10, ((88, 160, 132),)),
    ObjectClass("leaves", 11, ((42, 122, 50),)),
    ObjectClass("trunk", 12, ((140, 90, 50),)),
    ObjectClass("skin", 13, ((238, 184, 146),)),
    ObjectClass("hair", 14, ((92, 56, 36),)),
    ObjectClass("wall", 15, ((238, 218, 164),)),
    ObjectClass("glass", 16, ((150, 214, 226),)),
    ObjectClass("road", 17, ((116, 108, 140),)),
    ObjectClass("sand", 18, ((234, 204, 138),)),
    ObjectClass("sea", 19, ((40, 140, 190),)),
    ObjectClass("sun", 20, ((238, 206, 60),)),
)
_BY_NAME = {object_class.name: object_class for object_class in CLASSES}


@dataclass(frozen=True)
class DrawnPage:
    """A page and what is on it. All arrays are uint8.

    Ink, paper, the edges of objects and of their shades belong to no object: a labelled pixel has exactly a
    colour of its class, plus a shade.

    Attributes:
        rgb: The page, (H, W, 3).
        classes: Class labels, (H, W); 0 for none.
        objects: Ids of objects, from 1, (H, W); 0 for none.
        modes: Index of the object's colour in its class's palette, plus 1, (H, W); 0 for none.
    """

    rgb: np.ndarray
    classes: np.ndarray
    objects: np.ndarray
    modes: np.ndarray


def draw_page(split: str, index: int, *, seed: int = 0, name: str = "procedural") -> DrawnPage:
    """Draws a page of one of `NAMES`; it depends on the arguments and on nothing else.

    Raises:
        UsageError: There is no such split, or a number is negative.
    """
    sketch, modes = sketch_of(split, index, seed=seed, name=name)
    return color_page(sketch, modes)


def sketch_of(split: str, index: int, *, seed: int = 0, name: str = "procedural") -> tuple[Sketch, list[int]]:
    """The page without its colours, and the mode of each of its objects, that of object id 1 first.

    Raises:
        UsageError: There is no such split, or a number is negative.
    """
    if split not in SPLITS:
        raise UsageError(f"no split {split!r} in the data set {name}; choose from {', '.join(SPLITS)}")
    if index < 0 or seed < 0:
        raise UsageError(f"page {index} of seed {seed}: neither may be negative")
    # No two data sets share a stream of random numbers, nor do two splits of one.
    entropy = (VERSION, seed, NAMES.index(name) * len(SPLITS) + SPLITS.index(split), index)
    sketch = _SKETCHES[name](Dice(*entropy, 0))
    dice = Dice(*entropy, 1)
    return sketch, [dice.below(len(_BY_NAME[kind].palette)) for kind in sketch.kinds]


def color_page(sketch: Sketch, modes: list[int]) -> DrawnPage:
    """Colours a sketch, each object in the mode given for it (that of object id 1 first)."""
    classes = [_BY_NAME[kind] for kind in sketch.kinds]
    colors, labels = [], []
    for paint in sketch.paints:
        if paint.object:
            owner, mode = classes[paint.object - 1], modes[paint.object - 1]
            colors.append([channel + paint.shade for channel in owner.palette[mode]])
            labels.append([owner.label, paint.object, mode + 1])
        else:
            colors.append([paint.shade] * 3)
            labels.append([0, 0, 0])
    # NumPy refuses values outside 0 .. 255 here: a clipped colour or a 256th object cannot go unnoticed.
    color_of, labels_of = np.array(colors, np.uint8), np.array(labels, np.uint8)

    numbers = np.asarray(sketch.image)
    first, *others = (numbers[row::SCALE, column::SCALE] for row in range(SCALE) for column in range(SCALE))
    blended = np.any([first != other for other in others], axis=0)
    rgb, maps = color_of[first], labels_of[first]
    rgb[blended] = _blend(color_of[np.stack([part[blended] for part in (first, *others)])])
    maps[blended] = 0
    return DrawnPage(rgb, maps[..., 0], maps[..., 1], maps[..., 2])


def _blend(colors: np.ndarray) -> np.ndarray:
    """The mean (N, 3) of uint8 colours (n, N, 3) over their first axis, with the mean's luma.

    Rounding each channel by itself would move luma by up to half a level, differently for each mode. So blue, which
    counts least in luma, makes up for what the rounding of red and green did to it.
    """
    mean = colors.mean(axis=0)
    rounded = np.rint(mean)
    rounded[:, 2] = np.rint(mean[:, 2] + ((mean - rounded)[:, :2] @ [0.299, 0.587]) / 0.114)
    return rounded.clip(0, 255).astype(np.uint8)


def mode_uv(object_class: ObjectClass) -> np.ndarray:
    """UV (K, 2) of the class's modes; a shade does not change them."""
    return rgb_to_yuv(np.array(object_class.palette) / 255)[:, 1:]


def digest(*, seed: int = 0, name: str = "procedural") -> str:
    """SHA-256 of the pixels and maps of the first page of each split."""
    state = hashlib.sha256()
    for split in SPLITS:
        page = draw_page(split, 0, seed=seed, name=name)
        for array in (page.rgb, page.classes, page.objects, page.modes):
            state.update(np.ascontiguousarray(array).tobytes())
    return state.hexdigest()


def materialise(
    root: Path | None = None,
    *,
    name: str = "procedural",
    counts: Mapping[str, int] | None = None,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Writes the pages that are not there yet, as `pages/{split}/{index:05d}.png` and, beside them, their maps.

    Files appear whole or not at all, and hold the same bytes whoever writes them, so that any number of processes
    may do this at once. A map is an RGB PNG in `maps/`: class label, object id, mode. Pages of an earlier call with
    larger `counts` stay.

    Args:
        root: Where to; by default a folder of the cache, named after the data set, `VERSION` and `seed`.
        name: Which of `NAMES`.
        counts: The number of pages of each split; by default those of the data set's card.
        seed: Chooses another set of pages.
        workers: Processes to draw in; by default one a core. With 1 no process is started.
        progress: Called with the pages done and the pages missing at first, after each page.

    Returns:
        The root; its `pages` is an ordinary folder of images.

    Raises:
        UsageError: The folder cannot be written, or `counts` names an unknown split.
        RunError: A worker process died.
    """
    root = root or cache_dir() / f"{name}-v{VERSION}-seed{seed}"
    counts = get_card(name).pages if counts is None else counts
    jobs = [
        (root, name, split, index, seed)
        for split, count in counts.items()
        for index in range(count)
        if not all(path.exists() for path in _paths(root, split, index))
    ]
    try:
        for split in counts:
            for path in _paths(root, split, 0):
                path.parent.mkdir(parents=True, exist_ok=True)
        for done, _ in enumerate(_run(jobs, workers or os.cpu_count() or 1), 1):
            if progress:
                progress(done, len(jobs))
    except OSError as error:
        raise UsageError(
            f"cannot write the procedural pages to {root}: {error.strerror or error}; "
            f"set {CACHE_VARIABLE} to a folder that can be written"
        ) from error
    except BrokenProcessPool as error:
        raise RunError(
            "a process that draws pages died; if this is a script, call it under `if __name__ == '__main__':`"
        ) from error
    return root


def _run(jobs: list[PageSpec], workers: int) -> Iterator[None]:
    """Does all jobs, in this process if they are few, and yields after each."""
    workers = min(workers, len(jobs) // PAGES_THAT_PAY_A_PROCESS)
    if workers < 2:
        yield from map(_write_page, jobs)
        return
    # A fork of a process that runs TensorFlow's threads may hang; a spawned one starts afresh.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_write_page, jobs, chunksize=4)


def _paths(root: Path, split: str, index: int) -> tuple[Path, Path]:
    """The files of a page and of its maps."""
    name = f"{index:05d}.png"
    return root / "pages" / split / name, root / "maps" / split / name


def _write_page(job: PageSpec) -> None:
    root, name, split, index, seed = job
    page = draw_page(split, index, seed=seed, name=name)
    page_path, map_path = _paths(root, split, index)
    # The page last: whoever sees a page finds its maps.
    for path, array in ((map_path, np.stack([page.classes, page.objects, page.modes], -1)), (page_path, page.rgb)):
        with atomic_path(path) as temporary:
            Image.fromarray(array).save(temporary, format="PNG", compress_level=1)


def read_maps(page_path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The class, object and mode maps, uint8 (H, W) each, of a page that `materialise` wrote.

    Raises:
        UsageError: There are no maps for this file.
    """
    split = page_path.parent
    map_path = split.parent.parent / "maps" / split.name / page_path.name
    try:
        with Image.open(map_path) as image:
            maps = np.array(image)
    except OSError as error:
        raise UsageError(f"{page_path} has no readable maps at {map_path}: {error}") from error
    return maps[..., 0], maps[..., 1], maps[..., 2]
