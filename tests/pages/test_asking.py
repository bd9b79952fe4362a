"""Where a hint is worth most: what is asked for, in which order, and `python -m zoo.hints`."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from coloring import page, read, run, save
from PIL import Image

import zoo
from zoo import hints
from zoo.chroma.bins import BINS, CENTERS, softmax
from zoo.chroma.yuv import compose, rgb_to_yuv, to_uint8
from zoo.models.contract import Contract
from zoo.models.prediction import Predictor
from zoo.pages.asking import picture, questions
from zoo.pages.colorizer import Colorizer, Examined
from zoo.pages.hint import Hint, color_of, read_hints
from zoo.pages.scan import Scan

PAPER, INK = 255, 0
SURE, UNSURE, OTHER, THIRD = 120, 90, 160, 200  # tones of grey


def one(at: int) -> np.ndarray:
    """Probabilities of a bin that is nearly certain."""
    found = np.full(BINS, 1e-6)
    found[at] = 1
    return found / found.sum()


def some(*at: int) -> np.ndarray:
    """Probabilities of some bins that are equally likely, and of no others."""
    found = np.full(BINS, 1e-6)
    found[list(at)] = 1
    return found / found.sum()


ANY = np.full(BINS, 1 / BINS)
SAYS = {
    PAPER: (ANY, ANY),
    INK: (ANY, ANY),
    SURE: (one(32), one(40)),
    UNSURE: (some(10, 20, 30, 40), some(22, 52)),
    OTHER: (some(15, 45), some(10, 50)),
    THIRD: (some(25, 55), some(20, 60)),
}
"""By tone, what a model says of U and of V."""


class ByTone(keras.Model):
    """A plain classifier that knows the tone of a pixel and nothing else."""

    def __init__(self, says=SAYS, side=0):
        super().__init__()
        self.contract = Contract(answer="logits", side=side)
        self.tones = np.array(list(says), np.float32) / 255
        self.logits = np.log([np.stack(each) for each in says.values()]).astype(np.float32)

    def call(self, luma, training=False):
        nearest = keras.ops.argmin(keras.ops.abs(luma - self.tones), axis=-1)
        return keras.ops.take(keras.ops.convert_to_tensor(self.logits), nearest, axis=0)


class Plain(keras.Model):
    """A regression that colours everything alike."""

    def __init__(self, uv=(0.02, 0.1)):
        super().__init__()
        self.contract = Contract()
        self.uv = uv

    def call(self, luma, training=False):
        return keras.ops.concatenate([keras.ops.zeros_like(luma) + value for value in self.uv], axis=-1)


def drawn(*boxes: tuple[int, slice, slice], size: tuple[int, int] = (120, 160)) -> np.ndarray:
    """White paper with boxes of even tones that are outlined in ink."""
    luma = np.full(size, PAPER, np.uint8)
    for tone, rows, columns in boxes:
        luma[max(0, rows.start - 3) : rows.stop + 3, max(0, columns.start - 3) : columns.stop + 3] = INK
        luma[rows, columns] = tone
    return luma


BIG, MIDDLE, SMALL = np.s_[6:76, 6:86], np.s_[6:76, 100:150], np.s_[90:112, 6:60]


def examined(luma: np.ndarray, model=None, **options) -> Examined:
    return Colorizer(ByTone() if model is None else model, **options).draft(luma).examined


# Which regions, in which order.


def test_large_unsure_regions_come_first():
    """The largest is sure; of the unsure the larger comes before the smaller."""
    luma = drawn((SURE, *BIG), (UNSURE, *MIDDLE), (OTHER, *SMALL))
    asked = questions(examined(luma), 2)
    assert [luma[each.y, each.x] for each in asked] == [UNSURE, OTHER]
    first, second = asked
    assert first.bits == pytest.approx(3, abs=0.01)  # 4 by 2 colours
    assert second.bits == pytest.approx(2, abs=0.01)
    assert first.area == pytest.approx(70 * 50 / (120 * 160), rel=0.01)
    assert second.area == pytest.approx(22 * 54 / (120 * 160), rel=0.01)
    swapped = drawn((SURE, *BIG), (OTHER, *MIDDLE), (UNSURE, *SMALL))
    assert [swapped[each.y, each.x] for each in questions(examined(swapped), 2)] == [OTHER, UNSURE]


def test_no_more_is_asked_than_is_worth_it():
    luma = drawn((SURE, *BIG), (UNSURE, *MIDDLE), (OTHER, *SMALL))
    assert len(questions(examined(luma), 1)) == 1
    few = questions(examined(luma), 100)
    assert [luma[each.y, each.x] for each in few[:2]] == [UNSURE, OTHER]
    assert not {PAPER, INK} & {int(luma[each.y, each.x]) for each in few}
    assert len({(each.x, each.y) for each in few}) == len(few) <= 3


def test_no_place_is_asked_for_where_no_colour_fits():
    """In full size the middle of one thing is white, and all of another, as speckled paper may be."""
    luma = drawn((SURE, *BIG), (UNSURE, *MIDDLE), (OTHER, *SMALL))
    plain = questions(examined(luma), 2)
    speckled = luma.copy()
    first, second = ((each.x, each.y) for each in plain)
    speckled[first[1] - 3 : first[1] + 4, first[0] - 3 : first[0] + 4] = 255
    (asked, other) = questions(examined(luma), 2, scan=Scan(speckled))
    assert luma[asked.y, asked.x] == UNSURE
    assert speckled[asked.y, asked.x] == UNSURE
    assert (other.x, other.y) == second
    speckled[luma == UNSURE] = 255
    assert [luma[each.y, each.x] for each in questions(examined(luma), 1, scan=Scan(speckled))] == [OTHER]


def test_what_a_hint_settled_is_not_asked_again():
    luma = drawn((SURE, *BIG), (UNSURE, *MIDDLE), (OTHER, *SMALL))
    known = [Hint(120, 40, (200, 30, 30), "it")]
    assert [luma[each.y, each.x] for each in questions(examined(luma), 2)] == [UNSURE, OTHER]
    assert [luma[each.y, each.x] for each in questions(examined(luma), 1, hints=known)] == [OTHER]


@pytest.mark.parametrize("level", [PAPER, INK])
def test_black_and_white_are_not_asked_for(level):
    """However unsure the model is of them, and of a grey of which it is as unsure it is asked."""
    says = {level: (ANY, ANY), SURE: (ANY, ANY)}
    luma = np.full((60, 80), level, np.uint8)
    assert questions(examined(luma, ByTone(says)), 10) == []
    luma[40:50, 20:40] = SURE
    (asked,) = questions(examined(luma, ByTone(says)), 10)
    assert luma[asked.y, asked.x] == SURE


def split(left: int, right: int) -> np.ndarray:
    """Two large regions with one line of ink between them, and a smaller one below."""
    luma = drawn((left, slice(6, 76), slice(6, 150)), (OTHER, *SMALL))
    luma[6:76, 90:93] = INK
    luma[6:76, 93:150] = right
    return luma


def test_what_follows_an_earlier_one_is_not_asked_next():
    """Of two alike regions one is asked for, and then a smaller one of another kind."""
    alike, unlike = split(UNSURE, UNSURE), split(UNSURE, THIRD)
    asked = questions(examined(alike), 2)
    assert [alike[each.y, each.x] for each in asked] == [UNSURE, OTHER]
    assert asked[0].x < 90  # the larger one
    assert [unlike[each.y, each.x] for each in questions(examined(unlike), 3)] == [UNSURE, THIRD, OTHER]


def test_worth_in_place_of_being_unsure():
    luma = drawn((SURE, *BIG), (UNSURE, *MIDDLE), (OTHER, *SMALL))
    worth = np.where(luma == SURE, 1.0, np.where(luma == OTHER, 0.5, 0.0))
    asked = questions(examined(luma), 10, worth)
    assert [luma[each.y, each.x] for each in asked] == [SURE, OTHER]
    worth[luma == OTHER] = 50
    assert [luma[each.y, each.x] for each in questions(examined(luma), 10, worth)] == [OTHER, SURE]
    assert questions(examined(luma), 10, np.zeros(luma.shape)) == []


# Where exactly.


def test_a_place_lies_in_its_region_however_it_is_formed():
    """A ring's place is in the ring, not in its hole; a corner's is in the corner."""
    y, x = np.mgrid[:120, :160]
    distance = np.hypot(x - 80, y - 60)
    luma = np.full((120, 160), SURE, np.uint8)
    luma[distance < 56] = INK
    luma[distance < 53] = UNSURE
    luma[distance < 30] = INK
    luma[distance < 27] = PAPER
    first = questions(examined(luma), 1)[0]
    assert 32 < np.hypot(first.x - 80, first.y - 60) < 51
    corner = np.full((120, 160), SURE, np.uint8)
    corner[:20] = corner[:, :30] = UNSURE
    first = questions(examined(corner), 1)[0]
    around = corner[max(0, first.y - 5) : first.y + 6, max(0, first.x - 5) : first.x + 6]
    assert (around == UNSURE).all()


@pytest.mark.parametrize("side", [80, 120])
def test_places_of_a_page_that_is_seen_smaller(side):
    small = drawn((SURE, *BIG), (UNSURE, *MIDDLE), (OTHER, *SMALL))
    luma = small.repeat(3, 0).repeat(3, 1)
    for number, (tone, (rows, columns)) in enumerate(((UNSURE, MIDDLE), (OTHER, SMALL))):
        each = questions(examined(luma, side=side), 2)[number]
        assert luma[each.y, each.x] == tone
        assert 3 * rows.start + 12 < each.y < 3 * rows.stop - 12  # far from its edges
        assert 3 * columns.start + 12 < each.x < 3 * columns.stop - 12
        assert each.area == pytest.approx((luma == tone).mean(), rel=0.25)


def test_places_in_panels():
    """Each panel is a picture of its own, and places are of the whole page."""
    luma = np.full((300, 400), PAPER, np.uint8)
    for left, tone in ((20, UNSURE), (210, OTHER)):
        luma[20:280, left : left + 170] = INK
        luma[24:276, left + 4 : left + 166] = SURE
        luma[60:200, left + 40 : left + 120] = tone
    found = examined(luma, ByTone(side=96))
    assert len(found.frames) == 3
    asked = questions(found, 2)
    assert [luma[each.y, each.x] for each in asked] == [UNSURE, OTHER]
    for each in asked:
        assert each.area == pytest.approx((luma == luma[each.y, each.x]).mean(), rel=0.1)


# Which colours.


def possible(model, luma: float = 0.5, size: tuple[int, int] = (12, 16)):
    """What a model says of an even page, and of all of it."""
    prediction = Predictor(model)(np.full((1, *size, 1), luma, np.float32))
    return prediction, prediction.possible(0, np.ones(size, bool), 3)


def of(u: dict[int, float], v: np.ndarray) -> ByTone:
    """A classifier that gives some bins of U these probabilities."""
    found = np.full(BINS, 1e-7)
    found[list(u)] = list(u.values())
    return ByTone({128: (found / found.sum(), v)})


def test_possible_colours_of_a_plain_classifier():
    _, found = possible(of({50: 0.3, 10: 0.5, 30: 0.15, 60: 0.05}, some(40)))
    assert [uv.tolist() for uv, _ in found] == [[CENTERS[0, at], CENTERS[1, 40]] for at in (10, 50, 30)]
    np.testing.assert_allclose([share for _, share in found], [0.5, 0.3, 0.15], atol=1e-3)


def test_possible_colours_are_apart_and_not_too_rare():
    _, found = possible(of({10: 0.4, 11: 0.25, 13: 0.2, 40: 0.14, 60: 0.01}, some(40)))
    assert [uv[0] for uv, _ in found] == [CENTERS[0, 10], CENTERS[0, 40]]
    np.testing.assert_allclose([share for _, share in found], [0.85, 0.14], atol=1e-3)


def test_the_most_probable_of_possible_colours_is_first():
    """Bins side by side are about one colour: together they may be more than one that is higher."""
    _, found = possible(of({10: 0.3, 40: 0.175, 41: 0.175, 42: 0.175, 43: 0.175}, some(40)))
    shares = [share for _, share in found]
    assert shares == sorted(shares, reverse=True)
    assert 40 <= int(np.abs(CENTERS[0] - found[0][0][0]).argmin()) <= 43


def test_possible_colours_of_a_part_of_a_page():
    luma = np.full((1, 12, 16, 1), UNSURE / 255, np.float32)
    luma[:, :, 8:] = SURE / 255
    prediction = Predictor(ByTone())(luma)
    left, right = (prediction.possible(0, np.arange(16)[None].repeat(12, 0) // 8 == half, 3) for half in (0, 1))
    assert len(left) == 3
    assert {round(share, 3) for _, share in left} == {0.25}
    ((uv, share),) = right
    np.testing.assert_allclose(uv, [CENTERS[0, 32], CENTERS[1, 40]])
    assert share == pytest.approx(1, abs=1e-3)


@pytest.fixture(scope="module")
def conditional() -> keras.Model:
    model = zoo.create("conditional", encoder_weights="none", initializer="he_normal")
    rng = np.random.default_rng(1)
    for name in ("head_u", "head_v_given_u"):  # the logits of a new model are nearly all equal
        layer = model.get_layer(name)
        layer.set_weights([w + rng.normal(0, 0.2, w.shape) for w in layer.get_weights()])
    return model


def test_each_u_has_the_v_that_goes_with_it(conditional):
    prediction, found = possible(conditional, size=(2, 2))
    luma = prediction.luma
    assert len(found) == 3
    assert [share for _, share in found] == sorted((share for _, share in found), reverse=True)
    for (u, v), share in found:
        logits = np.array(conditional([luma, np.full_like(luma, u)], training=False))[0]
        bin_of_u = int(np.abs(CENTERS[0] - u).argmin())
        assert 0 < share <= softmax(logits)[..., 0, max(0, bin_of_u - 4) : bin_of_u + 5].sum(axis=-1).max() + 0.05
        agreed = np.log(np.maximum(softmax(logits)[..., 1, :], np.exp(-12))).mean(axis=(0, 1))
        assert agreed[int(np.abs(CENTERS[1] - v).argmin())] > agreed.max() - 1e-3
    us, vs = np.stack([uv for uv, _ in found]).T
    assert np.diff(np.sort(us)).min() > 3.5 * (CENTERS[0, 1] - CENTERS[0, 0])
    assert len(np.unique(vs)) > 1


def test_a_regression_has_one_colour_and_cannot_tell_how_sure_it_is():
    luma = drawn((SURE, *BIG), (UNSURE, *SMALL))
    asked = questions(examined(luma, Plain()), 2)
    assert [luma[each.y, each.x] for each in asked] == [SURE, UNSURE]
    for each in asked:
        assert each.bits == 1
        ((color, share),) = each.possible
        expected = to_uint8(compose(np.array([luma[each.y, each.x] / 255]), np.array([0.02, 0.1]))[0])
        assert np.abs(np.array(color_of(color)) - expected).max() <= 1
        assert share == 1


@pytest.mark.parametrize("make", [ByTone, lambda: zoo.create("conditional", encoder_weights="none")])
def test_colours_are_proposed_at_the_luma_of_their_region(make):
    luma = drawn((UNSURE, *BIG), (OTHER, *MIDDLE))
    asked = questions(examined(luma, make(), side=96), 2)
    assert len(asked) == 2
    for each in asked:
        assert 1 <= len(each.possible) <= 3
        colors = [color for color, _ in each.possible]
        assert len(set(colors)) == len(colors)
        shares = [share for _, share in each.possible]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1 + 1e-6
        for color in colors:
            assert np.array(color_of(color)) @ (0.299, 0.587, 0.114) == pytest.approx(luma[each.y, each.x], abs=2)


def test_the_picture_shows_each_place_and_its_colours():
    luma = drawn((UNSURE, *BIG), (OTHER, *MIDDLE))
    asked = questions(examined(luma), 2)
    grey = luma[..., None].repeat(3, -1)
    found = np.asarray(picture(grey, asked))
    assert found.shape == grey.shape
    assert np.ptp(found.astype(int), axis=-1).max() > 30
    for each in asked:
        assert (found[each.y, each.x] == 255).all()  # a dot
        for color, _ in each.possible:
            assert (found == color_of(color)).all(axis=-1).sum() > 50
    np.testing.assert_array_equal(picture(grey, []), grey)


# The command.


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    """A regression of one layer, and a classifier whose logits differ, saved."""
    folder = tmp_path_factory.mktemp("models")
    luma = keras.Input((None, None, 1), name="luma")
    layer = keras.layers.Conv2D(2, 1, name="uv")
    keras.Model(luma, layer(luma)).save(folder / "line.keras")
    classifier = zoo.create("classifier", encoder_weights="none")
    for variable in classifier.trainable_variables:
        if "head_logits" in variable.path:
            variable.assign(variable * 20)
    classifier.save(folder / "classifier.keras")
    return {name: folder / f"{name}.keras" for name in ("line", "classifier")}


def ask(capsys, *arguments: object) -> tuple[int, str, str]:
    code = hints.main([str(each) for each in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def sheet(tmp_path) -> Path:
    return save(tmp_path / "page.png", drawn((SURE, *BIG), (UNSURE, *MIDDLE), (OTHER, *SMALL)))


@pytest.mark.parametrize("name", ["line", "classifier"])
def test_a_file_of_hints_and_a_picture(sheet, models, capsys, tmp_path, name):
    out = tmp_path / "mine.json"
    code, text, err = ask(capsys, models[name], sheet, "-o", out, "--count", 3, "--side", 80)
    assert code == 0, err
    assert text == ""
    held = json.loads(out.read_text())
    assert held["page"].endswith("page.png")
    assert 1 <= len(held["hints"]) <= 3
    for each in held["hints"]:
        assert each["color"] is None
        assert 0 <= each["x"] < 160
        assert 0 <= each["y"] < 120
        assert 0 < each["area"] <= 1
        assert each["bits"] >= 0
        assert 1 <= len(each["possible"]) <= (1 if name == "line" else 3)
        for proposed in each["possible"]:
            color_of(proposed["color"])
            assert 0 < proposed["probability"] <= 1
    found = read_hints(out)  # nothing is said yet
    assert found.hints == ()
    with Image.open(tmp_path / "mine-places.jpg") as image:
        assert image.format == "JPEG"
        assert image.size == (160, 120)
    assert f"{len(held['hints'])} places in {out}" in err
    assert f"{sheet} -o OUT --hints {out}" in err


def test_what_is_written_is_printed_too(sheet, models, capsys, tmp_path):
    code, text, err = ask(capsys, models["line"], sheet, "-o", tmp_path / "mine.json", "--json")
    assert code == 0, err
    assert json.loads(text) == json.loads((tmp_path / "mine.json").read_text())


def test_colours_that_are_filled_in_are_obeyed(sheet, models, capsys, tmp_path):
    out = tmp_path / "mine.json"
    code, _, err = ask(capsys, models["classifier"], sheet, "-o", out, "--count", 3, "--side", 80)
    assert code == 0, err
    held = json.loads(out.read_text())
    proposed = [each["possible"][-1]["color"] for each in held["hints"]]
    for each, color in zip(held["hints"], proposed, strict=True):
        each["color"] = color
    held["hints"][0]["color"] = "#cc3333"
    out.write_text(json.dumps(held))
    command = [models["classifier"], sheet, "--side", 80]
    code, _, err = run(capsys, *command, "-o", tmp_path / "colour.png", "--hints", out)
    assert code == 0, err
    code, _, err = run(capsys, *command, "-o", tmp_path / "plain.png")
    assert code == 0, err
    luma = read(sheet) / 255
    rgb, plain = (read(tmp_path / f"{name}.png").astype(int) for name in ("colour", "plain"))
    for each in held["hints"]:
        uv = rgb_to_yuv(np.array(color_of(each["color"])) / 255)[1:]
        expected = to_uint8(compose(np.array([luma[each["y"], each["x"]]]), uv)[0]).astype(int)
        assert np.abs(rgb[each["y"], each["x"]] - expected).max() <= 1
        assert np.abs(plain[each["y"], each["x"]] - expected).max() > 1


@pytest.mark.parametrize("there", ["mine.json", "mine-places.jpg"])
def test_what_is_there_stays(sheet, models, capsys, tmp_path, there):
    out = tmp_path / "mine.json"
    (tmp_path / there).write_text("mine")
    code, _, err = ask(capsys, models["line"], sheet, "-o", out)
    assert code == 2
    assert f"{tmp_path / there} is there already: --overwrite writes it anew" in err
    assert (tmp_path / there).read_text() == "mine"
    assert {each.name for each in tmp_path.iterdir()} == {"page.png", there}
    code, _, err = ask(capsys, models["line"], sheet, "-o", out, "--overwrite")
    assert code == 0, err
    assert read_hints(out).hints == ()
    assert read(tmp_path / "mine-places.jpg").shape == (120, 160, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.png", "-o", "x.json"], "nowhere.png"),
        (["page.png", "-o", "x.json", "--count", "0"], "--count must be in 1 … 1000, not 0"),
        (["page.png", "-o", "x.json", "--count", "1001"], "--count must be in 1 … 1000, not 1001"),
        (["page.png", "-o", "x.csv"], "-o {}/x.csv: give a name that ends in .json"),
        (["page.png", "-o", "x"], "-o {}/x: give a name that ends in .json"),
        (["many", "-o", "x.json"], "PAGE {}/many has 2 pages: ask about one at a time"),
        (["book.cbz", "-o", "x.json"], "PAGE {}/book.cbz has 3 pages: ask about one at a time"),
        (["page.png", "-o", "x.json", "--side", "4"], "--side must be at least 8, not 4"),
        (["-o", "x.json"], "no PAGE: give one, as in"),
    ],
)
def test_what_cannot_be_asked_is_refused(sheet, models, capsys, tmp_path, arguments, message):
    for index in range(2):
        save(tmp_path / "many" / f"{index}.png", page(seed=index))
    with zipfile.ZipFile(tmp_path / "book.cbz", "w") as book:
        for index in range(3):
            book.write(sheet, f"{index}.png")
    before = {each.name for each in tmp_path.iterdir()}
    words = [tmp_path / word if not word.startswith("-") and not word.isdigit() else word for word in arguments]
    code, text, err = ask(capsys, models["line"], *words)
    assert code == 2
    assert message.format(tmp_path) in err
    assert text == ""
    assert {each.name for each in tmp_path.iterdir()} == before


def test_a_model_that_is_none_is_refused(sheet, capsys, tmp_path):
    code, _, err = ask(capsys, "nomodel", sheet, "-o", tmp_path / "x.json")
    assert code == 2
    assert "no model at nomodel" in err
    assert not (tmp_path / "x.json").exists()


def test_a_page_that_is_none_is_named(models, capsys, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    code, _, err = ask(capsys, models["line"], tmp_path / "text.png", "-o", tmp_path / "x.json")
    assert code in (1, 2)
    assert "text.png" in err
    assert not (tmp_path / "x.json").exists()


def test_a_page_in_colour_is_asked_about_if_it_is_to_be_coloured_anew(models, capsys, tmp_path):
    rgb = drawn((SURE, *BIG))[..., None].repeat(3, -1)
    rgb[6:76, 6:86] = (200, 60, 60)
    file = save(tmp_path / "page.png", rgb)
    command = [models["line"], file, "-o", tmp_path / "x.json"]
    code, _, err = ask(capsys, *command)
    assert code != 0
    assert "page.png" in err
    assert not (tmp_path / "x.json").exists()
    code, _, err = ask(capsys, *command, "--desaturate")
    assert code == 0, err
    (first, *_) = json.loads((tmp_path / "x.json").read_text())["hints"]
    assert 6 <= first["x"] < 86
    assert 6 <= first["y"] < 76
