"""What a coloured page tells of other pages."""

import numpy as np
import pytest
from boxes import BIG, MIDDLE, OTHER, SMALL, SURE, UNSURE, drawn
from test_asking import examined

from zoo.chroma.yuv import compose, split_luma, to_uint8
from zoo.pages.asking import ANSWERS
from zoo.pages.referring import referred

RED, BLUE = np.array([-0.05, 0.16]), np.array([0.12, -0.04])


def page(colors: dict[int, np.ndarray], luma: np.ndarray) -> np.ndarray:
    """The page in colour, uint8 RGB: a colour a tone, all else grey."""
    uv = np.zeros((*luma.shape, 2))
    for tone, color in colors.items():
        uv[luma == tone] = color
    return to_uint8(compose(luma[..., None] / 255, uv)[0])


def test_the_answers_are_the_true_colours_of_what_would_be_asked_for():
    luma = drawn((SURE, *BIG), (UNSURE, *MIDDLE), (OTHER, *SMALL))
    found = referred(examined(luma), page({UNSURE: RED, OTHER: BLUE}, luma))
    assert 2 <= len(found) <= ANSWERS
    first, second = found[:2]
    assert first.tone == pytest.approx(UNSURE / 255, abs=0.01)
    assert second.tone == pytest.approx(OTHER / 255, abs=0.01)
    np.testing.assert_allclose(first.uv, RED, atol=0.01)
    np.testing.assert_allclose(second.uv, BLUE, atol=0.01)
    assert all(each.region is None for each in found)  # of another picture
    assert len(found[0].kind) == len(found[1].kind) > 0


def test_a_region_of_two_colours_is_no_answer():
    luma = drawn((SURE, *BIG), (UNSURE, *MIDDLE), (OTHER, *SMALL))
    rgb = page({UNSURE: RED, OTHER: BLUE}, luma)
    inside = luma == UNSURE
    columns = np.flatnonzero(inside.any(axis=0))
    inside[:, columns[len(columns) // 2] :] = False
    rgb[inside] = to_uint8(compose(np.array([UNSURE / 255]), BLUE)[0])
    tones = [each.tone for each in referred(examined(luma), rgb)]
    assert tones[0] == pytest.approx(OTHER / 255, abs=0.01)
    assert all(abs(tone - UNSURE / 255) > 0.01 for tone in tones)


def test_no_page_gives_more_than_so_many_answers():
    rng = np.random.default_rng(0)
    luma = rng.choice([UNSURE, OTHER, SURE, 120, 90], (12, 16)).repeat(12, 0).repeat(12, 1).astype(np.uint8)
    rgb = page({UNSURE: RED, OTHER: BLUE}, luma)
    found = referred(examined(luma), rgb)
    assert 1 < len(found) <= ANSWERS
    _, uv = split_luma(rgb / 255)
    for each in found:
        assert np.linalg.norm(uv - each.uv, axis=-1).min() < 0.02
