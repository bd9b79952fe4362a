"""The page of the leaderboard in `reports/`: what every model does with the same compute, and at what price."""

import hashlib
import json
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

from zoo.errors import UsageError
from zoo.evaluation.record import Evaluated, Measured
from zoo.evaluation.tables import metric_title
from zoo.models.registry import get_card, list_models
from zoo.report.figures import COLORS, GREY, MARKERS
from zoo.results import METRICS
from zoo.support.files import atomic_path
from zoo.support.table import Cell, Column, Table, number

COSTS = ("minutes", "task", "cpu", "cpu_flags", "page", "entries")
DECODERS = ("annealed", "mode+coherent", "annealed+coherent")
"""Of a classifier's answers, those that are shown, where the task has them."""

DRAWN = ("", *DECODERS[:2])
"""Of those, and of regressions, what the figure shows."""

PAGES = ("page", "side", "cpu", "models")
COLORED = ("delta_e00", "cf", "ab_energy")
AVERAGED = ("a_star", "bvr", "ned", "mode_rate", "false_rate", "speckle")


@dataclass(frozen=True)
class Board:
    """What was measured on a board.

    Attributes:
        name: of `leaderboard.toml`.
        costs: what `tools/leaderboard.py` wrote.
        evaluated: of the board's task.
    """

    name: str
    costs: dict[str, Any]
    evaluated: Evaluated

    @property
    def shown(self) -> tuple[str, ...]:
        """The metrics that the table of models has room for."""
        return ("a_star",) if self.evaluated.ideal_indices else ("delta_e00", "ab_energy")

    def ways(self) -> list[tuple[str, str, list[Measured]]]:
        """The entries' ways: entry, decoder, and what was measured of each seed."""
        found: dict[tuple[str, str], list[Measured]] = {}
        for each in self.evaluated.candidates:
            entry = each.way.label.partition(" (seed ")[0]
            if entry in self.costs["entries"] and each.way.gain == 1 and (each.way.decoder or DECODERS[0]) in DECODERS:
                found.setdefault((entry, each.way.decoder or ""), []).append(each)
        return [(entry, decoder, seeds) for (entry, decoder), seeds in found.items()]

    def baselines(self) -> list[Measured]:
        """What every entry is compared with."""
        return [each for each in self.evaluated.candidates if each.way.kind == "baseline"]


def load_boards(reports: Path, evaluations: dict[str, Evaluated]) -> list[Board]:
    """The boards whose results are there, in the order of `leaderboard.toml`.

    Args:
        reports: the directory of the report.
        evaluations: by name; a board's is called `board-NAME`.

    Raises:
        UsageError: a file is damaged, or a board has costs and no evaluation.
    """
    path = reports / "leaderboard.toml"
    if not path.is_file():
        return []
    boards = []
    try:
        spec = tomllib.loads(path.read_text(encoding="utf-8"))
        for name in spec["board"]:
            path = reports / "results" / f"costs-{name}.json"
            if not path.is_file():
                continue
            costs = json.loads(path.read_text(encoding="utf-8"))
            boards.append(Board(name, {key: costs[key] for key in COSTS}, evaluations[f"board-{name}"]))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise UsageError(f"{path} is of no leaderboard: {type(error).__name__}: {error}") from None
    return boards


def _metrics(board: Board) -> tuple[str, ...]:
    return (*COLORED, *(AVERAGED if board.evaluated.ideal_indices else ()))


def _mean(seeds: list[Measured], metric: str) -> Cell:
    values = [value for each in seeds if (value := each.value(metric)) is not None]
    if not values:
        return Cell("")
    ends = (number(min(values)), number(max(values))) if len(values) > 1 else None
    return Cell(number(fmean(values)), fmean(values), ends)


def quality_table(board: Board) -> Table:
    """A line an entry and decoder; of several seeds their mean and range."""
    metrics = _metrics(board)
    titles = [f"{metric_title(each)}" for each in metrics]
    rows: list[list[Any]] = [[each.way.title, "", *(_mean([each], m) for m in metrics)] for each in board.baselines()]
    rows += [[entry, decoder, *(_mean(seeds, m) for m in metrics)] for entry, decoder, seeds in board.ways()]
    return Table.of([Column(""), Column("decoder"), *(Column(title, numbers=True) for title in titles)], rows)


def price_table(board: Board) -> Table:
    """What each entry's budget bought, and what colouring a page by it takes."""
    rows = []
    for entry, cost in board.costs["entries"].items():
        own = " ".join(cost["flags"])
        rows.append(
            [
                entry,
                str(get_card(cost["model"]).year or ""),
                f"`{own}`" if own else "",
                f"{cost['steps']:,}",
                number(cost["step_seconds"]),
                number(cost["page_seconds"]),
                f"{cost['page_memory'] / 2**20:,.0f}",
                number(cost["file_bytes"] / 2**20),
            ]
        )
    titles = ["", "year", "flags of its own", "steps", "s a step ↓", "s a page ↓", "MiB a page ↓", "MiB of the file ↓"]
    return Table.of(titles, rows, numbers=5)


def load_pages(reports: Path) -> dict[str, Any]:
    """What a page takes by each model of the registry; nothing where it was not measured.

    Raises:
        UsageError: the file is damaged.
    """
    path = reports / "results" / "costs-pages.json"
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {key: found[key] for key in PAGES}
    except (ValueError, TypeError, LookupError) as error:
        raise UsageError(f"{path} has no costs of pages: {type(error).__name__}: {error}") from None


def model_table(boards: list[Board], pages: dict[str, Any]) -> Table:
    """The models of the registry: what each is, what it learns by the boards' budget, and what a page takes."""
    scores = [
        ({(entry, decoder): seeds for entry, decoder, seeds in board.ways()}, metric, board.name)
        for board in boards
        for metric in board.shown
    ]
    rows = []
    for name in list_models():
        card = get_card(name)
        decoder = DECODERS[0] if card.output == "logits" else ""
        found = [_mean(ways.get((name, decoder), []), metric) for ways, metric, _ in scores]
        cost = pages.get("models", {}).get(name)
        answer = {"uv": "UV", "logits": "2 × 64 logits"}[card.output]
        row = [f"`{name}`", card.year or "", card.summary, answer, f"{card.parameters / 1e6:.1f} M"]
        rows.append([*row, *(replace(each, ends=None) for each in found), number(cost["page_seconds"]) if cost else ""])
    titles = [f"{board}: {metric_title(metric)}" for _, metric, board in scores]
    return Table.of(
        [
            "name",
            "year",
            "what it is",
            "answers with",
            *(Column(each, True) for each in ("weights", *titles, "s a page ↓")),
        ],
        rows,
    )


def leaderboard_page(boards: list[Board]) -> str:
    """The page, in Markdown."""
    parts = [
        "# One budget for every model\n\nMade by `python tools/leaderboard.py` and `python tools/report.py build`."
        " Every entry gets the same compute: minutes of one core for the steps of its training, whatever a step"
        " costs. The budgets are small, so that this page says which ideas work soon, and not how good a model can"
        " become. Of several seeds there is the mean, and the range in brackets.\n\n"
        "![Error and averaging of every entry](figures/leaderboard.png)\n"
    ]
    for board in boards:
        costs = board.costs
        flags = ", ".join(costs["cpu_flags"])
        here = board.evaluated.environment
        versions = ", ".join(f"{name} {here['libraries'][name]}" for name in ("keras", "tensorflow"))
        height, width = costs["page"]
        parts.append(
            f"## {board.name}\n\n{costs['minutes']:g} minutes of one core; judged by `zoo evaluate --task"
            f" {costs['task']}`, {len(board.evaluated.images)} images. `python tools/leaderboard.py DIR --board"
            f" {board.name}`; {costs['cpu']} ({flags}), {versions}, {here['precision']}.\n"
        )
        parts.append(quality_table(board).markdown())
        parts.append(
            f"What it cost, of one core: a step, and a page of {height} × {width} as `zoo.colorize` colours it, with"
            " the growth of the process.\n"
        )
        parts.append(price_table(board).markdown())
    return "\n".join(parts)


def leaderboard_figure(boards: list[Board]) -> Figure:
    """A panel a board: error against averaging where it is known, else against the distance of the colours."""
    figure = Figure(figsize=(6.4 * len(boards), 6.2), layout="constrained")
    names = list(dict.fromkeys(entry for board in boards for entry in board.costs["entries"]))
    for axes, board in zip(figure.subplots(1, len(boards), squeeze=False)[0], boards, strict=True):
        metric = "a_star" if board.evaluated.ideal_indices else "ab_energy"
        for entry, decoder, seeds in board.ways():
            x, y = _mean(seeds, metric).value, _mean(seeds, "delta_e00").value
            if x is None or y is None or decoder not in DRAWN:
                continue
            index = names.index(entry)
            form = DRAWN.index(decoder)
            style = {"color": COLORS[index % len(COLORS)], "marker": MARKERS[form], "markersize": 8}
            axes.plot(x, y, linestyle="", markeredgecolor="white", markeredgewidth=0.5, **style)
            axes.annotate(entry, (x, y), textcoords="offset points", xytext=(6, 3), fontsize=7, color=style["color"])
        for each in board.baselines():
            x, y = each.value(metric), each.value("delta_e00")
            if x is not None and y:
                axes.plot(x, y, "o", color="none", markeredgecolor=GREY, markersize=9)
                axes.annotate(
                    each.way.title, (x, y), textcoords="offset points", xytext=(6, -9), fontsize=7, color=GREY
                )
        axes.set(
            title=f"{board.name}: {board.costs['minutes']:g} minutes of one core",
            xlabel=metric_title(metric) if metric == "a_star" else f"{metric} {METRICS[metric].arrow}",
            ylabel="ΔE00 ↓",
        )
        axes.grid(alpha=0.2)
        axes.margins(x=0.25, y=0.12)
    handles = [
        axes.plot([], [], color=GREY, marker=MARKERS[index], linestyle="", label=form or "a regression's answer")[0]
        for index, form in enumerate(DRAWN)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8, frameon=False)
    return figure


def draw(path: Path, boards: list[Board], page: str, *, check: bool) -> list[Path]:
    """Draws the figure anew if the page, or the code here, has changed since; with `check` only says so.

    Args:
        path: of the PNG, which carries a digest of both as its text `Results`.
        boards: what it shows.
        page: of `leaderboard_page`.
        check: draw nothing.

    Returns:
        The path if the figure is stale.
    """
    digest = hashlib.sha256((page + Path(__file__).read_text(encoding="utf-8")).encode()).hexdigest()
    try:
        with Image.open(path) as image:
            stale = image.info.get("Results") != digest
    except OSError:
        stale = True
    if stale and not check:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            leaderboard_figure(boards).savefig(temporary, format="png", dpi=110, metadata={"Results": digest})
    return [path] if stale else []
