"""The whole way from luma to colour as one TensorFlow function: the network, and the decoder of its answer."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from zoo.chroma.bins import BINS, bin_centers, softmax
from zoo.chroma.decoders import decode
from zoo.export.decoders import LOGITS, Decoder, check
from zoo.models.prediction import CHAINED, LEAST_SHARE, is_conditional, output_of

LUMA = tf.TensorSpec((None, None, None, 1), tf.float32, name="luma")
NOISE = tf.TensorSpec((2, BINS), tf.float32, name="noise")


class Colorizer(tf.Module):
    """A model and a decoder as a function of tensors that TensorFlow can save.

    Args:
        model: of the zoo, in float32: see `in_float32`.
        decoder: of a classifier; None for a regression.

    Attributes:
        serve: a `tf.function` from `luma`, (B, H, W, 1) in [0, 1], and of the decoder `sample` from `noise` too,
            (2, 64), `zoo.chroma.decoders.gumbel_noise`; to a dictionary of one tensor, called `output`.
        output: `uv`, (B, H, W, 2), or `logits`, (B, H, W, 2, 64).

    Raises:
        UsageError: the decoder does not fit the model.
    """

    def __init__(self, model: keras.Model, decoder: Decoder | None) -> None:
        super().__init__(name="colorizer")
        check(decoder, output_of(model), is_conditional(model))
        self.model, self._decoder = model, decoder
        self.output = "logits" if decoder and decoder.name == LOGITS else "uv"
        self.signature = (LUMA, NOISE) if decoder and decoder.name == "sample" else (LUMA,)
        self.serve = tf.function(self._answer, input_signature=self.signature)

    def _answer(self, luma: Any, noise: Any = None) -> dict[str, Any]:
        if self._decoder is None or self._decoder.name == LOGITS:
            return {self.output: self.model(luma, training=False)}
        if noise is not None:
            noise = noise * self._decoder.options.get("temperature", 1.0)
        answer = _conditional if is_conditional(self.model) else _plain
        return {self.output: answer(self.model, self._decoder, luma, noise)}


def _mode(logits: Any, noise: Any) -> Any:
    """`zoo.chroma.decoders.decode_mode`, and `decode_sample` with noise: the mode of noisy logits is a sample.

    `keras.ops.argmax` looks at the bits of zeros, by operations that other runtimes lack.
    """
    return bin_centers(tf.argmax(logits if noise is None else logits + noise, axis=-1, output_type=tf.int32))


def _plain(model: keras.Model, decoder: Decoder, luma: Any, noise: Any) -> Any:
    return _decoded(model(luma, training=False), decoder, noise)


def _decoded(logits: Any, decoder: Decoder, noise: Any) -> Any:
    return _mode(logits, noise) if decoder.is_discrete else decode(logits, decoder.name, **decoder.options)


def _conditional(model: keras.Model, decoder: Decoder, luma: Any, noise: Any) -> Any:
    """U chosen, then V given it; or from the two marginals: see `zoo.models.prediction.Prediction.decode`."""
    body = keras.Model(model.inputs[0], [model.get_layer("head_u").output, model.get_layer("head_features").output])
    given = model.get_layer("head_v_given_u")
    u_logits, features = body(luma, training=False)

    if decoder.name not in CHAINED:
        p_u = softmax(u_logits)
        p_v = _marginal_of_v(given, features, p_u)
        # As logits, like `zoo.models.prediction.Prediction.marginals`.
        marginals = ops.log(ops.maximum(ops.stack([p_u, p_v], axis=-2), 1e-12))
        return _decoded(marginals, decoder, noise)
    u = _decoded(ops.stack([u_logits, u_logits], axis=-2), decoder, noise)[..., :1]
    return _decoded(ops.stack([u_logits, given([features, u])], axis=-2), decoder, noise)


def _marginal_of_v(given: Any, features: Any, p_u: Any) -> Any:
    """p(V) = Σ p(U) p(V | U) over the bins of U: (B, H, W, 64).

    Args:
        given: the layer `VGivenU`. At the centre of a bin its embedding of U is one row, so that its product with the
            features is the same for all bins.
        features: (B, H, W, C).
        p_u: (B, H, W, 64). Shares up to `LEAST_SHARE` count as none, as in `zoo.models.prediction`.
    """
    flat = tf.reshape(p_u, (-1, BINS))
    shares = tf.where(flat > LEAST_SHARE, flat, 0.0)
    rows = tf.matmul(tf.reshape(features, (-1, features.shape[-1])), given.kernel) + given.bias
    embedding, kernel, bias = (tf.convert_to_tensor(w) for w in (given.embedding, given.last_kernel, given.last_bias))

    def add(index: Any, total: Any) -> Any:
        hidden = tf.nn.relu(rows + tf.gather(embedding, index))
        share = tf.gather(shares, index, axis=1)[:, None]
        return index + 1, total + share * tf.nn.softmax(tf.matmul(hidden, kernel) + bias)

    # A loop of the graph: sixty-four hidden layers at once would take the memory of all of them.
    _, total = tf.while_loop(
        lambda index, _: index < BINS, add, (tf.constant(0), tf.zeros_like(flat)), parallel_iterations=1
    )
    return tf.reshape(total / tf.reduce_sum(total, axis=-1, keepdims=True), tf.shape(p_u))


def in_float32(model: keras.Model) -> keras.Model:
    """A copy of a model, with the same weights, that computes in float32 whatever its precision policy says.

    A run on hardware that computes in bfloat16 leaves a model that does, everywhere; other runtimes do not.
    """
    config = _map_policies(keras.saving.serialize_keras_object(model))
    copy = keras.saving.deserialize_keras_object(config)
    copy.set_weights(model.get_weights())
    return copy


def _map_policies(config: Any) -> Any:
    if isinstance(config, list | tuple):
        return [_map_policies(each) for each in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy":
        return config | {"config": {"name": "float32"}}
    return {key: _map_policies(value) for key, value in config.items()}
