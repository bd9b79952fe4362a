"""One switch: whether layers use their accelerated twins, which are TensorFlow's own (`zoo.models.layers.twins`).

The twins compute the same numbers, in less time or memory. They are used where Keras runs on TensorFlow;
`$COLORIZATION_ZOO_PLAIN=1` turns them off. On JAX and PyTorch the layers are `keras.ops` alone.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import keras

VARIABLE = "COLORIZATION_ZOO_PLAIN"

register = keras.saving.register_keras_serializable("zoo")


def accelerated() -> bool:
    """Whether the twins are used."""
    return keras.backend.backend() == "tensorflow" and os.environ.get(VARIABLE, "") in ("", "0")


def compiled(function: Callable[..., Any], shapes: Sequence[Sequence[int | None]]) -> Callable[..., Any]:
    """A function of float32 tensors of these shapes; on TensorFlow traced once, for any size."""
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    signature = tuple(tf.TensorSpec(list(shape), tf.float32) for shape in shapes)
    return tf.function(function, input_signature=signature)
