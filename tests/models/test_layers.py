import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.models.layers import (
    BilinearUpsampling,
    FusedBatchNormalization,
    HypercolumnConv,
    LeakyReLU,
    NormalizedConv2D,
    PadToMultiple,
    SumConv,
    VGGInput,
)
from zoo.models.layers.sizes import upsample, upsample_and_shift


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_upsampling_is_keras_s_bilinear(rng, factor):
    x = rng.normal(size=(2, 5, 7, 3)).astype(np.float32)
    expected = keras.layers.UpSampling2D(factor, interpolation="bilinear")(x)
    np.testing.assert_allclose(BilinearUpsampling(factor)(x), expected, atol=1e-6)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_upsampling_in_bfloat16_is_keras_s_but_for_rounding(rng, factor):
    x = tf.cast(rng.normal(size=(2, 5, 7, 3)), tf.bfloat16)
    expected = keras.layers.UpSampling2D(factor, interpolation="bilinear")(tf.cast(x, tf.float32))
    ours = BilinearUpsampling(factor, dtype="bfloat16")(x)
    assert ours.dtype == tf.bfloat16
    # Two products, each of which rounds its two terms and their sum, and may cut off where there is no hardware for it.
    atol = 2 * 2 * 2**-8 * np.abs(tf.cast(x, tf.float32)).max()
    np.testing.assert_allclose(tf.cast(ours, tf.float32), expected, atol=atol)


def pyramid(rng, height, width):
    sizes = [(height, width), (height, width), *((height // f, width // f) for f in (2, 4, 8))]
    return [
        tf.constant(rng.normal(size=(2, *s, c)).astype(np.float32)) for s, c in zip(sizes, (3, 6, 5, 4, 7), strict=True)
    ]


@pytest.mark.parametrize("size", [(16, 24), (8, 8), (40, 8)])
def test_factored_hypercolumn_is_the_plain_one(rng, size):
    maps = pyramid(rng, *size)
    factored, plain = HypercolumnConv(4), HypercolumnConv(4, factored=False)
    results = []
    for layer in (factored, plain):
        layer.build([m.shape for m in maps])
        layer.set_weights([rng.normal(size=(3, 3, 25, 4)) if layer is factored else factored.get_weights()[0]])
        with tf.GradientTape() as tape:
            for m in maps:
                tape.watch(m)
            output = layer(maps)
            loss = tf.reduce_sum(tf.sin(output))
        results.append([output, *tape.gradient(loss, [*maps, layer.kernel.value])])
    for ours, theirs in zip(*results, strict=True):
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * scale)


def test_upsample_and_shift_is_upsampling_then_shifting(rng):
    matrix = np.asarray(upsample_and_shift(4, 4, "float32")).reshape(16, 3, 4)
    x = rng.normal(size=(1, 4, 1, 1)).astype(np.float32)
    up = np.asarray(tf.image.resize(x, (16, 1)))[0, :, 0, 0]
    padded = np.concatenate([[0], up, [0]])
    for shift in range(3):
        np.testing.assert_allclose(matrix[:, shift] @ x[0, :, 0, 0], padded[shift : shift + 16], atol=1e-6)


# 3 channels are normalised folded, 12 by the fused operation; 30 pixels have no fold but 2, 128 have 64.
@pytest.mark.parametrize("channels", [3, 12])
@pytest.mark.parametrize("size", [(3, 5), (8, 8)])
def test_fused_batch_normalisation_is_keras_s(rng, channels, size):
    ours, keras_layer = FusedBatchNormalization(momentum=0.8), keras.layers.BatchNormalization(momentum=0.8)
    for layer in (ours, keras_layer):
        layer.build((None, None, None, channels))
        start = [np.linspace(0.5, 2, channels), np.linspace(-1, 1, channels), np.zeros(channels), np.ones(channels)]
        layer.set_weights(start)
    for step in range(3):
        x = tf.constant(rng.normal(step, 3, size=(2, *size, channels)).astype(np.float32))
        gradients = []
        for layer in (ours, keras_layer):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x, training=True)
                loss = tf.reduce_sum(tf.sin(y))
            gradients.append([y, *tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])])
        for a, b in zip(*gradients, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)
    for a, b in zip(ours.get_weights(), keras_layer.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    np.testing.assert_allclose(ours(x, training=False), keras_layer(x, training=False), atol=1e-5)
    ours.trainable = False
    np.testing.assert_allclose(ours(x, training=True), ours(x, training=False), atol=1e-6)


@pytest.mark.parametrize(("slope", "channels"), [(0.1, 12), (0.0, 12), (0.1, 3)])
def test_normalized_convolution_is_three_layers_of_keras(rng, slope, channels):
    ours = NormalizedConv2D(5, 3, negative_slope=slope, momentum=0.8)
    normalization = keras.layers.BatchNormalization(momentum=0.8)
    convolution = keras.layers.Conv2D(5, 3, padding="same", use_bias=False)

    def theirs(x, training):
        return convolution(tf.nn.leaky_relu(normalization(x, training=training), slope))

    x = tf.constant(rng.normal(1, 3, size=(2, 8, 6, channels)).astype(np.float32))
    ours(x), theirs(x, False)
    weights = [rng.uniform(0.5, 2, size=w.shape) for w in ours.weights]
    ours.set_weights(weights)  # what is trained comes first: scale, offset, kernel
    convolution.set_weights([weights.pop(2)])
    normalization.set_weights(weights)
    results = []
    for compute, trained in (
        (ours, [ours.gamma, ours.beta, ours.kernel]),
        (theirs, [normalization.gamma, normalization.beta, convolution.kernel]),
    ):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = compute(x, training=True)
            loss = tf.reduce_sum(tf.sin(y))
        results.append([y, *tape.gradient(loss, [x, *(each.value for each in trained)])])
        results[-1] += [compute(x, training=False)]
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4 * np.abs(b).max())
    np.testing.assert_allclose(ours.moving_variance, normalization.moving_variance, rtol=1e-5)
    again = NormalizedConv2D.from_config(ours.get_config())
    assert (again.filters, again.kernel_size, again.negative_slope) == (5, 3, slope)


@pytest.mark.parametrize("size", [(8, 16), (2, 6)])
def test_sum_convolution_is_the_convolution_of_the_sum(rng, size):
    full = tf.constant(rng.normal(size=(2, *size, 5)).astype(np.float32))
    half = tf.constant(rng.normal(size=(2, size[0] // 2, size[1] // 2, 5)).astype(np.float32))
    layer = SumConv(3)
    layer.build([full.shape, half.shape])
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    weights = [layer.gamma.value, layer.beta.value, layer.kernel.value]
    results = []
    for compute in (
        lambda: layer([full, half]),
        lambda: tf.nn.conv2d(full * weights[0] + weights[1] + upsample(half, 2), weights[2], 1, "SAME"),
    ):
        with tf.GradientTape() as tape:
            tape.watch([full, half])
            output = compute()
            loss = tf.reduce_sum(tf.sin(output))
        results.append([output, *tape.gradient(loss, [full, half, *weights])])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


def test_leaky_relu_is_keras_s(rng):
    x = tf.constant(np.concatenate([[0.0], rng.normal(size=9)]).astype(np.float32))
    results = []
    for layer in (LeakyReLU(0.1), keras.layers.LeakyReLU(0.1)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(tf.sin(y))
        results.append((y, tape.gradient(loss, x)))
    np.testing.assert_array_equal(results[0], results[1])


def test_padding_repeats_the_edge(rng):
    x = rng.random((1, 3, 10, 2)).astype(np.float32)
    np.testing.assert_array_equal(PadToMultiple(8)(x), np.pad(x, ((0, 0), (0, 5), (0, 6), (0, 0)), mode="edge"))


def test_vgg_input_is_vgg16_s_preprocessing(rng):
    grey = rng.random((1, 4, 4, 1)).astype(np.float32)
    rgb = np.repeat(grey * 255, 3, axis=-1)
    np.testing.assert_allclose(VGGInput()(grey), keras.applications.vgg16.preprocess_input(rgb.copy()), atol=1e-4)
