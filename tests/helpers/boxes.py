"""Pages of a few boxes, of tones that are told apart."""

import numpy as np

PAPER, INK = 255, 0
SURE, UNSURE, OTHER, THIRD = 120, 90, 160, 200  # tones of grey


def drawn(*boxes: tuple[int, slice, slice], size: tuple[int, int] = (120, 160)) -> np.ndarray:
    """White paper with boxes of even tones that are outlined in ink."""
    luma = np.full(size, PAPER, np.uint8)
    for tone, rows, columns in boxes:
        luma[max(0, rows.start - 3) : rows.stop + 3, max(0, columns.start - 3) : columns.stop + 3] = INK
        luma[rows, columns] = tone
    return luma


BIG, MIDDLE, SMALL = np.s_[6:76, 6:86], np.s_[6:76, 100:150], np.s_[90:112, 6:60]
