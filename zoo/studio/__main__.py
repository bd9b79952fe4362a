"""`python -m zoo.studio [MODEL] PAGES …`: a page on this machine in which a person colours a book with the mouse."""

import argparse
import glob
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from zoo.errors import UsageError
from zoo.models.kinds import answers_with
from zoo.models.loading import model_file
from zoo.pages.defaults import GUIDED_MODEL, is_input
from zoo.pages.look import Look
from zoo.studio.gate import is_loopback
from zoo.studio.running import PORT, Running, require_starlette, usual_folder
from zoo.support.command import Parser, naming, program, run
from zoo.support.files import real, user_path
from zoo.support.names import printable_lines

if TYPE_CHECKING:
    from zoo.studio.session import Book
    from zoo.studio.shelf import Shelf


class Words(Parser):
    """Raises what is wrong with a command line that Python code has put together."""

    def error(self, message: str) -> NoReturn:
        """Raises UsageError."""
        raise UsageError(printable_lines(message))


def parser(kind: type[Parser] = Parser) -> Parser:
    """The command line.

    Args:
        kind: what becomes of a wrong one is its.
    """
    p = kind(
        "studio",
        usage="%(prog)s [MODEL] PAGES [PAGES …] [options]",
        description="Opens a page on this machine in which you colour a book with the mouse. Nothing leaves the"
        " machine. Everything that you decide is kept at once, as the files that zoo colorize takes.",
        epilog="Ctrl-C ends it; the same command goes on where you were.",
    )
    p.add_argument("model", metavar="MODEL", help=f"as zoo colorize takes it; left out, {GUIDED_MODEL}")
    p.add_argument(
        "pages", metavar="PAGES", nargs="*", help="images, folders, patterns in quotes, .cbz or .zip archives, PDFs"
    )
    p.add_argument(
        "--keep",
        metavar="DIR",
        type=Path,
        help="where hints, colour sheet and coloured pages go (default: NAME-studio beside a folder or book NAME,"
        " otherwise studio here)",
    )
    p.add_argument("--decode", metavar="NAME[:T]", help="as zoo colorize takes it; another can be chosen on the page")
    p.add_argument(
        "--models", metavar="NAMES", default="", help="models to compare with, besides those with released weights"
    )
    p.add_argument("--desaturate", action="store_true", help="colour pages anew that have colours, which are the truth")
    p.add_argument("--white-paper", action="store_true", help="make paper that is grey or stained white")
    p.add_argument("--descreen", type=float, metavar="PIXELS", help="as zoo colorize takes it")
    p.add_argument(
        "--headroom", type=float, default=0.0, metavar="SHARE", help="as zoo colorize takes it: 0.2 for line art"
    )
    p.add_argument(
        "--port", type=int, default=PORT, help="port of the page: a free one if the usual one is taken, or if it is 0"
    )
    p.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="where it listens: with another than this machine's own, others can reach it who have the token",
    )
    p.add_argument("--token", action="store_true", help="want a token here too, as on a machine that others use")
    p.add_argument("--open", action="store_true", help="open the page in a browser")
    return p


FLAGS = ("desaturate", "white_paper", "descreen", "headroom")


def opened(arguments: argparse.Namespace) -> Running:
    """A studio as a command line says, which listens.

    Raises:
        UsageError: something of it is wrong, or a package is missing.
    """
    require_starlette()
    return Running(
        _book(arguments),
        host=arguments.host,
        port=arguments.port,
        any_port=arguments.port in (0, PORT),
        token=arguments.token,
    )


def _book(arguments: argparse.Namespace) -> "Book":
    left_out = is_input(arguments.model)
    if left_out:
        arguments.model, arguments.pages = GUIDED_MODEL, [arguments.model, *arguments.pages]
    if not arguments.pages:
        raise UsageError(
            f"{arguments.model} is taken for the MODEL, and no PAGES come after it: give some, as in"
            f" {program('studio')} scans/"
        )
    if not 0 <= arguments.port <= 65535:
        raise UsageError(f"--port must be in 0 … 65535, not {arguments.port}")
    from zoo import colorize
    from zoo.data.pdf import Renderers
    from zoo.pages.input import find_pages
    from zoo.studio.session import Book
    from zoo.studio.shelf import Shelf

    others = [word.strip() for word in arguments.models.split(",") if word.strip()]
    for name in (arguments.model, *others):
        with naming("--models" if name in others else "MODEL"):
            model_file(name)
    flags: list[str] = []
    for name in FLAGS:
        value = getattr(arguments, name)
        if value != parser().get_default(name):
            flags += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    words = [arguments.model, *arguments.pages, "-o", "x", *flags]
    if arguments.decode:
        words += ["--decode", arguments.decode]
    checked = colorize.parser().parse_args(words)
    colorize.checked(checked)  # of what it would refuse, it says why
    if arguments.decode and answers_with(arguments.model) == "uv":
        raise UsageError(f"--decode {arguments.decode}: this model answers with one colour; leave --decode out")
    look = Look(**{each.name: getattr(checked, each.name) for each in fields(Look)})
    with Renderers() as renderers:
        pages = find_pages(arguments.pages, renderers)
        _check_usable(Shelf(pages, renderers, look))
    folder = user_path(arguments.keep or usual_folder(arguments.pages)).absolute()
    _check_apart(folder, arguments.pages)
    return Book(
        inputs=[from_anywhere(each) for each in arguments.pages],
        pages=pages,
        model=arguments.model,
        insisted=not left_out,
        decode=arguments.decode,
        others=others,
        look=look,
        flags=flags,
        folder=folder,
    )


def from_anywhere(given: str | Path) -> str:
    """A path, or a pattern, as it is called from any folder."""
    path = user_path(given)
    if path.is_absolute() or path.exists():
        return str(path.absolute())
    return str(Path(glob.escape(str(Path.cwd()))) / path)


def _check_usable(shelf: "Shelf") -> None:
    """Raises UsageError if no page of a book can be coloured; pages are read until one can."""
    from zoo.studio.shelf import PageError

    faults = []
    for index, page in enumerate(shelf.pages):
        try:
            shelf.open(index)
            return
        except PageError as error:
            faults.append(f"{page.label}: {error}")
    raise UsageError(f"no page of the book can be coloured. {faults[0]}")


def _check_apart(folder: Path, inputs: Sequence[str]) -> None:
    """Raises UsageError if the coloured pages in a folder would be pages of the book."""
    for text in inputs:
        path = user_path(text)
        for each in (path, *map(Path, glob.glob(str(path), recursive=True))):
            if each.is_dir() and real(folder).is_relative_to(real(each)):
                raise UsageError(
                    f"--keep {folder}: it lies in {each}, so that coloured pages would become pages of the book; give a"
                    " folder outside of it"
                )


def studio(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from zoo.support.console import say

    with opened(arguments) as running:
        if not is_loopback(arguments.host):
            say(
                f"the studio listens at {arguments.host}: others on the network can reach it who have this address with"
                " its token, and what they see and send is not encrypted"
            )
        print(running.url, flush=True)
        say(f"what you decide is kept in {running.keep}; Ctrl-C ends the studio")
        if arguments.open:
            import webbrowser

            webbrowser.open(running.url)
        try:
            running.wait()
        except KeyboardInterrupt:
            say(f"ended; what you decided is in {running.keep}, and the same command goes on")


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: studio(parsed))


if __name__ == "__main__":
    sys.exit(main())
