"""What is not of this zoo is judged as its models are, marked everywhere, and refused clearly."""

import importlib
import importlib.util
import json
import re
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from images import make_books
from PIL import Image

import zoo
from zoo import evaluate
from zoo.chroma.upsampling import bring_up
from zoo.chroma.yuv import split_luma
from zoo.data.dataset import open_dataset
from zoo.errors import UsageError
from zoo.evaluation.candidates import Subject, answer_of
from zoo.evaluation.foreign import CARD_KEY, OnnxModel, PictureFolder, PythonFunction, card_of, is_foreign
from zoo.evaluation.record import load_evaluation
from zoo.metrics import lab
from zoo.report.evaluation_page import evaluation_page, foreign_text
from zoo.report.figures import averaging_figure, chroma_figure
from zoo.results import Way

CARD = '[input]\ncolor = "luma"\nlayout = "NHWC"\n[output]\ncolor = "uv"\nlayout = "NHWC"\n'
RGB = np.asarray(
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize(
        (48, 40), Image.Resampling.BICUBIC
    )
)
SUBJECT = Subject("test/a.png", "a", RGB, None)
LUMA = split_luma(RGB / np.float32(255))[0]
ACCURACY = ("delta_e00", "rmse_ab", "cf", "chroma_ratio")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_books(tmp_path_factory.mktemp("images"), train=4, val=2, test=2)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A regression and a classifier, small and random, whose colours vary."""
    import keras

    from zoo.chroma.bins import BINS
    from zoo.models.layers import ChromaRange, FusedBatchNormalization, SplitChannels

    root = tmp_path_factory.mktemp("models")
    for name, channels in (("regression", 2), ("classifier", 2 * BINS)):
        luma = keras.Input((None, None, 1), name="luma")
        x = keras.layers.Conv2D(16, 3, padding="same", kernel_initializer=keras.initializers.HeNormal(1))(luma)
        x = keras.layers.ReLU()(FusedBatchNormalization()(x))
        kernel = keras.initializers.RandomNormal(stddev=1.0, seed=2)
        x = keras.layers.Conv2D(channels, 3, padding="same", kernel_initializer=kernel)(x)
        x = ChromaRange()(x) if channels == 2 else SplitChannels(BINS)(x)
        keras.Model(luma, x, name=name).save(root / f"{name}.keras")
    return root


def run(out: Path, *words: object) -> dict[str, dict[str, float]]:
    """What `zoo evaluate` writes: values by candidate's title and metric."""
    assert evaluate.main([*map(str, words), "--out", str(out)]) == 0
    rows = json.loads((out / "results.json").read_text(encoding="utf-8"))["rows"]
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        found.setdefault(row["variant"], {})[row["metric"]] = row["value"]
    return found


def assert_alike(one: dict[str, float], other: dict[str, float], tolerance: float) -> None:
    for metric in ACCURACY:
        assert one[metric] == pytest.approx(other[metric], abs=tolerance, rel=tolerance), metric
    assert one["cf"] > 10  # something was coloured


@pytest.mark.needs("onnxruntime", "tf2onnx")
def test_an_export_scores_as_the_keras_model_does(folder, models, tmp_path, capsys):
    from zoo.export import __main__ as export

    files = {}
    for name, words in (("regression", []), ("classifier", ["--decode", "sample:0.5"])):
        files[name] = tmp_path / f"{name}.onnx"
        assert export.main([f"{models}/{name}.keras", "--format", "onnx", *words, "-o", str(files[name])]) == 0
    words = [f"{models}/regression.keras", f"{models}/classifier.keras", f"again=onnx:{files['regression']}"]
    words += [f"chosen=onnx:{files['classifier']}", "--decode", "sample:0.5", "--data", folder, "--max-side", "80"]
    found = run(tmp_path / "out", *words)
    assert_alike(found["again (foreign)"], found["regression"], 1e-3)
    assert_alike(found["chosen (foreign)"], found["classifier, sample:0.5"], 1e-3)
    assert "again (foreign)" in capsys.readouterr().out

    result = load_evaluation(tmp_path / "out" / "results.json")
    ways = [each.way for each in result.candidates if each.way.kind == "foreign"]
    assert ways == [Way("again", "foreign"), Way("chosen", "foreign")]
    assert set(result.foreign) == {way.title for way in ways}
    assert result.foreign["again (foreign)"]["from"] == "onnx:regression.onnx"
    assert len(result.foreign["again (foreign)"]["sha256"]) == 64
    assert (tmp_path / "out" / "chroma.png").exists()
    page = evaluation_page("pages", result, [])
    assert "| again (foreign) |" in page
    assert "Not of this zoo: again (foreign): onnx:regression.onnx." in page


def test_a_function_and_pictures_score_as_the_model_does(folder, models, tmp_path, monkeypatch):
    from zoo.models.loading import load
    from zoo.models.prediction import Predictor

    predictor = Predictor(load(models / "regression.keras"))
    uv = {"of": lambda luma: predictor(luma[None, ..., None]).output[0]}
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "theirs_of_a_test.py").write_text(
        "CALLS = {}\ndef chroma(luma):\n    return CALLS['of'](luma)\n"
        "def picture(luma):\n    return CALLS['rgb'](luma[..., None], chroma(luma))\n"
    )
    theirs = importlib.import_module("theirs_of_a_test")
    theirs.CALLS.update(uv, rgb=lambda luma, chroma: answer_of(luma, chroma).rgb)
    made = {}
    for image in images_of(folder):
        luma = split_luma(image.decode() / np.float32(255))[0]
        made[image] = answer_of(luma, theirs.chroma(luma[..., 0])).rgb
        for path in (tmp_path / "whole" / image.name, tmp_path / "short" / Path(image.name).name):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(made[image]).save(path.with_suffix(".webp"), lossless=True)
    words = [f"{models}/regression.keras", "python:theirs_of_a_test:chroma", "python:theirs_of_a_test:picture"]
    words += [f"files:{tmp_path}/whole", f"files:{tmp_path}/short", "--data", folder]
    found = run(tmp_path / "out", *words)
    assert_alike(found["chroma (foreign)"], found["regression"], 1e-4)
    for name in ("picture", "whole", "short"):
        assert_alike(found[f"{name} (foreign)"], found["regression"], 1e-4)
    cut = run(tmp_path / "cut", f"files:{tmp_path}/whole", "--data", folder, "--max-side", "70")
    parts = [(each[1:71, 13:83], image.decode()[1:71, 13:83]) for image, each in made.items()]
    assert_alike(cut["whole (foreign)"], zoo.metrics.evaluate(*map(list, zip(*parts, strict=True))), 1e-4)


# Pictures


def book(tmp_path: Path) -> tuple[PictureFolder, Path]:
    (tmp_path / "made").mkdir()
    return PictureFolder(tmp_path / "made", None), tmp_path / "made"


def images_of(folder: Path):
    return open_dataset(folder, crop=64).splits["test"].images


def test_a_missing_picture_is_named_before_anything_is_computed(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(evaluate, "import_tensorflow", lambda: pytest.fail("TensorFlow was loaded"))
    first, second = images_of(folder)
    (tmp_path / "made").mkdir()
    Image.fromarray(first.decode()).save(tmp_path / "made" / Path(first.name).name)
    words = [f"files:{tmp_path}/made", "--data", str(folder)]
    assert evaluate.main(words) == 2
    assert f"files:{tmp_path}/made: no picture of {second.name}" in capsys.readouterr().err


def test_pictures_of_another_size_are_resized_and_said_so_once(folder, tmp_path, capsys):
    candidate, made = book(tmp_path)
    images = images_of(folder)
    for image in images:
        half = Image.fromarray(image.decode()).resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
        half.save(made / Path(image.name).with_suffix(".png").name)
    candidate.find(images)
    assert capsys.readouterr().err.count("2 pictures of 2 not of their images' sizes") == 1
    image = images[0]
    rgb = image.decode()
    middle = rgb[4:-4, 8:-8]
    (whole,) = candidate.answers(Subject(image.name, "", rgb, None))
    (part,) = candidate.answers(Subject(image.name, "", middle, None))
    np.testing.assert_array_equal(part.rgb, whole.rgb[4:-4, 8:-8])
    assert np.abs(whole.rgb.astype(int) - rgb).mean() < 15


def test_the_luma_of_pictures_counts(folder, tmp_path):
    candidate, made = book(tmp_path)
    images = images_of(folder)
    for image in images:
        Image.fromarray(image.decode() // 2).save(made / f"{Path(image.name).stem}.png")
    candidate.find(images)
    (answer,) = candidate.answers(Subject(images[0].name, "", images[0].decode(), None))
    np.testing.assert_array_equal(answer.rgb, images[0].decode() // 2)
    np.testing.assert_allclose(answer.lab, lab(answer.rgb))


def test_pictures_are_found_in_archives_and_by_archives_names(folder, tmp_path):
    images = images_of(folder)
    with zipfile.ZipFile(tmp_path / "made.cbz", "w") as archive:
        for image in images:
            archive.writestr(f"../{image.name}", image.read())
    candidate = PictureFolder(tmp_path / "made.cbz", None)
    candidate.find(images)
    (answer,) = candidate.answers(Subject(images[1].name, "", images[1].decode(), None))
    np.testing.assert_array_equal(answer.rgb, images[1].decode())
    assert candidate.ways == (Way("made", "foreign"),)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda made, name: Image.new("RGB", (9, 9)).save(made / f"{name}.webp"), "may both be"),
        (lambda made, name: (made / f"{name}.jpg").write_bytes(b"no picture"), "cannot be read"),
        (lambda made, name: (made / "test").mkdir() or Image.new("RGB", (9, 9)).save(made / f"test/{name}.gif"), ""),
    ],
)
def test_pictures_that_are_doubtful_are_refused(folder, tmp_path, spoil, message):
    candidate, made = book(tmp_path)
    images = images_of(folder)
    for image in images[1:] if "read" in message else images:
        Image.fromarray(image.decode()).save(made / f"{Path(image.name).stem}.tiff")
    spoil(made, Path(images[0].name).stem)
    if message:
        with pytest.raises(UsageError, match=message):
            candidate.find(images)
    else:  # the whole path goes before the short one
        candidate.find(images)
        (answer,) = candidate.answers(Subject(images[0].name, "", images[0].decode(), None))
        assert not answer.rgb.any()


def test_one_picture_is_not_taken_for_two_images(tmp_path):
    make_books(tmp_path, train=2, val=1, test=1)
    (image,) = images_of(tmp_path)
    Image.fromarray(255 - image.decode()).save((tmp_path / image.name).with_suffix(".webp"))
    (tmp_path / "made").mkdir()
    Image.fromarray(image.decode()).save(tmp_path / "made" / "0.tiff")
    with pytest.raises(UsageError, match=r"0\.tiff may be test/0\.\w+ or test/0\.\w+: give one each"):
        PictureFolder(tmp_path / "made", None).find(images_of(tmp_path))


# Functions


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes the module `theirs_MARK` into the working directory, and gives its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    names = []

    def write(text: str) -> str:
        names.append(f"theirs_{abs(hash(tmp_path))}_{len(names)}")
        (tmp_path / f"{names[-1]}.py").write_text(f"import numpy as np\n{text}\n")
        importlib.invalidate_caches()
        return names[-1]

    yield write
    for name in names:
        sys.modules.pop(name, None)


def test_a_function_of_the_working_directory_gets_luma(module):
    name = module(
        "def colors(luma):\n    assert luma.dtype == np.float32 and luma.ndim == 2\n    assert luma.max() <= 1\n"
        "    return np.dstack([luma, -luma]) / 4"
    )
    candidate = PythonFunction(f"{name}:colors", None)
    (answer,) = candidate.answers(SUBJECT)
    np.testing.assert_array_equal(answer.rgb, answer_of(LUMA, np.dstack([LUMA, -LUMA]) / 4).rgb)
    assert candidate.ways == (Way("colors", "foreign"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "def colors(luma): raise KeyError('red')",
            r"failed on test/a\.png: KeyError: 'red' \(theirs_\w+\.py, line 2\)",
        ),
        ("def colors(luma): return luma", r"answered test/a\.png with float32 of shape \(40, 48\); give U and V"),
        ("def colors(luma): return np.zeros((40, 48, 3))", "float64 of shape"),
        ("def colors(luma): return np.full((40, 48, 2), np.nan)", "not finite"),
    ],
)
def test_errors_of_a_function_name_it_and_the_image(module, text, message):
    name = module(text)
    candidate = PythonFunction(f"{name}:colors", None)
    with pytest.raises(UsageError, match=f"python:{name}:colors .*{message}"):
        list(candidate.answers(SUBJECT))


def test_modules_that_cannot_be_imported_are_named(module):
    with pytest.raises(UsageError, match="no module nowhere_at_all in the working directory, nor installed"):
        PythonFunction("nowhere_at_all:colors", None)
    for text, message in (("1 / 0", "ZeroDivisionError"), ("import nowhere_at_all", "ModuleNotFoundError")):
        with pytest.raises(UsageError, match=rf"importing theirs_\w+ failed: {message}.*, line 2\)"):
            PythonFunction(f"{module(text)}:colors", None)
    with pytest.raises(UsageError, match=r"has no function 'color'\. Did you mean 'colors'"):
        PythonFunction(f"{module('def colors(luma): pass')}:color", None)


# The command line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["onyx:x.onnx"], "no run directory, .keras file or model 'onyx:x.onnx'. Did you mean 'onnx'?"),
        (["tflite:x"], "what is not of this zoo: onnx:FILE, python:MODULE:FUNCTION, files:DIR"),
        (["onnx:nowhere.onnx"], "onnx:nowhere.onnx: no such file"),
        (["onnx:"], "onnx:: give onnx:FILE"),
        (["python:zoo"], "python:zoo: give python:MODULE:FUNCTION"),
        (["files:nowhere"], "files:nowhere: no such folder"),
        (["files:tests", "--hints", "0,1"], "files:tests takes no hints: give models of this zoo"),
        (["files:tests", "--decode", "mode"], "--decode mode: none of the candidates is a classifier"),
    ],
)
def test_bad_specs_are_refused_before_tensorflow(capsys, monkeypatch, words, message):
    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.setattr(evaluate, "import_tensorflow", lambda: pytest.fail("TensorFlow was loaded"))
    assert evaluate.main(words) == 2
    assert message in capsys.readouterr().err


def test_two_of_one_name_are_refused_and_may_have_others(folder, tmp_path, capsys):
    words = []
    for parent in ("a", "b"):
        made = tmp_path / parent / "made"
        made.mkdir(parents=True)
        for image in images_of(folder):
            Image.fromarray(image.decode()).save(made / Path(image.name).name)
        words.append(f"files:{made}")
    assert evaluate.main([*words, "--data", str(folder)]) == 2
    assert "two of the candidates are called 'made': rename one, as NAME=onnx:FILE can" in capsys.readouterr().err
    assert evaluate.main([words[0], f"the other={words[1]}", "--data", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "made (foreign)" in shown
    assert "the other (foreign)" in shown


def test_a_foreign_way_competes_and_is_marked():
    way = Way("ddcolor", "foreign")
    assert (way.title, way.name, way.form, way.control) == ("ddcolor (foreign)", "ddcolor (foreign)", "foreign", False)
    assert is_foreign("DD Color=onnx:a=b/c.onnx")
    assert not is_foreign("runs/a=onnx:c.onnx")
    assert not is_foreign("residual:comics")


def test_plots_show_it_marked():
    from samples import evaluation

    result = evaluation()
    foreign = replace(result.candidates[-1], way=Way("ddcolor", "foreign"))
    result = replace(result, candidates=[*result.candidates, foreign])
    assert [axes.get_title() for axes in chroma_figure(result).axes] == ["residual", "ddcolor (foreign)"]
    legend = {text.get_text() for text in averaging_figure(result).legends[0].get_texts()}
    assert {"residual", "ddcolor (foreign)", "a regression's answer", "foreign"} == legend


def test_licence_and_source_are_shown():
    from samples import evaluation

    result = evaluation()
    result.foreign["a (foreign)"] = {"from": "onnx:a.onnx", "licence": "MIT", "source": "example.org/a"}
    assert foreign_text(result) == "Not of this zoo: a (foreign): onnx:a.onnx; MIT; example.org/a."


# Cards


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[input", "is not a TOML file"),
        ('input = "luma"', "input must be a table, not 'luma'"),
        (CARD.replace('color = "luma"\n', ""), "input.color is missing"),
        (
            CARD.replace("luma", "lumma"),
            "input.color must be one of luma, L, gray rgb, not 'lumma'. Did you mean 'luma'",
        ),
        (CARD.replace("uv", "logits"), "output.color must be one of uv, ab, rgb, not 'logits'"),
        (CARD.replace("layout", "lay_out"), "unknown key input.lay_out. Did you mean 'layout'?"),
        (CARD + "size = [256, 256]", "unknown key output.size"),
        (f"size = 256\n{CARD}", "unknown key size"),
        (f"name = 3\n{CARD}", "name must be a text, not 3"),
        (CARD.replace("[output]", "size = [256]\n[output]"), "input.size must hold 2 numbers, not [256]"),
        (CARD.replace("[output]", "size = [256, 0]\n[output]"), "input.size must be in [8, 8192], not 0"),
        (CARD.replace("[output]", "size = [8, 8]\nside = 8\n[output]"), "input.size leaves nothing to input.side"),
        (CARD.replace("[output]", "multiple = 0\n[output]"), "input.multiple must be in [1, 8192], not 0"),
        (CARD.replace("[output]", 'scale = "2"\n[output]'), "input.scale must be a number, not '2'"),
        (CARD.replace("[output]", "scale = [1, 2, 3]\n[output]"), "input.scale must hold 1 or 1 numbers, for luma"),
        (CARD + "offset = [1, 2, 3]", "output.offset must hold 1 or 2 numbers, for uv"),
        (CARD + "scale = inf", "output.scale must be finite"),
        (CARD.replace("[output]", "zeros = 3\n[output]"), "input.zeros must be a table"),
        (CARD.replace("[output]", "zeros = { x = 0 }\n[output]"), "input.zeros.x must be at least 1, not 0"),
    ],
)
def test_wrong_cards_are_refused(text, message):
    with pytest.raises(UsageError) as caught:
        card_of(text, "theirs.toml")
    assert str(caught.value).startswith("theirs.toml")
    assert message in str(caught.value)


def test_the_examples_of_the_page_are_read(module):
    page = (Path(__file__).parents[2] / "docs" / "evaluating.md").read_text(encoding="utf-8")
    (card,) = re.findall(r"^```toml\n(.*?)```", page, re.S | re.M)
    assert card_of(card, "").input.size == (256, 256)
    (code,) = re.findall(r"^```python\n(.*?)```", page, re.S | re.M)
    (answer,) = PythonFunction(f"{module(code)}:sepia", None).answers(SUBJECT)
    assert np.ptp(answer.rgb, axis=-1).max() > 5


def test_texts_of_a_card_bring_no_codes_to_the_terminal():
    assert card_of(f'name = "a\\u001b[2Jb"\n{CARD}', "").name == "a?[2Jb"


def test_what_a_network_sees_of_a_picture():
    def seen(line: str, size: tuple[int, int]) -> tuple[int, int]:
        return card_of(CARD.replace("[output]", f"{line}\n[output]"), "").input.seen(*size)

    assert seen("", (300, 411)) == (300, 411)
    assert seen("size = [256, 192]", (300, 411)) == (256, 192)
    assert seen("multiple = 32", (300, 411)) == (288, 416)
    assert seen("multiple = 32", (10, 411)) == (32, 416)
    assert seen("side = 200", (300, 400)) == (152, 200)
    assert seen("side = 500", (300, 411)) == (300, 411)
    assert seen("side = 200\nmultiple = 32", (300, 400)) == (160, 192)


# ONNX files


def write(path: Path, nodes, inputs, outputs, initializers=(), card: str | None = CARD, **metadata: str) -> Path:
    """An ONNX file of a graph: nodes as (operator, inputs, outputs, attributes), inputs and outputs by shape."""
    import onnx
    from onnx import helper

    def info(shapes):
        return [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()]

    made = [helper.make_node(kind, given, to, **attributes) for kind, given, to, attributes in nodes]
    graph = helper.make_graph(made, "theirs", info(inputs), info(outputs), list(initializers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, metadata)
    path.write_bytes(model.SerializeToString())
    if card is not None:
        path.with_suffix(".toml").write_text(card, encoding="utf-8")
    return path


def two_of(path: Path, card: str = CARD, *, layout: str = "NHWC", fixed=("h", "w"), channels: int = 1) -> Path:
    """A network that answers with its input's first channel twice."""
    axis, (h, w) = (3 if layout == "NHWC" else 1), fixed
    shape = lambda count: ["b", h, w, count] if layout == "NHWC" else ["b", count, h, w]  # noqa: E731
    import onnx

    numbers = [onnx.numpy_helper.from_array(np.array([n]), name) for name, n in (("0", 0), ("1", 1), ("axis", axis))]
    nodes = [("Slice", ["x", "0", "1", "axis"], ["one"], {}), ("Concat", ["one", "one"], ["y"], {"axis": axis})]
    return write(path, nodes, {"x": shape(channels)}, {"y": shape(2)}, numbers, card)


def answer(path: Path):
    (found,) = OnnxModel(path, None, 0).answers(SUBJECT)
    return found


@pytest.mark.needs("onnx", "onnxruntime")
def test_colours_scales_and_layouts_of_a_card(tmp_path):
    card = CARD.replace("NHWC", "NCHW").replace("[output]", "scale = 2\noffset = -1\n[output]")
    twice = np.dstack([2 * LUMA - 1] * 2)
    path = two_of(tmp_path / "a.onnx", card + "scale = [0.1, 0.2]\noffset = 0.01", layout="NCHW")
    np.testing.assert_array_equal(answer(path).rgb, answer_of(LUMA, twice * [0.1, 0.2] + 0.01).rgb)
    path = two_of(tmp_path / "b.onnx", CARD.replace("luma", "gray rgb") + "scale = 0.2", channels=3)
    np.testing.assert_array_equal(answer(path).rgb, answer_of(LUMA, np.dstack([LUMA] * 2) * 0.2).rgb)

    card = CARD.replace("luma", "L").replace("[output]", "scale = 0.01\noffset = -0.5\n[output]").replace("uv", "ab")
    found = answer(two_of(tmp_path / "c.onnx", card + "scale = 40"))
    lightness = lab(RGB)[..., 0]
    np.testing.assert_allclose(found.lab[..., 0], lightness)
    np.testing.assert_allclose(found.lab[..., 1], 0.4 * lightness - 20, atol=1e-3)
    inside = np.abs(found.lab - lab(found.rgb)).max(axis=-1) < 1.5  # the others were clipped
    assert 0.3 < inside.mean() < 1
    assert found.squeezed == pytest.approx(1 - inside.mean(), abs=0.1)


@pytest.mark.needs("onnx", "onnxruntime")
def test_of_rgb_u_and_v_count_alone(tmp_path):
    import onnx

    tint = onnx.numpy_helper.from_array(np.array([0.5, 0.2, -0.1], np.float32), "tint")
    path = write(
        tmp_path / "a.onnx",
        [("Mul", ["x", "tint"], ["y"], {})],
        {"x": ["b", "h", "w", 3]},
        {"y": ["b", "h", "w", 3]},
        [tint],
        CARD.replace("luma", "gray rgb").replace("uv", "rgb"),
    )
    wanted = split_luma(np.clip(LUMA * [0.5, 0.2, -0.1], 0, 1))[1]
    found = answer(path).rgb
    np.testing.assert_allclose(found.astype(int), answer_of(LUMA, wanted).rgb, atol=1)
    np.testing.assert_allclose(split_luma(found / 255)[0], LUMA, atol=0.003)


@pytest.mark.needs("onnx", "onnxruntime")
@pytest.mark.parametrize("fixed", [(16, 24), (64, 80), (16, 96)])
def test_a_fixed_size_is_brought_up_to_the_picture(tmp_path, fixed):
    path = two_of(tmp_path / "a.onnx", CARD + "scale = 0.3", fixed=fixed)  # the graph says it
    free = two_of(tmp_path / "b.onnx", CARD.replace("[output]", f"size = {list(fixed)}\n[output]") + "scale = 0.3")
    found = answer(path).rgb
    np.testing.assert_array_equal(found, answer(free).rgb)
    near = answer_of(LUMA, np.dstack([LUMA] * 2) * 0.3).rgb
    assert np.abs(found.astype(int) - near).mean() < 8
    if fixed == (16, 24):
        method = Image.Resampling.BOX
        small = np.asarray(Image.fromarray(LUMA[..., 0]).resize(fixed[::-1], method))
        wanted = answer_of(LUMA, bring_up(LUMA[..., 0], np.dstack([small] * 2) * np.float32(0.3))).rgb
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.needs("onnx", "onnxruntime")
def test_other_inputs_get_zeros_where_the_card_says_so(tmp_path):
    nodes = [("ReduceMax", ["more"], ["m"], {"keepdims": 1}), ("Concat", ["x", "x"], ["xx"], {"axis": 3})]
    nodes += [("Add", ["xx", "m"], ["y"], {})]
    inputs = {"x": ["b", "h", "w", 1], "more": ["b", "hh", "ww", 3]}
    made = (tmp_path / "a.onnx", nodes, inputs, {"y": ["b", "h", "w", 2]})
    with pytest.raises(UsageError, match="name the one of the picture"):
        answer(write(*made))
    named = CARD.replace("[output]", 'name = "x"\n[output]')
    with pytest.raises(UsageError, match="it has an input 'more' besides 'x'"):
        answer(write(*made, card=named))
    with pytest.raises(UsageError, match="it has no input 'mroe'; its inputs: x, more"):
        answer(write(*made, card=named.replace("[output]", "zeros = { mroe = 1 }\n[output]")))
    found = answer(write(*made, card=named.replace("[output]", "zeros = { more = 4 }\n[output]")))
    np.testing.assert_array_equal(found.rgb, answer_of(LUMA, np.dstack([LUMA] * 2)).rgb)


@pytest.mark.needs("onnx", "onnxruntime")
@pytest.mark.parametrize(
    ("card", "settings", "message"),
    [
        (CARD.replace("luma", "gray rgb"), {}, r"input 'x' has the shape .* wants \(1, H, W, 3\); mend its card"),
        (CARD.replace("NHWC", "NCHW", 1), {}, r"wants \(1, 1, H, W\)"),
        (CARD.replace("uv", "rgb"), {}, r"output 'y' has the shape .* wants \(1, H, W, 3\)"),
        (CARD.replace("[output]", "size = [8, 9]\n[output]"), {"fixed": (8, 8)}, r"another size \[8, 9\]"),
        (CARD + 'name = "z"', {}, "it has no output 'z'; its outputs: y"),
    ],
)
def test_cards_that_do_not_fit_the_graph_are_refused(tmp_path, card, settings, message):
    path = two_of(tmp_path / "a.onnx", card, **settings)
    with pytest.raises(UsageError, match=message) as caught:
        OnnxModel(path, None, 0)
    assert str(path) in str(caught.value)


@pytest.mark.needs("onnx", "onnxruntime")
def test_a_card_lies_beside_or_within_and_names_the_model(tmp_path):
    path = two_of(tmp_path / "a.onnx", f'name = "Theirs"\nlicence = "MIT"\n{CARD}')
    model = OnnxModel(path, None, 0)
    assert model.ways == (Way("Theirs", "foreign"),)
    assert (model.about["from"], model.about["licence"]) == ("onnx:a.onnx", "MIT")
    assert OnnxModel(path, "mine", 0).ways[0].label == "mine"
    path.with_suffix(".toml").unlink()
    with pytest.raises(UsageError, match=r"nothing says what it takes and gives; write .*a\.toml"):
        OnnxModel(path, None, 0)
    import onnx

    proto = onnx.load(path)
    onnx.helper.set_model_props(proto, {CARD_KEY: CARD.replace("uv", "logits")})
    onnx.save(proto, path)
    with pytest.raises(UsageError, match=r"a\.onnx, its card within: output\.color must be one of"):
        OnnxModel(path, None, 0)


@pytest.mark.needs("onnx", "onnxruntime")
def test_onnx_files_that_fail_are_named(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"no model at all")
    with pytest.raises(UsageError, match=r"a\.onnx cannot be loaded"):
        OnnxModel(tmp_path / "a.onnx", None, 0)
    import onnx

    wrong = onnx.numpy_helper.from_array(np.zeros((1, 9, 9, 2), np.float32), "wrong")
    shapes = {"x": ["b", "h", "w", 1]}, {"y": ["b", "h", "w", 2]}
    path = write(tmp_path / "b.onnx", [("Add", ["x", "wrong"], ["y"], {})], *shapes, [wrong])
    with pytest.raises(UsageError, match=r"b\.onnx: on test/a\.png, shown as \(1, 40, 48, 1\), it failed"):
        answer(path)
    nothing = onnx.numpy_helper.from_array(np.full((1, 1, 1, 2), np.inf, np.float32), "nothing")
    path = write(tmp_path / "c.onnx", [("Add", ["x", "nothing"], ["y"], {})], *shapes, [nothing])
    with pytest.raises(UsageError, match="values that are not finite"):
        answer(path)


@pytest.mark.needs("onnx", "onnxruntime")
def test_weights_outside_of_a_model_s_folder_are_refused(tmp_path):
    import onnx

    (tmp_path / "inside").mkdir()
    weights = np.array([[[[0.1, 0.2]]]], np.float32)
    for name in ("inside/w.bin", "w.bin"):
        (tmp_path / name).write_bytes(weights.tobytes())
    (tmp_path / "inside" / "link.bin").symlink_to(tmp_path / "w.bin")

    def model(location: str) -> Path:
        tensor = onnx.TensorProto(name="w", data_type=1, dims=[1, 1, 1, 2], data_location=onnx.TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value=location)
        shapes = {"x": ["b", "h", "w", 1]}, {"y": ["b", "h", "w", 2]}
        return write(tmp_path / "inside" / "a.onnx", [("Mul", ["x", "w"], ["y"], {})], *shapes, [tensor])

    np.testing.assert_array_equal(answer(model("w.bin")).rgb, answer_of(LUMA, LUMA * [0.1, 0.2]).rgb)
    for location in ("../w.bin", str(tmp_path / "w.bin"), "link.bin"):
        with pytest.raises(UsageError, match="cannot be loaded: .*[Ee]xternal data path"):
            OnnxModel(model(location), None, 0)


def test_without_onnx_runtime_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.onnx").write_bytes(b"")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name))
    with pytest.raises(UsageError, match=r'package onnxruntime: pip install "keras-colorization-zoo\[onnx\]"'):
        OnnxModel(tmp_path / "a.onnx", None, 0)


@pytest.mark.needs("onnxruntime", "tf2onnx")
def test_exports_of_every_kind_bring_a_card(tmp_path):
    """The side that a model sees, a smaller answer, hints that are not given: all as Keras does without the card."""
    from zoo.chroma.decoders import Decoder
    from zoo.evaluation.candidates import Model
    from zoo.export.formats import FORMATS
    from zoo.export.graph import ExportedGraph

    model = zoo.create("guided", encoder_weights="none")
    model.save(tmp_path / "guided.keras")
    graph = ExportedGraph(model, Decoder.parse("mean"))
    FORMATS["onnx"].write(graph, tmp_path / "guided.onnx", "float32")
    found = answer(tmp_path / "guided.onnx")
    (wanted,) = Model(tmp_path / "guided.keras", "guided", ["mean"]).answers(SUBJECT)
    np.testing.assert_allclose(found.lab, wanted.lab, atol=0.5)
    assert graph.contract.given
    assert graph.contract.stride > 1
    card = card_of(graph.card, "")
    assert (card.input.side, card.input.zeros) == (graph.contract.side, {"hints": graph.contract.stride})
    quarter = FORMATS["onnx"]
    quarter.write(graph, tmp_path / "small.onnx", "int8")
    assert OnnxModel(tmp_path / "small.onnx", None, 0).ways[0].label == "small"
