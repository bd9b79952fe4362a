"""Given colours as evidence: what follows them, how far, and how a region with several is divided."""

import numpy as np
import pytest

from zoo.chroma import spread
from zoo.chroma.evidence import BY_BINS, BY_COLOR, EMBEDDED, HINTED, WON, Given, Rule, Sight
from zoo.chroma.regions import fine_regions

RULES = {"embedded": EMBEDDED, "bins": BY_BINS, "color": BY_COLOR}
RED, BLUE = np.array([-0.1, 0.4]), np.array([0.3, -0.1])


def strips(*tones: float, width: int = 30, ink: int = 3) -> np.ndarray:
    """Luma of strips of even tones side by side, with lines of ink between them."""
    parts = [np.full((60, width), tones[0])]
    for tone in tones[1:]:
        parts += [np.full((60, ink), 0.05), np.full((60, width), tone)]
    return np.concatenate(parts, axis=1)


def sight_of(luma: np.ndarray, kinds: np.ndarray | None = None, own: float = -4.0, **options) -> Sight:
    """A picture of which the model says the same everywhere, if not other things."""
    said = np.zeros((*luma.shape, 3)) if kinds is None else kinds
    return Sight.of(luma, said, np.full(luma.shape, own), **options)


def share(sight: Sight, rule: Rule, given: list[Given], column: int) -> float:
    """How much of the region in a column of the middle row follows what is given."""
    return float(sight.shares(given, rule)[sight.regions[30, column]].sum())


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_what_is_alike_follows_and_another_tone_does_not(rule):
    sight = sight_of(strips(0.6, 0.605, 0.3), own=-7.0 * (rule is EMBEDDED))
    given = [sight.given(30, 15, RED)]
    same, like, other, ink = (share(sight, rule, given, column) for column in (15, 48, 80, 31))
    assert same > like > 0.5
    assert max(other, ink) < like / 4


def test_ink_is_a_detour():
    luma = strips(0.6, 0.6)
    behind_ink = sight_of(luma)
    luma[:, 30:33] = 0.5
    behind_shade = sight_of(luma)
    ways = [each.ways([each.regions[30, 15]])[each.regions[30, 50], 0] for each in (behind_ink, behind_shade)]
    assert ways[0] > 2 * ways[1] > 0


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_what_the_model_takes_for_something_else_does_not_follow(rule):
    luma = strips(0.6, 0.6)
    kinds = np.zeros((*luma.shape, 3))
    own = -8.0 if rule is EMBEDDED else -4.0
    alike = sight_of(luma, kinds, own)
    kinds[:, 33:] = 2.5
    other = sight_of(luma, kinds, own)
    assert share(alike, rule, [alike.given(30, 15, RED)], 50) > 0.5
    assert share(other, rule, [other.given(30, 15, RED)], 50) < 0.2


def test_the_surer_the_model_is_of_its_own_answer_the_less_follows():
    luma = strips(0.6, 0.6)
    sights = [sight_of(luma, own=own) for own in (-6.0, -2.0, 2.0)]
    shares = [share(each, EMBEDDED, [each.given(30, 15, RED)], 50) for each in sights]
    assert shares[0] > shares[1] > shares[2]
    silent = Sight.of(luma, np.zeros((*luma.shape, 3)))
    zero = sight_of(luma, own=0.0)
    np.testing.assert_array_equal(
        silent.shares([silent.given(30, 15, RED)], EMBEDDED), zero.shares([zero.given(30, 15, RED)], EMBEDDED)
    )


def test_without_given_colours_the_base_stays():
    sight = sight_of(strips(0.6, 0.3))
    base = np.random.default_rng(0).normal(size=(*sight.regions.shape, 2)).astype(np.float32)
    np.testing.assert_array_equal(sight.follow(base, [], BY_BINS), base)


@pytest.mark.parametrize("seed", range(4))
def test_shares_are_shares(seed):
    """Of random pictures: none is below nought, together they are at most one, and the rest is the base's."""
    rng = np.random.default_rng(seed)
    luma = rng.random((6, 8)).repeat(8, 0).repeat(8, 1)
    sight = Sight.of(luma, rng.normal(size=(24, 32, 5)), rng.normal(size=(24, 32)) * 3)
    given = [sight.given(*rng.integers(0, 48, 2), rng.uniform(-0.4, 0.4, 2)) for _ in range(5)]
    given += [sight.given_of(0, RED), given[0].elsewhere()]
    base = rng.uniform(-0.4, 0.4, (48, 64, 2)).astype(np.float32)
    for rule in RULES.values():
        shares = sight.shares(given, rule)
        assert shares.shape == (len(sight.sizes), len(given))
        assert shares.min() >= 0
        assert shares.sum(axis=1).max() <= 1 + 1e-9
        # What is given elsewhere comes first, and hints in the picture on top of it.
        *here, elsewhere = given
        first = sight.shares([elsewhere], rule)[sight.regions]
        under = first * elsewhere.uv + (1 - first) * base
        spreads, scales = spread.shares(sight, sight.means(under), here, rule)
        colors = np.stack([each.uv for each in here])
        uv = sight.follow(base, given, rule)
        assert uv.dtype == np.float32
        for row, column in rng.integers(0, 48, (9, 2)):
            region = sight.regions[row, column]
            expected = spreads[region] * scales[region] @ colors + (1 - spreads[region].sum()) * under[row, column]
            np.testing.assert_allclose(uv[row, column], expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_where_one_is_chosen_no_region_has_a_colour_between(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    luma = rng.random((6, 8)).repeat(8, 0).repeat(8, 1)
    sight = Sight.of(luma, rng.normal(size=(24, 32, 5)) / 4, rng.normal(size=(24, 32)) * 3)
    given = [sight.given(*rng.integers(0, 48, 2), rng.uniform(-0.4, 0.4, 2)) for _ in range(5)]
    base = np.full((48, 64, 2), 0.05, np.float32)
    shares = rng.dirichlet(np.full(6, 0.3), len(sight.sizes))[:, :5]
    monkeypatch.setattr(spread, "shares", lambda *_: (shares, np.full_like(shares, 0.8)))
    uv = sight.follow(base, given, BY_BINS, things=sight.regions)
    hinted = np.isin(np.arange(len(shares)), [each.region for each in given])
    won = shares.sum(axis=1) >= np.where(hinted, HINTED, WON)
    assert 0 < won.sum() < len(won)  # some follow, some do not
    colors = np.stack([each.uv for each in given])[shares.argmax(axis=1)]
    expected = np.where(won[:, None], colors, 0.05)[sight.regions]
    np.testing.assert_allclose(uv, expected, atol=1e-6)


def of_columns(sight: Sight, *shares: tuple[int, list[float]]) -> np.ndarray:
    """Shares of given colours, (R, n), of the regions in some columns of the middle row; 0 of all others."""
    found = np.zeros((len(sight.sizes), len(shares[0][1])))
    for column, share in shares:
        found[sight.regions[30, column]] = share
    return found


def test_a_thing_follows_whole_or_not_at_all(monkeypatch):
    """One thing of two shades, another of a like one: all of the hinted one follows, and none of the other."""
    luma = strips(0.6, 0.8, 0.66, ink=2)
    luma[:, 30:32] = 0.8  # no ink within the first
    sight = sight_of(luma)
    things = np.zeros(luma.shape, int)
    things[:, 62:] = 1
    base, given = np.zeros((*luma.shape, 2)), [sight.given(30, 15, RED)]

    def follow(given: list[Given], *shares: tuple[int, list[float]]) -> np.ndarray:
        found = of_columns(sight, *shares)
        monkeypatch.setattr(spread, "shares", lambda *_: (found, np.ones_like(found)))
        return sight.follow(base, given, BY_BINS, things=things)

    uv = follow(given, (15, [1.0]), (45, [HINTED + 0.01]), (80, [WON - 0.1]))
    np.testing.assert_allclose(uv[30, :62], np.broadcast_to(RED, (62, 2)), atol=1e-6)
    assert not uv[things == 1].any()
    # What hardly follows is no part of the hinted thing.
    uv = follow(given, (15, [1.0]), (45, [HINTED - 0.01]), (80, [WON + 0.1]))
    np.testing.assert_allclose(uv[30, [15, 80]], [RED, RED], atol=1e-6)
    assert not uv[30, 45].any()
    # Two colours divide it, each region taking the likelier one.
    both = follow([*given, sight.given(30, 45, BLUE)], (15, [1.0, 0]), (45, [0.4, 0.5]))
    np.testing.assert_allclose([both[30, 15], both[30, 45]], [RED, BLUE], atol=1e-6)


def test_what_weighs_more_is_followed_further():
    sight = sight_of(strips(0.6, 0.6, 0.4))
    one, other = sight.given(30, 15, RED), sight.given(30, 80, BLUE)
    heavy = Given(one.uv, one.tone, one.kind, one.region, 3.0)
    light, weighed = (sight.shares([each, other], BY_BINS) for each in (one, heavy))
    between = sight.regions[30, 48]
    assert weighed[between, 0] > light[between, 0] + 0.001
    assert weighed[between, 1] < light[between, 1]


# Several colours in one region.


def split_by_a_line() -> np.ndarray:
    """One region that a line of ink, with a gap at its lower end, all but divides."""
    luma = np.full((60, 120), 0.6)
    luma[:57, 60:63] = 0.05
    assert fine_regions(luma)[0, 0] == fine_regions(luma)[0, 119]
    return luma


@pytest.mark.parametrize("points", [[(30, 50), (10, 115)], [(5, 10), (50, 70)]])
def test_several_colours_divide_a_region_along_the_edge_between_them(points):
    luma = split_by_a_line()
    sight = sight_of(luma, points=points, colors=np.stack([RED, BLUE]))
    left, right = np.unique(sight.regions[:, :57]), np.unique(sight.regions[:, 66:])
    assert len(left) == len(right) == 1
    assert left != right
    given = [sight.given(*points[0], RED), sight.given(*points[1], BLUE)]
    uv = sight.follow(np.zeros((*luma.shape, 2), np.float32), given, BY_BINS)
    assert np.abs(uv[:, :57] - RED).max() < np.abs(uv[:, :57] - BLUE).min()
    assert np.abs(uv[:, 66:] - BLUE).max() < np.abs(uv[:, 66:] - RED).min()


def test_the_same_colour_twice_divides_nothing():
    luma, points = split_by_a_line(), [(30, 50), (10, 115)]
    sight = sight_of(luma, points=points, colors=np.stack([RED, RED]))
    np.testing.assert_array_equal(sight.regions, sight_of(luma).regions)
    assert sight.regions[0, 0] == sight.regions[0, 119]


def test_of_three_points_those_of_a_colour_are_together():
    luma = split_by_a_line()
    points, colors = [(5, 5), (10, 115), (50, 40)], np.stack([RED, BLUE, RED])
    sight = sight_of(luma, points=points, colors=colors)
    assert sight.regions[5, 5] == sight.regions[50, 40] != sight.regions[10, 115]
    apart = sight_of(luma, points=points)  # of unknown colours each counts as one of its own
    assert len({int(apart.regions[point]) for point in points}) == 3


@pytest.mark.parametrize("points", [[(30, 50), (30, 50), (10, 115)], [(10, 115), (30, 50), (30, 50)]])
def test_points_of_two_colours_at_one_place(points):
    """Hints of a large page may be nearer than what the network sees: no region is left empty."""
    colors = np.array([[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]])
    sight = sight_of(split_by_a_line(), points=points, colors=colors)
    assert sight.sizes.min() > 0
    given = [sight.given(*point, color) for point, color in zip(points, colors, strict=True)]
    assert np.isfinite(sight.shares(given, BY_BINS)).all()
    assert len({int(sight.regions[point]) for point in points}) == 2


def test_points_in_regions_of_their_own_divide_nothing():
    luma = strips(0.6, 0.4)
    sight = sight_of(luma, points=[(30, 10), (30, 50)], colors=np.stack([RED, BLUE]))
    np.testing.assert_array_equal(sight.regions, fine_regions(luma))


def test_a_picture_of_one_region_follows():
    sight = sight_of(np.full((20, 30), 0.5))
    assert sight.sizes.tolist() == [600]
    assert sight.shares([sight.given(3, 4, RED)], BY_BINS)[0, 0] > 0.97


# Colours of other pictures.


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_what_is_given_elsewhere_is_followed_by_kind_and_tone_wherever_it_is(rule):
    luma = strips(0.6, 0.2, 0.6, 0.6, 0.61)
    kinds = np.zeros((*luma.shape, 3))
    kinds[:, 99:129] = 2.5  # the fourth is something else
    sight = sight_of(luma, kinds, own=-9.0 * (rule is EMBEDDED))
    other = sight_of(strips(0.3, 0.6), own=-4.0)
    given = [other.given(30, 50, RED).elsewhere()]
    assert given[0].region is None
    assert given[0].tone == pytest.approx(0.6)
    first, tone, third, kind, near = (share(sight, rule, given, column) for column in (15, 48, 81, 114, 147))
    assert first == pytest.approx(third)
    assert first > near > first / 2 > 0.25
    assert max(tone, kind) < near / 2


def test_the_means_of_a_region_are_those_of_its_cells():
    luma = strips(0.6, 0.4, width=32, ink=4)
    kinds = np.zeros((15, 17, 2))
    kinds[:, :8], kinds[:, 9:] = [1, 2], [3, 4]
    sight = Sight.of(luma, kinds, np.arange(255.0).reshape(15, 17))
    for column, kind, tone in ((10, [1, 2], 0.6), (50, [3, 4], 0.4)):
        region = sight.regions[30, column]
        np.testing.assert_allclose(sight.kinds[region], kind)
        assert sight.tones[region] == pytest.approx(tone)
        assert sight.sizes[region] == 60 * 32
        assert sight.places[region] == pytest.approx([29.5 / 68, (0 if column < 32 else 36) / 68 + 15.5 / 68])
    assert sight.own[sight.regions[30, 10]] == pytest.approx(np.arange(255.0).reshape(15, 17)[:, :8].mean())
