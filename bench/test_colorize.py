"""Colouring pages: the command's job against a plain loop, and the memory of pages of any size."""

import pytest


@pytest.mark.parametrize("upsampling", ["edges", "bilinear"])
def test_command_against_plain_loop(benchmark, record, start, options, precision, upsampling):
    """Two-megapixel pages, the network at a quarter of that; the loop loads the model once and compiles its call."""
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
    record.time(benchmark, workers, "colorize")


@pytest.mark.parametrize("megapixels", [4, 25, 100])
def test_memory_of_a_page(benchmark, record, start, options, precision, megapixels):
    """The process's own memory, from a page in grey to one in colour; it grows by the page and no more."""
    if options.quick:
        pytest.skip("--quick leaves large pages out")
    side = round((megapixels * 1e6) ** 0.5)
    spec = {"work": "colorize_page", "model": "residual", "precision": precision, "side": 512}
    workers = {f"{megapixels} megapixels": lambda: start(**spec, height=side, width=side)}
    record.memory(benchmark, workers, "colorize")
