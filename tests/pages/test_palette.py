"""Palettes: how they are written, and that a page in one has no other colours."""

import io

import keras
import numpy as np
import pytest
from coloring import page
from PIL import Image

import zoo
from zoo.chroma.regions import fine_regions
from zoo.chroma.yuv import compose, rgb_to_yuv
from zoo.data.panels import Panel
from zoo.errors import UsageError
from zoo.models.prediction import Predictor
from zoo.pages.colorizer import Colorizer
from zoo.pages.guide import Frame
from zoo.pages.palette import APART, palette_of, read_palette

RED, GREEN, BLUE = (204, 51, 51), (34, 170, 102), (0, 0, 255)
SKIN = (233, 191, 166)


def uv_of(*colors: tuple[int, int, int]) -> np.ndarray:
    return np.stack([rgb_to_yuv(np.array(color) / 255)[1:] for color in colors])


# How they are written.


@pytest.mark.parametrize(
    "colors", ["#c33,#2a6,blue", " cc3333 , #22aa66,, Blue ,", ["#c33", "2a6", "blue"], ("#c33", "#2a6", "#00f")]
)
def test_a_list_of_colours(colors):
    np.testing.assert_allclose(palette_of(colors), uv_of(RED, GREEN, BLUE))
    if isinstance(colors, str):
        np.testing.assert_array_equal(read_palette(colors), palette_of(colors))


GIMP = """GIMP Palette
Name: Mine
Columns: 4
# a remark
204  51  51\tred: the coat
 34 170 102

0 0 255 blue
"""


@pytest.mark.parametrize("text", [GIMP, "\ufeff" + GIMP.replace("\n", "\r\n"), GIMP.rstrip()])
def test_a_gimp_palette(tmp_path, text):
    path = tmp_path / "mine.gpl"
    path.write_bytes(text.encode())
    np.testing.assert_allclose(read_palette(str(path)), uv_of(RED, GREEN, BLUE))


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_the_colours_of_a_page(tmp_path, kind):
    rgb = np.zeros((90, 90, 3), np.uint8)
    rgb[:30], rgb[30:60], rgb[60:] = RED, SKIN, BLUE
    Image.fromarray(rgb).save(tmp_path / f"page.{kind}", lossless=True)
    found = read_palette(str(tmp_path / f"page.{kind}"))
    expected = uv_of(RED, SKIN, BLUE)
    distances = np.linalg.norm(found[:, None] - expected, axis=-1)
    assert distances.min(axis=0).max() < 0.02  # each of the page's is there
    assert distances.min(axis=1).max() < 0.02  # and no other


def test_near_colours_are_one():
    assert len(palette_of(["#cc3333", "#cd3433", "#2a6", "#22a966", "#cc3333"])) == 2
    found = palette_of([f"#{value:02x}3333" for value in range(60, 256)])
    distances = np.linalg.norm(found[:, None] - found, axis=-1)
    assert distances[~np.eye(len(found), dtype=bool)].min() >= APART
    assert len(found) > 5
    np.testing.assert_allclose(palette_of("white,#c33,black,#777"), uv_of((255, 255, 255), RED), atol=1e-9)


@pytest.mark.parametrize(
    ("colors", "message"),
    [
        ("", "the palette has no colour: write colours with commas between"),
        (" , ", "the palette has no colour"),
        ([], "the palette has no colour"),
        ("#777,white,black", "the palette is grey: give at least one colour"),
        ("#777,#787776", "the palette is grey"),
        ("red,#c3x", "'#c3x' is no colour: write it as #c33, #cc3333, or by a name of CSS, as darkred"),
        ([RED], r"\(204, 51, 51\) is no colour"),
        (["red"] * 257, "the palette has 257 colours, and 256 are the most"),
    ],
)
def test_bad_lists_are_refused(colors, message):
    with pytest.raises(UsageError, match=message):
        palette_of(colors)
    if isinstance(colors, str):
        with pytest.raises(UsageError, match=f"^--palette: .*{message}"):
            read_palette(colors)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.gpl", b"", "it is no GIMP palette: its first line has to be 'GIMP Palette'"),
        ("a.gpl", b"255 0 0\n", "it is no GIMP palette"),
        ("a.gpl", b"GIMP Palette\n\n255 0\n", "line 3 is no colour: '255 0'"),
        ("a.gpl", b"GIMP Palette\n255 0 256 x\n", "line 2 is no colour: '255 0 256 x'"),
        ("a.gpl", b"GIMP Palette\n#c33\n\n", "the palette has no colour"),
        ("a.gpl", b"GIMP Palette\n9 9 9\n", "the palette is grey: give at least one colour"),
        ("a.gpl", b"GIMP Palette\n9 9 9 \xff\n", "it is not text in UTF-8"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "truncated"),
        ("a.xyz", b"hello", "not an image"),
    ],
)
def test_bad_files_are_refused(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError) as error:
        read_palette(str(tmp_path / name))
    assert str(error.value).startswith(f"--palette {tmp_path / name}: {message}")


def test_a_grey_page_and_a_missing_one_are_refused(tmp_path):
    for name, samples in (("grey.png", page()), ("rgb.png", np.dstack([page()] * 3))):
        Image.fromarray(samples).save(tmp_path / name)
        with pytest.raises(UsageError, match=rf"--palette .*{name}: the (page has no colours to take|palette is grey)"):
            read_palette(str(tmp_path / name))
    with pytest.raises(UsageError, match=r"--palette .*none.png: there is no such file"):
        read_palette(str(tmp_path / "none.png"))
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UsageError, match=r"--palette .*folder.png: there is no such file"):
        read_palette(str(tmp_path / "folder.png"))
    with pytest.raises(UsageError, match="'none' is no colour"):
        read_palette("none")


def test_pages_of_16_bits_and_with_transparency(tmp_path):
    import tensorflow as tf

    rgb = np.full((20, 30, 3), BLUE, np.uint16) * 257
    (tmp_path / "deep.png").write_bytes(tf.io.encode_png(rgb).numpy())
    np.testing.assert_allclose(read_palette(str(tmp_path / "deep.png")), uv_of(BLUE), atol=0.01)
    stream = io.BytesIO()
    Image.new("RGBA", (20, 30), (*BLUE, 128)).save(stream, "PNG")
    (tmp_path / "alpha.png").write_bytes(stream.getvalue())
    np.testing.assert_allclose(read_palette(str(tmp_path / "alpha.png")), uv_of(BLUE), atol=0.01)
    hidden = np.full((20, 30, 4), (*RED, 0), np.uint8)
    hidden[:, 15:] = (*BLUE, 255)
    Image.fromarray(hidden).save(tmp_path / "hidden.png")
    found = read_palette(str(tmp_path / "hidden.png"))  # on white
    np.testing.assert_allclose(found[np.argsort(found[:, 0])], uv_of((255, 255, 255), BLUE), atol=0.01)


# A page in a palette.

PALETTE = palette_of("#c33,#2a6,#00f,#777")


@pytest.fixture(scope="module")
def classifier():
    model = zoo.create("classifier", encoder_weights="none")
    layer = model.get_layer("head_logits")
    layer.set_weights([weight * 20 for weight in layer.get_weights()])
    return model


@pytest.fixture(scope="module")
def regression():
    """The lighter a pixel, the more blue, and the less red."""
    luma = keras.Input((None, None, 1), name="luma")
    model = keras.Model(luma, keras.layers.Conv2D(2, 1, name="uv")(luma))
    model.get_layer("uv").set_weights([np.array([[[[0.8, -1.2]]]]), np.array([-0.4, 0.6])])
    return model


def blocks() -> np.ndarray:
    """Luma of even blocks, uint8."""
    return np.random.default_rng(0).integers(60, 200, (4, 6), dtype=np.uint8).repeat(12, 0).repeat(12, 1)


def which(uv: np.ndarray, palette: np.ndarray = PALETTE) -> np.ndarray:
    """Which colour of a palette every pixel has; every one has to have one."""
    distances = np.abs(uv[..., None, :] - palette).max(axis=-1)
    assert distances.min(axis=-1).max() < 1e-6
    return distances.argmin(axis=-1)


def test_a_regression_takes_the_nearest_one_a_region(regression):
    luma = blocks()
    prediction = Predictor(regression)(luma[None, ..., None] / np.float32(255))
    frame = Frame(Panel(0, 0, *luma.shape), prediction, 0)
    uv = prediction.decode()[0]
    found = which(frame.in_palette(uv, PALETTE))
    assert len(np.unique(found)) > 1
    regions = fine_regions(luma / 255)
    for region in range(regions.max() + 1):
        (one,) = np.unique(found[regions == region])
        mean = uv[regions == region].mean(axis=0)
        assert one == ((mean - PALETTE) ** 2).sum(axis=-1).argmin()


def test_a_classifier_takes_the_most_probable_one_a_region(classifier):
    luma = blocks()
    prediction = Predictor(classifier)(luma[None, ..., None] / np.float32(255))
    frame = Frame(Panel(0, 0, *luma.shape), prediction, 0)
    uv = np.zeros((*luma.shape, 2), np.float32)
    found = which(frame.in_palette(uv, PALETTE))
    assert len(np.unique(found)) > 1
    regions = prediction.coherent_regions[0]
    for region in range(regions.max() + 1):
        assert len(np.unique(found[regions == region])) == 1
    likely = prediction.log_likelihoods(PALETTE)[0]
    assert likely.shape == (*luma.shape, 4)
    least = np.array(
        [[likely[..., color][found == chosen].mean() for color in range(4)] for chosen in np.unique(found)]
    )
    assert (least.argmax(axis=1) == np.unique(found)).all()  # of each, its own pixels find it likelier than any other
    np.testing.assert_array_equal(which(frame.in_palette(uv, PALETTE[1:2]), PALETTE[1:2]), 0)


@pytest.mark.parametrize("name", ["regression", "classifier"])
def test_a_coloured_page_has_no_other_colours(name, request):
    luma = blocks()
    rgb = Colorizer(request.getfixturevalue(name))(luma, palette=["#c33", "#2a6", "#00f", "#777"])
    expected = np.stack(
        [255 * compose(luma[..., None] / 255, np.broadcast_to(uv, (*luma.shape, 2)))[0] for uv in PALETTE]
    )
    distances = np.abs(rgb - expected).max(axis=-1)
    assert distances.min(axis=0).max() <= 1
    assert len(np.unique(distances.argmin(axis=0))) > 1
    plain = Colorizer(request.getfixturevalue(name))(luma)
    assert np.abs(plain - expected).max(axis=-1).min(axis=0).max() > 5


def test_hints_are_obeyed_in_a_palette_too(regression):
    luma = blocks()
    colorizer = Colorizer(regression)
    found = colorizer(luma, palette="#c33,#777", hints=[(30, 20, "#00f")])
    expected = 255 * compose(np.array([luma[20, 30] / 255]), uv_of(BLUE)[0])[0]
    assert np.abs(found[20, 30] - expected).max() <= 1
    with pytest.raises(UsageError, match="the palette is grey"):
        colorizer(luma, palette="#777")
