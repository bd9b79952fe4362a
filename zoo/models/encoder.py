"""The encoder of every model: VGG16 up to conv4_3, tapped before each of its first four max-poolings."""

from typing import Any

import keras

# Convolutions of each block and their channels (Simonyan & Zisserman, arXiv:1409.1556, configuration D).
BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512))
TAPS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")


def vgg16_encoder(seed: int) -> keras.Model:
    """VGG16's first ten convolutions, random: (B, H, W, 3) preprocessed to the four taps of `TAPS`.

    Layers carry the names of `keras.applications.VGG16`. Height and width must be multiples of 8; the taps have
    them divided by 1, 2, 4 and 8, and 64, 128, 256 and 512 channels.
    """
    inputs = keras.Input((None, None, 3), name="vgg_input")
    x = inputs
    taps: list[Any] = []
    for block, (convolutions, channels) in enumerate(BLOCKS, start=1):
        if block > 1:
            x = keras.layers.MaxPooling2D(2, name=f"block{block - 1}_pool")(x)
        for index in range(1, convolutions + 1):
            x = keras.layers.Conv2D(
                channels,
                3,
                padding="same",
                activation="relu",
                kernel_initializer=keras.initializers.HeNormal(seed=seed * 1000 + block * 10 + index),
                name=f"block{block}_conv{index}",
            )(x)
        taps.append(x)
    return keras.Model(inputs, taps, name="encoder")


def assign_weights(encoder: keras.Model, weights: dict[str, tuple[Any, Any]]) -> None:
    """Puts kernels and biases, by layer name, into an encoder."""
    for name, (kernel, bias) in weights.items():
        encoder.get_layer(name).set_weights([kernel, bias])
