"""Where a hint is worth most: what is asked for, and in which order."""

import keras
import numpy as np
import pytest
from boxes import BIG, INK, MIDDLE, OTHER, PAPER, SMALL, SURE, THIRD, UNSURE, drawn

import zoo
from zoo.chroma.bins import BINS, CENTERS, softmax
from zoo.chroma.yuv import compose, to_uint8
from zoo.models.contract import Contract
from zoo.models.prediction import Predictor
from zoo.pages.asking import picture, questions
from zoo.pages.colorizer import Colorizer, Examined
from zoo.pages.hint import Hint, color_of
from zoo.pages.scan import Scan


def one(at: int) -> np.ndarray:
    """Probabilities of a bin that is nearly certain."""
    found = np.full(BINS, 1e-6)
    found[at] = 1
    return found / found.sum()


def some(*at: int) -> np.ndarray:
    """Probabilities of some bins that are equally likely, and of no others."""
    found = np.full(BINS, 1e-6)
    found[list(at)] = 1
    return found / found.sum()


ANY = np.full(BINS, 1 / BINS)
SAYS = {
    PAPER: (ANY, ANY),
    INK: (ANY, ANY),
    SURE: (one(32), one(40)),
    UNSURE: (some(10, 20, 30, 40), some(22, 52)),
    OTHER: (some(15, 45), some(10, 50)),
    THIRD: (some(25, 55), some(20, 60)),
}
"""By tone, what a model says of U and of V."""


class ByTone(keras.Model):
    """A plain classifier that knows the tone of a pixel and nothing else."""

    def __init__(self, says=SAYS, side=0):
        super().__init__()
        self.contract = Contract(answer="logits", side=side)
        self.tones = np.array(list(says), np.float32) / 255
        self.logits = np.log([np.stack(each) for each in says.values()]).astype(np.float32)

    def call(self, luma, training=False):
        nearest = keras.ops.argmin(keras.ops.abs(luma - self.tones), axis=-1)
        return keras.ops.take(keras.ops.convert_to_tensor(self.logits), nearest, axis=0)


class Plain(keras.Model):
    """A regression that colours everything alike."""

    def __init__(self, uv=(0.02, 0.1)):
        super().__init__()
        self.contract = Contract()
        self.uv = uv

    def call(self, luma, training=False):
        return keras.ops.concatenate([keras.ops.zeros_like(luma) + value for value in self.uv], axis=-1)


def examined(luma: np.ndarray, model=None, **options) -> Examined:
    return Colorizer(ByTone() if model is None else model, **options).draft(luma).examined


# Which regions, in which order.


def test_large_unsure_regions_come_first():
    """The largest is sure; of the unsure the larger comes before the smaller."""
    luma = drawn((SURE, *BIG), (UNSURE, *MIDDLE), (OTHER, *SMALL))
    asked = questions(examined(luma), 2)
    assert [luma[each.y, each.x] for each in asked] == [UNSURE, OTHER]
    first, second = asked
    assert first.bits == pytest.approx(3, abs=0.01)  # 4 by 2 colours
    assert second.bits == pytest.approx(2, abs=0.01)
    assert first.area == pytest.approx(70 * 50 / (120 * 160), rel=0.01)
    assert second.area == pytest.approx(22 * 54 / (120 * 160), rel=0.01)
    swapped = drawn((SURE, *BIG), (OTHER, *MIDDLE), (UNSURE, *SMALL))
    assert [swapped[each.y, each.x] for each in questions(examined(swapped), 2)] == [OTHER, UNSURE]


def test_no_more_is_asked_than_is_worth_it():
    luma = drawn((SURE, *BIG), (UNSURE, *MIDDLE), (OTHER, *SMALL))
    assert len(questions(examined(luma), 1)) == 1
    few = questions(examined(luma), 100)
    assert [luma[each.y, each.x] for each in few[:2]] == [UNSURE, OTHER]
    assert not {PAPER, INK} & {int(luma[each.y, each.x]) for each in few}
    assert len({(each.x, each.y) for each in few}) == len(few) <= 3


def test_no_place_is_asked_for_where_no_colour_fits():
    """In full size the middle of one thing is white, and all of another, as speckled paper may be."""
    luma = drawn((SURE, *BIG), (UNSURE, *MIDDLE), (OTHER, *SMALL))
    plain = questions(examined(luma), 2)
    speckled = luma.copy()
    first, second = ((each.x, each.y) for each in plain)
    speckled[first[1] - 3 : first[1] + 4, first[0] - 3 : first[0] + 4] = 255
    (asked, other) = questions(examined(luma), 2, scan=Scan(speckled))
    assert luma[asked.y, asked.x] == UNSURE
    assert speckled[asked.y, asked.x] == UNSURE
    assert (other.x, other.y) == second
    speckled[luma == UNSURE] = 255
    assert [luma[each.y, each.x] for each in questions(examined(luma), 1, scan=Scan(speckled))] == [OTHER]


def test_what_a_hint_settled_is_not_asked_again():
    luma = drawn((SURE, *BIG), (UNSURE, *MIDDLE), (OTHER, *SMALL))
    known = [Hint(120, 40, (200, 30, 30), "it")]
    assert [luma[each.y, each.x] for each in questions(examined(luma), 2)] == [UNSURE, OTHER]
    assert [luma[each.y, each.x] for each in questions(examined(luma), 1, hints=known)] == [OTHER]


@pytest.mark.parametrize("level", [PAPER, INK])
def test_black_and_white_are_not_asked_for(level):
    """However unsure the model is of them, and of a grey of which it is as unsure it is asked."""
    says = {level: (ANY, ANY), SURE: (ANY, ANY)}
    luma = np.full((60, 80), level, np.uint8)
    assert questions(examined(luma, ByTone(says)), 10) == []
    luma[40:50, 20:40] = SURE
    (asked,) = questions(examined(luma, ByTone(says)), 10)
    assert luma[asked.y, asked.x] == SURE


def split(left: int, right: int) -> np.ndarray:
    """Two large regions with one line of ink between them, and a smaller one below."""
    luma = drawn((left, slice(6, 76), slice(6, 150)), (OTHER, *SMALL))
    luma[6:76, 90:93] = INK
    luma[6:76, 93:150] = right
    return luma


def test_what_follows_an_earlier_one_is_not_asked_next():
    """Of two alike regions one is asked for, and then a smaller one of another kind."""
    alike, unlike = split(UNSURE, UNSURE), split(UNSURE, THIRD)
    asked = questions(examined(alike), 2)
    assert [alike[each.y, each.x] for each in asked] == [UNSURE, OTHER]
    assert asked[0].x < 90  # the larger one
    assert [unlike[each.y, each.x] for each in questions(examined(unlike), 3)] == [UNSURE, THIRD, OTHER]


def test_worth_in_place_of_being_unsure():
    luma = drawn((SURE, *BIG), (UNSURE, *MIDDLE), (OTHER, *SMALL))
    worth = np.where(luma == SURE, 1.0, np.where(luma == OTHER, 0.5, 0.0))
    asked = questions(examined(luma), 10, worth)
    assert [luma[each.y, each.x] for each in asked] == [SURE, OTHER]
    worth[luma == OTHER] = 50
    assert [luma[each.y, each.x] for each in questions(examined(luma), 10, worth)] == [OTHER, SURE]
    assert questions(examined(luma), 10, np.zeros(luma.shape)) == []


# Where exactly.


def test_a_place_lies_in_its_region_however_it_is_formed():
    """A ring's place is in the ring, not in its hole; a corner's is in the corner."""
    y, x = np.mgrid[:120, :160]
    distance = np.hypot(x - 80, y - 60)
    luma = np.full((120, 160), SURE, np.uint8)
    luma[distance < 56] = INK
    luma[distance < 53] = UNSURE
    luma[distance < 30] = INK
    luma[distance < 27] = PAPER
    first = questions(examined(luma), 1)[0]
    assert 32 < np.hypot(first.x - 80, first.y - 60) < 51
    corner = np.full((120, 160), SURE, np.uint8)
    corner[:20] = corner[:, :30] = UNSURE
    first = questions(examined(corner), 1)[0]
    around = corner[max(0, first.y - 5) : first.y + 6, max(0, first.x - 5) : first.x + 6]
    assert (around == UNSURE).all()


@pytest.mark.parametrize("side", [80, 120])
def test_places_of_a_page_that_is_seen_smaller(side):
    small = drawn((SURE, *BIG), (UNSURE, *MIDDLE), (OTHER, *SMALL))
    luma = small.repeat(3, 0).repeat(3, 1)
    for number, (tone, (rows, columns)) in enumerate(((UNSURE, MIDDLE), (OTHER, SMALL))):
        each = questions(examined(luma, side=side), 2)[number]
        assert luma[each.y, each.x] == tone
        assert 3 * rows.start + 12 < each.y < 3 * rows.stop - 12  # far from its edges
        assert 3 * columns.start + 12 < each.x < 3 * columns.stop - 12
        assert each.area == pytest.approx((luma == tone).mean(), rel=0.25)


def test_places_in_panels():
    """Each panel is a picture of its own, and places are of the whole page."""
    luma = np.full((300, 400), PAPER, np.uint8)
    for left, tone in ((20, UNSURE), (210, OTHER)):
        luma[20:280, left : left + 170] = INK
        luma[24:276, left + 4 : left + 166] = SURE
        luma[60:200, left + 40 : left + 120] = tone
    found = examined(luma, ByTone(side=96))
    assert len(found.frames) == 3
    asked = questions(found, 2)
    assert [luma[each.y, each.x] for each in asked] == [UNSURE, OTHER]
    for each in asked:
        assert each.area == pytest.approx((luma == luma[each.y, each.x]).mean(), rel=0.1)


# Which colours.


def possible(model, luma: float = 0.5, size: tuple[int, int] = (12, 16)):
    """What a model says of an even page, and of all of it."""
    prediction = Predictor(model)(np.full((1, *size, 1), luma, np.float32))
    return prediction, prediction.possible(0, np.ones(size, bool), 3)


def of(u: dict[int, float], v: np.ndarray) -> ByTone:
    """A classifier that gives some bins of U these probabilities."""
    found = np.full(BINS, 1e-7)
    found[list(u)] = list(u.values())
    return ByTone({128: (found / found.sum(), v)})


def test_possible_colours_of_a_plain_classifier():
    _, found = possible(of({50: 0.3, 10: 0.5, 30: 0.15, 60: 0.05}, some(40)))
    assert [uv.tolist() for uv, _ in found] == [[CENTERS[0, at], CENTERS[1, 40]] for at in (10, 50, 30)]
    np.testing.assert_allclose([share for _, share in found], [0.5, 0.3, 0.15], atol=1e-3)


def test_possible_colours_are_apart_and_not_too_rare():
    _, found = possible(of({10: 0.4, 11: 0.25, 13: 0.2, 40: 0.14, 60: 0.01}, some(40)))
    assert [uv[0] for uv, _ in found] == [CENTERS[0, 10], CENTERS[0, 40]]
    np.testing.assert_allclose([share for _, share in found], [0.85, 0.14], atol=1e-3)


def test_the_most_probable_of_possible_colours_is_first():
    """Bins side by side are about one colour: together they may be more than one that is higher."""
    _, found = possible(of({10: 0.3, 40: 0.175, 41: 0.175, 42: 0.175, 43: 0.175}, some(40)))
    shares = [share for _, share in found]
    assert shares == sorted(shares, reverse=True)
    assert 40 <= int(np.abs(CENTERS[0] - found[0][0][0]).argmin()) <= 43


def test_possible_colours_of_a_part_of_a_page():
    luma = np.full((1, 12, 16, 1), UNSURE / 255, np.float32)
    luma[:, :, 8:] = SURE / 255
    prediction = Predictor(ByTone())(luma)
    left, right = (prediction.possible(0, np.arange(16)[None].repeat(12, 0) // 8 == half, 3) for half in (0, 1))
    assert len(left) == 3
    assert {round(share, 3) for _, share in left} == {0.25}
    ((uv, share),) = right
    np.testing.assert_allclose(uv, [CENTERS[0, 32], CENTERS[1, 40]])
    assert share == pytest.approx(1, abs=1e-3)


@pytest.fixture(scope="module")
def conditional() -> keras.Model:
    model = zoo.create("conditional", encoder_weights="none", initializer="he_normal")
    rng = np.random.default_rng(1)
    for name in ("head_u", "head_v_given_u"):  # the logits of a new model are nearly all equal
        layer = model.get_layer(name)
        layer.set_weights([w + rng.normal(0, 0.2, w.shape) for w in layer.get_weights()])
    return model


def test_each_u_has_the_v_that_goes_with_it(conditional):
    prediction, found = possible(conditional, size=(2, 2))
    luma = prediction.luma
    assert len(found) == 3
    assert [share for _, share in found] == sorted((share for _, share in found), reverse=True)
    for (u, v), share in found:
        logits = np.array(conditional([luma, np.full_like(luma, u)], training=False))[0]
        bin_of_u = int(np.abs(CENTERS[0] - u).argmin())
        assert 0 < share <= softmax(logits)[..., 0, max(0, bin_of_u - 4) : bin_of_u + 5].sum(axis=-1).max() + 0.05
        agreed = np.log(np.maximum(softmax(logits)[..., 1, :], np.exp(-12))).mean(axis=(0, 1))
        assert agreed[int(np.abs(CENTERS[1] - v).argmin())] > agreed.max() - 1e-3
    us, vs = np.stack([uv for uv, _ in found]).T
    assert np.diff(np.sort(us)).min() > 3.5 * (CENTERS[0, 1] - CENTERS[0, 0])
    assert len(np.unique(vs)) > 1


def test_a_regression_has_one_colour_and_cannot_tell_how_sure_it_is():
    luma = drawn((SURE, *BIG), (UNSURE, *SMALL))
    asked = questions(examined(luma, Plain()), 2)
    assert [luma[each.y, each.x] for each in asked] == [SURE, UNSURE]
    for each in asked:
        assert each.bits == 1
        ((color, share),) = each.possible
        expected = to_uint8(compose(np.array([luma[each.y, each.x] / 255]), np.array([0.02, 0.1]))[0])
        assert np.abs(np.array(color_of(color)) - expected).max() <= 1
        assert share == 1


@pytest.mark.parametrize("make", [ByTone, lambda: zoo.create("conditional", encoder_weights="none")])
def test_colours_are_proposed_at_the_luma_of_their_region(make):
    luma = drawn((UNSURE, *BIG), (OTHER, *MIDDLE))
    asked = questions(examined(luma, make(), side=96), 2)
    assert len(asked) == 2
    for each in asked:
        assert 1 <= len(each.possible) <= 3
        colors = [color for color, _ in each.possible]
        assert len(set(colors)) == len(colors)
        shares = [share for _, share in each.possible]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1 + 1e-6
        for color in colors:
            assert np.array(color_of(color)) @ (0.299, 0.587, 0.114) == pytest.approx(luma[each.y, each.x], abs=2)


def test_the_picture_shows_each_place_and_its_colours():
    luma = drawn((UNSURE, *BIG), (OTHER, *MIDDLE))
    asked = questions(examined(luma), 2)
    grey = luma[..., None].repeat(3, -1)
    found = np.asarray(picture(grey, asked))
    assert found.shape == grey.shape
    assert np.ptp(found.astype(int), axis=-1).max() > 30
    for each in asked:
        assert (found[each.y, each.x] == 255).all()  # a dot
        for color, _ in each.possible:
            assert (found == color_of(color)).all(axis=-1).sum() > 50
    np.testing.assert_array_equal(picture(grey, []), grey)
