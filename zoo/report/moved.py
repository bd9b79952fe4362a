"""How the benchmarks' ratios have moved from commit to commit: a table, and lines."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from zoo.report.figures import COLORS, GREY, MARKERS
from zoo.report.markdown import measured_of
from zoo.results import Record, machine_name
from zoo.support.table import Cell, Column, Table

NOTABLE = 1.1
"""By what factor a ratio has to have grown since the commit before to be called more: less is noise."""

COLUMNS = 3
Moves = dict[tuple[str, ...], list[Record]]


def moves_of(rows: Sequence[Record]) -> Moves:
    """The ratios that were measured at more than one commit, each in the order of measuring.

    Args:
        rows: of a machine, as `zoo.results.extend_history` keeps them.
    """
    found: Moves = {}
    for row in rows:
        if row["value"] is not None:
            found.setdefault(measured_of(row), []).append(row)
    return {what: each for what, each in sorted(found.items()) if len(each) > 1}


def moved_table(machines: Sequence[Sequence[Record]]) -> Table:
    """A line a ratio and machine: its values from the oldest to the newest, and what the last commit did to it."""
    lines: list[list[Any]] = []
    for rows in machines:
        for what, each in moves_of(rows).items():
            *_, before, last = each
            change = _over(last["value"], before["value"])
            path = " → ".join(f"{row['value']:.3f} ({_short(row)})" for row in each)
            factor = f"{change:.2f}" if math.isfinite(change) else "∞"
            said = f"{factor}, more" if change > NOTABLE else factor
            lines.append([*what, machine_name(rows[0]), path, Cell(said, change)])
    titles = ("what", "of which", "conditions", "measured", "machine", "ratio at each commit")
    return Table.of([*map(Column, titles), Column("last / the one before ↓", numbers=True)], lines)


def _over(last: float, before: float) -> float:
    """By what factor a ratio has grown; a process that does not grow at all has one of 0."""
    if before == 0:
        return 1.0 if last == 0 else math.inf
    return last / before


def _short(row: Record) -> str:
    """The commit in seven letters; outside of a checkout it is not known."""
    return (row["commit"] or "unknown")[:7]


def moved_figure(machines: Sequence[Sequence[Record]]) -> Figure | None:
    """A panel a ratio, a line a machine: commits from left to right, the band its quartiles. None without any."""
    found = {machine_name(rows[0]): moves for rows in machines if (moves := moves_of(rows))}
    panels = sorted({what for moves in found.values() for what in moves})
    if not panels:
        return None
    height = -(-len(panels) // COLUMNS)
    figure = Figure(figsize=(3.6 * COLUMNS, 2.3 * height), layout="constrained")
    axes = figure.subplots(height, COLUMNS, squeeze=False).ravel()
    for axis, what in zip(axes, panels, strict=False):
        for index, (machine, moves) in enumerate(found.items()):
            rows = moves.get(what, [])
            color, places = COLORS[index % len(COLORS)], range(len(rows))
            values = [row["value"] for row in rows]
            axis.plot(places, values, color=color, marker=MARKERS[index % len(MARKERS)], label=machine)
            ends = [(row["value"], row["value"]) if row["low"] is None else (row["low"], row["high"]) for row in rows]
            if rows:
                axis.fill_between(places, *zip(*ends, strict=True), color=color, alpha=0.15, linewidth=0)
        axis.axhline(1, color=GREY, linewidth=0.8, linestyle=":")
        axis.set_title("\n".join((what[0], f"{what[1]}, {what[3]}", what[2])), fontsize=7)
        axis.set_ylim(0, 1.1 * max(1, axis.get_ylim()[1]))
        longest = max((moves.get(what, []) for moves in found.values()), key=len)
        one = sum(what in moves for moves in found.values()) == 1
        axis.set_xticks(range(len(longest)), [_short(row) if one else "" for row in longest])
        axis.tick_params(labelsize=7)
    for axis in axes[len(panels) :]:
        axis.axis("off")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=7, frameon=False)
    return figure
