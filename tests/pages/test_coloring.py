"""What a page keeps when it is coloured, where colours go, and how scans are cleaned."""

import io
from pathlib import Path

import keras
import numpy as np
import pytest
from coloring import WEIGHTS, luma_error, page, save_models
from PIL import Image
from scipy import ndimage

from zoo.chroma.upsampling import BilinearUpsampler, strokes
from zoo.chroma.yuv import YUV_TO_RGB, compose, split_luma
from zoo.data.panels import Panel
from zoo.errors import ImageError, UsageError
from zoo.models.contract import Contract
from zoo.pages.cleaning import descreened, with_white_paper
from zoo.pages.colorizer import Colorizer, Pictures, paint
from zoo.pages.scan import Scan, encode, read_scan, scan_of


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    return save_models(tmp_path_factory.mktemp("models"))


# What a page keeps.


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 70), (37, 53), (300, 90), (200, 301)])
def test_luma_is_kept_to_the_last_bit(models, dtype, height, width):
    levels = np.iinfo(dtype).max
    rng = np.random.default_rng(height)
    samples = (page(height, width, 1) / 255 * levels).astype(dtype)
    samples[rng.random(samples.shape) < 0.1] = 0
    samples[rng.random(samples.shape) < 0.1] = levels
    colorizer = Colorizer(models["tiny"], side=96)
    rgb = colorizer(samples)
    assert rgb.dtype == dtype
    assert rgb.shape == (height, width, 3)
    assert luma_error(Scan(samples), rgb) <= 1
    if min(height, width) > 8:
        assert (np.ptp(rgb.astype(int), axis=-1) > levels * 0.05).mean() > 0.2  # and there is colour


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_coloured_as_integers_are(models, dtype):
    samples = page()
    colorizer = Colorizer(models["tiny"])
    expected = colorizer(samples).astype(int)
    found = colorizer((samples / 255).astype(dtype))
    assert found.dtype == np.uint8
    assert luma_error(Scan(samples), found) <= 1
    assert np.abs(found - expected).mean() < (0.1 if dtype == np.float16 else 0.02)
    assert dtype == np.float16 or np.abs(found - expected).max() <= 1  # half precision is another luma, a little
    np.testing.assert_array_equal(colorizer((samples / 255).astype(dtype)[..., None]), found)
    np.testing.assert_array_equal(colorizer(samples[..., None]), expected)
    white = np.full((9, 9), 1 + 1e-7)  # rounding errors are forgiven
    assert (colorizer(white) == 255).all()


@pytest.mark.parametrize(
    ("luma", "message"),
    [
        (page() * 1.0, r"luma holds floats from \d+ to \d+; give floats in \[0, 1\], or uint8"),
        (page() / 255 - 0.5, "luma holds floats from -0"),
        (np.full((9, 9), np.nan), "luma holds NaN at 81 of 81 values"),
        (page().astype(int), r"luma is int64 of shape \(40, 56\); give one page .*luma.astype\(np.uint8\)"),
        (page() > 99, "luma is bool"),
        (np.zeros((9, 9, 3), np.uint8), r"shape \(9, 9, 3\); .*split_luma"),
        (np.zeros((2, 9, 9, 1), np.float32), "one at a time"),
        (np.zeros((0, 9), np.uint8), r"shape \(0, 9\)"),
        (np.zeros(9, np.uint8), r"shape \(9,\)"),
    ],
)
def test_other_arrays_are_refused(models, luma, message):
    with pytest.raises(UsageError, match=message):
        Colorizer(models["tiny"])(luma)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_luma_of_a_hundred_megapixels_is_kept(models, dtype):
    side, levels = 10_000, np.iinfo(dtype).max
    samples = np.repeat(np.repeat(page(100, 100), 100, axis=0), 100, axis=1).astype(dtype) * (levels // 255)
    samples[::50] = 0
    samples[:, 25::50] = levels
    scan = Scan(samples)
    colorizer = Colorizer(models["tiny"], side=512)
    rgb = colorizer(samples)
    assert rgb.shape == (side, side, 3)
    for first in range(0, side, 1000):
        rows = slice(first, first + 1000)
        luma = rgb[rows].astype(np.float32) @ WEIGHTS.astype(np.float32)
        assert np.abs(luma - scan.luma(rows) * levels).max() <= 1
    assert (np.ptp(rgb[::7, ::7].astype(int), axis=-1) > levels * 0.05).mean() > 0.2


def test_colours_are_desaturated_first(models):
    rng = np.random.default_rng(0)
    samples = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    scan = Scan(samples, colored=True)
    colorizer = Colorizer(models["tiny"])
    rgb = colorizer.paint(scan, colorizer.chroma(colorizer.pictures(scan)))
    assert luma_error(scan, rgb) <= 1
    luma = Scan(np.rint(scan.luma() * 255).astype(np.uint8))
    again = colorizer.paint(luma, colorizer.chroma(colorizer.pictures(luma)))
    assert np.abs(rgb.astype(int) - again.astype(int)).mean() < 1


def test_strips_make_no_difference(models, monkeypatch):
    scan = Scan(page(230, 150, 3))
    colorizer = Colorizer(models["tiny"], side=80)
    seen = colorizer.seen(scan)
    whole = colorizer.paint(scan, colorizer.chroma(colorizer.pictures(scan)))
    monkeypatch.setattr("zoo.chroma.upsampling.STRIP_PIXELS", 3000)
    monkeypatch.setattr("zoo.pages.colorizer.CACHE_PIXELS", 1000)
    monkeypatch.setattr("zoo.chroma.upsampling.CHUNK", 100)
    np.testing.assert_allclose(colorizer.seen(scan), seen, atol=1e-6)
    strips = colorizer.paint(scan, colorizer.chroma(colorizer.pictures(scan)))
    assert np.abs(whole.astype(int) - strips.astype(int)).max() <= 1


@pytest.mark.parametrize("headroom", [0.0, 0.2])
def test_colours_are_composed_as_everywhere(headroom):
    """Of what is brought to the page's size, `paint` makes what `zoo.chroma.yuv.compose` would."""
    samples = page(30, 40).copy()
    samples[:5], samples[5:10] = 0, 255
    uv = np.random.default_rng(0).uniform(-0.6, 0.6, (30, 40, 2)).astype(np.float32)
    uv[:, 0] = 0
    luma = samples[..., None] / 255
    if headroom:
        most = (uv @ YUV_TO_RGB[:, 1:].T.astype(np.float32)).max(axis=-1, keepdims=True)
        luma = np.clip(1 - most, np.maximum(0, luma - headroom), luma)
    expected, _ = compose(luma, uv)
    found = paint(Scan(samples), uv, headroom=headroom)
    assert np.abs(found - 255 * expected).max() <= 0.5 + 1e-3


def test_strokes_are_found_by_a_black_top_hat():
    samples = page(61, 90) // 2 + 128
    samples[20:22, 5:70] = 0
    samples[40:, :30] = 10  # dark, and no stroke
    found = strokes(samples, 2)
    around = ndimage.grey_closing(samples, size=(9, 9), mode="nearest").astype(int)
    assert (found[(samples > 64) | (around - samples < 38)] == 0).all()
    assert (found[(samples <= 25) & (around - samples >= 102)] == 255).all()
    assert found[21, 30] == 255


def test_bilinear_is_pillows():
    uv = np.random.default_rng(0).normal(size=(7, 9, 2)).astype(np.float32)
    found = BilinearUpsampler(uv, 40, 33).rows(np.zeros((20, 33), np.float32), 5)
    for channel in range(2):
        image = Image.fromarray(uv[..., channel]).resize((33, 40), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(found[..., channel], np.asarray(image)[5:25], atol=1e-5)


def outlined(scale: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Discs of two colours and one luma beside each other, with black outlines: luma, true UV, distance to ink."""
    side = 240
    y, x = np.mgrid[:side, :side].astype(float)
    luma, uv = np.full((side, side), 0.9, np.float32), np.zeros((side, side, 2), np.float32)
    ink = np.zeros((side, side), bool)
    for cx, color in ((70, (0.15, -0.2)), (160, (-0.2, 0.15))):
        distance = np.hypot(x - cx, y - 120) - 45
        luma[distance < 0], uv[distance < 0] = 0.55, color
        ink |= np.abs(distance) < 1.5
    luma[ink], uv[ink] = 0.05, 0
    return luma, uv, ink


def test_colours_stay_within_ink_lines(models):
    luma, uv, ink = outlined(3)
    small = np.stack(
        [np.asarray(Image.fromarray(uv[..., c]).resize((80, 80), Image.Resampling.BOX)) for c in (0, 1)], -1
    )
    beside = ndimage.binary_dilation(ink, iterations=2)
    scan = Scan(np.rint(luma * 65535).astype(np.uint16))
    errors = {}
    for along_edges in (False, True):
        colorizer = Colorizer(models["tiny"], side=80, along_edges=along_edges)
        rgb = colorizer.paint(scan, small) / 65535
        found = np.stack([(rgb[..., 2] - luma) * 0.493, (rgb[..., 0] - luma) * 0.877], -1)
        errors[along_edges] = np.abs(found - uv)[beside].mean()
    assert errors[True] < errors[False] / 2


def test_a_profile_of_rgb_is_kept():
    profile = b"\0" * 12 + b"mntr" + b"RGB " + b"\0" * 200
    stream = io.BytesIO()
    for kind in ("PNG", "JPEG", "WEBP"):
        stream = io.BytesIO()
        Image.fromarray(np.dstack([page()] * 3)).save(stream, kind, icc_profile=profile)
        scan = read_scan(stream.getvalue())
        assert scan.profile == profile
        for depth in (np.uint8, np.uint16):
            out = encode(np.zeros((8, 8, 3), depth), scan, "png", 90)
            with Image.open(io.BytesIO(out)) as image:
                assert image.info["icc_profile"] == profile


def test_colours_that_are_wholly_transparent_are_none():
    samples = np.dstack([page()] * 3 + [np.full((40, 56), 255, np.uint8)])
    samples[:20] = (255, 0, 0, 0)
    assert not scan_of(samples).colored
    samples[:20, :, 3] = 1
    assert scan_of(samples).colored


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_exif_is_kept_at_any_depth(depth):
    exif = Image.Exif()
    exif[0x010E] = "my grandmother, 1931"
    stream = io.BytesIO()
    Image.fromarray(page()).save(stream, "PNG", exif=exif)
    out = encode(np.zeros((8, 8, 3), depth), read_scan(stream.getvalue()), "png", 90)
    with Image.open(io.BytesIO(out)) as image:
        assert image.getexif()[0x010E] == "my grandmother, 1931"
    assert read_scan(out).samples.shape == (8, 8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation(orientation):
    from zoo.data.decode import decode_rgb

    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.fromarray(page(9, 14)).save(stream, "PNG", exif=exif)
    np.testing.assert_array_equal(read_scan(stream.getvalue()).samples, decode_rgb(stream.getvalue())[..., 0])


def test_damaged_pages_are_errors():
    with pytest.raises(ImageError):
        read_scan(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)


# Cleaning.


def test_white_paper_is_white_and_ink_stays_ink():
    y, x = np.mgrid[:300, :200]
    paper = 0.7 + 0.1 * np.sin(x / 90) - 0.05 * y / 300
    ink = ((x // 20 + y // 30) % 7 == 0) & (x % 20 < 3)
    samples = np.dstack([np.where(ink, 0.1, paper * tint) for tint in (1.0, 0.95, 0.75)])
    scan = Scan(np.rint(samples * 255).astype(np.uint8), colored=True)
    clean = with_white_paper(scan)
    assert clean.samples.ndim == 2
    assert not clean.colored
    assert (clean.samples[~ink] > 240).mean() > 0.95
    assert (clean.samples[ink] < 60).all()


def test_a_night_scene_is_no_dirty_paper():
    samples = (page(200, 200) * 0.3).astype(np.uint8)
    np.testing.assert_array_equal(with_white_paper(Scan(samples)).samples, samples)


def test_headroom_lets_white_take_colour_and_no_more(models):
    samples = np.full((48, 64), 255, np.uint8)
    samples[::8] = 0
    scan = Scan(samples)
    colorizer = Colorizer(models["tiny"])
    uv = colorizer.chroma(colorizer.pictures(scan))
    plain, roomy = colorizer.paint(scan, uv), colorizer.paint(scan, uv, headroom=0.2)
    np.testing.assert_array_equal(plain, np.repeat(samples[..., None], 3, axis=-1))
    assert (np.ptp(roomy[1::8].astype(int), axis=-1) > 20).mean() > 0.5
    luma = roomy.astype(float) @ WEIGHTS / 255
    assert luma[1::8].min() > 0.8 - 1 / 255
    assert luma[::8].max() == 0  # ink stays ink
    inside = page()
    gray = Scan((inside // 2 + 60).astype(np.uint8))
    uv = 0.1 * colorizer.chroma(colorizer.pictures(gray))
    np.testing.assert_array_equal(colorizer.paint(gray, uv), colorizer.paint(gray, uv, headroom=0.2))  # it fits anyway


def test_descreening_brings_back_the_tone():
    y, x = np.mgrid[:120, :160]
    tone = 0.3 + 0.4 * x / 160
    screen = (np.sin(2 * np.pi * x / 5) * np.sin(2 * np.pi * y / 5) + 1) / 2
    halftone = np.where(screen < tone, 255, 0).astype(np.uint8)
    smooth = descreened(Scan(halftone), 5).luma()
    middle = np.s_[10:-10, 10:-10]
    assert np.abs(smooth - halftone / 255)[middle].mean() > 0.3
    assert smooth[middle].std(axis=0).mean() < 0.04
    assert np.corrcoef(smooth[middle].mean(axis=0), tone[0, 10:-10])[0, 1] > 0.85
    assert smooth[middle][:, -30:].mean() > smooth[middle][:, :30].mean() + 0.2


class Striped(keras.Model):
    """Colours the left of what it sees blue and the right red: where a picture begins and ends shows in its answer."""

    def __init__(self):
        super().__init__()
        self.contract = Contract(side=64)

    def call(self, luma, training=False):
        left = keras.ops.cast(keras.ops.arange(keras.ops.shape(luma)[2]) < keras.ops.shape(luma)[2] // 2, "float32")
        u = keras.ops.zeros_like(luma) + (0.2 * left)[None, None, :, None]
        v = keras.ops.zeros_like(luma) + (0.2 * (1 - left))[None, None, :, None]
        return keras.ops.concatenate([u, v], axis=-1)


def test_panels_are_pictures_of_their_own():
    luma = np.full((400, 300), 250, np.uint8)
    panels = [(20, 20, 160, 120), (20, 160, 160, 120), (220, 20, 160, 260)]
    rng = np.random.default_rng(0)
    for top, left, height, width in panels:
        luma[top : top + height, left : left + width] = rng.integers(60, 160, (height, width))
    colorizer = Colorizer(Striped(), along_edges=False)
    assert (colorizer.side, colorizer.panels) == (64, True)
    scan = Scan(luma)
    pictures = colorizer.pictures(scan)
    assert pictures.whole.shape == (64, 48, 1)
    assert [tuple(np.round(panel, -1)) for panel, _ in pictures.panels] == panels
    assert max(seen.shape[0] for _, seen in pictures.panels) == 64
    u, v = np.moveaxis(split_luma(colorizer(luma) / 255)[1], -1, 0)
    for top, left, height, width in panels:
        inside = np.s_[top + 20 : top + height - 20]
        assert (u[inside, left + 15 : left + width // 2 - 15] > 0.1).all()
        assert (v[inside, left + width // 2 + 15 : left + width - 15] > 0.1).all()
    whole = Colorizer(Striped(), along_edges=False, panels=False)
    assert not whole.pictures(scan).panels
    assert (split_luma(whole(luma) / 255)[1][40:160, 165:265, 1] > 0.1).all()  # the right of the page, all of it
    # In every way alike, the network once.
    both = colorizer.examined([pictures, pictures])
    assert both[0].frames[0].prediction is both[1].frames[0].prediction
    np.testing.assert_array_equal(both[1].chroma(None), colorizer.chroma(pictures))


def test_the_chroma_of_low_panels_takes_no_more_memory_than_a_page_of_sixteen():
    panel = Panel(10, 10, 100, 1980)
    pictures = Pictures(np.zeros((64, 64, 1), np.float32), ((panel, np.zeros((64, 64, 1), np.float32)),), (2000, 2000))
    uv = Colorizer(Striped()).chroma(pictures)
    assert uv.shape == (256, 256, 2)
