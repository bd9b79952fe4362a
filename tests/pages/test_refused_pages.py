"""`python -m zoo.colorize`: what is there already, and what is refused."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from coloring import page, read, run, save, save_models

from zoo.pages.output import RECORD, Output


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    return save_models(tmp_path_factory.mktemp("models"))


def test_what_is_there_is_not_overwritten_unasked(tmp_path, models, capsys):
    save(tmp_path / "in" / "a.png", page())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_bytes(b"mine")
    code, _, err = run(capsys, models["tiny"], tmp_path / "in", "-o", tmp_path / "out")
    assert code == 0
    assert f"1 of 1 pages are there already in {tmp_path / 'out'}; made by an unknown command: --overwrite" in err
    assert (tmp_path / "out" / "a.png").read_bytes() == b"mine"
    assert run(capsys, models["tiny"], tmp_path / "in", "-o", tmp_path / "out", "--overwrite")[0] == 0
    assert (tmp_path / "out" / "a.png").read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("name", "options"), [("summary", ["--summary"]), ("2", ["--decode", "sample", "--samples", "2"])]
)
def test_what_lies_beside_one_image_is_not_overwritten_unasked(tmp_path, models, capsys, name, options):
    save(tmp_path / "a.png", page())
    (tmp_path / f"out-{name}.png").write_bytes(b"mine")
    command = [models["classifier"], tmp_path / "a.png", "-o", tmp_path / "out.png", *options]
    code, _, err = run(capsys, *command)
    assert code == 2
    assert f"{tmp_path / f'out-{name}.png'} is there already: --overwrite replaces it" in err
    assert (tmp_path / f"out-{name}.png").read_bytes() == b"mine"
    assert run(capsys, *command, "--overwrite")[0] == 0
    assert (tmp_path / f"out-{name}.png").read_bytes() != b"mine"


def test_a_sample_that_is_there_stays(tmp_path, models, capsys):
    save(tmp_path / "a.png", page())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a-1.png").write_bytes(b"mine")
    command = [models["classifier"], tmp_path / "a.png", "-o", tmp_path / "out", "--decode", "sample", "--samples", "2"]
    assert run(capsys, *command)[0] == 0
    assert (tmp_path / "out" / "a-1.png").read_bytes() == b"mine"
    assert read(tmp_path / "out" / "a-2.png").shape == (40, 56, 3)


def test_a_page_and_the_summary_of_another_are_two_files(tmp_path, models, capsys):
    for name in ("a", "a-summary"):
        save(tmp_path / "in" / f"{name}.png", page())
    code, _, err = run(capsys, models["tiny"], tmp_path / "in", "-o", tmp_path / "out", "--summary")
    assert code == 2
    assert f"{tmp_path / 'out' / 'a-summary.png'} would be a page and the summary of another: rename one" in err
    assert not (tmp_path / "out").exists()
    assert run(capsys, models["tiny"], tmp_path / "in", "-o", tmp_path / "out")[0] == 0


def test_pages_of_other_settings_are_not_taken_for_the_same(tmp_path, models, capsys):
    for index in range(2):
        save(tmp_path / "in" / f"{index}.png", page(seed=index))
    save(tmp_path / "more" / "2.png", page(seed=2))
    out = tmp_path / "out"
    command = [models["tiny"], tmp_path / "in", "-o", out]
    assert run(capsys, *command)[0] == 0
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    assert set(before) == {"0.png", "1.png", RECORD}

    code, _, err = run(capsys, *command)
    assert code == 0
    assert f"2 of 2 pages are there already in {out}; made by the same settings: --overwrite makes them anew" in err
    code, _, err = run(capsys, *command, "--side", 32)
    assert code == 2
    assert f"-o {out} holds 2 of these pages, made with other settings:\n  side: 1024 there, 32 asked for\n" in err
    assert "--overwrite makes them anew" in err
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before

    # Other pages may have settings of their own there, and what is made anew has the new ones.
    assert run(capsys, models["tiny"], tmp_path / "more", "-o", out, "--side", 32)[0] == 0
    assert run(capsys, *command)[0] == 0
    assert run(capsys, models["tiny"], tmp_path / "in" / "0.png", "-o", out, "--side", 32, "--overwrite")[0] == 0
    assert (out / "0.png").read_bytes() != before["0.png"]
    code, _, err = run(capsys, *command)
    assert code == 2
    assert f"-o {out} holds 1 of these pages" in err
    record = json.loads((out / RECORD).read_text())
    assert {record["settings"][digest]["side"] for digest in record["settings"]} == {32, 1024}
    assert record["pages"].keys() == {"0.png", "1.png", "2.png"}
    assert record["pages"]["0.png"] == record["pages"]["2.png"] != record["pages"]["1.png"]

    (out / RECORD).write_text("[]")
    code, stdout, _ = run(capsys, *command, "--json")
    assert code == 0
    assert json.loads(stdout)["made by an unknown command"] == 2
    code, _, err = run(capsys, models["tiny"], tmp_path / "in", tmp_path / "more" / "2.png", "-o", tmp_path / "out3")
    assert code == 0, err


def test_a_model_that_was_trained_on_is_another(tmp_path, models, capsys):
    save(tmp_path / "in" / "0.png", page())
    model = tmp_path / "model.keras"
    shutil.copy(models["tiny"], model)
    assert run(capsys, model, tmp_path / "in", "-o", tmp_path / "out")[0] == 0
    with zipfile.ZipFile(model, "a") as archive:
        archive.writestr("more", b"")
    code, _, err = run(capsys, model, tmp_path / "in", "-o", tmp_path / "out")
    assert code == 2
    assert "weights: " in err


def test_an_interrupted_overwriting_is_known_to_be_one(tmp_path, models, capsys, monkeypatch):
    for index in range(4):
        save(tmp_path / "in" / f"{index}.png", page(seed=index))
    out = tmp_path / "out"
    command = [models["tiny"], tmp_path / "in", "-o", out, "--batch-size", 1]
    assert run(capsys, *command)[0] == 0
    write, written = Output.write, []

    def counted(self, name, data, extra=""):
        if len(written) >= 2:
            raise KeyboardInterrupt
        write(self, name, data, extra)
        written.append(str(name))

    with monkeypatch.context() as patch:
        patch.setattr(Output, "write", counted)
        assert run(capsys, *command, "--side", 32, "--overwrite")[0] == 130
    record = json.loads((out / RECORD).read_text())
    assert {Path(name).stem for name in record["pages"]} == set(written)
    code, _, err = run(capsys, *command, "--side", 32)
    assert code == 0
    assert f"{4 - len(written)} of them made by an unknown command" in err


def test_mistakes_are_found_before_tensorflow_is_loaded(tmp_path, models):
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    save(tmp_path / "colour.png", np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8))
    save(tmp_path / "done.png", page())
    (tmp_path / "out").mkdir()
    save(tmp_path / "out" / "done.png", page())
    cases = [
        (["bad.png"], 1, "1 of 1 pages could not be coloured:\n  bad.png: "),
        (["bad.png", "colour.png"], 1, "colour.png: it has colours: --desaturate"),
        (["done.png"], 0, "1 of 1 pages are there already"),
        (["done.png", "--decode", "mode", "--overwrite"], 2, "--decode mode: this model answers with one colour"),
        (["done.png", "--decode", "mood"], 2, "--decode: unknown decoder 'mood'. Did you mean 'mode'?"),
        (["done.png", "--side", "4"], 2, "--side must be at least 8"),
    ]
    code = (
        "import sys; from zoo import colorize\n"
        f"for words, code, message in {cases!r}:\n"
        f"    assert colorize.main([{str(models['tiny'])!r}, *words, '-o', 'out']) == code, words\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for _, _, message in cases:
        assert message in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["done.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.png"], "nowhere.png: no such file, folder or pattern with a match"),
        (["in", "--decode", "mode"], "--decode mode: this model answers with one colour"),
        (["in", "--decode", "mood"], "mood"),
        (["in", "--samples", "3"], "--samples is for a sampling decoder"),
        (["in", "--side", "4"], "--side must be at least 8"),
        (["in", "--quality", "0"], "--quality must be in 1 … 100, not 0"),
        (["in", "--descreen", "1"], "--descreen takes the period of a screen"),
        (["in", "in"], "would both become"),
        (["in/a.png", "-o", "x.tiff"], "-o x.tiff: .tiff files cannot be written; give .png, .jpg, .webp, .cbz"),
        (["in", "-o", "in/a.png/out"], "-o in/a.png/out: in/a.png is no folder"),
        (["in/a.png", "-o", "in/a.png/out.png"], "-o in/a.png/out.png: in/a.png is no folder"),
        (["in", "-o", "in/a.png/out.cbz"], "-o in/a.png/out.cbz: in/a.png is no folder"),
        (["in/a.png", "-o", "x.cbr"], "-o x.cbr: .cbr files cannot be written; give .png, .jpg, .webp, .cbz"),
        ([], "tiny.keras is taken for the MODEL, and no INPUT comes after it: give both, as in python -m zoo.colorize"),
        (["in", "in/a.png", "-o", "x.png"], "-o x.png: an image is written as .png, .jpg, .webp, of one page"),
        (["in", "--headroom", "0.7"], "--headroom must be in 0 … 0.5, not 0.7"),
        (["empty"], "no images in it"),
        (["in", "-o", "x.cbz", "--summary"], "--summary: a book holds its pages alone"),
        (["in/a.png", "-o", "x.png", "--format", "jpg"], "--format jpg: -o x.png is another"),
        (["odd/a.bmp"], "a.bmp: a .bmp file, which cannot be read: save it as PNG or JPEG"),
        (["odd/a.cb7"], "a.cb7: a 7-Zip archive, which cannot be read: unpack it, or save it as .cbz"),
    ],
)
def test_bad_input_is_exit_code_2(tmp_path, models, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "in" / "a.png", page())
    (tmp_path / "odd").mkdir()
    for name in ("a.bmp", "a.cb7"):
        (tmp_path / "odd" / name).write_bytes(b"odd")
    (tmp_path / "empty").mkdir()
    code, _, err = run(capsys, "-o", "out", models["tiny"], *arguments)
    assert code == 2
    assert message in err
    assert {path.name for path in tmp_path.iterdir()} == {"in", "odd", "empty"}


def test_no_model(tmp_path, capsys):
    save(tmp_path / "a.png", page())
    code, _, err = run(capsys, tmp_path / "nothing", tmp_path / "a.png", "-o", tmp_path / "out")
    assert code == 2
    assert "no model at" in err
    save(tmp_path / "a.keras", page(), format="PNG")
    code, _, err = run(capsys, tmp_path / "a.keras", tmp_path / "a.png", "-o", tmp_path / "out")
    assert code == 2
    assert "a.keras is not a model of this zoo: it is damaged, or no .keras file" in err
    code, _, err = run(capsys, "hf://no/model", tmp_path / "a.png", "-o", tmp_path / "out")
    assert code == 2
    assert "hf://no/model" in err
