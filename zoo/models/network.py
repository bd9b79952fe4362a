"""What computes a model: Keras, or a runtime without it. NumPy in and out."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from zoo.models.contract import Contract

RUNTIMES = ("auto", "tensorflow", "onnx")
"""What may compute a model that a command colours pages with."""


class Network(Protocol):
    """A model that a runtime has loaded.

    Attributes:
        contract: what it takes and answers with.
        chained: whether it predicts V given U.
        direct: of one that does, whether `marginal` knows p(V) by itself, without a sum over U.
        embedding: of one that does, how many of its features say what a pixel is: see `zoo.models.heads.Chain`.
    """

    contract: Contract
    chained: bool
    direct: bool
    embedding: int

    def __call__(self, inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, Any]:
        """The answer, and the features of a model that predicts V given U, None of others.

        Args:
            inputs: luma (B, H, W, 1), and what a user may give, in the contract's order; float32.

        Returns:
            UV (B, h, w, 2), or logits (B, h, w, 2, 64), of U alone (B, h, w, 64) where V is predicted given it; and
            features (B, h, w, C), an array.
        """

    def v_logits(self, features: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Logits of V (B, h, w, 64), given features (B, h, w, C) and U (B, h, w, 1)."""

    def marginal(self, features: np.ndarray, p_u: np.ndarray) -> np.ndarray:
        """p(V) over all U, (B, h, w, 64), of features and p(U), (B, h, w, 64): of a network that is `direct`."""


class KerasNetwork:
    """A Keras model, in inference mode.

    Args:
        model: of the zoo, or one of one's own.

    Raises:
        UsageError: the model is no colouriser.
    """

    def __init__(self, model: Any) -> None:
        from zoo.models.contract import contract_of
        from zoo.models.heads import chain_of
        from zoo.models.layers.switch import compiled

        self.contract = contract_of(model)
        chain = chain_of(model)
        body = chain.body if chain else model
        self.chained = chain is not None
        self.direct, self.embedding = (chain.direct, chain.embedding) if chain else (False, 0)
        shapes = [[None, None, None, channels] for channels in (1, *(item.channels for item in self.contract.given))]

        def forward(*inputs: Any) -> Any:
            return body(inputs[0] if len(inputs) == 1 else list(inputs), training=False)

        # Of any size: TensorFlow would trace the model anew for sizes it has not met, and warn of it.
        self._forward = compiled(forward, shapes)
        if chain:
            features = [None, None, None, chain.channels]
            self._v_logits = compiled(chain.v_logits, [features, [None, None, None, 1]])
            self._marginal = chain.marginal

    def __call__(self, inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, Any]:
        """See `Network`."""
        found = self._forward(*(_tensor(each) for each in inputs))
        answer, features = found if self.chained else (found, None)
        return _array(answer), None if features is None else _array(features)

    def v_logits(self, features: np.ndarray, u: np.ndarray) -> np.ndarray:
        """See `Network`."""
        return _array(self._v_logits(_tensor(features), _tensor(u)))

    def marginal(self, features: np.ndarray, p_u: np.ndarray) -> np.ndarray:
        """See `Network`."""
        return _array(self._marginal(_tensor(features), _tensor(p_u), 0.0))


def _tensor(values: np.ndarray) -> Any:
    from keras import ops

    return ops.convert_to_tensor(values, dtype="float32")


def _array(tensor: Any) -> np.ndarray:
    from keras import ops

    return np.asarray(ops.convert_to_numpy(tensor))
