"""One table for all that shows it: a terminal, Markdown, CSV, a data frame, and the report page's template."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.table import Table as Rich


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        title: with an arrow that says which way is better.
        numbers: aligned to the right.
        meaning: one line for the report page, or "".
        group: of columns that the report page shows together, or "".
        descending: how the report page sorts it first.
    """

    title: str
    numbers: bool = False
    meaning: str = ""
    group: str = ""
    descending: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes:
        text: as it is shown.
        value: what it is sorted by; None of words.
        ends: of the value's interval, as they are shown; None without one.
        best: whether it is marked, in bold.
        style: its colour on a terminal, as rich names them.
    """

    text: str
    value: float | None = None
    ends: tuple[str, str] | None = None
    best: bool = False
    style: str = ""

    @property
    def interval(self) -> str:
        """The interval in brackets, or ""."""
        return f"[{', '.join(self.ends)}]" if self.ends else ""

    @property
    def line(self) -> str:
        """Text and interval: `0.9 [0.8, 1]`."""
        return f"{self.text} {self.interval}".rstrip()


@dataclass(frozen=True)
class Line:
    """A row: its cells, whether the report page shows it in grey, and the group by which that page filters."""

    cells: Sequence[Cell]
    reference: bool = False
    group: str = ""


@dataclass(frozen=True)
class Table:
    """Columns and lines, and a caption for the terminal; `name` is an id on the report page."""

    columns: Sequence[Column]
    lines: Sequence[Line]
    caption: str = ""
    name: str = ""

    @classmethod
    def of(
        cls,
        titles: Iterable[object],
        rows: Iterable[Iterable[object]],
        *,
        numbers: int = 0,
        caption: str = "",
    ) -> "Table":
        """A table of titles or columns and of texts or cells; of plain titles the last `numbers` are of numbers."""
        titles = list(titles)
        words = len(titles) - numbers
        columns = [each if isinstance(each, Column) else Column(str(each), i >= words) for i, each in enumerate(titles)]
        return cls(columns, [Line([c if isinstance(c, Cell) else Cell(str(c)) for c in row]) for row in rows], caption)

    def markdown(self) -> str:
        """The table in Markdown."""
        rows = [[column.title for column in self.columns], ["--:" if each.numbers else "---" for each in self.columns]]
        rows += [[f"**{cell.line}**" if cell.best else cell.line for cell in line.cells] for line in self.lines]
        return "".join(f"| {' | '.join(map(_in_markdown, row))} |\n" for row in rows)

    def frame(self) -> "DataFrame":
        """The texts as a data frame of pandas."""
        from pandas import DataFrame

        rows = [[cell.text for cell in line.cells] for line in self.lines]
        return DataFrame(rows, columns=[column.title for column in self.columns])

    def csv(self) -> str:
        """The table as CSV."""
        return str(self.frame().to_csv(index=False, lineterminator="\n"))

    def rich(self, *, wrap: bool = True) -> "Rich":
        """The table for a terminal, intervals below their values and long names folded, never cut; without
        `wrap` numbers keep to one line."""
        from rich.markup import escape
        from rich.table import Table as Rich
        from rich.text import Text

        table = Rich(caption=escape(self.caption) or None)
        for column in self.columns:
            justify: Any = "right" if column.numbers else "left"
            table.add_column(Text(column.title), justify=justify, overflow="fold", no_wrap=column.numbers and not wrap)
        for line in self.lines:
            below = ("\n".join(filter(None, (cell.text, cell.interval))) for cell in line.cells)
            table.add_row(*(Text(text, cell.style) for text, cell in zip(below, line.cells, strict=True)))
        return table


def _in_markdown(text: str) -> str:
    """A cell's text, in which links are links, and nothing is HTML or ends the cell."""
    return " ".join(text.split()).replace("<", "&lt;").replace("|", "\\|")


def number(value: float | None) -> str:
    """Three digits, or all before the point; rounding errors are no results."""
    if value is None:
        return "–"
    if abs(value) < 0.0005:
        return "0"
    return (f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}").replace("-", "−")


def quantity(found: Mapping[str, Any], *, best: bool = False) -> Cell:
    """The cell of a `value` with its interval from `low` to `high`, where they are there and not None."""
    low, high = found.get("low"), found.get("high")
    return Cell(
        number(found["value"]),
        found["value"],
        None if low is None or high is None else (number(low), number(high)),
        best,
    )


def difference(values: Sequence[float | None]) -> Cell:
    """The cell of a difference and the ends of its interval, all with their signs and two decimals.

    Args:
        values: the difference and the two ends, which are None where there is no interval.
    """
    text, *ends = (f"{value:+.2f}".replace("-", "−") for value in values if value is not None)
    return Cell(text, values[0], (ends[0], ends[1]) if len(ends) == 2 else None)


def plural(count: int, thing: str) -> str:
    """`1 image`, `2 images`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
