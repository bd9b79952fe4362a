"""The whole way from luma to colour as one TensorFlow function: the network, and the decoder of its answer."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from zoo.chroma.bins import BINS, softmax
from zoo.chroma.decoders import Decoder
from zoo.models.contract import contract_of
from zoo.models.heads import chain_of
from zoo.models.inputs import LUMA
from zoo.models.model import call
from zoo.models.prediction import LEAST_SHARE

NOISE = tf.TensorSpec((2, BINS), tf.float32, name="noise")


class ExportedGraph(tf.Module):
    """A model and a decoder as a function of tensors that TensorFlow can save.

    Args:
        model: of the zoo, in float32: see `in_float32`.
        decoder: of a classifier; None for a regression, or for the logits of a classifier.

    Attributes:
        serve: a `tf.function` from `luma`, (B, H, W, 1) in [0, 1], what else the model can be given, by name, and of a
            decoder that draws from `noise` too, (2, 64), `zoo.chroma.decoders.gumbel_noise`; to a dictionary of one
            tensor, called `output`.
        output: `uv`, (B, h, w, 2), or `logits`, (B, h, w, 2, 64), of the size of the model's answer.
    """

    def __init__(self, model: keras.Model, decoder: Decoder | None) -> None:
        super().__init__(name="colorizer")
        self.contract = contract_of(model)
        self.model, self._decoder = model, decoder
        self.output = "logits" if self.contract.classifies and decoder is None else "uv"
        channels = {LUMA: 1} | {item.name: item.channels for item in self.contract.given}
        self.signature = tuple(
            tf.TensorSpec((None, None, None, count), tf.float32, name=name) for name, count in channels.items()
        )
        self._inputs = len(self.signature)
        if decoder and decoder.kind.needs_noise:
            self.signature += (NOISE,)
        self.serve = tf.function(self._answer, input_signature=self.signature)

    @property
    def card(self) -> str:
        """What `zoo.evaluate` has to know of it, as TOML: see `zoo.evaluation.foreign.onnx_card`."""
        zeros = ", ".join(
            f"{item.name} = {self.contract.stride if item.at_answer else 1}" for item in self.contract.given
        )
        taken = [f'name = "{LUMA}"', f"zeros = {{ {zeros} }}"]
        taken += [f"side = {self.contract.side}"] if self.contract.side else []
        taken += [f'noise = "{NOISE.name}"'] if NOISE in self.signature else []
        given = ["[output]", f'color = "{self.output}"', 'layout = "NHWC"']
        return "\n".join(["[input]", 'color = "luma"', 'layout = "NHWC"', *taken, *given, ""])

    def _answer(self, *tensors: Any) -> dict[str, Any]:
        inputs, noise = list(tensors[: self._inputs]), tensors[self._inputs :]
        return {self.output: self._colors(inputs, *noise)}

    def _colors(self, inputs: list[Any], noise: Any = None) -> Any:
        chain = chain_of(self.model)
        if chain is None:
            answer = call(self.model, self.contract, inputs if len(inputs) > 1 else inputs[0], training=False)
            return answer if self._decoder is None else self._decoder(answer, noise)
        assert self._decoder is not None
        u_logits, features = chain.body(inputs if len(inputs) > 1 else inputs[0], training=False)
        if self._decoder.kind.chained:
            return self._decoder.chain(u_logits, lambda u: chain.v_logits(features, u), noise)
        p_u = softmax(u_logits)
        p_v = chain.marginal(features, p_u, LEAST_SHARE)
        # As logits, like `zoo.models.prediction.Prediction.marginals`.
        return self._decoder(ops.log(ops.maximum(ops.stack([p_u, p_v], axis=-2), 1e-12)), noise)


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
