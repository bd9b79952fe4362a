"""The studio: from a click to new colours, and the memory of a book that is looked through."""

import importlib.util

import pytest

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("starlette", "uvicorn"))), reason="starlette or uvicorn is not installed"
)


def test_from_a_click_to_new_colours(benchmark, record, start, options, jpeg_pages):
    """A page of 1,000 × 1,500 that is open: click, second colour, picture, over HTTP; with ten strokes on it too."""
    size = {"height": 150, "width": 100} if options.quick else {"height": 1500, "width": 1000}
    common = {"work": "studio_click", "source": str(jpeg_pages), **size}
    workers = {"a click": start(**common), "a click, ten strokes": start(**common, strokes=10)}
    record.time(benchmark, workers, "studio")


@pytest.mark.parametrize("pages", [5, 50])
def test_memory_of_a_book(benchmark, record, start, options, jpeg_pages, pages):
    """What the process grows by, from one page of 1,000 × 1,500 to so many, each looked at and clicked twice."""
    if options.quick and pages > 5:
        pytest.skip("--quick looks at few pages")
    size = {"height": 150, "width": 100} if options.quick else {"height": 1500, "width": 1000}
    spec = {"work": "studio_book", "source": str(jpeg_pages), "pages": 2 if options.quick else pages, **size}
    record.memory(benchmark, {f"{pages} pages": lambda: start(**spec)}, "studio")
