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
import tiny
from foreign import LUMA, SUBJECT
from images import make_books
from PIL import Image

import zoo
from zoo import evaluate
from zoo.chroma.yuv import split_luma
from zoo.data.dataset import open_dataset
from zoo.errors import UsageError
from zoo.evaluation.candidates import Subject, answer_of
from zoo.evaluation.foreign import PictureFolder, PythonFunction, is_foreign
from zoo.evaluation.foreign.onnx_card import card_of
from zoo.evaluation.record import load_evaluation
from zoo.metrics import lab
from zoo.report.evaluation_page import evaluation_page, foreign_text
from zoo.report.figures import averaging_figure, chroma_figure
from zoo.results import Way

ACCURACY = ("delta_e00", "rmse_ab", "cf", "chroma_ratio")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_books(tmp_path_factory.mktemp("images"), train=4, val=2, test=2)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for name in ("regression", "classifier"):
        tiny.two_convolutions(name == "classifier").save(root / f"{name}.keras")
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


def test_the_examples_of_the_page_are_read(module):
    page = (Path(__file__).parents[2] / "docs" / "evaluating.md").read_text(encoding="utf-8")
    (card,) = re.findall(r"^```toml\n(.*?)```", page, re.S | re.M)
    assert card_of(card, "").input.size == (256, 256)
    (code,) = re.findall(r"^```python\n(.*?)```", page, re.S | re.M)
    (answer,) = PythonFunction(f"{module(code)}:sepia", None).answers(SUBJECT)
    assert np.ptp(answer.rgb, axis=-1).max() > 5
