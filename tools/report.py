"""`python tools/report.py build | add`: the project's own report, of `reports/results/`, and what goes into it."""

import argparse
import dataclasses
import re
import shutil
import sys
import tempfile
from pathlib import Path

from gallery_page import gallery_page, load_gallery
from leaderboard_page import draw, leaderboard_page, load_boards
from readme import load_targets, marked, readme_text

from zoo.errors import RegressionError, UsageError
from zoo.evaluation.record import load_evaluation
from zoo.report.__main__ import say_written
from zoo.report.collected import collect, load_run_directory
from zoo.report.writer import write
from zoo.support.command import run
from zoo.support.files import atomic_path

ROOT = Path(__file__).parents[1]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python tools/report.py", description="Makes the project's own report.")
    p.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="the project's directory (default: this one)")
    commands = p.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="make reports/ of reports/results/, and what README and docs quote")
    build.add_argument("--check", action="store_true", help="write nothing; exit with 1 if something is stale")
    add = commands.add_parser("add", help="keep a run's or an evaluation's result in reports/results/")
    add.add_argument("source", type=Path, metavar="DIR", help="a run directory, or the --out of zoo.evaluate")
    add.add_argument("name", metavar="NAME", help="what to call it")
    add.add_argument("--replace", action="store_true", help="replace the result of that name")
    add.add_argument(
        "--no-pictures", action="store_true", help="leave an evaluation's pictures out, where their licence asks for it"
    )
    return p


def build(root: Path, *, check: bool = False) -> tuple[list[Path], list[str]]:
    """Writes the report of `reports/results/` to `reports/`, README and docs, or with `check` only compares it.

    Returns:
        Files that changed or, of a check, would change; and what is wrong with files that were left out.

    Raises:
        UsageError: no results, or a README with a marker of no known table or value.
    """
    reports = root / "reports"
    sources = collect(reports / "results")
    targets = load_targets(reports / "targets.toml")
    texts, drawn = {}, []
    if (reports / "gallery").is_dir():
        try:
            texts[reports / "gallery.md"] = gallery_page(load_gallery(reports / "gallery"))
        except UsageError as error:
            sources.broken.append(str(error))
    boards = load_boards(reports, sources.evaluations)
    if boards:
        page = texts[reports / "leaderboard.md"] = leaderboard_page(boards)
        drawn = draw(reports / "figures" / "leaderboard.png", boards, page, check=check)
    pages = [path for path in sorted((root / "docs").glob("*.md")) if marked(path)]
    for path in (root / "README.md", reports / "README.md", *pages):
        if path.is_file() or path.parent == root:
            texts[path] = readme_text(path, reports, sources, targets)
    # Boards have a page of their own: plots of so many candidates would say little, and weigh much.
    own = {f"board-{board.name}" for board in boards}
    others = {name: each for name, each in sources.evaluations.items() if name not in own}
    written = write(dataclasses.replace(sources, evaluations=others), reports, texts, check=check)
    return [*written, *drawn], sources.broken


def add(root: Path, source: Path, name: str, *, pictures: bool = True, replace: bool = False) -> list[Path]:
    """Keeps a run's or an evaluation's result in `reports/results/`, where `build` finds it.

    Args:
        root: the project's directory.
        source: a run directory, or what `zoo.evaluate --out` wrote.
        name: what to call it.
        pictures: an evaluation's pictures too.
        replace: let it take the place of an older one of that name.

    Returns:
        The files written.

    Raises:
        UsageError: there is no result in `source`, or the name is none, or is taken.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
        raise UsageError(f"{name!r} cannot be a name: use lower-case letters, digits, dots and hyphens")
    results = root / "reports" / "results"
    if not results.is_dir():
        raise UsageError(f"{results}: no such directory. Run this where the project is, or give --root")
    if (source / "results.json").is_file():
        load_evaluation(source / "results.json")
        target = _free(results / f"evaluation-{name}.json", replace=replace)
        _copy(source / "results.json", target)
        files = sorted((source / "gallery").glob("*.webp")) if pictures else []
        folder = target.with_suffix("")
        with tempfile.TemporaryDirectory(dir=results, prefix=f".{name}-") as temporary:
            made = Path(temporary) / "pictures"
            made.mkdir()
            for picture in files:
                shutil.copyfile(picture, made / picture.name)
            if folder.is_dir():
                folder.rename(Path(temporary) / "before")
            if files:
                made.rename(folder)
        return [target, *([folder] if files else [])]
    if (source / "result.json").is_file():
        load_run_directory(source)
        target = _free(results / f"run-{name}.json", replace=replace)
        _copy(source / "result.json", target)
        return [target]
    raise UsageError(f"{source} holds neither a finished run's result.json nor an evaluation's results.json")


def _free(target: Path, *, replace: bool) -> Path:
    if target.exists() and not replace:
        raise UsageError(f"{target} is there already: choose another name, or replace it with --replace")
    return target


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def build_command(parsed: argparse.Namespace) -> None:
    """Runs `build`."""
    stale, broken = build(parsed.root, check=parsed.check)
    say_written(stale, broken, check=parsed.check)
    if stale and parsed.check:
        raise RegressionError(f"stale: {', '.join(map(str, stale))}; run python tools/report.py build")


def add_command(parsed: argparse.Namespace) -> None:
    """Runs `add`."""
    written = add(parsed.root, parsed.source, parsed.name, pictures=not parsed.no_pictures, replace=parsed.replace)
    print(f"written: {', '.join(map(str, written))}; now python tools/report.py build", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: {"build": build_command, "add": add_command}[parsed.command](parsed))


if __name__ == "__main__":
    sys.exit(main())
