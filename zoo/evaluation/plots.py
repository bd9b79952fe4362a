"""The pictures of an evaluation, each a function of its results alone; and the sheet of the coloured images."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from zoo.color import UV_MAX, compose
from zoo.evaluation.evaluate import CHROMA_EDGES
from zoo.harness.summary import save_png
from zoo.metrics.classification import CONFIDENCE_BINS
from zoo.paths import atomic_path

TILE = 192  # pixels a side of the sheet's pictures
GAP = 4
GALLERY_IMAGES, GALLERY_SIDE = 4, 320
REFERENCES = ("truth", "grey", "mean colour")


def digest_of(result: dict[str, Any]) -> str:
    """SHA-256 (hex) of the results that a plot is made from; each PNG carries it as its text `Results`."""
    return hashlib.sha256(json.dumps(result, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def save_plots(folder: Path, prefix: str, result: dict[str, Any]) -> list[Path]:
    """Writes the plots that the results of `zoo.evaluate` have something to show in, as PNG.

    Args:
        folder: where to.
        prefix: of the files' names.
        result: what `zoo.evaluate` found.

    Returns:
        The files written.
    """
    written = []
    for name, draw in PLOTS.items():
        figure = draw(result)
        if figure is not None:
            path = folder / f"{prefix}{name}.png"
            with atomic_path(path) as temporary:
                metadata = {"Results": digest_of(result)}
                figure.savefig(temporary, format="png", dpi=110, bbox_inches="tight", metadata=metadata)
            written.append(path)
    return written


def stale_plots(folder: Path, prefix: str, result: dict[str, Any]) -> list[Path]:
    """Those plots of the results that are not there, or were made from other results."""
    paths = [folder / f"{prefix}{name}.png" for name, draw in PLOTS.items() if draw(result) is not None]
    return [path for path in paths if _made_from(path) != digest_of(result)]


def _made_from(path: Path) -> str | None:
    try:
        with Image.open(path) as image:
            return image.info.get("Results")
    except OSError:
        return None


def chroma_figure(result: dict[str, Any]) -> Figure:
    """How often each chroma occurs in the answers, against the truth."""
    figure = Figure(figsize=(8, 4.5))
    axes = figure.subplots()
    middles = (CHROMA_EDGES[1:] + CHROMA_EDGES[:-1]) / 2
    for candidate in result["candidates"]:
        if candidate["name"] == "truth":
            axes.fill_between(middles, candidate["chroma_histogram"], color="0.85", label="truth")
        elif candidate["name"] not in REFERENCES:
            axes.plot(middles, candidate["chroma_histogram"], label=candidate["name"], linewidth=1.3)
    axes.set(xlabel="chroma C*", ylabel="share of pixels", yscale="log", ylim=(1e-5, 1), xlim=(0, CHROMA_EDGES[-1]))
    axes.set_title("Chroma of the answers against the truth's")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure


def averaging_figure(result: dict[str, Any]) -> Figure | None:
    """A* against the between-object variance ratio: the corners are averaging, mode collapse and sampling."""
    points = [
        (candidate["name"], candidate["indices"]["a_star"], candidate["indices"]["bvr"])
        for candidate in result["candidates"]
        if candidate["indices"] and None not in (candidate["indices"][name]["value"] for name in ("a_star", "bvr"))
    ]
    if not points:
        return None
    figure = Figure(figsize=(7, 6))
    axes = figure.subplots()
    for x, y, text in ((1, 0, "averaging"), (0, 0, "one colour for all"), (0, 1, "sampling")):
        axes.plot(x, y, "s", markersize=16, color="0.9", zorder=0)
        axes.annotate(text, (x, y), textcoords="offset points", xytext=(0, -18), ha="center", color="0.5", fontsize=8)
    for index, (name, a_star, bvr) in enumerate(points):
        error = [_error(each) for each in (a_star, bvr)]
        marker = "osD^vP*X"[index // 10 % 8]
        axes.errorbar(
            a_star["value"],
            bvr["value"],
            xerr=error[0],
            yerr=error[1],
            fmt=marker,
            label=name,
            capsize=2,
        )
    axes.set(
        xlabel="A*: 1 at the mean of the possible colours, 0 at one of them", ylabel="between-object variance ratio"
    )
    axes.margins(0.15)
    axes.grid(alpha=0.2)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure


def _error(found: dict[str, float | None]) -> list[list[float]]:
    """How far the interval's ends are from the value; one image alone has no interval."""
    value, low, high = found["value"], found["low"], found["high"]
    if value is None or low is None or high is None:
        return [[0.0], [0.0]]
    return [[max(value - low, 0.0)], [max(high - value, 0.0)]]


def plane_figure(result: dict[str, Any]) -> Figure | None:
    """The UV plane of the ambiguous class with the most objects: its modes, their mean, and each object's answer."""
    shown = [c for c in result["candidates"] if c["object_uv"] and c["name"] not in REFERENCES[1:]]
    palettes = {name: np.array(uv) for name, uv in result["palettes"].items() if len(uv) > 1}
    counts = {name: len(shown[0]["object_uv"].get(name, ())) for name in palettes} if shown else {}
    if not counts or not max(counts.values()):
        return None
    chosen = max(counts, key=lambda name: counts[name])
    modes = palettes[chosen]
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(3 * columns, 3.1 * rows))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    side = np.linspace(-1, 1, 96)
    plane = np.stack(np.meshgrid(side * UV_MAX[0], side * UV_MAX[1]), axis=-1)
    backdrop = compose(np.full((*plane.shape[:2], 1), 0.55), plane)[0] * 0.4 + 0.6
    for axes, candidate in zip(grid, shown, strict=False):
        axes.imshow(
            backdrop, extent=(-UV_MAX[0], UV_MAX[0], -UV_MAX[1], UV_MAX[1]), origin="lower", aspect="auto", zorder=0
        )
        points = np.array(candidate["object_uv"].get(chosen, np.zeros((0, 2))))
        axes.plot(*points.T, "o", color="black", markersize=3, alpha=0.5, label="answers, one an object")
        axes.plot(*modes.T, "o", color="none", markeredgecolor="red", markersize=12, label="possible colours")
        axes.plot(*modes.mean(axis=0), "x", color="blue", markersize=9, label="their mean")
        axes.set_title(candidate["name"], fontsize=8)
        axes.tick_params(labelsize=6)
    for axes in grid[len(shown) :]:
        axes.set_axis_off()
    handles, labels = grid[0].get_legend_handles_labels()
    figure.suptitle(f"U and V of the class {chosen!r}", fontsize=10)
    figure.legend(handles, labels, loc="lower center", ncols=3, fontsize=8, frameon=False, bbox_to_anchor=(0.5, -0.04))
    figure.tight_layout()
    return figure


def calibration_figure(result: dict[str, Any]) -> Figure | None:
    """How often the most probable bin is the true one, against how probable it was said to be."""
    found = {
        candidate["name"].rpartition(", ")[0]: candidate["classification"]
        for candidate in result["candidates"]
        if candidate["classification"]
    }
    if not found:
        return None
    figure = Figure(figsize=(8, 4))
    panels = figure.subplots(1, 2, sharey=True)
    for head, axes in enumerate(panels):
        axes.plot((0, 1), (0, 1), color="0.7", linewidth=1)
        for name, classification in found.items():
            count, confidence, accuracy = (
                np.array([np.nan if x is None else x for x in row]) for row in classification["calibration"][head]
            )
            sizes = 200 * np.sqrt(count / np.nansum(count))
            axes.scatter(confidence, accuracy, s=sizes, alpha=0.6, label=f"{name}, {CONFIDENCE_BINS} bins")
        axes.set(title="UV"[head], xlabel="confidence", xlim=(0, 1), ylim=(0, 1))
    panels[0].set_ylabel("accuracy")
    panels[0].legend(fontsize=8)
    return figure


PLOTS: dict[str, Callable[[dict[str, Any]], Figure | None]] = {
    "averaging": averaging_figure,
    "plane": plane_figure,
    "chroma": chroma_figure,
    "calibration": calibration_figure,
}


def save_gallery(folder: Path, pictures: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Writes the first pictures of every candidate as small WebP files, `IMAGE-CANDIDATE.webp`, both by number.

    Args:
        folder: where to.
        pictures: uint8 RGB (H, W, 3) by candidate, in the order of the results.
    """
    folder.mkdir(exist_ok=True)
    for column, each in enumerate(pictures.values()):
        for row, picture in enumerate(each[:GALLERY_IMAGES]):
            image = Image.fromarray(picture)
            image.thumbnail((GALLERY_SIDE, GALLERY_SIDE), Image.Resampling.LANCZOS)
            with atomic_path(folder / f"{row:02}-{column:02}.webp") as temporary:
                image.save(temporary, format="WEBP", quality=80, method=6)


def save_sheet(path: Path, rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str]) -> None:
    """Writes the picture sheet: a row an image, a column a candidate, titles above.

    Args:
        path: of the PNG.
        rows: uint8 RGB (H, W, 3); of one size within a row.
        titles: one a column.
    """
    font = ImageFont.truetype(matplotlib.get_data_path() + "/fonts/ttf/DejaVuSans.ttf", 11)  # Pillow's own has no ×
    lines = [_wrapped(title, font) for title in titles]
    top = 14 * max(len(each) for each in lines) + 6
    tiles = [[_tile(picture) for picture in row] for row in rows]
    heights = [row[0].height for row in tiles]
    sheet = Image.new("RGB", (len(titles) * (TILE + GAP) + GAP, top + sum(heights) + GAP * len(rows)), "white")
    draw = ImageDraw.Draw(sheet)
    for column, each in enumerate(lines):
        for number, line in enumerate(each):
            draw.text((GAP + column * (TILE + GAP), 3 + 14 * number), line, fill="black", font=font)
    y = top
    for row, height in zip(tiles, heights, strict=True):
        for column, tile in enumerate(row):
            sheet.paste(tile, (GAP + column * (TILE + GAP), y))
        y += height + GAP
    save_png(path, np.asarray(sheet))


def _tile(picture: np.ndarray) -> Image.Image:
    image = Image.fromarray(picture)
    return image.resize((TILE, max(1, round(image.height * TILE / image.width))), Image.Resampling.LANCZOS)


def _wrapped(title: str, font: Any) -> list[str]:
    lines = [""]
    for word in title.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) > TILE and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
