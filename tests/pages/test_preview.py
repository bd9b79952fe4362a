"""The contact sheet of a preview: which pages, which choices, and what is printed."""

import json
import shlex
import weakref

import numpy as np
import pytest
from coloring import page, run, save, save_linear, save_models
from PIL import Image

from zoo.pages import preview
from zoo.pages.look import Look
from zoo.pages.preview import Choice, choices, spread
from zoo.pages.scan import Scan


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return save_models(tmp_path_factory.mktemp("models"))


def test_pages_are_spread_evenly():
    assert spread(list("abcdefghi"), 3) == ["a", "e", "i"]
    assert spread(list("ab"), 5) == ["a", "b"]
    assert spread(list("abc"), 1) == ["a"]


def test_the_model_in_every_way_and_others_in_one():
    found = choices("mine", ["other", "mine"], lambda name: [None] if name == "other" else ["a", "b"])
    assert found[:2] == [Choice("mine", "a"), Choice("mine", "b")]
    assert found[2:-1] == [Choice("mine", "a", side) for side in preview.SIDES]
    assert found[-1] == Choice("other")
    asked = choices("mine", [], lambda name: ["a", "b"], 512)
    assert asked == [
        Choice("mine", "a", 512),
        Choice("mine", "b", 512),
        Choice("mine", "a", 256),
        Choice("mine", "a", 1024),
    ]
    assert Choice("mine", "a", 512).options == " --decode a --side 512"
    assert Choice("mine").options == ""


def test_a_preview_shows_pages_and_prints_commands(capsys, models, tmp_path):
    for index in range(5):
        save(tmp_path / "book" / f"{index}.png", page(60, 40 + 10 * index, index))
    save(tmp_path / "book" / "9.png", np.stack([page(), page(seed=3), page(seed=5)], axis=-1))
    out = tmp_path / "sheet.png"
    command = [models["classifier"], tmp_path / "book", "-o", out, "--preview", 3, "--preview-models", models["tiny"]]
    code, text, err = run(capsys, *command)
    assert code == 0, err
    lines = text.splitlines()
    assert len(lines) == 3 + 2 + 1  # decoders; sides but the one it was trained at; the other model
    assert all("s a page" in line and str(tmp_path / "book") in line for line in lines)
    assert lines[0].endswith("--decode annealed+coherent")
    assert lines[3].endswith("--decode annealed+coherent --side 256")
    assert "left out" in err
    assert "--desaturate" in err  # how a page that has colours can be tried
    with Image.open(out) as sheet:
        assert sheet.width > 7 * 60
        assert sheet.height > 2 * 60
    code, text, _ = run(capsys, *command, "--json", "--overwrite", "--decode", "mode")
    assert code == 0
    rows = json.loads(text)["choices"]
    assert [row["command"].partition(" -o OUT")[2] for row in rows] == [
        " --decode mode",
        " --decode mode --side 256",
        " --decode mode --side 512",
        "",
    ]
    assert all(row["seconds a page"] > 0 for row in rows)


def test_a_preview_is_of_the_options_that_were_given(capsys, models, tmp_path):
    save(tmp_path / "a page.png", page(60, 40))
    given = ["--side", 32, "--no-panels", "--white-paper", "--headroom", 0.2, "--upsampling", "bilinear"]
    command = [models["tiny"], tmp_path / "a page.png", "--preview-models", models["tiny"], "--json"]
    code, text, err = run(capsys, *command, *given, "-o", tmp_path / "sheet.png", "--preview", 1)
    assert code == 0, err
    rows = [row["command"] for row in json.loads(text)["choices"]]
    kept = " --no-panels --upsampling bilinear --white-paper --headroom 0.2"
    assert [row.partition(" -o OUT")[2] for row in rows] == [f" --side {side}{kept}" for side in (32, 256, 512, 1024)]
    # The command that is printed makes what the sheet shows.
    words = shlex.split(rows[0].replace("OUT", str(tmp_path / "out.png")))
    code, _, err = run(capsys, *words[words.index(str(models["tiny"])) :])
    assert code == 0, err
    grey, tile = Image.open(tmp_path / "sheet.png"), Image.open(tmp_path / "out.png")
    left = next(x for x in range(grey.width) if np.array_equal(np.asarray(grey)[-72:-12, x : x + 40], np.asarray(tile)))
    assert left > 40  # to the right of the grey one


def test_a_preview_holds_a_page_at_a_time(models):
    held = []

    def pages():
        for index in range(4):
            assert sum(scan() is not None for scan in held) <= 1  # the one before, until this one is there
            scan = Scan(page(seed=index))
            held.append(weakref.ref(scan))
            yield scan
            del scan

    grey, tried = preview.try_all([Choice(str(models["tiny"]))], pages(), Look())
    assert (len(grey), len(tried), len(tried[0].pages)) == (4, 1, 4)


def test_a_preview_of_a_regression_of_one_s_own(capsys, tmp_path):
    model = save_linear(tmp_path / "line.keras", (0.5, -0.3), (-0.4, 0.25))
    save(tmp_path / "page.png", page())
    command = [model, tmp_path / "page.png", "-o", tmp_path / "x.png", "--preview", 1, "--preview-models", model]
    code, out, err = run(capsys, *command)
    assert code == 0, err
    assert f"{model} {tmp_path / 'page.png'} -o OUT\n" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "out", "--preview", 2], "give -o NAME.png"),
        (["-o", "out.png", "--preview", 0], "1 to 100, not 0"),
        (["-o", "nowhere/out.png", "--preview", 2], "-o nowhere/out.png: there is no folder nowhere"),
        (["-o", "out.png", "--preview-models", "residual"], "--preview-models needs --preview N"),
    ],
)
def test_what_a_preview_refuses(capsys, models, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "page.png", page())
    code, _, err = run(capsys, models["tiny"], "page.png", *options)
    assert code == 2
    assert message in err
    assert not list(tmp_path.glob("out*"))


def test_a_preview_of_pages_that_cannot_be_coloured(capsys, models, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    code, _, err = run(
        capsys,
        models["tiny"],
        tmp_path / "broken.png",
        "-o",
        tmp_path / "x.png",
        "--preview",
        2,
        "--preview-models",
        models["tiny"],
    )
    assert code == 1
    assert "broken.png" in err
