"""One object, one colour: regions of even luma, and the distributions pooled in them."""

import numpy as np
from scipy.special import log_softmax

from zoo.chroma import regions as coherence
from zoo.chroma.regions import LEAST, pool, segment, smoothness
from zoo.chroma.yuv import split_luma
from zoo.data.drawn.procedural import draw_page


def alike(luma):
    """The same distribution everywhere, of two channels of four bins."""
    return np.full((*luma.shape, 2, 4), 0.25)


def shared(luma, left, share):
    """Distributions of which the `left` columns have `share` in common with the others."""
    answers = np.zeros((*luma.shape, 2, 4))
    answers[..., 0] = 1.0
    answers[:, :left, :, 0] = share
    answers[:, :left, :, 3] = 1 - share
    return answers


def test_ink_separates_and_a_shade_does_not():
    luma = np.full((60, 90), 0.6)
    luma[:, 28:32] = 0.1  # ink
    luma[:, 60:] = 0.54  # the shaded side of the right-hand object
    labels = segment(luma, shared(luma, 30, 0.6))
    assert len(np.unique(labels[:, :28])) == 1
    assert len(np.unique(labels[:, 32:])) == 1
    assert labels[0, 0] != labels[0, 40]
    assert labels[0, 30] not in (labels[0, 0], labels[0, 40])
    luma[:, 60:] = 0.4  # another object, without a line between
    labels = segment(luma, alike(luma))
    assert labels[0, 40] != labels[0, 80]


def test_parts_of_one_object_are_joined_across_a_line_of_ink():
    luma = np.full((60, 90), 0.6)
    luma[:, 28:34] = 0.1
    luma[:, 34:] = 0.54  # the other leg, in shade
    labels = segment(luma, shared(luma, 31, 0.75))
    assert labels[0, 0] == labels[0, 89] != labels[0, 30]
    labels = segment(luma, shared(luma, 31, 0.65))  # of another opinion
    assert labels[0, 0] != labels[0, 89]
    luma[:, 34:] = 0.45  # of another tone
    labels = segment(luma, shared(luma, 31, 1.0))
    assert labels[0, 0] != labels[0, 89]
    luma[:, 34:] = 0.54
    luma[:, 28:40] = 0.1  # no line, but something between them
    labels = segment(luma, shared(luma, 31, 1.0))
    assert labels[0, 0] != labels[0, 89]


def test_answers_that_differ_separate_where_luma_does_not():
    luma = np.full((40, 90), 0.6)
    luma[:, 30:] = 0.55
    luma[:, 60:] = 0.5
    answers = np.zeros((40, 90, 2, 4))
    answers[..., 0, 0] = answers[..., 1, 1] = 1.0
    answers[:, 30:60, 1] = [0.2, 0.6, 0.2, 0.0]  # less sure, and of the same opinion
    labels = segment(luma, answers)
    assert len(np.unique(labels)) == 1
    answers[:, 60:, 1] = [0.0, 0.2, 0.2, 0.6]  # of another one, in one channel
    labels = segment(luma, answers)
    assert len(np.unique(labels)) == 2
    assert labels[0, 59] == labels[0, 0]
    assert labels[0, 60] != labels[0, 59]


def test_regions_of_a_drawn_page_are_parts_of_its_objects():
    pure, of_one_class, largest, labelled = 0, 0, 0, 0
    for index in range(2):
        page = draw_page("val", index)
        luma = split_luma(page.rgb / 255)[0][..., 0]
        regions = segment(luma, np.eye(256)[page.classes][:, :, None])  # who knows the class, if not the colour
        inside = page.objects > 0
        together = np.zeros((regions.max() + 1, 256))
        np.add.at(together, (regions[inside], page.objects[inside]), 1)
        pure, largest = pure + together.max(axis=1).sum(), largest + together.max(axis=0).sum()
        classes = np.zeros_like(together)
        np.add.at(classes, (regions[inside], page.classes[inside]), 1)
        of_one_class, labelled = of_one_class + classes.max(axis=1).sum(), labelled + inside.sum()
    assert of_one_class / labelled > 0.99  # a region is of one class
    assert pure / labelled > 0.97  # and of one object, but for neighbours of a class and a tone
    assert largest / labelled > 0.75  # most of an object is one region, shades and all


def test_pooling_is_the_mean_of_log_probabilities(monkeypatch):
    monkeypatch.setattr(coherence, "BAND", 8)  # of 35 pixels
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (5, 7, 2, 64)).astype(np.float32)
    regions = rng.integers(0, 4, (5, 7))
    weights = rng.random((5, 7))
    log_p = np.maximum(log_softmax(logits.astype(float), axis=-1), LEAST)
    for given in (None, weights):
        found = pool(logits, regions, given)
        assert found.dtype == np.float32
        assert found.shape == (4, 2, 64)
        for region in range(4):
            inside = regions == region
            expected = np.average(log_p[inside], axis=0, weights=None if given is None else given[inside])
            np.testing.assert_allclose(found[region], expected, atol=1e-4)


def test_a_region_without_weight_is_pooled_all_the_same():
    logits = np.random.default_rng(1).normal(size=(4, 4, 64)).astype(np.float32)
    found = pool(logits, np.zeros((4, 4), int), np.zeros((4, 4)))
    np.testing.assert_allclose(found, pool(logits, np.zeros((4, 4), int)), atol=1e-4)


def test_flat_ink_and_even_shades_are_smooth_and_textures_are_not():
    rng = np.random.default_rng(0)
    luma = np.full((30, 120), 0.5)
    luma[:, 30:60] += np.linspace(-0.4, 0.4, 30)[:, None]  # an even shade
    luma[:, 60:90] += rng.normal(0, 0.05, (30, 30))  # a texture
    luma[:, 90:] += rng.normal(0, 0.004, (30, 30))  # something between
    regions = np.repeat(np.arange(4), 30)[None].repeat(30, 0)
    found = smoothness(luma, regions)
    assert found[:3].tolist() == [1, 1, 0]
    assert 0 < found[3] < 1
    assert smoothness(np.zeros((1, 1)), np.zeros((1, 1), int)).tolist() == [0]
