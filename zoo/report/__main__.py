"""`python -m zoo.report build | check | compare`: reports made of results, results of tasks, and two side by side."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import RegressionError, UsageError
from zoo.evaluation.task import get_task, list_tasks
from zoo.support.command import Parser, run
from zoo.support.names import printable, suggestion


def parser() -> Parser:
    """The command line."""
    p = Parser("report", description="Makes a report of results, or compares two of them.")
    commands = p.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, words: str) -> Parser:
        return commands.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")

    build = command("build", "make index.html, pages, tables and figures of runs and evaluations")
    build.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run directory, or an evaluation's --out")
    build.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="a directory for the report")
    build.add_argument(
        "--root", type=Path, default=Path(), help="a project whose reports/results/ to show as well (default: here)"
    )

    check = command("check", "say whether results are of a task")
    check.add_argument(
        "results", nargs="+", type=Path, metavar="RESULT", help="a result file, or an evaluation's --out"
    )
    check.add_argument("--task", required=True, metavar="NAME@VERSION", help=f"one of {', '.join(list_tasks())}")

    compare = command("compare", "put two results side by side, and say what differs by more than chance")
    for letter in "ab":
        compare.add_argument(
            letter,
            metavar=letter.upper(),
            help="a result file, a run directory, an evaluation's --out, or a directory of result files; with ::NAME"
            " behind it, only the candidate of that name",
        )
    compare.add_argument(
        "--fail-on",
        action="append",
        default=[],
        metavar="METRIC:PERCENT",
        help="exit with 1 if B is worse than A in METRIC by more than PERCENT, and not by chance; may be repeated",
    )
    compare.add_argument("--metric", action="append", default=[], help="compare this metric only; may be repeated")
    compare.add_argument("--changed", action="store_true", help="show only what is better, worse or differs")
    compare.add_argument(
        "--across", action="store_true", help="compare results of different machines, metric versions or images too"
    )
    form = compare.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print Markdown, for a pull request")
    form.add_argument("--json", action="store_true", help="print JSON")
    return p


def build_command(parsed: argparse.Namespace) -> None:
    """Runs `build`."""
    from zoo.report.collected import collect
    from zoo.report.writer import write

    sources = collect(parsed.root / "reports" / "results", parsed.runs)
    say_written(write(sources, parsed.out), sources.broken)


def say_written(written: Sequence[Path], broken: Sequence[str], *, check: bool = False) -> None:
    """Says what was written to standard error.

    Args:
        written: the files; with `check` those that would have been.
        broken: what is wrong with files that were left out.
        check: nothing was written.

    Raises:
        UsageError: there are broken files.
    """
    from zoo.support.console import say

    if not written:
        print("everything follows from the results", file=sys.stderr)
    elif not check:
        say(f"written: {', '.join(map(str, written))}")
    if broken:
        lines = "\n  ".join(broken)
        raise UsageError(f"left out, the rest is {'checked' if check else 'built'}:\n  {lines}")


def limits(words: list[str]) -> dict[str, float]:
    """Percentages by metric, of METRIC:PERCENT."""
    from zoo.results import METRICS

    found = {}
    for word in words:
        metric, separator, percent = word.partition(":")
        try:
            value = float(percent)
        except ValueError:
            value = -1.0
        if not separator or not 0 <= value < float("inf"):
            raise UsageError(f"--fail-on takes METRIC:PERCENT, such as delta_e00:5, not {word!r}")
        known_metric(metric, METRICS, "--fail-on")
        found[metric] = value
    return found


def known_metric(metric: str, known: Iterable[str], option: str) -> None:
    """Raises UsageError if there is no such metric."""
    if metric not in known:
        raise UsageError(f"{option}: no metric {metric!r}.{suggestion(metric, known)} There are {', '.join(known)}")


def compare_command(parsed: argparse.Namespace) -> None:
    """Runs `compare`."""
    from zoo.report.comparison import compare, failures, load_side, undefined, unmatched
    from zoo.report.comparison_table import about, comparison_markdown, print_comparison
    from zoo.results import METRICS

    allowed = limits(parsed.fail_on)
    for metric in parsed.metric:
        known_metric(metric, METRICS, "--metric")
    a, b = load_side(parsed.a), load_side(parsed.b)
    found = compare(a, b, across=parsed.across, metrics=parsed.metric)
    failed = failures(found, allowed)
    if allowed and (lost := undefined(a, b, allowed)):
        raise UsageError(f"--fail-on: {b.name} has no value of {'; '.join(lost)}, where {a.name} has one")
    notes = unmatched(a, b)
    if lost := undefined(a, b, parsed.metric):
        notes.append(f"without a value in {b.name}: {'; '.join(lost)}")
    if parsed.json:
        told: dict[str, Any] = {
            letter: {"name": side.name, "about": about(side)} for letter, side in (("a", a), ("b", b))
        }
        told |= {"comparisons": [each.as_json() for each in found], "failed": [each.as_json() for each in failed]}
        print(json.dumps(told, ensure_ascii=False, indent=2))
    elif parsed.markdown:
        print(comparison_markdown(found, a, b, notes, changed=parsed.changed), end="")
    else:
        print_comparison(found, a, b, notes, changed=parsed.changed)
    if failed:
        lines = "\n  ".join(
            f"{each.what}: {each.metric} {each.a:.4g} → {each.b:.4g} ({each.percent:+.1f} %)" for each in failed
        )
        raise RegressionError(f"worse than --fail-on allows:\n  {lines}")


def check_command(parsed: argparse.Namespace) -> None:
    """Runs `check`."""
    from zoo.evaluation.record import as_evaluation
    from zoo.results import load_result

    task, other = get_task(parsed.task), []
    for path in parsed.results:
        file = path / "results.json" if path.is_dir() else path
        result = load_result(file, "evaluation")
        faults = task.faults(result, as_evaluation(result, file))
        other += [f"{path}: {fault}" for fault in faults]
        if not faults:
            print(printable(f"{path} is a result of {task.name}"))
    if other:
        raise RegressionError("no result of {}:\n  {}".format(task.name, "\n  ".join(other)))


COMMANDS = {"build": build_command, "check": check_command, "compare": compare_command}


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: COMMANDS[parsed.command](parsed))


if __name__ == "__main__":
    sys.exit(main())
