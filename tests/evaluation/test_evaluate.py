"""`python -m zoo.evaluate`: from images and candidates to tables, and what it says when it cannot."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from images import make_books
from PIL import Image
from samples import evaluation as sample

import zoo
from zoo import evaluate
from zoo.data.drawn.procedural import CLASSES, draw_page
from zoo.evaluation.candidates import Constant, Model, OracleCandidate, Subject, Truth
from zoo.evaluation.oracles import PALETTES
from zoo.evaluation.record import load_evaluation
from zoo.evaluation.scoring import Evaluation
from zoo.metrics import IMAGE_METRICS, INDICES
from zoo.report.plots import save_plots
from zoo.results import Way


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four coloured images a split, 72 by 96, in two books of the test split."""
    return make_books(tmp_path_factory.mktemp("images"), train=4, val=4, test=4)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for name in ("residual", "classifier"):
        zoo.create(name, encoder_weights="none", initializer="he_normal").save(root / f"{name}.keras")
    return root


@pytest.fixture(scope="module")
def result(folder, models, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "new"
    command = [
        f"{models}/residual.keras",
        f"{models}/classifier.keras",
        "--decode",
        "mean,sample",
        "--data",
        str(folder),
    ]
    assert evaluate.main([*command, "--max-side", "80", "--out", str(out)]) == 0
    made = {"results.json", "sheet.png", "chroma.png", "calibration.png", "gallery"}
    assert {path.name for path in out.iterdir()} == made
    with Image.open(out / "sheet.png") as sheet:
        assert sheet.width == 7 * 196 + 4  # grey, mean colour, regression, gain-matched, two decoders, truth
    found = load_evaluation(out / "results.json")
    assert len(list((out / "gallery").iterdir())) == 4 * len(found.candidates)
    with Image.open(out / "gallery" / "03-00.webp") as picture:  # the fourth image's truth
        assert picture.size == (80, 72)
    return found


def test_names_that_are_no_text_get_question_marks(folder, models, tmp_path):
    pages, model = tmp_path / "caf\udce9", tmp_path / "n\udcff.keras"
    shutil.copytree(folder, pages)
    shutil.copyfile(models / "residual.keras", model)
    out = tmp_path / "out\udcff"
    assert evaluate.main([str(model), "--data", str(pages), "--limit", "1", "--out", str(out)]) == 0
    found = load_evaluation(out / "results.json")
    assert found.data == "caf?"
    assert found.candidates[3].way.label == "n?"


def test_every_candidate_and_decoder_is_there(result):
    names = [candidate.way.title for candidate in result.candidates]
    expected = ["truth", "grey", "mean colour", "residual", "classifier, mean", "classifier, sample"]
    assert names[:6] == expected
    # An untrained model may be too grey for any gain to help.
    assert all(name.startswith("residual × ") for name in names[6:])
    ways = [candidate.way for candidate in result.candidates]
    assert [way.kind for way in ways[:3]] == ["baseline"] * 3
    assert ways[3:6] == [
        Way("residual", "model", "residual"),
        Way("classifier", "model", "classifier", "mean"),
        Way("classifier", "model", "classifier", "sample"),
    ]
    assert all(way.label == "residual" and way.gain != 1 for way in ways[6:])
    assert [image["group"] for image in sorted(result.images, key=lambda image: image["name"])] == [
        *("book 0", "book 0", "book 1", "book 1")
    ]
    assert result.environment["libraries"]["keras"]


def test_metrics_have_values_for_the_set_and_for_every_image(result):
    for candidate in result.candidates:
        assert set(IMAGE_METRICS) <= set(candidate.scores)
        assert not set(INDICES) & set(candidate.scores)
        assert all(len(values) == 4 for values in candidate.per_image.values())
        rmse, errors = candidate.scores["rmse_ab"], candidate.per_image["rmse_ab"]
        assert rmse["value"] == pytest.approx(np.sqrt(np.mean(np.square(errors))))
        assert rmse["low"] <= rmse["value"] <= rmse["high"]
    truth, grey, mean = result.candidates[:3]
    assert truth.value("delta_e00") == 0
    assert truth.value("psnr_ab") is None
    assert grey.value("cf") == 0
    assert mean.value("chroma_ratio") > grey.value("chroma_ratio")


def test_only_the_first_decoder_of_a_classifier_carries_its_calibration(result):
    found = {candidate.way.title: candidate for candidate in result.candidates}
    assert found["classifier, mean"].value("nll_bits") > 0
    assert 0 <= found["classifier, mean"].value("ece_v") <= 1
    assert len(found["classifier, mean"].calibration) == 2
    for name in ("residual", "classifier, sample"):
        assert found[name].calibration is None
        assert "nll_bits" not in found[name].scores


def test_each_image_draws_its_own_sample(models):
    rgb = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)

    def sample(name, seed):
        model = Model(models / "classifier.keras", "classifier", ["sample"], seed=seed)
        return next(iter(model.answers(Subject(name, name, rgb, None)))).rgb

    np.testing.assert_array_equal(sample("a.png", 0), sample("a.png", 0))
    assert not np.array_equal(sample("a.png", 0), sample("b.png", 0))
    assert not np.array_equal(sample("a.png", 0), sample("a.png", 1))


def test_tables_are_printed(folder, capsys):
    assert evaluate.main(["--data", str(folder), "--limit", "2"]) == 0
    output = capsys.readouterr().out
    assert "2 images of" in output
    assert "mean colour" in output
    assert "averaging indices" not in output


def test_a_decoder_that_is_named_twice_answers_once(folder, models, capsys):
    words = [f"{models}/classifier.keras", "--decode", "mode,mean,mode", "--limit", "1", "--max-side", "64", "--json"]
    assert evaluate.main([*words, "--data", str(folder)]) == 0
    candidates = json.loads(capsys.readouterr().out)["details"]["candidates"]
    assert [each["decoder"] for each in candidates if each["kind"] == "model"] == ["mode", "mean"]


def test_drawn_pages_have_indices():
    names = {each.label: each.name for each in CLASSES}
    evaluation = Evaluation(PALETTES, names)
    candidates = [Truth(), Constant("grey", np.zeros(2)), OracleCandidate("sampler", 0)]
    for index in range(2):
        page = draw_page("test", index, seed=3)
        evaluation.add(Subject(f"{index}", f"{index}", page.rgb, (page.classes, page.objects, page.modes)), candidates)
    truth, grey, sampler = evaluation.results()
    assert set(INDICES) <= set(truth.scores)
    assert truth.value("bvr") == pytest.approx(1)
    assert grey.scores["a_star"] == {"value": None, "low": None, "high": None, "values": [None, None]}
    assert sampler.value("a_star") == pytest.approx(0, abs=0.01)
    assert 0.5 < sampler.value("bvr") < 1.6


def test_drawn_pages_whose_objects_are_too_small_have_no_indices(capsys):
    assert evaluate.main(["--limit", "1", "--max-side", "6"]) == 0  # 6 x 6 pixels, eroded, are fewer than 32
    output = capsys.readouterr().out
    assert "mean colour" in output
    assert "averaging indices" not in output


@pytest.mark.parametrize(("oracle", "least", "most"), [("mode", 0, 0), ("saturated mean", 0.1, 0.9)])
def test_an_oracle_that_leaves_rgb_says_how_often(oracle, least, most):
    page = draw_page("test", 0, seed=3)
    subject = Subject("0", "0", page.rgb, (page.classes, page.objects, page.modes))
    (answer,) = OracleCandidate(oracle, 0).answers(subject)
    assert least <= answer.squeezed <= most


def test_plots_of_drawn_pages(tmp_path):
    names = {each.label: each.name for each in CLASSES}
    evaluation = Evaluation(PALETTES, names)
    page = draw_page("test", 0, seed=3)
    subject = Subject("0", "0", page.rgb, (page.classes, page.objects, page.modes))
    evaluation.add(subject, [Truth(), Constant("grey", np.zeros(2)), OracleCandidate("conditional mean", 0)])
    truth, grey, mean = evaluation.results()
    assert sum(truth.chroma_histogram) == pytest.approx(1)
    assert grey.chroma_histogram[0] == pytest.approx(1)
    for each in CLASSES:
        if each.ambiguous and each.name in mean.object_uv:
            found, wanted = np.array(mean.object_uv[each.name]), PALETTES[each.label].mean(axis=0)
            # What leaves RGB is clipped in the picture, and the ink of the outline has no colour.
            assert np.abs(np.median(found, axis=0) - wanted).max() < 0.05, each.name
    palettes = {each.name: PALETTES[each.label].tolist() for each in CLASSES}
    drawn = replace(sample(), candidates=evaluation.results(), palettes=palettes)
    (tmp_path / "drawn-calibration.png").write_text("the user's own", encoding="utf-8")
    save_plots(tmp_path, "drawn-", sample())  # with a chroma plot
    assert (tmp_path / "drawn-chroma.png").exists()
    written = save_plots(tmp_path, "drawn-", drawn)
    assert not (tmp_path / "drawn-chroma.png").exists()
    assert (tmp_path / "drawn-calibration.png").exists()
    assert {path.name for path in written} == {"drawn-averaging.png", "drawn-plane.png"}  # no model: no chroma
    for path in written:
        with Image.open(path) as picture:
            assert picture.width > 400


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no run directory, .keras file or model 'nowhere'"),
        (["mod"], "no run directory, .keras file or model 'mod'. Did you mean 'mode'?"),
        (["clasifier"], "Did you mean 'classifier'?"),
        (["residual:comix"], "no weights 'comix' for residual; there are residual:"),
        (["--decode", "best"], "--decode: unknown decoder 'best'"),
        (["{models}/classifier.keras", "--decode", " ,"], "--decode ' ,' names no decoder"),
        (["{models}/classifier.keras", "--decode", ""], "--decode '' names no decoder"),
        (["--limit", "0"], "--limit must be at least 1"),
        (["--out", __file__], "is a file; give a directory"),
        (["{models}/residual.keras", "--decode", "mode"], "--decode mode: none of the candidates is a classifier"),
        (["{models}/broken.keras"], "broken.keras is not a model of this zoo"),
        (["sampler"], "an oracle needs pages with maps"),
        (["sampler (oracle)"], "sampler: an oracle needs pages with maps"),  # as tables show it
    ],
)
def test_bad_input_is_named(folder, models, capsys, arguments, message):
    (models / "broken.keras").write_bytes((models / "residual.keras").read_bytes()[:5000])
    assert evaluate.main([*(word.format(models=models) for word in arguments), "--data", str(folder)]) == 2
    assert message in capsys.readouterr().err


def test_two_candidates_of_one_name_are_refused(folder, models, tmp_path, capsys):
    shutil.copy(models / "residual.keras", tmp_path)
    command = [f"{models}/residual.keras", f"{tmp_path}/residual.keras", "--data", str(folder)]
    assert evaluate.main(command) == 2
    assert "two of the candidates are called 'residual': rename one" in capsys.readouterr().err


def test_images_without_colour_are_refused(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for index in range(6):
        grey = rng.integers(0, 256, (80, 80, 1), dtype=np.uint8).repeat(3, 2)
        Image.fromarray(grey).save(tmp_path / f"{index}.png")
    assert evaluate.main(["--data", str(tmp_path)]) == 2
    assert "all 6 images are greyscale; colour images are needed" in capsys.readouterr().err


def test_a_run_that_never_got_to_a_model_is_named(folder, tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    assert evaluate.main([str(tmp_path), "--data", str(folder)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_a_manifest_without_groups_is_named(folder, tmp_path, capsys):
    for split in ("train", "val", "test"):
        (tmp_path / split).symlink_to(folder / split)
    (tmp_path / "manifest.csv").write_text("file,book\nx.png,1\n")
    assert evaluate.main(["--data", str(tmp_path)]) == 2
    assert "manifest.csv has no column 'group'" in capsys.readouterr().err


def test_a_file_where_the_pictures_are_to_go_is_named_at_once(tmp_path, capsys):
    (tmp_path / "gallery").touch()
    assert evaluate.main(["--data", "nowhere", "-o", str(tmp_path)]) == 2
    assert f"--out: {tmp_path / 'gallery'} is a file where pictures are to go" in capsys.readouterr().err
