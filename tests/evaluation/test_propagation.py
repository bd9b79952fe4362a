"""Ways to spread hints that need no learning."""

import numpy as np
import pytest

from zoo.evaluation.propagation import BASELINES, SIDE, levin

RED, BLUE = np.array([-0.1, 0.3]), np.array([0.3, -0.1])


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("scale", [1, 6])
def test_around_a_hint_is_its_colour(name, scale):
    """In even regions, on pages that are as large as hints are spread in, and on larger ones."""
    luma = np.full((80 * scale, 100 * scale), 0.7, np.float32)
    luma[:, 50 * scale :] = 0.3
    assert scale == 1 or max(luma.shape) > SIDE
    places = np.array([(20, 15), (60, 85)]) * scale
    uv = BASELINES[name](luma, places, np.stack([RED, BLUE]))
    assert uv.shape == (*luma.shape, 2)
    assert np.isfinite(uv).all()
    for (row, column), color in zip(places, (RED, BLUE), strict=True):
        around = uv[row - 3 : row + 4, column - 3 : column + 4]
        np.testing.assert_allclose(around, np.broadcast_to(color, around.shape), atol=0.03)


@pytest.mark.parametrize("name", BASELINES)
def test_one_hint_colours_all(name):
    luma = np.random.default_rng(0).uniform(0.3, 0.7, (40, 50)).astype(np.float32)
    uv = BASELINES[name](luma, np.array([(20, 20)]), RED[None])
    np.testing.assert_allclose(uv, np.broadcast_to(RED, uv.shape), atol=1e-3)


@pytest.mark.parametrize("name", BASELINES)
def test_hints_in_one_place_are_no_problem(name):
    luma = np.full((40, 50), 0.5, np.float32)
    places = np.array([(0, 0), (39, 49), (39, 49)])
    uv = BASELINES[name](luma, places, np.stack([RED, BLUE, BLUE]))
    assert np.isfinite(uv).all()
    np.testing.assert_allclose(uv[0, 0], RED, atol=0.02)
    np.testing.assert_allclose(uv[39, 49], BLUE, atol=0.02)


def test_the_nearest_hint_is_the_nearest():
    luma = np.full((30, 90), 0.5, np.float32)
    uv = BASELINES["nearest hint"](luma, np.array([(15, 10), (15, 70)]), np.stack([RED, BLUE]))
    np.testing.assert_allclose(uv[:, :38], np.broadcast_to(RED, (30, 38, 2)), atol=1e-6)
    np.testing.assert_allclose(uv[:, 43:], np.broadcast_to(BLUE, (30, 47, 2)), atol=1e-6)


def test_luma_counts_beside_place():
    """What has the tone of a farther hint takes its colour."""
    luma = np.full((40, 60), 0.2, np.float32)
    luma[:, 20:40] = 0.8
    places, colors = np.array([(20, 10), (20, 30)]), np.stack([RED, BLUE])
    by_luma, nearest = (BASELINES[name](luma, places, colors)[20, 50] for name in ("place and luma", "nearest hint"))
    np.testing.assert_allclose(nearest, BLUE, atol=1e-6)
    assert np.linalg.norm(by_luma - RED) < 0.2 * np.linalg.norm(RED - BLUE)


def ring() -> tuple[np.ndarray, np.ndarray]:
    """A circle of ink on an even ground, and how far each pixel is from its middle."""
    y, x = np.mgrid[:100, :100]
    distance = np.hypot(x - 50, y - 50)
    return np.where(np.abs(distance - 30) < 2.5, 0.02, 0.7).astype(np.float32), distance


def test_levin_stops_at_ink_and_fills_what_is_inside():
    luma, distance = ring()
    places, colors = np.array([(50, 70), (5, 5)]), np.stack([RED, BLUE])
    uv = levin(luma, places, colors)
    across = np.linalg.norm(RED - BLUE)
    assert np.linalg.norm(uv[distance < 26] - RED, axis=-1).max() < 0.2 * across
    assert np.linalg.norm(uv[distance > 34] - BLUE, axis=-1).max() < 0.2 * across
    without = levin(np.full_like(luma, 0.7), places, colors)  # nothing stops them
    assert np.linalg.norm(without[distance < 26] - RED, axis=-1).max() > 0.3 * across
    nearest = BASELINES["nearest hint"](luma, places, colors)
    assert np.linalg.norm(nearest[distance < 26] - RED, axis=-1).max() > 0.9 * across
