"""Candidates that are not of this zoo: an ONNX file with its card, a Python function, pictures from elsewhere."""

import re
from pathlib import Path

from zoo.errors import UsageError
from zoo.evaluation.candidates import FOREIGN
from zoo.evaluation.foreign.onnx_model import OnnxModel
from zoo.evaluation.foreign.picture_folder import PictureFolder
from zoo.evaluation.foreign.python_function import PythonFunction

_SPEC = re.compile(rf"(?:([^=:/]+)=)?({'|'.join(FOREIGN)}):(.*)", re.DOTALL)


def is_foreign(spec: str) -> bool:
    """Whether a word of the command line means a candidate that is not of this zoo."""
    return _SPEC.fullmatch(spec) is not None


def open_foreign(spec: str, seed: int) -> "OnnxModel | PythonFunction | PictureFolder":
    """The candidate that such a word means.

    Args:
        spec: `onnx:FILE`, `python:MODULE:FUNCTION` or `files:DIR`, after `NAME=` if it is to have another name.
        seed: of the noise of an exported model that draws.

    Raises:
        UsageError: it cannot be opened; the message says why.
    """
    found = _SPEC.fullmatch(spec)
    assert found
    name, kind, where = found.groups()
    if not where:
        raise UsageError(f"{spec}: give {FOREIGN[kind]}")
    if kind == "onnx":
        return OnnxModel(Path(where), name, seed)
    return PythonFunction(where, name) if kind == "python" else PictureFolder(Path(where), name)
