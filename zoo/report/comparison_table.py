"""A comparison as a table: green and red on a terminal, Markdown for a pull request."""

import sys
from collections.abc import Mapping, Sequence

from zoo.report.comparison import CONFIDENCE, Comparison, Side
from zoo.results import METRICS
from zoo.support.table import Cell, Column, Table, plural

COLORS = {"better": "green", "worse": "red", "differs": "yellow", "unclear": "dim", "same": "dim", "?": ""}
MARKS = {
    "better": "🟢 better",
    "worse": "🔴 worse",
    "differs": "🟡 differs",
    "unclear": "unclear",
    "same": "same",
    "?": "?",
}


def print_comparison(found: Sequence[Comparison], a: Side, b: Side, notes: Sequence[str], *, changed: bool) -> None:
    """Prints the comparison to standard output, coloured on a terminal.

    Args:
        found: the numbers.
        a: what is compared with.
        b: what is asked about.
        notes: lines to show below.
        changed: leave out what is the same or unclear.
    """
    from rich.console import Console

    console = Console() if sys.stdout.isatty() else Console(width=180)
    for line in _heading(a, b):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    table = _table(found, {name: name for name in COLORS}, changed)
    if table.lines:
        console.print(table.rich(wrap=False))
    for line in (summary(found), *notes):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def comparison_markdown(found: Sequence[Comparison], a: Side, b: Side, notes: Sequence[str], *, changed: bool) -> str:
    """The same as Markdown."""
    return "\n".join([*_heading(a, b), "", _table(found, MARKS, changed).markdown(), summary(found), *notes]) + "\n"


def _table(found: Sequence[Comparison], verdicts: Mapping[str, str], changed: bool) -> Table:
    shown = [each for each in found if not changed or each.verdict not in ("same", "unclear")]
    titles = ["what", "metric", *(Column(title, numbers=True) for title in ("A", "B", "B − A", "%")), ""]
    return Table.of(titles, [[*_cells(each), _verdict(each, verdicts[each.verdict])] for each in shown])


def summary(found: Sequence[Comparison]) -> str:
    """How many numbers are better, worse and the same."""
    count = {name: sum(each.verdict == name for each in found) for name in COLORS}
    words = [f"{plural(len(found), 'number')}: {count['better']} better, {count['worse']} worse"]
    words += [f"{count['unclear']} unclear, which chance could do", f"{count['same']} the same"]
    if count["differs"]:
        words.append(f"{count['differs']} that differ where no direction is better")
    if count["?"]:
        words.append(f"{count['?']} of which no spread is known (?)")
    judged = len(found) - count["?"] - count["same"]
    chance = (1 - CONFIDENCE) * judged
    text = ", ".join(words) + ". Intervals are of 95 %"
    return text + (f"; chance alone would make about {chance:.0f} seem to differ." if chance >= 1 else ".")


def _heading(a: Side, b: Side) -> list[str]:
    return [f"{letter}: {side.name} ({about(side)})" for letter, side in (("A", a), ("B", b))]


def about(side: Side) -> str:
    """What made it: commits, processors and versions."""

    def each(name: str) -> str:
        return ", ".join(sorted({str(row[name]) for row in side.rows if row[name] is not None}))

    commits = ", ".join(sorted({row["commit"][:7] + "+" * bool(row["dirty"]) for row in side.rows if row["commit"]}))
    return f"commit {commits or 'unknown'}; {each('cpu')}; keras {each('keras')}, tensorflow {each('tensorflow')}"


def _cells(each: Comparison) -> list[str]:
    metric = METRICS[each.metric]
    interval = "" if each.low is None or each.high is None else f" [{_number(each.low)}, {_number(each.high)}]"
    percent = "∞" if abs(each.percent) == float("inf") else f"{each.percent:+.1f}".replace("-", "−")
    name = f"{each.metric} {metric.arrow}"
    values = [_number(value) for value in (each.a, each.b)]
    return [each.what, name, *values, _number(each.b - each.a, sign=True) + interval, percent]


def _verdict(each: Comparison, words: str) -> Cell:
    unlike = f" (other {', other '.join(each.unlike)})" if each.unlike else ""
    return Cell(words + unlike, style=COLORS[each.verdict])


def _number(value: float, *, sign: bool = False) -> str:
    text = f"{value:{'+' if sign else ''}.4g}" if abs(value) < 1e5 else f"{value:{'+' if sign else ''},.0f}"
    return text.replace("-", "−")
