"""Panels are found on drawn pages, and pictures that are no pages of panels stay whole."""

import numpy as np
import pytest
from PIL import Image

from zoo.data.dataset import LEAST_PAGE, open_dataset, with_panels
from zoo.data.panels import Panel, find_panels

WHOLE = [Panel(0, 0, 800, 600)]


def page(*panels: Panel, paper: int = 245, seed: int = 0) -> np.ndarray:
    """A page of 800 × 600 pixels with textured panels."""
    rng = np.random.default_rng(seed)
    luma = rng.integers(paper - 4, paper + 5, (800, 600)).clip(0, 255)
    for top, left, height, width in panels:
        luma[top : top + height, left : left + width] = rng.integers(20, 200, (height, width))
    return luma.astype(np.uint8)


def near(found: list[Panel], expected: list[Panel], pixels: int = 6) -> bool:
    return len(found) == len(expected) and np.abs(np.subtract(found, expected)).max() <= pixels


GRID = [Panel(40, 40, 220, 250), Panel(40, 310, 220, 250), Panel(280, 40, 220, 520), Panel(520, 40, 240, 520)]


@pytest.mark.parametrize("paper", [250, 215, 10])
def test_panels_in_reading_order_on_any_paper(paper):
    assert near(find_panels(page(*GRID, paper=paper)), GRID)


def test_columns_inside_of_a_row_and_rows_inside_of_a_column():
    nested = [Panel(40, 40, 350, 250), Panel(410, 40, 350, 250), Panel(40, 310, 720, 250)]
    assert near(find_panels(page(*nested)), nested)


def test_a_panel_without_a_frame_is_a_panel_among_others():
    luma = page(*GRID[:3])
    yy, xx = np.ogrid[:800, :600]
    luma[((yy - 640) / 100) ** 2 + ((xx - 300) / 200) ** 2 < 1] = 60  # a figure on the paper
    assert len(find_panels(luma)) == 4


def test_balloons_that_hide_frames_low_panels_and_page_numbers():
    strips = [Panel(40, 40, 300, 520), Panel(350, 40, 88, 520), Panel(450, 40, 300, 520)]
    luma = page(*strips, Panel(775, 290, 10, 20))  # a page number
    for top in (40, 350, 450):  # along a side, and a part of the upper one
        luma[top : top + 80, 300:560] = 245
    assert near(find_panels(luma), strips)


def test_objects_in_rows_are_one_picture():
    luma = page()
    yy, xx = np.ogrid[:800, :600]
    for y in (150, 400, 650):  # across the whole page, with paper between them
        luma[((yy - y) / 100) ** 2 + ((xx - 300) / 260) ** 2 < 1] = 90
    assert find_panels(luma) == WHOLE
    luma[40:260, 40:560] = 90  # one framed picture does not make the others panels
    assert find_panels(luma) == WHOLE


def test_what_is_no_page_of_panels_stays_whole():
    rng = np.random.default_rng(0)
    assert find_panels(rng.integers(0, 256, (800, 600)).astype(np.uint8)) == WHOLE  # to the edge
    assert find_panels(page()) == WHOLE  # empty
    assert find_panels(page(Panel(60, 60, 680, 480))) == WHOLE  # one picture with a margin
    circles = page()
    yy, xx = np.ogrid[:800, :600]
    for y, x in ((200, 150), (200, 450), (600, 150), (600, 450)):  # things that stand alone
        circles[(yy - y) ** 2 + (xx - x) ** 2 < 100**2] = 90
    assert find_panels(circles) == WHOLE
    assert find_panels(page(Panel(40, 40, 700, 520), Panel(760, 280, 12, 40))) == WHOLE  # a page number
    assert find_panels(np.full((9, 5), 255, np.uint8)) == [Panel(0, 0, 9, 5)]


def test_a_data_set_with_panels(tmp_path):
    for index in range(4):
        luma = page(*GRID, seed=index)
        rgb = np.stack([luma, luma // 2, 255 - luma], axis=-1)
        Image.fromarray(rgb).save(tmp_path / f"{index}.png")
        Image.fromarray(rgb[: LEAST_PAGE - 1]).save(tmp_path / f"small-{index}.png")
    plain = open_dataset(tmp_path, crop=64)
    calls: list[tuple[int, int]] = []
    cut = with_panels(plain, progress=lambda *call: calls.append(call))
    assert calls[-1] == (8, 8)
    assert cut.fingerprint == plain.fingerprint
    images = [image for split in cut.splits.values() for image in split.images]
    for image in images:
        if image.height < LEAST_PAGE:
            assert image.pictures == ((0, 0, image.height, 600),)
        else:
            assert near([Panel(*each) for each in image.pictures], GRID)
