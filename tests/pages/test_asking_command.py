"""`python -m zoo.hints`: a file of places to fill in, and a picture of them."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from boxes import BIG, MIDDLE, OTHER, SMALL, SURE, UNSURE, drawn
from coloring import page, read, run, save
from PIL import Image

import zoo
from zoo import hints
from zoo.chroma.yuv import compose, rgb_to_yuv, to_uint8
from zoo.pages.hint import color_of, read_hints


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
    assert "x.json --desaturate\n" in err  # the command that comes next
    (first, *_) = json.loads((tmp_path / "x.json").read_text())["hints"]
    assert 6 <= first["x"] < 86
    assert 6 <= first["y"] < 76
