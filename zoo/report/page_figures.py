"""The figures that only the page has, and matplotlib's figures as SVG that takes the page's colours."""

import io
import re

import matplotlib
from matplotlib.figure import Figure

from zoo.evaluation.record import Evaluated, Measured
from zoo.report.collected import Run
from zoo.report.figures import COLORS, GREY, PANEL, Palette
from zoo.report.markdown import conditions
from zoo.results import Record

REM_PER_INCH = 6.0  # of the page: text of 8 points is then as large as its tables'
INK = "#010203"  # what is drawn in it takes the colour of the page's text


def svg(figure: Figure, name: str) -> str:
    """A figure as an `<svg>` element: text stays text, ink is the page's, and ids begin with `name`."""
    _ink(figure)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = _with_ids_of(name, text)
    # Sizes in points would not shrink with the page.
    text = re.sub(r'^<svg ([^>]*?)\bwidth="[^"]*"', r"<svg \1", text)
    size = f'style="max-width: {REM_PER_INCH * figure.get_figwidth():.1f}rem"'
    return re.sub(r'^(<svg [^>]*?)\bheight="[^"]*"', rf'\1 role="img" {size}', text)


def _with_ids_of(name: str, text: str) -> str:
    """Only the ids that something refers to, once each and beginning with `name`: matplotlib repeats some."""
    used = {found[0] or found[1] for found in re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', text)}

    def keep(match: re.Match[str]) -> str:
        if match[1] not in used:
            return ""
        used.remove(match[1])
        return f' id="{name}-{match[1]}"'

    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    return re.sub(r'\s+id="([^"]*)"', keep, text)


def _ink(figure: Figure) -> None:
    """Gives everything that is black the ink."""
    from matplotlib.colors import to_hex
    from matplotlib.spines import Spine
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if to_hex(text.get_color()) == "#000000":
            text.set_color(INK)
    for spine in figure.findobj(Spine):
        spine.set_edgecolor(INK)
    for axes in figure.axes:
        axes.tick_params(which="both", color=INK, labelcolor=INK)


def curves_figure(runs: dict[str, Run]) -> Figure | None:
    """Validation RMSE-ab over the steps, and the training loss, a panel for each kind of it.

    Args:
        runs: on one data set, by name.
    """
    losses = sorted({run.config["loss"] for run in runs.values() if run.history["training"]})
    figure = Figure(figsize=(PANEL * 1.35 * (1 + len(losses)), PANEL * 1.2), layout="constrained")
    first, *others = figure.subplots(1, 1 + len(losses), squeeze=False)[0]
    for index, (name, run) in enumerate(runs.items()):
        color = COLORS[index % len(COLORS)]
        points = run.history["validation"]
        steps = [point["step"] for point in points]
        first.plot(steps, [point["rmse_ab"] for point in points], "o-", color=color, markersize=3, label=name)
        first.plot(steps, [run.mean_color] * len(steps), "--", color=color, linewidth=0.8, alpha=0.7)
        for loss, axes in zip(losses, others, strict=True):
            if run.config["loss"] == loss and run.history["training"]:
                axes.plot(*zip(*run.history["training"], strict=True), color=color, linewidth=1, label=name)
    first.set(xlabel="step", title="RMSE-ab ↓, validation")
    for loss, axes in zip(losses, others, strict=True):
        axes.set(xlabel="step", title=f"training loss ↓, {loss.replace('_', ' ')}", yscale="log")
    for axes in (first, *others):
        axes.title.set_fontsize(9)
        axes.tick_params(which="both", labelsize=7)
        axes.grid(alpha=0.2)
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def tradeoff_figure(result: Evaluated, points: list[tuple[Measured, dict[str, Record | None]]]) -> Figure | None:
    """CIEDE2000 and the pooled energy distance against the speed of inference: a column a machine.

    Args:
        result: the evaluation, for its colours and markers.
        points: candidates, each with a benchmark row of its speed, or None, by machine.
    """
    machines = list(dict.fromkeys(machine for _, speeds in points for machine, row in speeds.items() if row))
    if not machines:
        return None
    palette = Palette(result.candidates)
    metrics = {"delta_e00": "ΔE00 ↓", "ab_energy_pooled": "energy distance, pooled ↓"}
    columns = len(machines)
    figure = Figure(figsize=(max(6.5, PANEL * 1.3 * columns), PANEL * 2), layout="constrained")
    grid = figure.subplots(2, columns, squeeze=False, sharex="col", sharey="row")
    for line, (metric, title) in zip(grid, metrics.items(), strict=True):
        for axes, machine in zip(line, machines, strict=True):
            for each, speeds in points:
                row, value, way = speeds[machine], each.value(metric), each.way
                if row and value is not None:
                    axes.plot(row["value"], value, palette.marker(way.form), color=palette.color(way.label), alpha=0.85)
            axes.grid(alpha=0.2)
            axes.tick_params(labelsize=7)
            axes.margins(0.1)
        line[0].set_ylabel(title, fontsize=9)
    for axes, machine in zip(grid[0], machines, strict=True):
        axes.set_title(machine, fontsize=8)
    for axes, machine in zip(grid[-1], machines, strict=True):
        row = next(filter(None, (speeds[machine] for _, speeds in points)))
        axes.set_xlabel(f"images/s, inference, {conditions(row)}", fontsize=8, color=GREY)
        axes.set_xlim(left=0)
    palette.legend(figure, 4)
    return figure
