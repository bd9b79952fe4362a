"""How coloured pages are to look."""

from dataclasses import dataclass

SIDE = 1024
"""The longer side of what a network sees that was trained on crops, pixels: of pages that were about as large."""


@dataclass(frozen=True)
class Look:
    """What decides how pages look, besides the model.

    Attributes:
        seed: of sampled colours.
        samples: how many times to colour every page, with seeds from `seed` on.
        descreen: the period of a screen, in pixels, to smooth away in what the network sees; None for none.
        white_paper: make paper that is grey or stained white.
        desaturate: colour pages anew that have colours.
        headroom: how much luma, of 1, may be lowered where a colour does not fit.
        summary: also write a picture of grey, colour and truth.
        quality: of JPEG and WebP.
    """

    seed: int = 0
    samples: int = 1
    descreen: float | None = None
    white_paper: bool = False
    desaturate: bool = False
    headroom: float = 0.0
    summary: bool = False
    quality: int = 92

    @property
    def extras(self) -> list[str]:
        """What is added to a page's name for each of its samples."""
        return [f"-{index + 1}" if self.samples > 1 else "" for index in range(self.samples)]
