"""VGG16 up to conv4_3, tapped before each of its first four max-poolings.

Simonyan & Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, arXiv:1409.1556,
configuration D:

| tap     | size at 224² | channels | layers                         |
|---------|--------------|----------|--------------------------------|
| conv1_2 | 224²         | 64       | 3×3, 3×3                       |
| conv2_2 | 112²         | 128      | max-pooling, 3×3, 3×3          |
| conv3_3 | 56²          | 256      | max-pooling, 3×3, 3×3, 3×3     |
| conv4_3 | 28²          | 512      | max-pooling, 3×3, 3×3, 3×3     |
"""

from typing import Any

from zoo.models.encoders import EncoderCard, Tap, register_encoder

BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512))
"""Convolutions of each block and their channels."""

CARD = EncoderCard(
    name="vgg16",
    summary="VGG16's first ten convolutions",
    taps=(Tap("conv1_2", 1, 64), Tap("conv2_2", 2, 128), Tap("conv3_3", 4, 256), Tap("conv4_3", 8, 512)),
    preprocessing="luma three times, 0 to 255, less the mean of ImageNet's blue, green and red",
    weights="ImageNet-1k, as Keras distributes them, in half precision",
    digest="1d3b5e631a52dd09a68d0630eabe52d7dc045ee3c70ba58e665d3fb5983ad1b1",
    licence="CC BY 4.0, Visual Geometry Group, University of Oxford",
    citation="K. Simonyan and A. Zisserman, Very Deep Convolutional Networks, ICLR 2015",
    parameters=7_635_264,
    channels="bgr",
)


@register_encoder(CARD)
def vgg16(luma: Any, seed: int) -> tuple[Any, Any]:
    """The image, BGR less its mean, and the network. Layers carry the names of `keras.applications.VGG16`."""
    import keras

    from zoo.models.layers import ScaledImage

    image = ScaledImage(255.0, (-103.939, -116.779, -123.68), name="preprocess")(luma)
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
    return image, keras.Model(inputs, taps, name="encoder")
