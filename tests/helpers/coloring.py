"""What tests of colouring colour, and how they run it."""

from pathlib import Path

import numpy as np
import tiny
from PIL import Image

import zoo
from zoo import colorize
from zoo.chroma.yuv import rgb_to_yuv
from zoo.pages.hint import color_of
from zoo.pages.scan import Scan

WEIGHTS = np.array([0.299, 0.587, 0.114])


def save_models(folder: Path) -> dict[str, Path]:
    """A regression and a classifier with heads of much colour, saved."""
    found = {}
    for name in ("tiny", "classifier"):
        model = tiny.build() if name == "tiny" else zoo.create(name, encoder_weights="none")
        for variable in model.trainable_variables:
            if "conv2" in variable.path or "head_logits" in variable.path:
                variable.assign(variable * 20)
        model.save(folder / f"{name}.keras")
        found[name] = folder / f"{name}.keras"
    return found


def page(height: int = 40, width: int = 56, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 5), dtype=np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def save(path: Path, samples: np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(samples).save(path, **options)
    return path


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = colorize.main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def luma_error(scan: Scan, rgb: np.ndarray) -> float:
    """The largest difference of luma, in levels of the scan."""
    return float(np.abs(rgb.astype(float) @ WEIGHTS - scan.luma().astype(float) * scan.levels).max())


def save_linear(path: Path, u: tuple[float, float], v: tuple[float, float]) -> Path:
    """A regression of one layer, saved: U and V are a factor times luma, and a summand."""
    import keras

    luma = keras.Input((None, None, 1), name="luma")
    layer = keras.layers.Conv2D(2, 1, name="uv")
    model = keras.Model(luma, layer(luma))
    layer.set_weights([np.array([[[[u[0], v[0]]]]], np.float32), np.array([u[1], v[1]], np.float32)])
    model.save(path)
    return path


def read(path: Path) -> np.ndarray:
    """A picture's samples."""
    with Image.open(path) as image:
        return np.asarray(image)


def uv_of(color: str) -> np.ndarray:
    """U and V of a colour as a hint names it."""
    return rgb_to_yuv(np.array(color_of(color)) / 255)[1:]
