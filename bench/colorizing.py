"""What `bench/test_colorize.py` has a worker do: a folder of pages, by what the command does and by a plain loop."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import book
import numpy as np
import tensorflow as tf
from PIL import Image

import zoo
from zoo.chroma.yuv import split_luma
from zoo.data.pdf import Renderers
from zoo.export.prepared import write
from zoo.models.onnx_network import OnnxNetwork
from zoo.pages.cleaning import prepared
from zoo.pages.colorizer import Colorizer, paint
from zoo.pages.defaults import BATCH
from zoo.pages.input import find_pages
from zoo.pages.job import Job
from zoo.pages.look import SIDE, Look
from zoo.pages.output import Output
from zoo.pages.scan import Scan, encode, read_scan
from zoo.support.machine import policy_name

Call = Callable[[], Any]


def _model(folder: Path, model: str, precision: str) -> Path:
    import keras

    keras.config.set_dtype_policy(policy_name(precision))
    zoo.create(model, encoder_weights="none").save(folder / "model.keras")
    keras.config.set_dtype_policy("float32")
    return folder / "model.keras"


def colorize_folder(
    *,
    model: str,
    precision: str,
    batch_size: int,
    height: int,
    width: int,
    side: int,
    upsampling: str = "edges",
    runtime: str = "tensorflow",
    plain: bool = False,
) -> tuple[Call, dict[str, Any]]:
    """Colours the `batch_size` pages of a folder to PNG; with `plain`, as one would write it: one after another."""
    folder = book.pages(batch_size, height, width)
    file = _model(folder, model, precision)
    about = {"precision": precision, "jit": False, "operations": lambda: None}
    if plain:
        chroma = _chroma(zoo.load(file))
        return (lambda: book.plain_loop(folder, chroma, side)), about
    network: Any = file
    if runtime == "onnx":
        (folder / "prepared").mkdir()
        write(zoo.load(file), folder / "prepared")
        network = OnnxNetwork(folder / "prepared")
    colorizer = Colorizer(network, side=side, along_edges=upsampling == "edges")

    def call() -> None:
        shutil.rmtree(folder / "out", ignore_errors=True)
        output = Output(folder / "out", "png", overwrite=False, single=False)
        with Renderers() as renderers:
            found = find_pages([str(folder / "in")], renderers)
            job = Job(colorizer, output, renderers, Look(), batch_size=BATCH)
            if job.run(found, lambda done, total: None) != len(found):
                raise RuntimeError(f"pages could not be coloured: {job.failed}")

    return call, about


def _chroma(network: Any) -> Callable[[np.ndarray, tuple[int, int]], np.ndarray]:
    """What `book.plain_loop` needs, by a call that is compiled once a size."""
    forward = tf.function(lambda luma: network(luma, training=False))

    def chroma(luma: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        small = tf.image.resize(luma, size, antialias=True)
        return tf.image.resize(forward(small[None]), luma.shape[:2])[0].numpy()

    return chroma


def colorize_page(
    *, height: int, width: int, model: str, precision: str, side: int = SIDE
) -> tuple[Call, dict[str, Any]]:
    """One page of any size, from grey to colour."""
    folder = Path(tempfile.mkdtemp())
    colorizer = Colorizer(_model(folder, model, precision), side=side)
    page = np.add.outer(np.arange(height) % 251, np.arange(width) % 5).astype(np.uint8)
    small = Scan(page[:64, :64])
    colorizer.paint(small, colorizer.chroma(colorizer.pictures(small)))

    def call() -> None:
        scan = Scan(page)
        colorizer.paint(scan, colorizer.chroma(colorizer.pictures(scan)))

    return call, {"precision": precision, "jit": False, "operations": lambda: None}


def page_parts(
    *, height: int, width: int, model: str, precision: str, side: int | None = None
) -> tuple[Call, dict[str, Any]]:
    """A page as the command colours it, a part after another; the call answers with the processor time of each part.

    A model with a side has random weights; otherwise it is a released one, at its own side and by its own decoder.
    """
    folder = book.pages(1, height, width)
    colorizer = Colorizer(_model(folder, model, precision) if side else model, side=side)
    data = (folder / "in" / "0.jpg").read_bytes()

    def call() -> dict[str, float]:
        seconds: dict[str, float] = {}

        def timed(part: str, work: Callable[[], Any]) -> Any:
            before = time.process_time()
            found = work()
            seconds[part] = seconds.get(part, 0.0) + time.process_time() - before
            return found

        scan, seen = timed("reading", lambda: prepared(read_scan(data), Look()))
        pictures = timed("reducing, panels", lambda: colorizer.pictures(seen))
        (examined,) = timed("network", lambda: colorizer.examined([pictures]))
        uv = timed("choosing colours", lambda: examined.chroma(colorizer.decode))
        rgb = timed("along ink lines", lambda: colorizer.paint(scan, uv))
        timed("PNG", lambda: encode(rgb, scan, "png", 90))
        return seconds

    return call, {"precision": precision, "jit": False, "operations": lambda: None}


def colorize_default(*, height: int, width: int, model: str) -> tuple[Call, dict[str, Any]]:
    """One page as `python -m zoo.colorize MODEL` colours it, by released weights: its side, panels and decoder."""
    colorizer = Colorizer(model)
    page = np.add.outer(np.arange(height) % 251, np.arange(width) % 5).astype(np.uint8)

    def call() -> None:
        scan = Scan(page)
        colorizer.paint(scan, colorizer.chroma(colorizer.pictures(scan)))

    call()  # the network is traced
    return call, {"precision": "float32", "jit": False, "operations": lambda: None}


def first_page(*, model: str, runtime: str, height: int, width: int) -> tuple[Call, dict[str, Any]]:
    """`python -m zoo.colorize MODEL`, from the command to the written page; with no runtime, TensorFlow's import alone.

    With `onnx` the model is prepared before, as it is from the second call on.
    """
    folder = book.pages(1, height, width)
    words = ["-c", "import tensorflow"]
    if runtime:
        words = ["-m", "zoo.colorize", model, f"{folder}/in/0.jpg", "-o", f"{folder}/out.png", "--overwrite"]
        words += ["--runtime", runtime]

    def call() -> None:
        subprocess.run([sys.executable, *words], check=True, capture_output=True)

    return call, {"precision": "float32", "jit": False, "operations": lambda: None}


def shards(*, model: str, count: int, pages: int, height: int, width: int) -> tuple[Call, dict[str, Any]]:
    """A folder of pages by `zoo.colorize MODEL --shard I/N`, N processes at once, from the commands to all pages."""
    folder = book.pages(pages, height, width)

    def call() -> None:
        words = [sys.executable, "-m", "zoo.colorize", model, str(folder / "in"), "-o", str(folder / "out")]
        words += ["--overwrite", "--runtime", "tensorflow"]
        commands = [[*words, "--shard", f"{index}/{count}"] for index in range(1, count + 1)]
        running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
        codes = [process.wait() for process in running]
        if any(codes):
            raise RuntimeError("a shard could not be coloured")

    return call, {"precision": "float32", "jit": False, "operations": lambda: None}


def hint_round_trip(*, height: int, width: int, side: int, forward: bool) -> tuple[Call, dict[str, Any]]:
    """A page that is loaded: coloured anew with three hints or, with `forward`, seen by the network once."""
    colorizer = Colorizer("guided", side=side, panels=False)
    rng = np.random.default_rng(0)
    tones = rng.integers(60, 200, (height // 40 + 1, width // 40 + 1), dtype=np.uint8)
    page = tones.repeat(40, axis=0).repeat(40, axis=1)[:height, :width]
    page[::40], page[:, ::40] = 10, 10
    draft = colorizer.draft(page)
    pictures = colorizer.pictures(draft.scan)
    count = 0

    def call() -> None:
        nonlocal count
        if forward:
            colorizer.examined([pictures])
            return
        count += 1  # never the same hints again
        x = 20 + 40 * (count % (width // 40 - 1))
        draft(hints=[(x, height // 2 + 5, "#c33"), (width // 2 + 5, 60, "#2a6"), (30, 30, "#36c")])

    call()
    return call, {"precision": "float32", "jit": False, "operations": lambda: None}


def bleeding(rgb: np.ndarray, scale: float, reduce: int, *, along_edges: bool) -> dict[str, float]:
    """How far a page's own colours are from the truth once they went through a grid coarser by `scale`.

    Args:
        rgb: of a page, uint8 (H, W, 3).
        scale: pixels a cell of the grid.
        reduce: the page is made smaller by this factor first.
        along_edges: see `zoo.pages.colorizer.paint`.

    Returns:
        `ink_chroma_error` and `delta_e00`, means over pixels; NaN for the first of a page without ink.
    """
    from scipy import ndimage
    from skimage.color import deltaE_ciede2000

    from zoo.metrics import lab

    rgb = np.asarray(Image.fromarray(rgb).reduce(reduce))
    luma, uv = split_luma(rgb.astype(np.float64) / 255)
    height, width = (max(1, round(size / scale)) for size in rgb.shape[:2])
    small = [
        Image.fromarray(uv[..., channel].astype(np.float32)).resize((width, height), Image.Resampling.BOX)
        for channel in (0, 1)
    ]
    scan = Scan(np.rint(luma[..., 0] * 65535).astype(np.uint16))
    painted = paint(scan, np.stack([np.asarray(each) for each in small], axis=-1), along_edges=along_edges)
    truth, result = lab(rgb), lab((painted >> 8).astype(np.uint8))
    near_ink = ndimage.binary_dilation(luma[..., 0] < 0.15, iterations=2)
    distance = np.hypot(*np.moveaxis((result - truth)[..., 1:], -1, 0))
    return {
        "ink_chroma_error": float(distance[near_ink].mean()) if near_ink.any() else np.nan,
        "delta_e00": float(deltaE_ciede2000(truth, result).mean()),
    }
