import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from zoo.chroma import bins, decoders
from zoo.chroma.yuv import U_MAX, UV_MAX, V_MAX
from zoo.errors import UsageError

UV = st.tuples(st.floats(-U_MAX, U_MAX), st.floats(-V_MAX, V_MAX)).map(np.array)


def test_neutral_is_the_centre_of_bin_32_and_the_maximum_of_bin_63():
    np.testing.assert_array_equal(bins.encode(np.zeros(2)), [32, 32])
    np.testing.assert_array_equal(bins.CENTERS[:, 32], [0, 0])
    np.testing.assert_array_equal(bins.encode(UV_MAX), [63, 63])
    np.testing.assert_allclose(bins.CENTERS[:, 63], UV_MAX)
    assert bins.CENTERS.shape == (2, 64)


@given(UV)
def test_hard_round_trip_is_within_half_a_bin(uv):
    back = bins.bin_centers(bins.encode(uv))
    assert (np.abs(back - uv) <= bins.WIDTHS / 2 + 1e-12).all()


@given(UV)
def test_two_hot_expectation_is_exact(uv):
    label = bins.two_hot(uv)
    np.testing.assert_allclose(label.sum(axis=-1), 1, atol=1e-12)
    assert (np.count_nonzero(label, axis=-1) <= 2).all()
    np.testing.assert_allclose((label * bins.CENTERS).sum(axis=-1), uv, atol=1e-12)


def test_out_of_range_is_clamped():
    np.testing.assert_array_equal(bins.encode(np.array([9.0, -9.0])), [63, 0])
    assert bins.two_hot(np.array([9.0, -9.0]))[0, 63] == 1


@given(arrays(np.float64, (3, 2, 64), elements=st.floats(-8, 8)))
def test_decoders_against_brute_force(logits):
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(decoders.decode(logits, "mean"), (p * bins.CENTERS).sum(-1), atol=1e-6)
    modes = np.take_along_axis(np.broadcast_to(bins.CENTERS, p.shape), logits.argmax(-1)[..., None], -1)[..., 0]
    np.testing.assert_allclose(decoders.decode(logits, "mode"), modes, atol=1e-6)
    sharp = logits / 0.38
    q = np.exp(sharp - sharp.max(-1, keepdims=True))
    q /= q.sum(-1, keepdims=True)
    np.testing.assert_allclose(decoders.decode(logits, "annealed"), (q * bins.CENTERS).sum(-1), atol=1e-6)
    # The median splits the mass in two: half of it lies below, spread evenly inside the bin.
    median = decoders.decode(logits, "median")
    for index in np.ndindex(3, 2):
        position = median[index] / bins.WIDTHS[index[1]] + 32.5
        whole = int(np.clip(np.floor(position), 0, 63))
        below = p[index][:whole].sum() + (position - whole) * p[index][whole]
        assert below == pytest.approx(0.5, abs=1e-5)


def test_sampling_follows_the_distribution_and_its_seed():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 64)).astype(np.float32) * 2
    draws = np.stack([bins.encode(decoders.decode(logits, "sample", seed=s)) for s in range(4000)])
    p = bins.softmax(logits)
    for channel in range(2):
        frequency = np.bincount(draws[:, channel], minlength=64) / len(draws)
        # Five standard errors of a binomial share, plus one count.
        assert (
            np.abs(frequency - p[channel]) <= 5 * np.sqrt(p[channel] * (1 - p[channel]) / len(draws)) + 1 / len(draws)
        ).all()
    np.testing.assert_array_equal(decoders.decode(logits, "sample", seed=3), decoders.decode(logits, "sample", seed=3))
    assert len(np.unique(draws, axis=0)) > 10


def test_one_seed_gives_equal_pixels_one_colour():
    pixel = np.random.default_rng(1).normal(size=(2, 64))
    image = np.broadcast_to(pixel, (5, 7, 2, 64))
    assert len(np.unique(decoders.decode(image, "sample", seed=4).reshape(-1, 2), axis=0)) == 1


@pytest.mark.parametrize("method", decoders.DECODERS)
def test_tensors_and_arrays_decode_alike(method):
    import keras

    logits = np.random.default_rng(2).normal(size=(2, 3, 2, 64)).astype(np.float32)
    tensor = decoders.decode(keras.ops.convert_to_tensor(logits), method)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(tensor), decoders.decode(logits, method), atol=1e-5)


def test_bad_arguments():
    with pytest.raises(UsageError, match="unknown decoder 'best'.*mode"):
        decoders.decode(np.zeros((2, 64)), "best")
    for temperature in (0, 1e-300, 1e4, float("nan")):
        with pytest.raises(UsageError, match=r"temperature must be in .0.001, 1000., not"):
            decoders.decode(np.zeros((2, 64)), "annealed", temperature=temperature)
