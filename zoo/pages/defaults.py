"""What a command line leaves out: the model, how that is seen, and what else the commands of pages agree on."""

import glob
import os
from pathlib import Path

from zoo.data.image_files import is_archive, is_image
from zoo.models.registry import list_models

DEFAULT_MODEL = "context"
GUIDED_MODEL = "guided"
"""The default where the user says something of the colours."""

PREVIEWED = ("context", "conditional", "residual")
"""Models that a preview shows besides the one that was asked for."""

BATCH = 2
"""How many pages are computed at a time."""

RUN_FILES = {"best.keras", "config.json"}
"""A folder with one of these is a run, not pages."""


def is_input(word: str) -> bool:
    """Whether the first word is a page, a book, a pattern or a folder of pages, so that the model was left out."""
    path = Path(word)
    if is_image(path) or is_archive(path) or path.suffix.lower() == ".pdf":
        return True
    if not path.exists():  # a model may lie in a folder whose name looks like a pattern
        return glob.has_magic(word)
    return path.is_dir() and word.partition(":")[0] not in list_models() and not RUN_FILES & set(os.listdir(path))
