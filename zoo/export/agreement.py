"""What was exported against Keras: the same answers, and for smaller weights, how far the colours are from them."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.chroma.decoders import Decoder, decode
from zoo.chroma.upsampling import bring_up
from zoo.chroma.yuv import split_luma
from zoo.errors import RunError
from zoo.evaluation.candidates import Subject, answer_of
from zoo.export.formats import Runner
from zoo.metrics import IMAGE_METRICS, Pair
from zoo.models.inputs import LUMA
from zoo.models.prediction import Predictor

SIZES = ((1, 1, 1), (1, 17, 23), (2, 64, 40))  # batch, height and width that the answers are compared on
TOLERANCE = 1e-3  # of U and V, whose range is one, and of logits
LEAST_EQUAL = 0.999  # of the pixels, where a decoder may jump
SEED = 0  # of samples


class Reference:
    """The answers that an exported model has to give.

    Args:
        predictor: of the model that was exported.
        decoder: of a classifier; None for a regression, or for the logits of a classifier.

    Attributes:
        noise: the last input of an exported decoder that draws, or None.
    """

    def __init__(self, predictor: Predictor, decoder: Decoder | None) -> None:
        self._predictor, self._decoder = predictor, decoder
        self.noise = decoder.noise(SEED) if decoder else None

    def __call__(self, luma: np.ndarray) -> np.ndarray:
        """UV (B, h, w, 2) or logits (B, h, w, 2, 64) for luma (B, H, W, 1), of the size of the model's answer."""
        prediction = self._predictor(luma)
        return prediction.decode_small(self._decoder, seed=SEED) if self._decoder else prediction.output

    def inputs(self, luma: np.ndarray) -> dict[str, np.ndarray]:
        """What an exported model is run with: luma, nothing given besides, and noise if the decoder draws."""
        contract = self._predictor.contract
        names = [LUMA, *(item.name for item in contract.given)]
        found = dict(zip(names, contract.with_given(luma), strict=True))
        return found if self.noise is None else found | {"noise": self.noise}


@dataclass(frozen=True)
class Difference:
    """Between what was exported and Keras.

    Attributes:
        largest: absolute difference.
        equal: share of the pixels that differ by no more than `TOLERANCE`.
    """

    largest: float
    equal: float


def difference(run: Runner, reference: Reference) -> Difference:
    """Compares the answers for random luma of every size in `SIZES`.

    Raises:
        RunError: an answer has another shape, or is not finite.
    """
    rng = np.random.default_rng(SEED)
    largest, equal, pixels = 0.0, 0, 0
    for size in SIZES:
        luma = rng.random((*size, 1), dtype=np.float32)
        expected, found = reference(luma), run(reference.inputs(luma))
        if found.shape != expected.shape:
            raise RunError(f"the exported model answers luma {luma.shape} with {found.shape}, not {expected.shape}")
        if not np.isfinite(found).all():
            raise RunError(f"the exported model answers luma {luma.shape} with values that are not finite")
        gap = np.abs(found - expected).reshape(*expected.shape[:3], -1).max(axis=-1)
        largest = max(largest, float(gap.max()))
        equal += int((gap <= TOLERANCE).sum())
        pixels += gap.size
    return Difference(largest, equal / pixels)


def check(found: Difference, decoder: Decoder | None) -> None:
    """Raises RunError if a float32 export does not answer as Keras does.

    A decoder that may jump is asked for the same answer at `LEAST_EQUAL` of the pixels, the others for no difference
    above `TOLERANCE` anywhere.
    """
    if decoder and decoder.kind.jumps:
        if found.equal < LEAST_EQUAL:
            raise RunError(
                f"the exported model agrees with Keras at {found.equal:.2%} of the pixels only; {LEAST_EQUAL:.1%} are"
                " the least"
            )
    elif found.largest > TOLERANCE:
        raise RunError(
            f"the exported model's answer differs from Keras's by up to {found.largest:.2g}; {TOLERANCE:g} is allowed"
        )


def on_pages(run: Runner, reference: Reference, pages: Iterable[Subject]) -> dict[str, Any]:
    """How far the exported model's colours are from Keras's on pages, and how fast it is beside it.

    Logits are decoded by `annealed`. Each page is coloured twice by both, and the second time counts: the first time of
    a size takes longer.

    Returns:
        `pages`, their number; `delta_e00`, the mean CIEDE2000 over their pixels; `images_per_second` and that of
        Keras, `keras_images_per_second`.
    """
    answers: tuple[Callable[[np.ndarray], np.ndarray], ...] = (lambda luma: run(reference.inputs(luma)), reference)
    metric = IMAGE_METRICS["delta_e00"]
    sums = []
    seconds = np.zeros(2)
    for page in pages:
        luma = split_luma(page.rgb / np.float32(255))[0]
        pictures = []
        for which, answer in enumerate(answers):
            answer(luma[None])
            began = time.perf_counter()
            found = answer(luma[None])
            seconds[which] += time.perf_counter() - began
            uv = (decode(found, "annealed") if found.ndim == 5 else found)[0]
            uv = uv if uv.shape[:2] == luma.shape[:2] else bring_up(luma[..., 0], uv)
            pictures.append(answer_of(luma, uv).rgb)
        sums.append(metric.sums(Pair(page.name, *pictures)))
    speed, keras_speed = len(sums) / seconds
    return {
        "pages": len(sums),
        "delta_e00": metric.over(np.stack(sums)),
        "images_per_second": float(speed),
        "keras_images_per_second": float(keras_speed),
    }
