"""A network of three layers, for tests of everything around the network.

It has what matters to training: a head that the harness knows, batch normalisation of many channels and of few, and
weights that are not trained.
"""

from zoo.models.registry import ModelCard, register_model

CARD = ModelCard(
    name="tiny",
    summary="three layers",
    source="tests",
    trunk="tiny",
    head="uv",
    output="uv",
    parameters=0,
    citation="",
)


def build(*, encoder_weights="none", train_encoder=False, seed=0, **recipe):
    import keras

    from zoo.models.layers import ChromaRange, FusedBatchNormalization, NormalizedConv2D

    def kernel(filters):
        return keras.initializers.GlorotUniform(seed + filters)

    luma = keras.Input((None, None, 1), name="luma")
    x = keras.layers.Conv2D(16, 3, padding="same", use_bias=False, kernel_initializer=kernel(16), name="conv1")(luma)
    x = NormalizedConv2D(2, 3, negative_slope=0.0, momentum=0.9, kernel_initializer=kernel(2), name="conv2")(x)
    x = FusedBatchNormalization(momentum=0.9, name="conv2_bn", dtype="float32")(x)
    return keras.Model(luma, ChromaRange(dtype="float32")(x), name="tiny")


def two_convolutions(classifier: bool):
    """A random network of two convolutions, a regression or a classifier, whose colours vary."""
    import keras

    from zoo.chroma.bins import BINS
    from zoo.models.layers import ChromaRange, FusedBatchNormalization, SplitChannels

    luma = keras.Input((None, None, 1), name="luma")
    x = keras.layers.Conv2D(32, 3, padding="same", kernel_initializer=keras.initializers.HeNormal(1))(luma)
    x = keras.layers.ReLU()(FusedBatchNormalization()(x))
    kernel = keras.initializers.RandomNormal(stddev=2.0, seed=2)
    x = keras.layers.Conv2D(2 * BINS if classifier else 2, 3, padding="same", kernel_initializer=kernel)(x)
    x = SplitChannels(BINS)(x) if classifier else ChromaRange()(x)
    return keras.Model(luma, x, name="small")


def register() -> None:
    """Makes it known as `tiny` in this process, which is to be one of its own: other tests look at every model."""
    register_model(CARD)(build)
