"""Light encoders: the taps of the real ones, each a convolution of the one before it.

Trunk and head are built as on the real encoder, layer for layer, and their tests need not build and trace its layers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from zoo.models.encoders import ENCODERS, Encoder

OF = {"light_vgg16": "vgg16", "light_lite0": "efficientnet_lite0"}
"""Light encoders by name, and the real ones that have their taps."""


def light(name: str) -> str:
    """The light encoder that stands for a real one."""
    return next(each for each, real in OF.items() if real == name)


def encoder(name: str) -> Encoder:
    """The light encoder of that name. It sees luma three times, as it is."""
    card = replace(ENCODERS[OF[name]].card, name=name, digest="", channels="rgb")

    def build(luma: Any, seed: int) -> tuple[Any, Any]:
        import keras

        from zoo.models.layers import ScaledImage

        x = inputs = keras.Input((None, None, 3), name="image")
        maps, at = [], 1
        for index, tap in enumerate(card.taps):
            x = keras.layers.Conv2D(
                tap.channels,
                3 if index == 0 else 2,
                strides=tap.stride // at,
                padding="same",
                activation="relu",
                kernel_initializer=keras.initializers.HeNormal(seed * 100 + index),
                name=tap.name,
            )(x)
            maps.append(x)
            at = tap.stride
        return ScaledImage(1.0, (0.0,) * 3, name="preprocess")(luma), keras.Model(inputs, maps, name="encoder")

    return Encoder(card, build)


@contextmanager
def registered() -> Iterator[None]:
    """Makes them known in this process for a while: other tests look at every encoder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ENCODERS, "_items", ENCODERS._items | {name: encoder(name) for name in OF})
        yield
