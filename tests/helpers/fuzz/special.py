"""Special files: pipes, sockets, devices, links that lead round, folders for files and files for folders.

Each stands where a command takes a word that may be a path, be it a flag's value or a positional.
"""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fuzz import arguments, fixture, sandbox

if TYPE_CHECKING:
    from fuzz.runner import Batch, Found

SECONDS = sandbox.SECONDS
prepare = fixture.prepare

_NAMES = ("a.png", "b.cbz", "c.pdf", "config.json", "result.json", "best.keras", "manifest.csv", "prepared.json")
SUFFIXES = (".png", ".jpg", ".json", ".csv", ".cbz", ".zip", ".pdf", ".keras", ".toml", ".gpl", ".npz", ".h5", "")


def feed(batch: "Batch", folder: Path, found: "Found", begin: Callable[[str], None]) -> None:
    """Runs the cases of a batch."""
    with fixture.at_the_edge():
        sandbox.feed(batch, folder, found, begin, _case)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path.name)
    listening.close()


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _circle(path: Path) -> None:
    path.mkdir()
    (path / "inner").symlink_to("..")
    (path / "again").symlink_to(path.resolve())


def _unreadable(path: Path) -> None:
    shutil.copyfile("grey.png", path)
    path.chmod(0)


def _shut(path: Path) -> None:
    path.mkdir()
    shutil.copyfile("grey.png", path / "grey.png")
    path.chmod(0)


def _empty(path: Path) -> None:
    path.touch()


def _folder(path: Path) -> None:
    path.mkdir()


def _folder_of_odd(path: Path) -> None:
    """A folder of everything else, under the names of what belongs there."""
    path.mkdir()
    makers = [make for name, make in MAKERS.items() if name not in ("a folder of odd files", "a socket")]
    for number, name in enumerate(_NAMES):
        makers[(number + len(path.name)) % len(makers)](path / name)


def _bytes(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 20)


def _nothing(path: Path) -> None:
    pass


MAKERS: dict[str, Callable[[Path], None]] = {
    "a pipe": _pipe,
    "a socket": _socket,
    **{f"a link to {target}": _link(target) for target in ("/dev/zero", "/dev/full", "/dev/null", "/dev/urandom")},
    "a dangling link": _link("nowhere"),
    "a link to itself": _loop,
    "a link to a folder": _link("data"),
    "a link to a file": _link("grey.png"),
    "a circle of folders": _circle,
    "a file without rights": _unreadable,
    "a folder without rights": _shut,
    "an empty file": _empty,
    "a folder": _folder,
    "bytes": _bytes,
    "nothing": _nothing,
    "a folder of odd files": _folder_of_odd,
}
"""What may lie at a path."""


def _case(here: Path, rng: np.random.Generator) -> tuple[str, Callable[[], str]]:
    parsers = fixture.commands()
    takers = {
        name: [
            each
            for each in fixture.actions(parser)
            if each.type in (None, Path) and each.nargs != 0 and not each.choices
        ]
        for name, parser in parsers.items()
    }
    command = arguments.one_of(rng, sorted(name for name, found in takers.items() if found))
    words = fixture.good_words(command, parsers[command])
    what = []
    for number in range(1 + (rng.random() < 0.2)):
        action = takers[command][int(rng.integers(len(takers[command])))]
        made = arguments.one_of(rng, sorted(MAKERS))
        name = f"odd{number}{arguments.one_of(rng, SUFFIXES)}"
        match int(rng.integers(12)):
            case 0:
                name = name[:4] + "x" * int(rng.choice([245, 256, 5000])) + name[4:]
            case 1:
                name = "\udcff" + name
            case 2:
                name = "\x1b[31m\n" + name
        try:
            MAKERS[made](here / name)
        except OSError:  # the name is too long
            made = "nothing"
        # Also what lies below it: a file where a folder should be.
        given = arguments.one_of(rng, [name, name, name, name, f"{name}/inner", f"./{name}/", str(here / name)])
        words[action.dest] = arguments.given(rng, action, given)
        what.append(made)
    asked = arguments.line(command, words, parsers[command])
    return f"{' and '.join(what)}: {asked!r}", lambda: sandbox.outcome(asked, sandbox.run(asked), [str(here), *_NAMES])
