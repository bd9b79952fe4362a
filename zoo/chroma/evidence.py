"""Colours that are given at places of a picture, as evidence of the colours of all its regions.

Hints in the picture spread as `zoo.chroma.spread` has learnt it. Colours of other pictures, such as those of a
reference or of a colour sheet, come first, by a rule. A region follows such a colour as far as it is like what the
colour is given for: in luma, and in what the model says of it. Each difference takes from the colour's score. All
scores together are weighed against that of the model's own answer by a logistic function, and a sharpened softmax
divides what they win among the colours.

Where the answer is one of several possible colours, and no average, a thing takes one colour whole. Ways between places
are shortest paths over neighbouring regions, so that a line of ink is a detour (geodesic distances: A. Criminisi et
al., Geodesic Image and Video Editing, 2010).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.chroma import spread
from zoo.chroma.regions import borders, fine_regions, means_of_cells
from zoo.errors import UsageError

CROSSING = 0.02
"""What it costs to get from a region to the next, in luma, besides their difference."""

DISTANCE = 0.1
"""What it costs to cross the picture, in luma."""

SHARPNESS = 2.0
"""How much surer the choice among given colours is than that between them and the model's own: many make no average."""

WON = 0.7
"""What given colours have to win of a thing, a share of its pixels, for it to follow one of them whole."""

HINTED = 0.1
"""What given colours have to win of a region, in a thing that one of them lies in, for the region to follow whole."""

FARTHEST = 5.0
"""The longest way, in luma: regions without a way between them count as so far."""


@dataclass(frozen=True)
class Rule:
    """How much each difference between a region and what a colour is given for counts against the colour.

    Attributes:
        tone: of luma, in [0, 1].
        kind: of the squared distance of what the model says.
        own: the score of the model's own answer, added to what the model says of it.
        alone: what is added to that where one colour is given, and a part of it where more are: who gives one colour
            means one thing, who gives many means the page.
    """

    tone: float
    kind: float
    own: float
    alone: float


EMBEDDED = Rule(tone=16.0, kind=0.55, own=0.0, alone=5.0)
"""By the embedding of a model that learnt to take hints."""

BY_BINS = Rule(tone=12.0, kind=3.75, own=-3.5, alone=2.0)
"""By the probabilities of a classifier."""

BY_COLOR = Rule(tone=17.0, kind=64.0, own=-3.5, alone=2.0)
"""By the colours of a regression."""


@dataclass(frozen=True)
class Given:
    """A colour that is given for what is like a region.

    Attributes:
        uv: U and V, (2,).
        tone: the luma of the region.
        kind: what the model says of it, (D,).
        region: its label in the picture that is coloured; None of another picture.
        weight: its logarithm is added to the score of a colour of another picture.
    """

    uv: np.ndarray
    tone: float
    kind: np.ndarray
    region: int | None = None
    weight: float = 1.0

    def elsewhere(self) -> "Given":
        """The same, seen from another picture."""
        return Given(self.uv, self.tone, self.kind, None, self.weight)


@dataclass(frozen=True)
class Sight:
    """A picture as regions.

    Attributes:
        regions: labels from 0, (h, w).
        sizes: pixels of each, (R,).
        tones: mean luma, (R,).
        textures: standard deviation of luma, (R,).
        kinds: mean of what the model says, (R, D).
        own: mean score of the model's own answer, (R,).
        places: centres, rows and columns in parts of the longer side, (R, 2).
        pairs: neighbours, (2, n).
    """

    regions: np.ndarray
    sizes: np.ndarray
    tones: np.ndarray
    textures: np.ndarray
    kinds: np.ndarray
    own: np.ndarray
    places: np.ndarray
    pairs: np.ndarray

    @classmethod
    def of(
        cls,
        luma: np.ndarray,
        kinds: np.ndarray,
        own: np.ndarray | None = None,
        points: Sequence[tuple[int, int]] = (),
        colors: np.ndarray | None = None,
    ) -> "Sight":
        """The regions of a picture.

        Args:
            luma: (h, w) in [0, 1].
            kinds: what the model says of each cell, (h', w', D), of the picture's size or smaller.
            own: likewise the score of its own answer, (h', w'); None for none.
            points: rows and columns where colours are given: a region with several is divided along its edges.
            colors: U and V of each, (n, 2): one with the same colour more than once is not.
        """
        regions = divided(luma, fine_regions(luma), points, colors)
        return cls.of_regions(luma, regions, kinds, own)

    @classmethod
    def of_regions(
        cls, luma: np.ndarray, regions: np.ndarray, kinds: np.ndarray, own: np.ndarray | None = None
    ) -> "Sight":
        """The same with regions that are there already, labels from 0, (h, w)."""
        flat = regions.ravel()
        sizes = np.bincount(flat)
        tones = np.bincount(flat, luma.ravel()) / sizes
        textures = np.sqrt(np.maximum(0, np.bincount(flat, luma.ravel().astype(float) ** 2) / sizes - tones**2))
        height, width = luma.shape
        side = max(height, width)
        rows = np.bincount(flat, np.repeat(np.arange(height) / side, width)) / sizes
        columns = np.bincount(flat, np.tile(np.arange(width) / side, height)) / sizes
        low, high, _ = borders(regions + 1, luma, shortest=1)
        scores = np.zeros(len(sizes)) if own is None else means_of_cells(regions, own[..., None])[:, 0]
        return cls(
            regions,
            sizes,
            tones,
            textures,
            means_of_cells(regions, kinds),
            scores,
            np.stack([rows, columns], axis=-1),
            np.stack([low, high]),
        )

    def given(self, row: int, column: int, uv: np.ndarray) -> Given:
        """A colour that is given at a pixel."""
        return self.given_of(int(self.regions[row, column]), uv)

    def given_of(self, region: int, uv: np.ndarray) -> Given:
        """A colour that is given for a region."""
        return Given(np.asarray(uv, float), float(self.tones[region]), self.kinds[region], region)

    def shares(self, given: Sequence[Given], rule: Rule) -> np.ndarray:
        """How much of each region's colour is each given one, by the rule, (R, n): the rest is the model's own."""
        kinds = np.stack([each.kind for each in given])
        if kinds.shape[1] != self.kinds.shape[1]:
            raise UsageError(
                f"a colour is given for a kind of {kinds.shape[1]} numbers, and the model's have {self.kinds.shape[1]}:"
                " it is of another model"
            )
        apart = (self.kinds**2).sum(-1)[:, None] + (kinds**2).sum(-1) - 2 * self.kinds @ kinds.T
        score = -rule.kind * np.maximum(apart, 0)
        score -= rule.tone * np.abs(self.tones[:, None] - [each.tone for each in given])
        score += np.log([each.weight for each in given])
        from scipy.special import expit, logsumexp, softmax

        together = logsumexp(SHARPNESS * score, axis=1, keepdims=True) / SHARPNESS
        own = self.own + rule.own + rule.alone / len(given)
        return expit(together - own[:, None]) * softmax(SHARPNESS * score, axis=1)

    def follow(
        self,
        base: np.ndarray,
        given: Sequence[Given],
        rule: Rule,
        *,
        things: np.ndarray | None = None,
        of_page: int = 0,
    ) -> np.ndarray:
        """UV (h, w, 2) of the picture: each region's share of the given colours, and of the model's answer `base`.

        Args:
            base: UV (h, w, 2).
            given: the colours.
            rule: what counts against each.
            things: labels from 0, (h, w), of what has one colour. A region then follows the likeliest given colour
                whole, or none. A thing follows if all colours together win `WON` of it. Where one is given in it, every
                region follows of which they win `HINTED`. None to mix, which is nearer in the mean; but what is between
                two colours may be no colour of anything.
            of_page: how many hints the page has that the picture is a panel of; 0 for those that are given in it.
        """
        others = [each for each in given if each.region is None]
        here = [each for each in given if each.region is not None]
        if others:
            base = self._mixed(base, others, self.shares(others, rule), things)
        if here:
            shares, scales = spread.shares(self, self.means(base), here, rule, of_page)
            base = self._mixed(base, here, shares, things, scales)
        return base

    def means(self, values: np.ndarray) -> np.ndarray:
        """The mean of each region, (R, C), of values of pixels, (h, w, C)."""
        flat = self.regions.ravel()
        return np.stack(
            [np.bincount(flat, values[..., c].ravel()) / self.sizes for c in range(values.shape[-1])], axis=-1
        )

    def _mixed(
        self,
        base: np.ndarray,
        given: Sequence[Given],
        shares: np.ndarray,
        things: np.ndarray | None,
        scales: np.ndarray | None = None,
    ) -> np.ndarray:
        """`base` and given colours by their shares; with things, one of them whole."""
        if things is not None:
            thing, all_shares = _of_most(self.regions, things), shares.sum(axis=1)
            won = np.bincount(thing, self.sizes * all_shares) >= WON * np.bincount(thing, self.sizes)
            hinted = np.isin(thing, thing[[each.region for each in given if each.region is not None]])
            follows = np.where(hinted, all_shares >= HINTED, won[thing])
            shares = follows[:, None] * (np.arange(len(given)) == shares.argmax(axis=1)[:, None])
            scales = None
        colors = (shares if scales is None else shares * scales) @ np.stack([each.uv for each in given])
        kept = 1 - shares.sum(axis=1)
        return (colors[self.regions] + kept[self.regions][..., None] * base).astype(np.float32)

    def ways(self, regions: Sequence[int]) -> np.ndarray:
        """What the way from each region to some of them costs, in luma, (R, n)."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import dijkstra

        low, high = self.pairs
        far = np.linalg.norm(self.places[low] - self.places[high], axis=-1)
        cost = np.abs(self.tones[low] - self.tones[high]) + CROSSING + DISTANCE * far
        graph = coo_array((cost, (low, high)), shape=(len(self.sizes), len(self.sizes))).tocsr()
        places, which = np.unique(regions, return_inverse=True)
        ways = dijkstra(graph, directed=False, indices=places, limit=FARTHEST)
        return np.minimum(ways, FARTHEST)[which].T


def _of_most(regions: np.ndarray, things: np.ndarray) -> np.ndarray:
    """The thing that most pixels of each region are in, (R,)."""
    pairs, counts = np.unique(np.stack([regions.ravel(), things.ravel()]), axis=1, return_counts=True)
    order = np.argsort(counts, kind="stable")
    found = np.zeros(int(regions.max()) + 1, int)
    found[pairs[0, order]] = pairs[1, order]  # of several, the last stays
    return found


def divided(
    luma: np.ndarray, regions: np.ndarray, points: Sequence[tuple[int, int]], colors: np.ndarray | None
) -> np.ndarray:
    """Regions of which none has points of two colours: such a one is divided among them, along its edges.

    Where there is none, the answer is `regions` itself.
    """
    from skimage.segmentation import watershed

    if len(points) < 2:
        return regions
    places = np.asarray(points)
    at = regions[places[:, 0], places[:, 1]]
    which = np.arange(len(places))
    if colors is not None:
        which = np.unique(np.round(colors, 4), axis=0, return_inverse=True)[1].ravel()
    found_regions = regions
    edges = None
    for region in np.unique(at):
        inside = at == region
        if len(np.unique(which[inside])) < 2:
            continue
        if edges is None:
            from scipy.ndimage import gaussian_gradient_magnitude

            edges = gaussian_gradient_magnitude(luma.astype(np.float32), 1)
            found_regions = regions.copy()
        markers = np.zeros(regions.shape, int)
        markers[places[inside, 0], places[inside, 1]] = which[inside] + 1
        found = watershed(edges, markers, mask=regions == region)
        # What no point reaches stays with the first. Of two colours in one place, which is the last's, one has none.
        for label in np.unique(found[found > 0])[1:]:
            found_regions[found == label] = found_regions.max() + 1
    return found_regions
