"""The guided filter against its definition, and what it is for."""

import numpy as np

from zoo.coherence import coherent


def by_definition(p, guide, radius, epsilon):
    """He, Sun, Tang 2013, window by window."""
    height, width = p.shape
    slope, offset = np.zeros_like(p), np.zeros_like(p)

    def window(x, row, column):
        top, left = max(0, row - radius), max(0, column - radius)
        return x[top : row + radius + 1, left : column + radius + 1]

    for row in range(height):
        for column in range(width):
            i, q = window(guide, row, column), window(p, row, column)
            slope[row, column] = ((i * q).mean() - i.mean() * q.mean()) / (i.var() + epsilon)
            offset[row, column] = q.mean() - slope[row, column] * i.mean()
    result = np.zeros_like(p)
    for row in range(height):
        for column in range(width):
            a, b = window(slope, row, column).mean(), window(offset, row, column).mean()
            result[row, column] = a * guide[row, column] + b
    return result


def test_it_is_the_guided_filter():
    rng = np.random.default_rng(0)
    luma, logits = rng.random((1, 13, 9, 1)), rng.normal(size=(1, 13, 9, 2, 3))
    found = coherent(logits, luma, radius=3, epsilon=0.02)
    for channel in range(2):
        for index in range(3):
            expected = by_definition(logits[0, :, :, channel, index], luma[0, :, :, 0], 3, 0.02)
            np.testing.assert_allclose(found[0, :, :, channel, index], expected, atol=1e-4)


def test_flat_luma_is_averaged_and_an_edge_is_kept():
    rng = np.random.default_rng(0)
    luma = np.zeros((1, 40, 80, 1))
    luma[:, :, 40:] = 1
    side = np.where(luma[..., 0] > 0, 1.0, -1.0)
    noisy = side + rng.normal(size=side.shape)
    smooth = coherent(noisy[..., None], luma, radius=8)[..., 0]
    inside = np.s_[:, 8:-8, 8:-8]
    assert np.std((smooth - side)[inside]) < 0.15
    # At the edge itself the two sides stay apart; a plain mean over the window would bring both to nearly zero.
    assert smooth[0, 8:-8, 40].mean() > 0.85
    assert smooth[0, 8:-8, 39].mean() < -0.85
