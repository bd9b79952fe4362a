"""A Python function as a candidate."""

import importlib
import os
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from zoo.chroma.yuv import split_luma
from zoo.errors import UsageError
from zoo.evaluation.candidates import FOREIGN, Answer, Subject, answer_of
from zoo.evaluation.foreign.finished import finished
from zoo.results import Way
from zoo.support.arrays import kind_of
from zoo.support.names import first_line, suggestion


class PythonFunction:
    """A function from luma to colours, of a module that is imported, and so runs.

    Args:
        where: `MODULE:FUNCTION`; the module is of the working directory, or installed.
        name: what to call it; None for the function's name.

    Attributes:
        about: what the results file says of it.

    Raises:
        UsageError: no such module or function, or one that cannot be imported.
    """

    def __init__(self, where: str, name: str | None) -> None:
        module, _, function = where.partition(":")
        if not module or not function:
            raise UsageError(f"python:{where}: give {FOREIGN['python']}")
        if os.getcwd() not in sys.path and "" not in sys.path:  # as `python -m` does
            sys.path.insert(0, os.getcwd())
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise UsageError(f"python:{where}: importing {module} failed: {_where(error)}") from error
            raise UsageError(f"python:{where}: no module {module} in the working directory, nor installed") from None
        except Exception as error:
            raise UsageError(f"python:{where}: importing {module} failed: {_where(error)}") from error
        self._function = getattr(found, function, None)
        if not callable(self._function):
            near = suggestion(function, (key for key, each in vars(found).items() if callable(each)))
            raise UsageError(f"python:{where}: {module} has no function {function!r}.{near}")
        self._where = f"python:{where}"
        self.ways = (Way(name or function, "foreign"),)
        self.about = {"from": self._where}

    def answers(self, subject: Subject) -> Iterable[Answer]:
        """U and V on the subject's luma, or the picture as the function made it."""
        luma = split_luma(subject.rgb / np.float32(255))[0]
        try:
            found = np.asarray(self._function(luma[..., 0].copy()))  # type: ignore[misc]
        except Exception as error:
            raise UsageError(f"{self._where} failed on {subject.name}: {_where(error)}") from error
        if found.shape == subject.rgb.shape and found.dtype == np.uint8:
            yield finished(found)
            return
        height, width = luma.shape[:2]
        if found.shape != (height, width, 2) or found.dtype.kind != "f":
            raise UsageError(
                f"{self._where} answered {subject.name} with {kind_of(found)}; give U and V, floats of shape"
                f" ({height}, {width}, 2), or RGB, uint8 of shape ({height}, {width}, 3)"
            )
        if not np.isfinite(found).all():
            raise UsageError(f"{self._where} answered {subject.name} with values that are not finite")
        yield answer_of(luma, found.astype(np.float32))


def _where(error: Exception) -> str:
    """What an error of somebody's code is, and the last line of the code that it came from."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {first_line(error)} ({Path(last.filename).name}, line {last.lineno})"
