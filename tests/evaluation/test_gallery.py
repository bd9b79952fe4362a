"""`python -m zoo.gallery`: which pages it takes, what is on them, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
import report as tools
from gallery_page import gallery_page, load_gallery
from images import make_books
from PIL import Image

import zoo
from zoo import evaluate, gallery
from zoo.evaluation.gallery import choose

OTHERS = ("strip.webp", "gallery.json")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Five pages of test in three books, in colours, and what a manifest says of them."""
    return make_books(tmp_path_factory.mktemp("pages"), train=4, val=1, test=5)


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    root = tmp_path_factory.mktemp("scans")
    lines = np.full((64, 80), 255, np.uint8)
    lines[::16] = 0
    Image.fromarray(lines).save(root / "lines.png")
    return root


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for name in ("residual", "classifier"):
        zoo.create(name, encoder_weights="none", initializer="he_normal").save(root / f"{name}.keras")
    return root


def test_the_rule_takes_one_page_of_every_group_in_turn() -> None:
    assert choose(["a", "a", "b", "a", "c", "b"], 6) == [0, 2, 4, 1, 5, 3]
    assert choose(["a", "a", "b"], 2) == [0, 2]
    assert choose(["a"], 24) == [0]


def test_a_gallery_shows_grey_every_model_and_truth(pages, scans, models, tmp_path, capsys) -> None:
    out = tmp_path / "reports" / "gallery"
    command = [f"{models}/residual.keras", f"{models}/classifier.keras", "--data", str(pages), "--pages", "3"]
    command += ["--decode", "mode,sample", "--scans", str(scans), "--headroom", "0.2", "--strip", "2"]
    assert gallery.main([*command, "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {*(f"0{n}.webp" for n in range(1, 5)), "strip.webp", "gallery.json"}
    record = load_gallery(out)
    assert record["columns"] == ["grey", "residual", "classifier, mode", "classifier, sample", "truth"]
    assert [page["truth"] for page in record["pages"]] == [True, True, True, False]
    assert sorted(page["group"] for page in record["pages"][:3]) == ["book 0", "book 1", "book 2"]
    assert {page["licence"] for page in record["pages"][:3]} == {"CC0-1.0"}
    assert record["pages"][3] | {"picture": ""} == {
        **{"picture": "", "name": "lines.png", "truth": False},
        **{"group": "", "source": "", "licence": ""},
    }
    shown = record["pages"][0]
    strip = np.asarray(Image.open(out / shown["picture"]).convert("RGB")).astype(int)
    assert strip.shape[1] == 5 * 196 + 4
    truth = np.asarray(Image.open(pages / shown["name"]).resize((192, 144), Image.Resampling.LANCZOS)).astype(int)
    assert abs(strip[-148:-4, 4 * 196 + 4 : 5 * 196] - truth).mean() < 6
    grey = strip[-148:-4, 4:196]
    assert abs(grey - grey.mean(axis=-1, keepdims=True)).max() < 12
    assert abs(grey.mean(axis=-1) - truth @ [0.299, 0.587, 0.114]).mean() < 3
    assert np.asarray(Image.open(out / "04.webp")).shape[1] == 4 * 196 + 4  # no truth
    with Image.open(out / "strip.webp") as both:
        assert both.height > 2 * 144

    (tmp_path / "README.md").write_text("# Project\n")
    (tmp_path / "reports" / "results").mkdir()
    assert tools.main(["--root", str(tmp_path), "build"]) == 0
    page = (tmp_path / "reports" / "gallery.md").read_text(encoding="utf-8")
    assert f"![{shown['name']}](gallery/01.webp)" in page
    assert f"*{shown['name']}: a painter; {shown['group']}; CC0-1.0*" in page
    assert "## Drawn in black and white" in page
    assert "--headroom 0.2" in page
    (out / "02.webp").unlink()
    assert tools.main(["--root", str(tmp_path), "build"]) == 2
    assert "02.webp is not there" in capsys.readouterr().err


def test_an_evaluation_writes_the_same_gallery(pages, models, tmp_path, capsys) -> None:
    common = [f"{models}/classifier.keras", "--data", str(pages), "--pages", "2", "--strip", "1"]
    assert gallery.main([*common, "--out", str(tmp_path / "alone")]) == 0
    assert evaluate.main([*common, "--limit", "1", "--gallery", str(tmp_path / "with")]) == 0
    assert "mean colour" in capsys.readouterr().out  # and it evaluates
    names = {path.name for path in (tmp_path / "alone").iterdir()}
    assert names == {path.name for path in (tmp_path / "with").iterdir()} == {*("01.webp", "02.webp"), *OTHERS}
    for name in names:
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["{models}/residual.keras", "--pages", "3"], "--pages needs --gallery DIR: give both"),
        (["--gallery", "{out}"], "--gallery: none of the candidates is a model"),
        (["{models}/residual.keras", "--gallery", "{models}"], "holds something else than a gallery"),
        (["{models}/residual.keras", "--gallery", "{out}", "--headroom", "2"], "--headroom must be in 0"),
    ],
)
def test_an_evaluation_refuses_what_is_no_gallery(more, message, pages, models, tmp_path, capsys) -> None:
    command = [word.format(models=models, out=tmp_path / "out") for word in more]
    assert evaluate.main([*command, "--data", str(pages)]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_page_without_credits_is_named_alone() -> None:
    page = {"picture": "01.webp", "name": "a.png", "truth": True, "group": "", "source": "", "licence": ""}
    environment = {"cpu": "a processor", "commit": None, "dirty": None, "libraries": {"keras": "3", "tensorflow": "2"}}
    record = {"split": "test", "data": "pages", "rule": "all", "columns": ["grey", "m, mode"], "seed": 0, "headroom": 0}
    text = gallery_page(record | {"models": ["m"], "environment": environment, "pages": [page]})
    assert "(1) grey; (2) m, mode. Models: `m`, of commit unknown." in text
    assert text.endswith("![a.png](gallery/01.webp)\n\n*a.png*\n")
    assert "black and white" not in text


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--decode", "mood"], "--decode: "),
        (["--pages", "0"], "--pages must be at least 1"),
        (["--strip", "0"], "--strip must be at least 1"),
        (["--seed", "-1"], "--seed must not be negative"),
        (["--headroom", "0.9"], "--headroom must be in"),
        (["--scans", "nowhere"], "--scans: nowhere is no folder"),
        (["nothing.keras"], "no model at nothing.keras"),
    ],
)
def test_mistakes_are_named_and_cost_nothing(more, message, pages, models, tmp_path, capsys) -> None:
    command = [f"{models}/residual.keras", *more, "--data", str(pages), "--out", str(tmp_path / "out")]
    assert gallery.main(command) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_left_alone(pages, models, tmp_path, capsys) -> None:
    (tmp_path / "thesis.txt").write_text("three years")
    assert gallery.main([f"{models}/residual.keras", "--data", str(pages), "--out", str(tmp_path)]) == 2
    assert "holds something else" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "three years"


def test_two_models_of_one_name_are_refused(pages, models, tmp_path, capsys) -> None:
    other = tmp_path / "residual.keras"
    other.write_bytes((models / "residual.keras").read_bytes())
    command = [f"{models}/residual.keras", str(other), "--data", str(pages), "--out", str(tmp_path / "out")]
    assert gallery.main(command) == 2
    assert "two of the models are called 'residual'" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pages": [1]}', '{"pages": []}'])
def test_a_damaged_record_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "gallery.json").write_text(text)
    with pytest.raises(zoo.errors.UsageError, match=r"gallery\.json"):
        load_gallery(tmp_path)


@pytest.mark.parametrize("stray", ["holiday.png", "25.webp", "album"])
def test_a_stray_in_a_gallery_is_not_thrown_away(stray, pages, models, tmp_path, capsys) -> None:
    (tmp_path / "gallery.json").write_text('{"pages": [{"picture": "01.webp"}]}')
    (tmp_path / "01.webp").touch()
    (tmp_path / stray).mkdir() if stray == "album" else (tmp_path / stray).write_bytes(b"x")
    assert gallery.main([f"{models}/residual.keras", "--data", str(pages), "--out", str(tmp_path)]) == 2
    assert f"{tmp_path / stray} is no part of the gallery there" in capsys.readouterr().err
    assert (tmp_path / stray).exists()
    (tmp_path / "gallery.json").write_text("[]")
    assert gallery.main([f"{models}/residual.keras", "--data", str(pages), "--out", str(tmp_path)]) == 2
    assert "gallery.json is damaged" in capsys.readouterr().err
