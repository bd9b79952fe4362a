"""`python tools/lesson.py`: runs the notebook `docs/lesson.ipynb` and writes the pictures of the lesson's page.

A cell that makes a picture names it in its metadata, `{"picture": NAME}`: it becomes `docs/lesson/NAME.webp`.
No Jupyter is needed: cells are run one after another, and a picture is the value of a cell's last expression.
"""

import argparse
import ast
import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from zoo.errors import UsageError
from zoo.support.command import Parser, import_tensorflow, run
from zoo.support.files import atomic_path

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOK = DOCS / "lesson.ipynb"
QUALITY = 86


def run_notebook(path: Path) -> tuple[dict[str, Any], dict[str, Image.Image]]:
    """Runs the code of a notebook.

    Args:
        path: of the notebook.

    Returns:
        The names that it defines, and its pictures by name.

    Raises:
        UsageError: the file is no notebook, or a cell that names a picture ends with something else.
    """
    try:
        cells = list(json.loads(path.read_text(encoding="utf-8"))["cells"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is no notebook: {error}") from None
    names: dict[str, Any] = {"__name__": "__main__"}
    pictures = {}
    for number, cell in enumerate(cells):
        if cell["cell_type"] != "code":
            continue
        value = run_cell("".join(cell["source"]), names, f"{path.name}, cell {number}")
        picture = cell["metadata"].get("picture")
        if picture:
            if not isinstance(value, Image.Image):
                raise UsageError(f"{path}: cell {number} ends with no picture, and is to make {picture}")
            pictures[picture] = value
    return names, pictures


def run_cell(source: str, names: dict[str, Any], where: str) -> Any:
    """Runs a cell, and answers with the value of its last expression, if it ends with one."""
    tree = ast.parse(source, where)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, where, "exec"), names)
    return eval(compile(ast.Expression(last.value), where, "eval"), names) if isinstance(last, ast.Expr) else None


def parser() -> Parser:
    """The command line."""
    p = Parser(prog="python tools/lesson.py", description="Runs the lesson, and writes the pictures of its page.")
    p.add_argument("-o", "--out", type=Path, default=DOCS / "lesson", metavar="DIR", help="where to")
    return p


def lesson(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    import_tensorflow()
    _, pictures = run_notebook(NOTEBOOK)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        with atomic_path(arguments.out / f"{name}.webp") as temporary:
            picture.save(temporary, format="WEBP", quality=QUALITY, method=6)


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: lesson(parsed))


if __name__ == "__main__":
    sys.exit(main())
