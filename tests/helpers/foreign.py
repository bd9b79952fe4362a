"""What is judged in tests of candidates that are not of this zoo."""

import numpy as np
from PIL import Image

from zoo.chroma.yuv import split_luma
from zoo.evaluation.candidates import Subject

CARD = '[input]\ncolor = "luma"\nlayout = "NHWC"\n[output]\ncolor = "uv"\nlayout = "NHWC"\n'
RGB = np.asarray(
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize(
        (48, 40), Image.Resampling.BICUBIC
    )
)
SUBJECT = Subject("test/a.png", "a", RGB, None)
LUMA = split_luma(RGB / np.float32(255))[0]
