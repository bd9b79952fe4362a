"""A model that ONNX Runtime computes, without Keras and TensorFlow; `zoo.export.prepared` writes its files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.models.contract import Contract

ABOUT, BODY, V_LOGITS, MARGINAL = "about.json", "body.onnx", "v_logits.onnx", "marginal.onnx"
"""The files of a prepared model; the last two where V is predicted given U, or where p(V) is known by itself."""

INPUT = "input{}"
"""What the inputs of each are called, by their place."""


class OnnxNetwork:
    """A prepared model: see `zoo.models.network.Network`.

    Args:
        folder: what `zoo.export.prepared.write` has written.
    """

    def __init__(self, folder: Path) -> None:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        self.contract = Contract.from_json(about["contract"])
        self.chained, self.direct, self.embedding = (about[key] for key in ("chained", "direct", "embedding"))
        self._folder = folder
        self._sessions: dict[str, Any] = {}

    def __call__(self, inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, Any]:
        """The answer for luma and what else is given, and the features."""
        found = self._run(BODY, inputs)
        return (found[0], found[1]) if self.chained else (found[0], None)

    def v_logits(self, features: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Logits of V (B, h, w, 64), given features (B, h, w, C) and U (B, h, w, 1)."""
        return self._run(V_LOGITS, (features, u))[0]

    def marginal(self, features: np.ndarray, p_u: np.ndarray) -> np.ndarray:
        """p(V) over all U, (B, h, w, 64), of features and p(U), (B, h, w, 64)."""
        return self._run(MARGINAL, (features, p_u))[0]

    def _run(self, name: str, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        session = self._sessions.get(name)
        if session is None:
            session = self._sessions[name] = _session(self._folder / name)
        inputs = {INPUT.format(place): np.ascontiguousarray(each, np.float32) for place, each in enumerate(values)}
        return session.run(None, inputs)


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # What is kept for the next page is memory that a book of large pages does not have.
    options.enable_cpu_mem_arena = False
    # Threads that spin while they wait take the cores of those that read and write pages.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
