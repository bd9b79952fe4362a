"""Encoders: pretrained networks that make a pyramid of maps of luma. Each is a file of this folder.

An encoder is a card and a builder. Listing them imports no Keras.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zoo.support.names import Registry, import_all


@dataclass(frozen=True)
class Tap:
    """A map that an encoder gives.

    Attributes:
        name: of the layer it is the output of.
        stride: how much smaller than the image it is, a power of two.
        channels: how many it has.
    """

    name: str
    stride: int
    channels: int


@dataclass(frozen=True)
class EncoderCard:
    """What there is to know about an encoder; the only source of every table and help text about it.

    Attributes:
        name: what `--encoder` takes.
        summary: one line.
        taps: the finest first; of one stride there is one.
        preprocessing: what the image it sees is, in words.
        weights: where its weights come from.
        digest: SHA-256 (hex) of the file of weights that comes with the package; empty where none does.
        licence: of the weights.
        citation: what to cite.
        parameters: number of weights.
        channels: the order of red, green and blue in the image it sees.
    """

    name: str
    summary: str
    taps: tuple[Tap, ...]
    preprocessing: str
    weights: str
    digest: str
    licence: str
    citation: str
    parameters: int
    channels: str = "rgb"

    @property
    def multiple(self) -> int:
        """What height and width are padded to: a multiple of the coarsest stride."""
        return max(tap.stride for tap in self.taps)


Build = Callable[[Any, int], tuple[Any, Any]]
"""Of luma, a symbolic tensor (B, H, W, 1) in [0, 1], and a seed: the image (B, H, W, 3) that the network sees, and the
network, a `keras.Model` called "encoder" from that image to the maps of the card's taps, in their order."""


@dataclass(frozen=True)
class Encoder:
    """A registered encoder."""

    card: EncoderCard
    build: Build


ENCODERS: Registry[Encoder] = Registry("encoder")


def register_encoder(card: EncoderCard) -> Callable[[Build], Build]:
    """Registers the decorated builder under `card.name`.

    Raises:
        ValueError: the name is taken, or the taps are not the finest first.
    """
    strides = [tap.stride for tap in card.taps]
    if strides != sorted(set(strides)) or any(stride & (stride - 1) for stride in strides):
        raise ValueError(f"encoder {card.name!r}: the strides of its taps are {strides}, not rising powers of two")

    def decorate(build: Build) -> Build:
        ENCODERS.add(card.name, Encoder(card, build))
        return build

    return decorate


def list_encoders() -> list[str]:
    """The names of the registered encoders."""
    return list(ENCODERS)


import_all(__name__, __path__)
