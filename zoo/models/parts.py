"""What a trunk and a head are made from, and what a trunk hands to a head."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.models.encoders import Tap

if TYPE_CHECKING:
    from zoo.models.blocks import Blocks

CHANNELS = 64
"""Of what every trunk ends with, so that any trunk takes any head."""


@dataclass(frozen=True)
class Pyramid:
    """What an encoder makes of luma.

    Attributes:
        image: what it sees, (B, H, W, 3), height and width padded.
        taps: the finest first.
        maps: (B, H/stride, W/stride, channels), in the order of the taps.
    """

    image: Any
    taps: tuple[Tap, ...]
    maps: tuple[Any, ...]

    def at(self, stride: int) -> tuple[Tap, Any] | None:
        """The tap of a stride and its map, if there is one."""
        return next(((tap, x) for tap, x in zip(self.taps, self.maps, strict=True) if tap.stride == stride), None)


@dataclass(frozen=True)
class Parts:
    """What trunks and heads are made from.

    Attributes:
        luma: (B, H, W, 1), of any size.
        inputs: the other inputs by name, (B, H, W, channels), or of the answer's size.
        padded: luma and those inputs of its size, by name, padded as the pyramid's image is.
        pyramid: of the encoder.
        blocks: makes layers.
        stride: of the answer.
    """

    luma: Any
    inputs: Mapping[str, Any]
    padded: Mapping[str, Any]
    pyramid: Pyramid
    blocks: "Blocks"
    stride: int


class Features:
    """What a trunk ends with: `CHANNELS` channels at the answer's size, padded.

    A trunk may hand over something that only seems to be a map: see `zoo.models.trunks.residual`.
    """

    def __init__(self, x: Any, blocks: "Blocks") -> None:
        self._x, self._blocks = x, blocks

    def map(self) -> Any:
        """The map."""
        return self._x

    def block(self, filters: int, name: str) -> Any:
        """`Blocks.block` of it: a 3×3 convolution, normalised and activated."""
        return self._blocks.block(self.map(), filters, 3, name)
