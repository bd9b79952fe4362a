"""Colouring pages: the command's job against plain loops, memory of pages of any size, and colours along ink lines."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from conftest import TORCH

from zoo.results import Row

REDUCED = (2, 4)
"""JPEG pages have half the chroma resolution of luma, or less: they are reduced by these before they are measured."""

ONNX = all(importlib.util.find_spec(name) for name in ("onnxruntime", "tf2onnx"))
needs_onnx = pytest.mark.skipif(not ONNX, reason="onnxruntime or tf2onnx is not installed")


@pytest.mark.parametrize("upsampling", ["edges", "bilinear"])
def test_command_against_plain_loop(benchmark, record, start, options, precision, upsampling):
    """Two-megapixel pages, the network at 512 pixels, beside loops that load the model once.

    The first loop compiles its call. The second runs the same network in eager PyTorch, channels-last and autocast.
    """
    if options.quick and upsampling != "edges":
        pytest.skip("--quick runs one of these")
    common = {
        "work": "colorize_folder",
        "model": "residual",
        "precision": precision,
        "batch_size": 2 if options.quick else 8,
        "height": 180 if options.quick else 1800,
        "width": 120 if options.quick else 1200,
        "side": 64 if options.quick else 512,
    }
    workers = {
        f"command, {upsampling}": start(**common, upsampling=upsampling),
        "plain loop": start(**common, plain=True),
    }
    if TORCH:
        workers["plain loop, PyTorch"] = start(**common | {"work": "torch_colorize_folder"})
    record.time(benchmark, workers, "colorize")


@pytest.mark.parametrize(("model", "side"), [("residual", 512), ("context:open", None)])
def test_parts_of_a_page(benchmark, record, start, options, precision, model, side):
    """Where a book's time goes: processor time of each part of a two-megapixel page, on all cores."""
    if options.quick and side is None:
        pytest.skip("--quick runs one of these")
    size = {"height": 180, "width": 120} if options.quick else {"height": 1800, "width": 1200}
    side = 64 if options.quick else side
    worker = start(work="page_parts", model=model, precision=precision if side else "float32", side=side, **size)
    if not options.quick:
        worker.order("parts")

    def measure() -> list[dict[str, float]]:
        return [worker.order("parts")["seconds"] for _ in range(options.rounds)]

    # pytest-benchmark times all of them together; that time is not kept.
    found = benchmark.pedantic(measure, rounds=1)
    assert found[0]["network"] > 0
    for part in found[0]:
        about = record.describe(worker, f"page, {part}", samples=len(found))
        record.rows(about, {"processor_seconds": [each[part] for each in found]})


@pytest.mark.parametrize("pages", [8, 64])
def test_memory_of_a_book(benchmark, record, start, options, precision, pages):
    """What the process grows by from no page to a book of so many, of two megapixels each."""
    if options.quick:
        pytest.skip("--quick leaves large pages out")
    spec = {"work": "colorize_folder", "model": "residual", "precision": precision, "batch_size": pages}
    size = {"height": 1800, "width": 1200, "side": 512}
    record.memory(benchmark, {"command, edges": lambda: start(**spec, **size)}, "book")


@needs_onnx
def test_runtimes_of_a_book(benchmark, record, start, options):
    """The same job by ONNX Runtime and by TensorFlow, in float32."""
    if options.quick:
        pytest.skip("--quick leaves the runtimes of a book out")
    common = {
        "work": "colorize_folder",
        "model": "residual",
        "precision": "float32",
        "batch_size": 8,
        "height": 1800,
        "width": 1200,
        "side": 512,
    }
    workers = {f"command, {runtime}": start(**common, runtime=runtime) for runtime in ("onnx", "tensorflow")}
    record.time(benchmark, workers, "book, by runtime")


@needs_onnx
@pytest.mark.parametrize("model", ["context:open", "residual:comics"])
def test_first_page(benchmark, record, start, options, model):
    """From the command to the written page of 600 pixels, beside the time that Python takes to import TensorFlow."""
    if options.quick and model != "context:open":
        pytest.skip("--quick runs one of these")
    size = {"height": 60, "width": 40} if options.quick else {"height": 600, "width": 400}
    names = {"onnx": "onnx", "tensorflow": "tensorflow", "": "import tensorflow"}
    if options.quick:
        del names["tensorflow"]
    workers = {name: start(work="first_page", model=model, runtime=runtime, **size) for runtime, name in names.items()}
    record.time(benchmark, workers, "first page")


def test_shards(benchmark, record, start, options):
    """Pages of 600 pixels: two shards on one machine, each a process of its own, and one job."""
    common = {"model": "context:open", "pages": 24, "height": 600, "width": 400}
    if options.quick:
        common = {"model": "residual:procedural", "pages": 2, "height": 60, "width": 40}
    names = {"two shards": 2, "one job": 1}
    workers = {name: start(work="shards", count=count, **common) for name, count in names.items()}
    record.time(benchmark, workers, "shards")


@pytest.mark.parametrize("megapixels", [4, 25, 100])
def test_memory_of_a_page(benchmark, record, start, options, precision, megapixels):
    """The process's own memory, from a page in grey to one in colour; it grows by the page and no more."""
    if options.quick:
        pytest.skip("--quick leaves large pages out")
    side = round((megapixels * 1e6) ** 0.5)
    spec = {"work": "colorize_page", "model": "residual", "precision": precision, "side": 512}
    workers = {f"{megapixels} megapixels": lambda: start(**spec, height=side, width=side)}
    record.memory(benchmark, workers, "colorize")


def test_memory_by_default(benchmark, record, start, options, precision, model):
    """Two megapixels as `python -m zoo.colorize MODEL` colours them: at the default size, by the default decoder."""
    if options.quick:
        pytest.skip("--quick leaves large pages out")
    spec = {"work": "colorize_page", "model": model, "precision": precision, "height": 1600, "width": 1250}
    record.memory(benchmark, {"by default": lambda: start(**spec)}, "colorize")


def test_a_page_by_default(benchmark, record, start, options):
    """Two megapixels as `python -m zoo.colorize MODEL` colours them, by the default model and by `residual`."""
    size = {"height": 160, "width": 125} if options.quick else {"height": 1600, "width": 1250}
    workers = {
        model: start(work="colorize_default", model=model, **size) for model in ("context:open", "residual:comics")
    }
    record.time(benchmark, workers, "colorize")


def test_a_hint(benchmark, record, start, options):
    """A page of a megapixel at `--side 512`, once it is loaded: coloured anew with hints, and the network's pass."""
    size = {"height": 120, "width": 100, "side": 64} if options.quick else {"height": 1200, "width": 850, "side": 512}
    workers = {
        "three hints": start(work="hint_round_trip", forward=False, **size),
        "forward pass": start(work="hint_round_trip", forward=True, **size),
    }
    record.time(benchmark, workers, "colorize")


@pytest.mark.parametrize("scale", [1.5, 2, 3])
def test_colours_along_ink_lines(benchmark, record, options, scale):
    """The true chroma, reduced by `scale` as the network sees pages, brought back along ink lines or bilinearly."""
    from colorizing import bleeding

    from zoo.data.dataset import open_dataset
    from zoo.evaluation.scoring import subjects

    limit = 1 if options.quick else options.images
    dataset = open_dataset(options.data, crop=32)
    pages = list(subjects(dataset, "test", limit=limit, max_side=1024))
    reduced = (1,) if options.data == "procedural" else REDUCED

    def measure(reduce: int, variant: str) -> list[dict[str, float]]:
        return [bleeding(page.rgb, scale, reduce, along_edges=variant == "edges") for page in pages]

    for index, (reduce, variant) in enumerate((r, v) for r in reduced for v in ("edges", "bilinear")):
        # pytest-benchmark times the first; that time is not kept.
        found = measure(reduce, variant) if index else benchmark.pedantic(measure, (reduce, variant), rounds=1)
        smaller = f" at 1/{reduce}" if reduce > 1 else ""
        about = Row(
            suite="colorize",
            benchmark=f"{dataset.name}{smaller}, chroma reduced by {scale:g}",
            model=None,
            variant=variant,
            against="",
            metric="delta_e00",
            value=None,
            samples=len(pages),
        )
        for name in found[0]:
            known = [each[name] for each in found if np.isfinite(each[name])]  # a page without ink has no error there
            assert known
            record.rows(replace(about, samples=len(known)), {name: float(np.mean(known))})
        assert all(np.isfinite(each["delta_e00"]) for each in found)
