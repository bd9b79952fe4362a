"""What real scans need before a network sees them: paper made white, screens smoothed away."""

from dataclasses import replace

import numpy as np
from PIL import Image
from scipy import ndimage

from zoo.pages.look import Look
from zoo.pages.scan import Scan

SMALL = 384  # longer side of the image that paper is looked for in
WHITE_SHARE = 0.05  # of the page, is paper at least
LOCAL = (0.8, 1.15)  # paper may be darker or lighter here and there, by these factors


def prepared(scan: Scan, look: Look) -> tuple[Scan, Scan]:
    """A page as it is to be painted on, and as the network sees it."""
    if look.white_paper:
        scan = with_white_paper(scan)
    return scan, scan if look.descreen is None else descreened(scan, look.descreen)


def with_white_paper(scan: Scan) -> Scan:
    """The scan in grey, its luma divided by that of the paper, so that paper is white.

    The paper's luma is that which `WHITE_SHARE` of the page exceeds; where stains or a shadow in the fold make it
    differ, it follows the lightest luma of the surroundings, within `LOCAL`. A page without light paper, such as a
    night scene that fills it, is left as it is.
    """
    height, width = scan.samples.shape[:2]
    step = max(1, max(height, width) // SMALL)
    small = np.stack([scan.luma(slice(row, row + 1))[0, ::step] for row in range(0, height, step)])
    paper = float(np.quantile(small, 1 - WHITE_SHARE))
    if paper < 0.4:
        return scan if scan.samples.ndim == 2 else replace(scan, samples=_samples(scan, scan.luma()), colored=False)
    size = max(3, max(small.shape) // 6)
    lightest = ndimage.grey_closing(ndimage.median_filter(small, 3, mode="nearest"), size=(size, size), mode="nearest")
    local = np.clip(ndimage.gaussian_filter(lightest, size / 2, mode="nearest"), LOCAL[0] * paper, LOCAL[1] * paper)
    level = Image.fromarray(local.astype(np.float32))
    samples = np.empty((height, width), scan.samples.dtype)
    rows = max(1, 2_000_000 // width)
    for first in range(0, height, rows):
        luma = scan.luma(slice(first, first + rows))
        box = (0, first * local.shape[0] / height, local.shape[1], (first + len(luma)) * local.shape[0] / height)
        here = np.asarray(level.resize((width, len(luma)), Image.Resampling.BILINEAR, box=box))
        samples[first : first + rows] = _samples(scan, np.minimum(1, luma / here))
    return replace(scan, samples=samples, colored=False, profile=b"")


def descreened(scan: Scan, period: float) -> Scan:
    """The scan in grey with a screen (halftone, screentone) of a period in pixels smoothed away.

    A Gaussian of 0.45 periods lets 2 % of the screen through.
    """
    samples = scan.samples if scan.samples.ndim == 2 else _samples(scan, scan.luma())
    smooth = ndimage.gaussian_filter(samples, 0.45 * period, mode="nearest")
    return replace(scan, samples=smooth, colored=False)


def _samples(scan: Scan, luma: np.ndarray) -> np.ndarray:
    return np.rint(luma * scan.levels).astype(scan.samples.dtype)
