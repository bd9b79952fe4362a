"""The entries of a colour sheet: what is alike on the pages of a book, and how sure its colour is."""

from pathlib import Path

import keras
import numpy as np
import pytest
from coloring import read, save_linear

from zoo.chroma.bins import BINS
from zoo.chroma.evidence import BY_COLOR
from zoo.errors import UsageError
from zoo.models.contract import Contract
from zoo.pages.colorizer import Colorizer
from zoo.pages.hint import color_of
from zoo.pages.sheet import (
    EXAMPLE,
    MOST_ENTRIES,
    Part,
    SheetEntry,
    grouped,
    groups_of,
    parts_of,
    read_sheet,
    write_sheet,
)

RED, GREEN = "#cc3333", "#22aa66"
DARK, LIGHT, PAPER, INK = 100, 170, 255, 0


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """Dark and light get colours that are not alike."""
    return save_linear(tmp_path_factory.mktemp("models") / "line.keras", (0.5, -0.3), (-0.4, 0.25))


def flat(left: int, right: int, at: int = 60, size: tuple[int, int] = (80, 120)) -> np.ndarray:
    """Two tones with a line of ink between them."""
    luma = np.full(size, left, np.uint8)
    luma[:, at:] = right
    luma[:, at - 2 : at + 2] = INK
    return luma


def part(page: str, tone: float, uv=(0.1, 0.1), area: float = 0.1, kind=None, bits: float = 1.0) -> Part:
    return Part(
        page,
        np.array(uv),
        tone,
        np.array(uv if kind is None else kind),
        bits,
        area,
        np.full((EXAMPLE, EXAMPLE, 3), 99, np.uint8),
    )


def test_alike_regions_of_two_pages_are_one_entry():
    parts = [part("a", 0.5), part("b", 0.51, (0.11, 0.1), 0.3), part("b", 0.5, (0.3, -0.2)), part("a", 0.8)]
    groups = groups_of(parts, BY_COLOR)
    assert groups[0] == groups[1]
    assert len(set(groups)) == 3
    entries, examples = grouped(parts, BY_COLOR, 2)
    assert len(entries) == len(examples) == 3
    first = entries[0]
    assert first.pages in (("a", "b"), ("b", "a"))
    assert first.share == pytest.approx(0.2)  # of two pages
    assert first.tone == pytest.approx(0.25 * 0.5 + 0.75 * 0.51, abs=1e-3)  # weighed by area
    assert np.array(first.kind) == pytest.approx(np.array([0.25 * 0.1 + 0.75 * 0.11, 0.1]), abs=1e-3)
    assert {entry.pages for entry in entries[1:]} == {("a",), ("b",)}


def test_one_region_or_none():
    assert groups_of([], BY_COLOR).shape == (0,)
    assert grouped([], BY_COLOR, 3) == ([], [])
    ((entry,), (example,)) = grouped([part("a", 0.5)], BY_COLOR, 1)
    assert (entry.name, entry.share, entry.pages) == ("1", 0.1, ("a",))
    assert example.shape == (EXAMPLE, EXAMPLE, 3)


def test_entries_are_sorted_and_not_too_many():
    rng = np.random.default_rng(0)
    areas = rng.permutation(np.arange(1, MOST_ENTRIES + 11)) / 1000
    parts = [part("a", 0.5, kind=(index, 0.0), area=area) for index, area in enumerate(areas)]
    entries, examples = grouped(parts, BY_COLOR, 1)
    assert len(entries) == len(examples) == MOST_ENTRIES
    shares = [entry.share for entry in entries]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == pytest.approx(areas.max())
    assert min(shares) == pytest.approx(np.sort(areas)[10])  # the smallest are left out
    assert [entry.name for entry in entries] == [str(number) for number in range(1, MOST_ENTRIES + 1)]


class Unsure(keras.Model):
    """A classifier that finds every colour as likely."""

    def __init__(self):
        super().__init__()
        self.contract = Contract(answer="logits")

    def call(self, luma, training=False):
        return keras.ops.zeros_like(luma)[..., None] + keras.ops.zeros((2, BINS))


@pytest.mark.parametrize("bits", [0.0, 1.0, 6.0, 12.0])
def test_how_sure_is_a_share(bits):
    """12 bits is what a classifier says that knows nothing of U and nothing of V."""
    ((entry,), _) = grouped([part("a", 0.5, bits=bits)], BY_COLOR, 1)
    assert 0 <= entry.sure <= 1
    if bits == 0:
        assert entry.sure == 1


def test_parts_of_a_page(model):
    """Its larger even regions but paper and ink, with their colours, places around them, and shares of the page."""
    luma = np.full((120, 160), PAPER, np.uint8)
    luma[10:60, 10:110] = INK
    luma[14:56, 14:106] = DARK
    luma[80:110, 20:60] = LIGHT
    luma[90:94, 120:124] = LIGHT  # too small
    colorizer = Colorizer(model)
    examined = colorizer.draft(luma).examined
    parts = sorted(parts_of("p", examined, colorizer.decode), key=lambda each: each.tone)
    assert [round(each.tone * 255) for each in parts] == [DARK, LIGHT]
    for each, tone, size in zip(parts, (DARK, LIGHT), (42 * 92, 30 * 40), strict=True):
        assert each.page == "p"
        assert each.area == pytest.approx(size / (120 * 160), rel=0.02)
        np.testing.assert_allclose(each.uv, [0.5 * tone / 255 - 0.3, -0.4 * tone / 255 + 0.25], atol=1e-3)
        assert each.bits == 1
        assert each.example.shape == (EXAMPLE, EXAMPLE, 3)
        edge = np.abs(each.example.astype(int) - (255, 0, 255)).max(axis=-1) < 130  # it was made smaller
        assert 20 < edge.sum() < 0.2 * EXAMPLE**2
    truth = np.zeros((120, 160, 2), np.float32)
    truth[luma == DARK] = (0.1, 0.2)
    dark, light = sorted(parts_of("p", examined, None, truth), key=lambda each: each.tone)
    np.testing.assert_allclose(dark.uv, [0.1, 0.2], atol=1e-3)
    np.testing.assert_allclose(light.uv, [0, 0], atol=1e-6)
    np.testing.assert_array_equal(dark.kind, parts[0].kind)


def test_bits_of_a_classifier():
    (found,) = parts_of("p", Colorizer(Unsure()).draft(np.full((40, 40), DARK, np.uint8)).examined, "mean")
    assert found.bits == pytest.approx(12, abs=0.01)


def test_what_is_written_is_read_again(tmp_path):
    entries = [
        SheetEntry("1", RED, 0.5, (0.1, -0.2), 0.7, 0.4, ("a.png", "b [ 2 ].png")),
        SheetEntry("hair", "#000000", 0.25, (0.0, 1.5), 0.1, 0.2, ("b.png",)),
    ]
    examples = [np.full((EXAMPLE, EXAMPLE, 3), 99, np.uint8)] * 2
    path = tmp_path / "s.json"
    drawn = write_sheet(path, entries, examples, "digest")
    assert drawn == tmp_path / "s-colours.jpg"
    assert read_sheet(path, "digest") == entries
    rgb = read(drawn).astype(int)
    assert (np.abs(rgb - color_of(RED)).max(axis=-1) < 12).sum() > 500  # its colour
    with pytest.raises(UsageError, match="another model"):
        read_sheet(path, "other")
    with pytest.raises(UsageError, match=r"none.json: No such file"):
        read_sheet(tmp_path / "none.json", "digest")


def test_an_entry_is_followed_by_what_is_like_it(model):
    colorizer = Colorizer(model)
    sight = colorizer.draft(flat(DARK, LIGHT)).examined.frames[0].sight()
    entries = [
        SheetEntry("", RED, tone / 255, (0.5 * tone / 255 - 0.3, -0.4 * tone / 255 + 0.25), 1.0, 0.1, ())
        for tone in (DARK, LIGHT)
    ]
    shares = sight.shares([entry.given for entry in entries], colorizer.rule)
    dark, light = (int(sight.regions[40, x]) for x in (20, 100))
    assert shares[dark, 0] > 0.95
    assert shares[light, 1] > 0.95
