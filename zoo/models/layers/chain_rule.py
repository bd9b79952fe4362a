"""V given U: a head whose V is predicted for the U that was chosen, so that it never meets another colour's."""

from typing import Any

import keras
from keras import ops

from zoo.chroma.bins import BINS, two_hot_channel
from zoo.models.layers.switch import register


@register
class VGivenU(keras.layers.Layer):
    """Features (B, H, W, C) and U (B, H, W, 1) to logits of V given that U, (B, H, W, 64), float32.

    A hidden layer sees the features and the embedding of U, which is interpolated between those of the two nearest
    bins: p(V | x, U) = softmax(K ReLU(A f(x) + E(U) + b) + c). Modelling the second channel given the first is the
    chain rule of autoregressive models (van den Oord et al., Pixel Recurrent Neural Networks, 2016, section 2.2).

    Args:
        units: of the hidden layer.
        kernel_initializer: of A.
        embedding_initializer: of E.
        last_initializer: of K.
    """

    def __init__(
        self,
        units: int = 128,
        kernel_initializer: Any = "he_normal",
        embedding_initializer: Any = "random_normal",
        last_initializer: Any = "he_normal",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.embedding_initializer = keras.initializers.get(embedding_initializer)
        self.last_initializer = keras.initializers.get(last_initializer)

    def build(self, input_shape: Any) -> None:
        channels = input_shape[0][-1]
        self.kernel = self.add_weight(shape=(channels, self.units), initializer=self.kernel_initializer, name="kernel")
        self.embedding = self.add_weight(
            shape=(BINS, self.units), initializer=self.embedding_initializer, name="embedding"
        )
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")
        self.last_kernel = self.add_weight(
            shape=(self.units, BINS), initializer=self.last_initializer, name="last_kernel"
        )
        self.last_bias = self.add_weight(shape=(BINS,), initializer="zeros", name="last_bias")

    def call(self, inputs: Any) -> Any:
        features, u = inputs
        shape = ops.shape(features)[:3]
        rows = ops.reshape(ops.cast(features, self.compute_dtype), (-1, features.shape[-1]))
        labels = ops.reshape(ops.cast(two_hot_channel(u, 0), self.compute_dtype), (-1, BINS))
        # One product of both side by side is one pass over the hidden layer.
        weights = ops.concatenate([self.kernel, self.embedding], axis=0)
        hidden = ops.matmul(ops.concatenate([rows, labels], axis=-1), ops.cast(weights, self.compute_dtype))
        hidden = ops.relu(hidden + ops.cast(self.bias, self.compute_dtype))
        logits = ops.matmul(ops.cast(hidden, "float32"), ops.cast(self.last_kernel, "float32"))
        return ops.reshape(logits + ops.cast(self.last_bias, "float32"), (*shape, BINS))

    def marginal(self, features: Any, p_u: Any, least: float) -> Any:
        """p(V) = Σ p(U) p(V | U) over the bins of U, (B, H, W, 64), float32.

        Args:
            features: (B, H, W, C).
            p_u: (B, H, W, 64). Shares up to `least` count as none.
            least: see `p_u`.
        """
        flat = ops.reshape(p_u, (-1, BINS))
        shares = ops.where(flat > least, flat, 0.0)
        # At the centre of a bin the embedding of U is one row: its product with the features is the same for all bins.
        rows = (
            ops.matmul(ops.reshape(features, (-1, features.shape[-1])), ops.convert_to_tensor(self.kernel)) + self.bias
        )
        embedding, kernel, bias = (ops.convert_to_tensor(w) for w in (self.embedding, self.last_kernel, self.last_bias))

        def add(index: Any, total: Any) -> Any:
            hidden = ops.relu(rows + ops.take(embedding, index, axis=0))
            share = ops.take(shares, index, axis=1)[:, None]
            return total + share * ops.softmax(ops.matmul(hidden, kernel) + bias)

        # A loop: sixty-four hidden layers at once would take the memory of all of them.
        total = ops.fori_loop(0, BINS, add, ops.zeros_like(flat))
        return ops.reshape(total / ops.sum(total, axis=-1, keepdims=True), ops.shape(p_u))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[0][:3], BINS)

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(self.compute_output_shape([x.shape for x in inputs]), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "units": self.units,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "embedding_initializer": keras.initializers.serialize(self.embedding_initializer),
            "last_initializer": keras.initializers.serialize(self.last_initializer),
        }
