"""Docstrings as the package writes them, made ready for Sphinx.

They are plain text with a little of Markdown: `|x|` is an absolute value, a table has pipes, an example is indented.
"""

import re
from typing import Any

from sphinx.application import Sphinx

RULE = re.compile(r"\|(\s*:?-+:?\s*\|)+")
SECTION = re.compile(r"\w[\w ]*:")
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
NAME = re.compile(r"[A-Za-z_]\w*(\.\w+)*")


def cells(line: str) -> list[str]:
    """The cells of a line of a table; a pipe between backticks is no end of one."""
    return [each.strip() for each in re.split(r"\|(?=(?:[^`]*`[^`]*`)*[^`]*$)", line.strip().strip("|"))]


def table(lines: list[str]) -> list[str]:
    """A Markdown table as a `list-table`."""
    rows = [cells(line) for line in lines if not RULE.fullmatch(line.strip())]
    made = ["", ".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        made += [f"   {'* -' if number == 0 else '  -'} {cell}" for number, cell in enumerate(row)]
    return [*made, ""]


def plain(line: str) -> str:
    """A line whose absolute values are no substitutions, and whose code that is no name is shown as it is."""
    line = re.sub(r"(?<!\\)\|(?=(?:[^`]*`[^`]*`)*[^`]*$)", r"\\|", line)
    return SPAN.sub(lambda match: match[0] if NAME.fullmatch(match[1]) else f"`{match[0]}`", line)


def ready(lines: list[str]) -> list[str]:
    """The lines of a docstring with tables, examples and absolute values as Sphinx takes them."""
    made: list[str] = []
    waiting: list[str] = []
    for line in [*lines, ""]:
        if line.lstrip().startswith("|"):
            waiting.append(line)
            continue
        if waiting:
            made += table(waiting)
            waiting = []
        example = line.startswith("    ") and len(made) > 1 and not made[-1].strip()
        above = made[-2] if len(made) > 1 else ""
        if example and above.strip() and not above.startswith(" ") and not SECTION.fullmatch(above):
            made += ["::", ""]
        made.append(plain(line))
    return made


def process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Before napoleon reads the sections."""
    lines[:] = ready(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    """Comes before napoleon, whose priority is 500."""
    app.connect("autodoc-process-docstring", process, priority=400)
    return {"parallel_read_safe": True}
