"""Summary images: tiles where they belong, under their titles."""

import numpy as np

from zoo.training.summary import GUTTER, TITLE_HEIGHT, summary_image


def test_tiles_are_under_their_titles() -> None:
    truth = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    luma = truth.mean(-1, keepdims=True) / 255
    image = summary_image(luma, np.zeros((3, 48, 48, 2)), truth)
    pitch = 48 + GUTTER
    left = np.arange(3) * pitch
    second = 3 * 48 + 6 * GUTTER
    assert image.shape == (TITLE_HEIGHT + 2 * 48 + GUTTER, second + 3 * 48 + 2 * GUTTER, 3)
    for crop, (x, y) in enumerate([(0, 0), (second, 0), (0, pitch)]):
        tiles = [image[TITLE_HEIGHT + y :, x + each :][:48, :48] for each in left]
        np.testing.assert_array_equal(tiles[2], truth[crop])
        np.testing.assert_array_equal(tiles[0], np.repeat(np.uint8(np.rint(255 * luma[crop])), 3, axis=-1))
    titles = image[:TITLE_HEIGHT] < 128
    assert all(titles[:, x + each :][:, :48].any() for x in (0, second) for each in left)
    assert (image[TITLE_HEIGHT + pitch :, second:] == 255).all()  # where there is no fourth crop


def test_tiles_too_small_for_titles_have_none() -> None:
    image = summary_image(np.zeros((1, 8, 8, 1)), np.zeros((1, 8, 8, 2)), np.zeros((1, 8, 8, 3), np.uint8))
    assert (image[:TITLE_HEIGHT] == 255).all()
