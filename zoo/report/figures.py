"""The figures of an evaluation, each a function of its results alone: PNG beside Markdown, SVG inside the page."""

from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zoo.chroma.yuv import UV_MAX, compose
from zoo.evaluation.record import CHROMA_EDGES, Evaluated, Measured
from zoo.metrics.classification import CONFIDENCE_BINS

GREY = "#888888"  # readable on white and on black
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#A6761D", "#7570B3")  # Okabe and Ito's
MARKERS = "osD^vP*X<>ph"
PANEL = 2.9  # inches


class Palette:
    """One colour a model and one marker a decoder, in the order of the candidates."""

    def __init__(self, candidates: list[Measured]) -> None:
        ways = [each.way for each in candidates if each.way.contends]
        self.labels = list(dict.fromkeys(way.name for way in ways))
        self.forms = list(dict.fromkeys(way.form for way in ways))

    def color(self, label: str) -> str:
        """Of a model."""
        return COLORS[self.labels.index(label) % len(COLORS)]

    def marker(self, form: str) -> str:
        """Of a decoder, or of a regression with or without a gain."""
        return MARKERS[self.forms.index(form) % len(MARKERS)]

    def legend(self, figure: Figure, columns: int) -> None:
        """Colours, then markers, below the figure."""
        handles = [Line2D([], [], color=self.color(label), linewidth=4, label=label) for label in self.labels]
        handles += [
            Line2D([], [], color=GREY, marker=self.marker(form), linestyle="", label=form or "a regression's answer")
            for form in self.forms
        ]
        if handles:
            figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=8, frameon=False)


def averaging_figure(result: Evaluated) -> Figure | None:
    """A* against the between-object variance ratio: the corners are averaging, mode collapse and sampling."""
    points = [
        (each.way, each.scores["a_star"], each.scores["bvr"])
        for each in result.candidates
        if None not in (each.value("a_star"), each.value("bvr"))
    ]
    if not points:
        return None
    palette = Palette(result.candidates)
    figure = Figure(figsize=(7, 6.4), layout="constrained")
    axes = figure.subplots()
    for x, y, text in ((1, 0, "averaging"), (0, 0, "one colour for all"), (0, 1, "sampling")):
        axes.plot(x, y, "s", markersize=22, color=GREY, alpha=0.2, zorder=0, markeredgewidth=0)
        axes.annotate(text, (x, y), textcoords="offset points", xytext=(0, -22), ha="center", color=GREY, fontsize=8)
    taken: list[tuple[float, float]] = []
    for way, a_star, bvr in points:
        x, y = a_star["value"], bvr["value"]
        if not way.contends:
            axes.plot(x, y, "o", markersize=9, color="none", markeredgecolor=GREY)
            near = sum(abs(x - u) < 0.12 and abs(y - v) < 0.08 for u, v in taken)
            taken.append((x, y))
            # On the right the models crowd above, so the words go below.
            place: dict[str, Any] = {"xytext": (8, 6 + 10 * near), "ha": "left"}
            if x > 0.7:
                place = {"xytext": (0, -34 - 10 * near), "ha": "center"}
            axes.annotate(way.shown, (x, y), textcoords="offset points", color=GREY, fontsize=8, **place)
            continue
        axes.errorbar(
            x,
            y,
            xerr=_error(a_star),
            yerr=_error(bvr),
            fmt=palette.marker(way.form),
            color=palette.color(way.name),
            elinewidth=0.7,
            markersize=7,
        )
    axes.set(
        xlabel="A*: 1 at the mean of the possible colours, 0 at one of them",
        ylabel="BVR: variance between objects over the truth's",
    )
    axes.margins(0.18)
    axes.grid(alpha=0.2)
    palette.legend(figure, 4)
    return figure


def _error(found: dict[str, float | None]) -> list[list[float]]:
    """How far the interval's ends are from the value; one image alone has no interval."""
    value, low, high = found["value"], found["low"], found["high"]
    if value is None or low is None or high is None:
        return [[0.0], [0.0]]
    return [[max(value - low, 0.0)], [max(high - value, 0.0)]]


def plane_figure(result: Evaluated) -> Figure | None:
    """The UV plane of the ambiguous class with the most objects: its modes, their mean, and each object's answer."""
    flat = [each.way for each in result.candidates if each.way.kind == "baseline" and each.way.label != "truth"]
    shown = [(each.way.shown, each.object_uv) for each in result.candidates if each.object_uv and each.way not in flat]
    palettes = {name: np.array(uv) for name, uv in result.palettes.items() if len(uv) > 1}
    counts = {name: len(shown[0][1].get(name, ())) for name in palettes} if shown else {}
    if not counts or not max(counts.values()):
        return None
    chosen = max(counts, key=lambda name: counts[name])
    modes = palettes[chosen]
    figure, grid = _panels(len(shown), share=True)
    side = np.linspace(-1, 1, 48)
    plane = np.stack(np.meshgrid(side * UV_MAX[0], side * UV_MAX[1]), axis=-1)
    backdrop = compose(np.full((*plane.shape[:2], 1), 0.55), plane)[0] * 0.4 + 0.6
    dots: dict[str, Any] = {"color": "#111111", "markeredgecolor": GREY, "markeredgewidth": 0.4, "markersize": 3.4}
    extent = (-UV_MAX[0], UV_MAX[0], -UV_MAX[1], UV_MAX[1])
    for axes, (title, object_uv) in zip(grid, shown, strict=True):
        # Not resampled: an SVG would hold a large picture for each panel.
        axes.imshow(backdrop, extent=extent, origin="lower", aspect="auto", zorder=0, interpolation="none")
        points = np.array(object_uv.get(chosen, np.zeros((0, 2))))
        axes.plot(*points.T, "o", label="answers, one an object", **dots)
        axes.plot(*modes.T, "o", color="none", markeredgecolor="red", markersize=12, label="possible colours")
        axes.plot(*modes.mean(axis=0), "x", color="blue", markersize=9, label="their mean")
        axes.set_title(title, fontsize=8)
        axes.tick_params(labelsize=6)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.suptitle(f"U (across) and V of the class {chosen!r}", fontsize=10)
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def chroma_figure(result: Evaluated) -> Figure | None:
    """How often each chroma occurs in the answers, against the truth: a panel a model, a line a decoder."""
    palette = Palette(result.candidates)
    if not palette.labels:
        return None
    middles = (CHROMA_EDGES[1:] + CHROMA_EDGES[:-1]) / 2
    figure, grid = _panels(len(palette.labels), share=True, columns=2, width=PANEL * 1.5)
    truth = next((each.chroma_histogram for each in result.candidates if each.way.title == "truth"), None)
    for axes, label in zip(grid, palette.labels, strict=True):
        if truth:
            axes.fill_between(middles, truth, color=GREY, alpha=0.35, linewidth=0, label="truth")
        lines = [each for each in result.candidates if (each.way.contends, each.way.name) == (True, label)]
        for color, each in zip(cycle(COLORS), lines, strict=False):
            axes.plot(middles, each.chroma_histogram, color=color, linewidth=1.2, label=each.way.form or "answer")
        axes.set(yscale="log", ylim=(1e-5, 1), xlim=(0, CHROMA_EDGES[-1]))
        axes.set_title(label, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.legend(fontsize=6.5, frameon=False)
    figure.supxlabel("chroma C*", fontsize=9)
    figure.supylabel("share of pixels", fontsize=9)
    return figure


def calibration_figure(result: Evaluated) -> Figure | None:
    """How often the most probable bin is the true one, against how probable it was said to be."""
    found = {each.way.label: each.calibration for each in result.candidates if each.calibration}
    if not found:
        return None
    palette = Palette(result.candidates)
    figure = Figure(figsize=(7.5, 3.8), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for head, axes in enumerate(panels):
        axes.plot((0, 1), (0, 1), color=GREY, linewidth=1)
        for name, calibration in found.items():
            count, confidence, accuracy = (
                np.array([np.nan if x is None else x for x in row]) for row in calibration[head]
            )
            sizes = 200 * np.sqrt(count / np.nansum(count))
            axes.scatter(confidence, accuracy, s=sizes, color=palette.color(name), alpha=0.6, label=name)
        axes.set(title="UV"[head], xlabel=f"confidence, {CONFIDENCE_BINS} bins", xlim=(0, 1), ylim=(0, 1))
    panels[0].set_ylabel("accuracy")
    panels[0].legend(fontsize=8, frameon=False)
    return figure


def _panels(count: int, *, share: bool, columns: int = 4, width: float = PANEL) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, `columns` a row, and those panels."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, PANEL * rows), layout="constrained")
    grid = list(figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share).ravel())
    for axes in grid[count:]:
        axes.set_axis_off()
    return figure, grid[:count]


PLOTS: dict[str, Callable[[Evaluated], Figure | None]] = {
    "averaging": averaging_figure,
    "plane": plane_figure,
    "chroma": chroma_figure,
    "calibration": calibration_figure,
}
