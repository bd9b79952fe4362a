"""Figures as files: drawn when what they show, or the code that draws it, has changed."""

import hashlib
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from zoo.evaluation.record import Evaluated
from zoo.report.figures import PLOTS
from zoo.support.files import atomic_path


@cache
def _drawing() -> str:
    """The code that draws, but for its imports: a change of it makes what was drawn before stale."""
    texts = ((Path(__file__).parent / name).read_text("utf-8") for name in ("figures.py", "page_figures.py"))
    lines = (line for text in texts for line in text.splitlines(keepends=True))
    return "".join(line for line in lines if not line.startswith(("import ", "from ")))


def digest_of(result: Any) -> str:
    """SHA-256 (hex) of what a figure shows and the code that draws it; a PNG carries it as its text `Results`."""
    text = json.dumps([result, _drawing()], ensure_ascii=False, sort_keys=True, default=asdict)
    return hashlib.sha256(text.encode()).hexdigest()


def save_plots(folder: Path, prefix: str, result: Evaluated) -> list[Path]:
    """Writes the plots that the results of `zoo.evaluate` have something to show in, as PNG.

    Such a plot of an earlier evaluation is removed if these results have nothing to show in it.

    Args:
        folder: where to.
        prefix: of the files' names.
        result: what `zoo.evaluate` found.

    Returns:
        The files written.
    """
    written = []
    for name, draw in PLOTS.items():
        figure = draw(result)
        path = folder / f"{prefix}{name}.png"
        if figure is None:
            if _made_from(path):
                path.unlink()
        else:
            with atomic_path(path) as temporary:
                figure.savefig(temporary, format="png", dpi=110, metadata={"Results": digest_of(result)})
            written.append(path)
    return written


def plots_of(folder: Path, prefix: str, result: Evaluated) -> dict[str, bool]:
    """The plots that the results have something to show in, and whether each is there and was made from them."""
    digest, found = digest_of(result), {}
    for name, draw in PLOTS.items():
        current = _made_from(folder / f"{prefix}{name}.png") == digest
        if current or draw(result) is not None:
            found[name] = current
    return found


def _made_from(path: Path) -> str | None:
    try:
        with Image.open(path) as image:
            return image.info.get("Results")
    except OSError:
        return None
