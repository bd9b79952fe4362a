"""What metrics of images compare: a coloured image and its truth, and how they are made of a user's arrays."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from zoo.chroma.yuv import to_uint8
from zoo.errors import UsageError
from zoo.metrics.cielab import lab
from zoo.support.arrays import check_unit, kind_of


@dataclass(frozen=True)
class Pair:
    """A coloured image and its truth, both uint8 RGB (H, W, 3); `name` seeds what is drawn at random."""

    name: str
    predicted: np.ndarray
    truth: np.ndarray

    @cached_property
    def predicted_lab(self) -> np.ndarray:
        """CIELAB of the prediction, (H, W, 3)."""
        return lab(self.predicted)

    @cached_property
    def truth_lab(self) -> np.ndarray:
        """CIELAB of the truth, (H, W, 3)."""
        return lab(self.truth)

    @property
    def seed(self) -> int:
        """Of what is drawn at random: the CRC-32 of the name; 0 of the empty one."""
        return zlib.crc32(self.name.encode())


def pairs_of(predicted: Any, truth: Any) -> Iterator[Pair]:
    """The images of two arrays, or of two lists of arrays, in pairs without a name: whatever is drawn has the seed 0.

    Args:
        predicted: RGB (H, W, 3) or (N, H, W, 3), uint8 or float in [0, 1], or a list of such arrays.
        truth: likewise; as many images of the same sizes.

    Raises:
        UsageError: other arrays, no images, or numbers of images or sizes that differ.
    """
    answers, truths = images_of(predicted, "predicted"), images_of(truth, "truth")
    if len(answers) != len(truths):
        raise UsageError(f"predicted holds {len(answers)} images and truth {len(truths)}; give as many of each")
    if not answers:
        raise UsageError("predicted and truth hold no image; give at least one of each")
    for index, (answer, true) in enumerate(zip(answers, truths, strict=True)):
        if answer.shape != true.shape:
            sizes = " and ".join(f"{image.shape[0]} × {image.shape[1]}" for image in (answer, true))
            raise UsageError(f"image {index} is {sizes} pixels in predicted and truth; give images of one size")
    return (Pair("", *each) for each in zip(answers, truths, strict=True))


def images_of(given: Any, what: str) -> list[np.ndarray]:
    """The images, uint8 (H, W, 3), of an array or a list of arrays: see `pairs_of`."""
    if isinstance(given, (list, tuple)):
        return [image for index, each in enumerate(given) for image in images_of(each, f"{what}[{index}]")]
    array = np.asarray(given)
    if array.ndim == 4:
        return [rgb8(each, f"{what}[{index}]") for index, each in enumerate(array)]
    return [rgb8(array, what)]


def rgb8(image: Any, what: str = "the image") -> np.ndarray:
    """An image as a viewer shows it, uint8 RGB (H, W, 3); floats in [0, 1] are rounded to 8 bits.

    Raises:
        UsageError: it is no such image; the message says what it is.
    """
    array = np.asarray(image)
    shaped = array.ndim == 3 and array.shape[-1] == 3 and array.size
    if not shaped or (array.dtype != np.uint8 and array.dtype.kind != "f"):
        raise UsageError(
            f"{what} is {kind_of(array)}; give RGB of shape (H, W, 3), uint8 in 0…255 or float in [0, 1]"
            + _advice(array)
        )
    if array.dtype == np.uint8:
        return array
    check_unit(array, what)
    return to_uint8(array)


def _advice(array: np.ndarray) -> str:
    if array.ndim == 2:
        return ". Of a grey image, np.stack([image] * 3, axis=-1)"
    if array.ndim == 3 and array.shape[-1] == 4:
        return ". Without alpha it is image[..., :3]"
    if array.ndim == 3 and array.shape[0] == 3:
        return ". With the channels last it is np.moveaxis(image, 0, -1)"
    if array.dtype.kind in "iu":
        return ". Values in 0…255 are image.astype(np.uint8)"
    return ""
