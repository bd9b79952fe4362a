"""The network of Iizuka 2016: its table, its global features, and the layers that change sizes."""

import numpy as np
import pytest
import tensorflow as tf
from field import small

import zoo
from zoo.models.layers import RepeatPixels, ResizeTo


def test_it_is_the_paper_s_table():
    """At an eighth of the width; the head has two channels at any."""
    model = zoo.create("iizuka16", **small("iizuka16"))
    filters = {layer.name: layer.filters * 8 for layer in model.layers if hasattr(layer, "filters")}
    assert [filters[f"low{index}"] for index in range(1, 7)] == [64, 128, 128, 256, 256, 512]
    assert [filters[name] for name in ("mid1", "mid2")] == [512, 256]
    assert [filters[f"global{index}"] for index in range(1, 5)] == [512] * 4
    assert [filters[f"global_dense{index}"] for index in (1, 2, 3)] == [1024, 512, 256]
    assert filters["fusion_mid"] == filters["fusion_global"] == 256
    assert [filters[f"color{index}"] for index in (1, 2, 3, 4)] == [128, 64, 64, 32]
    assert filters["head_sigmoid"] == 16
    assert len(filters) == 6 + 2 + 4 + 3 + 2 + 4 + 1
    assert model.get_layer("global_dense1").kernel_size == (7, 7)
    assert zoo.create("iizuka16", side=64, **small("iizuka16")).get_layer("global_dense1").kernel_size == (2, 2)


def test_the_low_level_network_is_one_with_two_normalisations():
    model = zoo.create("iizuka16", **small("iizuka16"))
    assert all(len(model.get_layer(f"low{index}")._inbound_nodes) == 2 for index in range(1, 7))
    names = {layer.name for layer in model.layers}
    assert {f"{which}{index}_norm" for which in ("low", "global_low") for index in range(1, 7)} <= names


def test_what_is_far_away_counts():
    """By the global features, and by nothing else: without them far corners know nothing of each other."""
    model = zoo.create("iizuka16", side=64, **small("iizuka16"))
    head = model.get_layer("head_sigmoid")
    head.set_weights([weight * 30 for weight in head.get_weights()])
    rng = np.random.default_rng(0)
    for _ in range(2):
        model(rng.random((2, 64, 64, 1), dtype=np.float32), training=True)
    luma = rng.random((1, 320, 320, 1), dtype=np.float32)
    other = luma.copy()
    other[:, :64, :64] = 1 - other[:, :64, :64] / 2
    apart = np.abs(np.asarray(model(other)) - np.asarray(model(luma)))
    assert apart[:, -8:, -8:].max() > 1e-6
    fusion = model.get_layer("fusion_global")
    fusion.set_weights([np.zeros_like(weight) for weight in fusion.get_weights()])
    apart = np.abs(np.asarray(model(other)) - np.asarray(model(luma)))
    assert apart[:, :8, :8].max() > 1e-4
    assert apart[:, -8:, -8:].max() == 0


@pytest.mark.parametrize("size", [(64, 64), (7, 90), (1, 1), (130, 40)])
def test_resizing_is_a_mean_of_what_a_cell_covers(size):
    image = np.random.default_rng(0).random((2, *size, 3), dtype=np.float32)
    found = np.asarray(ResizeTo(64)(image))
    expected = tf.image.resize(image, (64, 64), antialias=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    if size == (64, 64):
        np.testing.assert_allclose(found, image, atol=1e-6)


def test_pixels_are_repeated_along_both_axes():
    image = np.random.default_rng(0).random((2, 3, 5, 4), dtype=np.float32)
    np.testing.assert_array_equal(RepeatPixels()(image), image.repeat(2, axis=1).repeat(2, axis=2))
