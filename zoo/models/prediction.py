"""One way from luma to colour for every model, whatever it takes and answers with."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import log_softmax

from zoo.chroma.bins import BINS, CENTERS, encode, softmax, two_hot
from zoo.chroma.decoders import DECODERS, Decoder
from zoo.chroma.evidence import BY_BINS, BY_COLOR, EMBEDDED, Rule
from zoo.chroma.regions import BAND, LEAST, means_of_cells, pool, segment, smoothness
from zoo.chroma.upsampling import bring_up
from zoo.errors import UsageError
from zoo.models.network import KerasNetwork, Network
from zoo.support.names import first_line

LEAST_SHARE = 1e-3  # of a bin of U, for its V to count in the marginal of V

PEAK = 3  # bins of U: possible colours are farther apart than this
LEAST_POSSIBLE = 0.02  # of a possible colour but the first
MOST_CELLS = 256  # of a region, that are asked for V given each U


class Predictor:
    """Runs a model in inference mode, NumPy in and out, its encoder once however often V is asked for.

    Args:
        model: a `keras.Model` of the zoo or of one's own, or a `zoo.models.network.Network`.

    Attributes:
        network: what computes.
        contract: what the model takes and answers with.

    Raises:
        UsageError: the model is no colouriser.
    """

    def __init__(self, model: Any) -> None:
        self.network: Network = model if hasattr(model, "chained") else KerasNetwork(model)
        self.contract = self.network.contract

    def __call__(self, luma: np.ndarray, given: Mapping[str, np.ndarray] | None = None) -> "Prediction":
        """The prediction for luma.

        Args:
            luma: (B, H, W, 1) in [0, 1].
            given: the model's other inputs by name, (B, H, W, channels); one that is missing counts as not given.

        Raises:
            UsageError: an input that the model does not take, or a model that does not take images of this size.
        """
        inputs = self.contract.with_given(luma, given)
        answer, features = self._run(self._padded(inputs))
        height, width = luma.shape[1:3]
        if self.contract.multiple > 1:
            rows, columns = -(-height // self.contract.stride), -(-width // self.contract.stride)
            answer = answer[:, :rows, :columns]
            features = features if features is None else features[:, :rows, :columns]
        return Prediction(luma, answer, features, self)

    @property
    def rule(self) -> Rule:
        """How alike two regions are, by what `Prediction.kinds` says."""
        if self.network.embedding:
            return EMBEDDED
        return BY_BINS if self.contract.classifies else BY_COLOR

    def _padded(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The inputs in float32, height and width brought to the model's multiple by repeating the edge."""
        multiple = self.contract.multiple
        height, width = (-(-size // multiple) * multiple - size for size in inputs[0].shape[1:3])
        if height or width:
            inputs = [np.pad(x, ((0, 0), (0, height), (0, width), (0, 0)), mode="edge") for x in inputs]
        return [np.asarray(x, np.float32) for x in inputs]

    def _run(self, inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, Any]:
        if not self.contract.multiple > 1:
            return self.network(inputs)
        try:
            return self.network(inputs)
        except Exception as error:  # of whatever a model of one's own is made of
            shape = tuple(inputs[0].shape)
            raise UsageError(
                f"the model cannot be called with luma {shape}: {first_line(error)}. A model has to take any height and"
                f" width that are multiples of {self.contract.multiple}; zoo.models.layers.PadToMultiple and CropLike"
                " make it so"
            ) from error

    def v_logits(self, features: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Logits of V (B, H, W, 64) given U (B, H, W, 1), of a model that predicts V given U."""
        return self.network.v_logits(features, u)


class Prediction:
    """What a model says of some images, before a colour is chosen.

    Attributes:
        luma: (B, H, W, 1).
        output: at the answer's size, UV (B, h, w, 2) of a regression, logits (B, h, w, 2, 64) of a classifier; of a
            model that predicts V given U the logits of U alone, (B, h, w, 64).
    """

    def __init__(self, luma: np.ndarray, output: np.ndarray, features: Any, predictor: Predictor) -> None:
        self.luma, self.output, self._features, self._predictor = luma, output, features, predictor
        self._network = predictor.network

    def given(self, uv: np.ndarray) -> np.ndarray:
        """The model's output for the loss, at the answer's size.

        Args:
            uv: the truth, (B, H, W, 2): where V is predicted given U, it is given this U.
        """
        if not self._network.chained:
            return self.output
        u = self._predictor.contract.reduced(uv)[..., :1]
        return np.stack([self.output, self._v_logits(self._features, u)], axis=-2)

    def decode(self, decoder: str | Decoder | None = None, *, seed: int | Sequence[int] = 0) -> np.ndarray:
        """UV (B, H, W, 2), brought up along luma where the model answers at a smaller size.

        Args:
            decoder: as `zoo.chroma.decoders.Decoder.parse` reads it. None for a regression, which has an answer of its
                own.
            seed: of a decoder that draws.

        Raises:
            UsageError: a decoder for a regression, none for a classifier, or an unknown one.
        """
        uv = self.decode_small(decoder, seed=seed)
        if uv.shape[1:3] == self.luma.shape[1:3]:
            return uv
        return np.stack([bring_up(luma[..., 0], each) for luma, each in zip(self.luma, uv, strict=True)])

    def decode_small(self, decoder: str | Decoder | None = None, *, seed: int | Sequence[int] = 0) -> np.ndarray:
        """The same at the size of the model's answer, (B, h, w, 2)."""
        if not self._predictor.contract.classifies:
            if decoder is not None:
                raise UsageError(
                    f"decoder {_text(decoder)!r}: a regression answers with one colour, and takes no decoder"
                )
            return self.output
        if decoder is None:
            raise UsageError(f"a classifier's answer needs a decoder: {', '.join(DECODERS)}")
        decoder = Decoder.parse(decoder)
        noise = decoder.noise(seed)
        if decoder.by_region:
            found = np.stack([self._by_region(image, decoder, noise) for image in range(len(self.luma))])
            if decoder.step == "flat":
                pixels = self._by_pixel(decoder, noise)
                found = pixels + self._smoothness * (found - pixels)
            return found
        return self._by_pixel(decoder, noise)

    def _by_pixel(self, decoder: Decoder, noise: np.ndarray | None) -> np.ndarray:
        """UV (B, h, w, 2), chosen a pixel at a time."""
        if not self._chained(decoder):
            return _in_bands(lambda logits: decoder(logits, noise), self.marginals)
        u = _in_bands(lambda logits: decoder.first(logits, noise), self.output)
        v_logits = self._v_logits(self._features, u)
        return _in_bands(lambda u, v: decoder.second(u, v, noise), self.output, v_logits)

    def _chained(self, decoder: Decoder) -> bool:
        return self._network.chained and decoder.kind.chained

    def _by_region(self, image: int, decoder: Decoder, noise: np.ndarray | None) -> np.ndarray:
        """UV (h, w, 2) of an image, one colour a region: chosen for the regions, and only then for their pixels."""
        regions = self._regions[image]
        if not self._chained(decoder):
            return decoder(pool(self.marginals[image], regions), noise)[regions]
        logits = self.output[image]
        u_logits = pool(logits, regions)
        u = decoder.first(u_logits, noise)
        # Which V goes with this U is known by the pixels that find it likely.
        chosen = np.asarray(encode(np.concatenate([u, u], axis=-1)))[regions, :1]
        p_u = _in_bands(_probability, logits[None], chosen[None])[0]
        v_logits = self._v_logits(self._features[image : image + 1], u[regions][None])[0]
        return decoder.second(u_logits, pool(v_logits, regions, p_u), noise)[regions]

    def _v_logits(self, features: Any, u: np.ndarray) -> np.ndarray:
        return _in_bands(self._predictor.v_logits, features, u)

    @property
    def classifies(self) -> bool:
        """Whether it is of a classifier."""
        return self._predictor.contract.classifies

    def kinds(self, image: int) -> np.ndarray:
        """What each cell of an image is, (h, w, D): the nearer two are, the more alike.

        A model that learnt to take hints has an embedding. Of any other classifier it is the square roots of the
        probabilities, whose squared distance is twice that of Hellinger; of a regression the colour itself.
        """
        if self._embedding is not None:
            return self._embedding[image, ..., :-1]
        if not self._predictor.contract.classifies:
            return self.output[image]
        logits = self.output[image]
        found = _in_bands(lambda some: np.sqrt(softmax(some)), logits[None])[0]
        return found.reshape(*found.shape[:2], -1)

    def own_scores(self, image: int) -> np.ndarray | None:
        """How sure the model is of its own answer beside hints, (h, w); None of one that has not learnt to say so."""
        return None if self._embedding is None else self._embedding[image, ..., -1]

    @property
    def rule(self) -> Rule:
        """How alike two regions are, by what `kinds` says."""
        return self._predictor.rule

    @cached_property
    def _embedding(self) -> np.ndarray | None:
        embedding = self._network.embedding
        return self._features[..., -embedding - 1 :] if embedding else None

    def log_likelihoods(self, colors: np.ndarray) -> np.ndarray:
        """How probable each of some colours is at each cell, of a classifier: log-probabilities, (B, h, w, n).

        Args:
            colors: U and V, (n, 2).
        """
        labels = two_hot(np.asarray(colors, np.float32))
        if not self._network.chained:
            return _in_bands(
                lambda logits: np.einsum("...cb,ncb->...n", log_softmax(logits, axis=-1), labels), self.output
            )
        of_u = _in_bands(lambda logits: log_softmax(logits, axis=-1) @ labels[:, 0].T, self.output)
        of_v = []
        for (u, _), label in zip(colors, labels[:, 1], strict=True):
            given = np.full((*self.output.shape[:3], 1), u, np.float32)
            v_logits = self._v_logits(self._features, given)
            of_v.append(_in_bands(lambda logits, label=label: log_softmax(logits, axis=-1) @ label, v_logits))
        return of_u + np.stack(of_v, axis=-1)

    def shares_of(self, image: int, regions: np.ndarray) -> np.ndarray | None:
        """The mean distributions of regions, (R, channels, 64); None of a regression.

        Of a model that predicts V given U it is that of U alone.

        Args:
            image: which one.
            regions: labels from 0, of luma's size.
        """
        if not self.classifies:
            return None
        logits = self.output[image]
        shares = _in_bands(softmax, logits[None])[0]
        means = means_of_cells(regions, shares.reshape(*shares.shape[:2], -1))
        return means.reshape(len(means), -1, BINS)

    def possible(
        self, image: int, inside: np.ndarray, count: int, least: float = LEAST_POSSIBLE
    ) -> list[tuple[np.ndarray, float]]:
        """The most probable colours of a region, U and V (2,), and the probability of about that U, the highest first.

        Of a model that predicts V given U, each has the V that goes with its U. A regression has one colour.

        Args:
            image: which one.
            inside: whether a pixel is in the region, (H, W).
            count: how many at most.
            least: probability that all but the first have.
        """
        cells, answer = self.answers(image, inside)
        if not self.classifies:
            return [(answer.mean(axis=0), 1.0)]
        marginal = log_softmax(answer if self._network.chained else answer[:, 0], axis=-1)
        shares = softmax(np.maximum(marginal, LEAST).mean(axis=0))
        left = shares.copy()
        found: list[tuple[np.ndarray, float]] = []
        for _ in range(count):
            # About which bin is most probable, and there the likeliest one.
            middle = int(np.convolve(left, np.ones(2 * PEAK + 1), "same").argmax())
            near = slice(max(0, middle - PEAK), middle + PEAK + 1)
            share, at = float(left[near].sum()), near.start + int(left[near].argmax())
            if found and share < least:
                break
            left[near] = 0
            u = CENTERS[0, at]
            if self._network.chained:
                v_logits = self._v_logits_of_cells(image, cells, np.array([u]))[0]
            else:
                v_logits = answer[:, 1]
            v = np.maximum(log_softmax(v_logits, axis=-1), LEAST).mean(axis=0).argmax()
            found.append((np.array([u, CENTERS[1, v]]), share))
        return found

    def answers(self, image: int, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The cells of an answer that a region (H, W) is in, (n,), and what the answer is there, (n, …)."""
        height, width = self.output.shape[1:3]
        rows, columns = np.nonzero(inside)
        cells = np.unique(rows // -(-len(inside) // height) * width + columns // -(-inside.shape[1] // width))
        return cells, self.output[image].reshape(height * width, *self.output.shape[3:])[cells]

    def _v_logits_of_cells(self, image: int, cells: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Logits of V at cells (n,) for each of some U (m,), of a model that predicts V given U: (m, n, 64)."""
        features = self._features[image]
        own = np.broadcast_to(features.reshape(-1, features.shape[-1])[cells], (len(u), len(cells), features.shape[-1]))
        given = np.broadcast_to(u[:, None, None, None], (len(u), len(cells), 1, 1)).astype(np.float32)
        return self._predictor.v_logits(own[:, :, None], given)[:, :, 0]

    def joint(self, image: int, inside: np.ndarray) -> np.ndarray | None:
        """How probable each pair of bins is in a region, (64, 64), U first; None of a regression.

        As in `possible` it is what the region's cells agree on: means of log-probabilities, of U and, of a model that
        predicts V given U, of V for each U. Where U and V are apart, it is their product.

        Args:
            image: which one.
            inside: whether a pixel is in the region, (H, W). Of a large region, `MOST_CELLS` cells evenly.
        """
        if not self.classifies:
            return None
        cells, answer = self.answers(image, inside)
        some = np.unique(np.linspace(0, len(cells) - 1, MOST_CELLS).astype(int))
        cells, answer = cells[some], answer[some]
        if self._network.chained:
            of_u, of_v = answer, self._v_logits_of_cells(image, cells, CENTERS[0])
        else:
            of_u, of_v = answer[:, 0], answer[None, :, 1]
        p_u = softmax(np.maximum(log_softmax(of_u, axis=-1), LEAST).mean(axis=0))
        p_v = softmax(np.maximum(log_softmax(of_v, axis=-1), LEAST).mean(axis=1))
        return p_u[:, None] * p_v

    @property
    def coherent_regions(self) -> np.ndarray:
        """What `+coherent` gives one colour each: labels from 0, (B, h, w). Of a classifier."""
        return self._regions

    @cached_property
    def _regions(self) -> np.ndarray:
        logits = self.output[..., None, :] if self._network.chained else self.output
        luma = self._predictor.contract.reduced(self.luma)
        return np.stack([segment(y[..., 0], each, softmax) for y, each in zip(luma, logits, strict=True)])

    @cached_property
    def _smoothness(self) -> np.ndarray:
        """How smooth the region of each pixel is, (B, h, w, 1): see `zoo.chroma.regions.smoothness`."""
        luma = self._predictor.contract.reduced(self.luma)[..., 0]
        return np.stack([smoothness(y, regions)[regions] for y, regions in zip(luma, self._regions, strict=True)])[
            ..., None
        ]

    @cached_property
    def marginals(self) -> np.ndarray:
        """Log-probabilities of U and of V over all U, (B, h, w, 2, 64); of a plain classifier its logits."""
        if not self._network.chained:
            return self.output
        if self._network.direct:
            return self._direct_marginals()
        p_u = softmax(self.output[..., None, :])[..., 0, :].reshape(-1, BINS)
        p_v = np.zeros_like(p_u)
        features = self._features.reshape(-1, self._features.shape[-1])
        for u, share in zip(CENTERS[0], np.ascontiguousarray(p_u.T), strict=True):
            # Few bins of U are likely at a pixel, and only those are asked for.
            pixels = np.flatnonzero(share > LEAST_SHARE)
            if pixels.size:
                some = features[pixels][None, :, None]
                logits = self._predictor.v_logits(some, np.full((1, pixels.size, 1, 1), u, np.float32))
                p_v[pixels] += share[pixels, None] * np.exp(log_softmax(logits[0, :, 0], axis=-1))
        p_v /= p_v.sum(axis=-1, keepdims=True)
        both = np.stack([p_u, p_v], axis=-2).reshape(*self.output.shape[:-1], 2, BINS)
        return np.log(np.maximum(both, 1e-12))

    def _direct_marginals(self) -> np.ndarray:
        """The same of a model that knows p(V) by itself."""

        def both(logits: np.ndarray, features: Any) -> np.ndarray:
            p_u = softmax(logits)
            p_v = self._network.marginal(features, p_u)
            return np.log(np.maximum(np.stack([p_u, p_v], axis=-2), 1e-12))

        return _in_bands(both, self.output, self._features)


def _text(decoder: str | Decoder) -> str:
    return decoder if isinstance(decoder, str) else decoder.text


def _probability(logits: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """What a softmax of logits (…, 64) gives to bins (…, 1): (…)."""
    return np.take_along_axis(softmax(logits), bins, axis=-1)[..., 0]


def _in_bands(of: Callable[..., np.ndarray], *maps: Any) -> np.ndarray:
    """`of` maps (B, H, W, …), a few rows at a time: what it makes of their bins on the way takes memory."""
    count, height, width = maps[0].shape[:3]
    step = max(1, BAND // (count * width))
    found = [of(*(each[:, start : start + step] for each in maps)) for start in range(0, height, step)]
    return np.concatenate(found, axis=1)


def predict(model: Any, luma: np.ndarray, decoder: str | None = None, *, seed: int = 0) -> np.ndarray:
    """Luma (B, H, W, 1) in [0, 1] to UV (B, H, W, 2): `Predictor` and `Prediction.decode` in one."""
    return Predictor(model)(luma).decode(decoder, seed=seed)
