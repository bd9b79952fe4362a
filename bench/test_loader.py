"""The loader: crops a second, against decoding whole images, with its caches, and behind a training step."""

import pytest


@pytest.fixture
def batches(options):
    """Batches a round: enough for a rate, prefetching included."""
    return 1 if options.quick else 100


@pytest.fixture
def common(options, jpeg_pages):
    return {
        "work": "loader",
        "data": str(jpeg_pages),
        "batch_size": 1 if options.quick else 8,
        "crop": options.crop,
    }


def test_crop_against_decode_whole(benchmark, record, start, common, batches):
    workers = {"crop": start(**common), "decode whole": start(**common, whole=True)}
    record.time(benchmark, workers, "loader", calls=batches)


def test_jpeg_crop_at_the_bottom(benchmark, record, start, options, jpeg_pages):
    """Why a crop costs what it does: all that lies above it is read, if not computed."""
    places = {"crop at the bottom": "bottom", "crop at the top": "top", "whole page": "whole"}
    common = {"work": "jpeg", "data": str(jpeg_pages), "crop": options.crop}
    workers = {variant: start(**common, where=where) for variant, where in places.items()}
    record.time(benchmark, workers, "jpeg", calls=1 if options.quick else 50)


@pytest.mark.parametrize("cache", ["memory", "disk"])
def test_cache(benchmark, record, start, common, batches, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("COLORIZATION_ZOO_CACHE", str(tmp_path))
    workers = {
        f"{cache} cache": start(**common, cache=cache),
        "no cache": start(**common),
        "decode whole": start(**common, whole=True),
    }
    record.time(benchmark, workers, "loader", calls=batches)


def test_training_loop_against_bare_step(benchmark, record, start, options, jpeg_pages, precision):
    common = {
        "work": "training_step",
        "model": "residual",
        "batch_size": 1 if options.quick else 4,
        "crop": options.crop,
        "precision": precision,
    }
    workers = {"loader and step": start(**common, data=str(jpeg_pages)), "step": start(**common)}
    record.time(benchmark, workers, "training_loop", calls=1 if options.quick else 4)
