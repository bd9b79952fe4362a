import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2yuv

from zoo.chroma.yuv import U_MAX, V_MAX, compose, rgb_to_yuv, split_luma, to_uint8, yuv_to_rgb


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(0).random((17, 9, 3))


def test_agrees_with_scikit_image_and_tensorflow(rgb):
    import tensorflow as tf

    np.testing.assert_allclose(rgb_to_yuv(rgb), rgb2yuv(rgb), atol=1e-12)
    np.testing.assert_allclose(rgb_to_yuv(rgb), tf.image.rgb_to_yuv(rgb), atol=1e-6)


def test_tensors_and_arrays_give_the_same(rgb):
    import keras

    tensor = keras.ops.convert_to_tensor(rgb.astype(np.float32))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(rgb_to_yuv(tensor)), rgb_to_yuv(rgb), atol=1e-6)
    luma, uv = split_luma(tensor)
    composed, scale = compose(luma, uv * 2.0)
    expected, expected_scale = compose(*(np.asarray(x) for x in (luma, uv * 2.0)))
    np.testing.assert_allclose(composed, expected, atol=1e-6)
    np.testing.assert_allclose(scale, expected_scale, atol=1e-5)


def test_round_trip_and_extremes(rgb):
    np.testing.assert_allclose(yuv_to_rgb(rgb_to_yuv(rgb)), rgb, atol=1e-12)
    corners = np.array([[r, g, b] for r in (0, 1) for g in (0, 1) for b in (0, 1)], float)
    uv = rgb_to_yuv(corners)[:, 1:]
    np.testing.assert_allclose(np.abs(uv).max(axis=0), [U_MAX, V_MAX], atol=1e-7)


finite = st.floats(-2, 2, allow_nan=False)


@given(st.floats(0, 1), finite, finite)
def test_gamut_map_keeps_luma_and_hue(y, u, v):
    luma, uv = np.array([y]), np.array([u, v])
    rgb, scale = compose(luma, uv)
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    assert 0 <= scale[0] <= 1
    back = rgb_to_yuv(rgb)
    np.testing.assert_allclose(back[0], y, atol=1e-6)
    np.testing.assert_allclose(back[1:], scale * uv, atol=1e-6)


def test_gamut_map_leaves_what_fits_alone(rgb):
    composed, scale = compose(*split_luma(rgb))
    np.testing.assert_allclose(composed, rgb, atol=1e-9)
    assert scale.min() > 1 - 1e-9


def test_gamut_map_takes_no_more_chroma_than_it_must():
    luma, uv = split_luma(np.array([0.2, 0.5, 0.3]))
    rgb, scale = compose(luma, uv * 10)
    assert scale < 1
    assert np.isclose(rgb, 0).any() or np.isclose(rgb, 1).any()


def test_to_uint8_rounds_to_nearest():
    np.testing.assert_array_equal(to_uint8(np.array([0.0, 0.0019, 0.0021, 1.0, 1.2, -0.1])), [0, 0, 1, 255, 255, 0])
