"""Sentences that quote results: numbers between markers, made of result files as the tables are.

    The residual encoder keeps <!-- value: comics | residual | chroma_ratio -->0.62<!-- end --> of the chroma.

A marker names an evaluation (or `run` and a training run), one of its candidates, a metric, and perhaps a form:
`interval` adds the bootstrap interval, `of truth` gives per cent of the truth's value and `of whole` of 1; with another
candidate after it, `lower` says how many per cent below that one's value it is, and `minus` the difference with its
paired interval. `bench` and a machine's result file is followed by the first four columns of its table of ratios.
Inside a table `|` is escaped by a backslash.
"""

import re
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.report.collected import Sources
from zoo.report.comparison import FEWEST, paired_interval
from zoo.report.markdown import ratio_rows
from zoo.results import Found
from zoo.support.names import suggestion
from zoo.support.table import number, quantity

VALUE = re.compile(r"(<!-- value: (?P<what>[^>]+?) -->)(?P<old>.*?)(<!-- end -->)", re.S)


def quote(text: str, where: Any, sources: Sources) -> str:
    """A text with its quoted numbers made anew; those of a broken file stay as they are.

    Args:
        text: with markers.
        where: of the text, for messages.
        sources: the results.

    Raises:
        UsageError: a marker of something that is not there.
    """

    def value(match: re.Match[str]) -> str:
        try:
            found = quoted(match["what"], sources)
        except UsageError as error:
            if any(f"{match['what'].split('|')[0].split()[-1]}.json" in each for each in sources.broken):
                return match[0]
            raise UsageError(f"{where}: value {match['what']!r}: {error}") from None
        return f"{match[1]}{found}{match[4]}"

    return VALUE.sub(value, text)


def quoted(what: str, sources: Sources) -> str:
    """The number that a marker asks for.

    Raises:
        UsageError: there is none.
    """
    parts = [part.strip() for part in what.replace("\\|", "|").split("|")]  # escaped inside a table
    kind, _, name = parts[0].partition(" ")
    if kind == "bench":
        ratios = ratio_rows(_known(name, sources.benchmarks, "benchmark"))
        return str(_known(" | ".join(parts[1:]), {" | ".join(row): cell.line for row, cell in ratios.items()}, "ratio"))
    if len(parts) not in (3, 4, 5):
        raise UsageError("a marker is NAME | CANDIDATE | METRIC, and perhaps | FORM")
    table = _table(parts[0], sources)
    found = _metric(_candidate(parts[1], table), parts[2])
    form = parts[3] if len(parts) > 3 else ""
    if form == "":
        return number(found["value"])
    if form == "interval":
        return quantity(found).line
    if form == "of whole":
        return _percent(found["value"], 1)
    if form == "of truth":
        return _percent(found["value"], _metric(_candidate("truth", table), parts[2])["value"])
    if form in ("lower", "minus") and len(parts) == 5:
        other = _metric(_candidate(parts[4], table), parts[2])
        return _percent(other["value"] - found["value"], other["value"]) if form == "lower" else _minus(found, other)
    raise UsageError(
        f"no form {form!r}: there are interval, of truth, of whole, lower | CANDIDATE and minus | CANDIDATE"
    )


def _table(name: str, sources: Sources) -> dict[str, dict[str, Found]]:
    kind, _, rest = name.partition(" ")
    if kind == "run" and rest:
        run = _known(rest, {name: run for name, run in sources.runs.items() if run.scores}, "run")
        return {row.way.title: row.found for row in (*run.scores.baselines, *run.scores.rows)}
    return {each.way.title: each.scores for each in _known(name, sources.evaluations, "evaluation").candidates}


def _candidate(pattern: str, table: dict[str, dict[str, Found]]) -> dict[str, Found]:
    """The row of that name; `residual × *` finds the regression whatever its gain."""
    fitting = [name for name in table if name == pattern] or [name for name in table if fnmatchcase(name, pattern)]
    if len(fitting) != 1:
        raise UsageError(f"{'no' if not fitting else 'more than one'} candidate {pattern!r} among {', '.join(table)}")
    return table[fitting[0]]


def _metric(scores: dict[str, Found], name: str) -> Found:
    found = _known(name, scores, "metric")
    if found["value"] is None:
        raise UsageError(f"{name} is not defined for it")
    return found


def _known(name: str, known: dict[str, Any], what: str) -> Any:
    if name not in known:
        raise UsageError(f"no {what} {name!r}.{suggestion(name, known)} There are {', '.join(known) or 'none'}")
    return known[name]


def _minus(found: Found, other: Found) -> str:
    """A difference and its interval, of values in pairs: see `zoo.report.comparison`."""
    difference: Found = {"value": found["value"] - other["value"]}
    x, y = other.get("values"), found.get("values")
    if x and y and None not in (*x, *y) and len(x) == len(y) >= FEWEST:
        difference["low"], difference["high"] = paired_interval(np.subtract(y, x))
    return quantity(difference).line


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %".replace("-", "−")
