"""Pages in the colours that a user gives, by `python -m zoo.colorize`."""

import io
import json
import zipfile
from pathlib import Path, PurePosixPath

import keras
import numpy as np
import pytest
from coloring import page, read, run, save, save_models, uv_of
from hinting import RED, assert_obeyed, outlined, wanted
from PIL import Image

import zoo
from zoo.chroma.yuv import compose, split_luma
from zoo.pages.colorizer import Colorizer
from zoo.pages.hint import color_of
from zoo.pages.said import Said
from zoo.pages.scan import Scan


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    return save_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def networks(models) -> dict[str, keras.Model]:
    return {name: zoo.load(path) for name, path in models.items()}


def written(path: Path, *hints: object) -> Path:
    """A file of hints as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{','.join(map(str, hint))}\n" for hint in hints))
    return path


def samples(index: int) -> np.ndarray:
    return page(60, 80, index) // 2 + 60


@pytest.fixture
def book(tmp_path) -> Path:
    """Three pages in a folder."""
    for index in range(3):
        save(tmp_path / "in" / f"{index}.png", samples(index))
    return tmp_path / "in"


@pytest.mark.parametrize("kind", ["csv", "json", "png"])
def test_the_hints_of_a_page(book, models, capsys, tmp_path, kind):
    hints = [(10, 50, RED), (40, 30, RED), (42, 30, "#0000ff")]  # some nearer than cells of what the network sees
    file = tmp_path / f"mine.{kind}"
    if kind == "csv":
        written(file, ("x", "y", "color"), *hints)
    elif kind == "json":
        file.write_text(json.dumps([dict(zip(("x", "y", "color"), hint, strict=True)) for hint in hints]))
    else:
        rgba = np.zeros((60, 80, 4), np.uint8)
        for x, y, color in hints:
            rgba[y, x] = (*color_of(color), 255)
        save(file, rgba)
    out = tmp_path / "out.png"
    code, _, err = run(capsys, models["tiny"], book / "0.png", "-o", out, "--hints", file, "--side", 32)
    assert code == 0, err
    assert_obeyed(samples(0) / 255, read(out), hints)


@pytest.mark.parametrize(
    ("hints", "message"),
    [
        ([(10, 50, "#c3x")], "line 1: '#c3x' is no colour"),
        ([(10, 50, RED), (80, 5, RED)], "line 2 (#cc3333 at 80, 5) is outside of the page, which is 80 × 60 pixels"),
        ([(10, 50, RED), (10, 50, "blue")], "line 1 (#cc3333 at 10, 50) and line 2 (#0000ff at 10, 50) contradict"),
        ([(1, 1, "blue")], "line 1 (#0000ff at 1, 1) is on black ink, where no colour fits"),
    ],
)
def test_bad_hints_of_a_single_page_are_refused(book, models, capsys, tmp_path, hints, message):
    black = samples(0)
    black[1, 1] = 0
    save(book / "0.png", black)
    file = written(tmp_path / "mine.csv", *hints)
    for out in (tmp_path / "out.png", tmp_path / "out"):
        code, _, err = run(capsys, models["tiny"], book / "0.png", "-o", out, "--hints", file)
        assert message in err
        assert code == 2
        assert not out.exists()


def test_hints_are_checked_on_the_paper_made_white(models, capsys, tmp_path):
    grey = np.full((60, 80), 150, np.uint8)
    grey[20:40, 20:40] = 100
    save(tmp_path / "page.png", grey)
    command = [models["tiny"], tmp_path / "page.png", "-o", tmp_path / "out.png", "--white-paper", "--hints"]
    code, _, err = run(capsys, *command, written(tmp_path / "paper.csv", (5, 5, RED)))
    assert code == 2
    assert "is on white paper, where no colour fits" in err
    assert run(capsys, *command, written(tmp_path / "drawn.csv", (30, 30, RED)))[0] == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.csv", "--hints {}: there is no such file or folder"),
        ("one.csv", "--hints {}: a file is of one page, and there are 3: give a folder"),
        ("folder", "--hints {}: 9.csv is for a page 9, which is not there; pages are 0, 1, 2"),
    ],
)
def test_hints_of_no_page_are_refused(book, models, capsys, tmp_path, name, message):
    written(tmp_path / "one.csv", (10, 50, RED))
    written(tmp_path / "folder" / "9.csv", (10, 50, RED))
    code, _, err = run(capsys, models["tiny"], book, "-o", tmp_path / "out", "--hints", tmp_path / name)
    assert code == 2
    assert message.format(tmp_path / name) in err
    assert not (tmp_path / "out").exists()


def test_bad_hints_of_a_book_cost_their_page(book, models, capsys, tmp_path):
    written(tmp_path / "hints" / "0.csv", (10, 50, RED))
    bad = written(tmp_path / "hints" / "1.csv", (10, 50, RED), (10, 50, "no"))
    command = [models["tiny"], book, "-o", tmp_path / "out", "--hints", tmp_path / "hints"]
    code, _, err = run(capsys, *command)
    assert code == 1
    assert f"1.png: hints {bad}: line 2: 'no' is no colour" in err
    assert "1 of 3 pages could not be coloured" in err
    assert {each.name for each in (tmp_path / "out").glob("[!.]*")} == {"0.png", "2.png"}
    assert_obeyed(samples(0) / 255, read(tmp_path / "out" / "0.png"), [(10, 50, RED)])
    written(bad, (10, 50, "blue"))
    code, _, err = run(capsys, *command)
    assert code == 0, err
    assert "1 of 3 pages coloured" in err
    assert_obeyed(samples(1) / 255, read(tmp_path / "out" / "1.png"), [(10, 50, "blue")])


def test_hints_that_change_make_their_page_anew(book, models, capsys, tmp_path):
    hints, out = tmp_path / "hints", tmp_path / "out"
    for index in (0, 1):
        written(hints / f"{index}.csv", (10, 50, RED))
    command = [models["tiny"], book, "-o", out, "--hints", hints]

    def coloured() -> set[str]:
        """Which pages a call writes."""
        before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in out.glob("*.png")}
        code, _, err = run(capsys, *command)
        assert code == 0, err
        after = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in out.glob("*.png")}
        return {path.stem for path in after if before.get(path) != after[path]}

    assert coloured() == {"0", "1", "2"}
    assert coloured() == set()
    written(hints / "1.csv", (10, 50, "blue"))
    assert coloured() == {"1"}
    assert_obeyed(samples(0) / 255, read(out / "0.png"), [(10, 50, RED)])
    assert_obeyed(samples(1) / 255, read(out / "1.png"), [(10, 50, "blue")])
    written(hints / "2.csv", (10, 50, "gold"))
    assert coloured() == {"2"}
    (hints / "1.csv").unlink()
    assert coloured() == {"1"}
    assert coloured() == set()
    plain = tmp_path / "plain"
    code, _, err = run(capsys, models["tiny"], book / "1.png", "-o", plain)
    assert code == 0, err
    np.testing.assert_array_equal(read(out / "1.png"), read(plain / "1.png"))


def test_hints_and_their_absence_are_told_apart(book, models, capsys, tmp_path):
    """A folder that was made without hints is gone on with, and the other way round."""
    written(tmp_path / "hints" / "1.csv", (10, 50, RED))
    command = [models["tiny"], book, "-o", tmp_path / "out"]
    for arguments, count in (([], 3), (["--hints", tmp_path / "hints"], 1), ([], 1)):
        code, _, err = run(capsys, *command, *arguments)
        assert code == 0, err
        assert f"{count} of 3 pages coloured" in err


def test_sub_folders_have_hints(models, capsys, tmp_path):
    for name in ("a/1.png", "b/1.png"):
        save(tmp_path / "in" / name, samples(0))
    written(tmp_path / "hints" / "b" / "1.csv", (10, 50, RED))
    code, _, err = run(
        capsys, models["tiny"], tmp_path / "in", "-o", tmp_path / "out", "--hints", tmp_path / "hints", "--side", 32
    )
    assert code == 0, err
    assert_obeyed(samples(0) / 255, read(tmp_path / "out" / "b" / "1.png"), [(10, 50, RED)])
    with pytest.raises(AssertionError):
        assert_obeyed(samples(0) / 255, read(tmp_path / "out" / "a" / "1.png"), [(10, 50, RED)])


def test_a_book_s_hints(models, capsys, tmp_path):
    with zipfile.ZipFile(tmp_path / "book.cbz", "w") as book:
        for index in range(2):
            stream = io.BytesIO()
            Image.fromarray(samples(index)).save(stream, "PNG")
            book.writestr(f"{index}.png", stream.getvalue())
    written(tmp_path / "hints" / "1.csv", (10, 50, RED))
    out = tmp_path / "out.cbz"
    code, _, err = run(capsys, models["tiny"], tmp_path / "book.cbz", "-o", out, "--hints", tmp_path / "hints")
    assert code == 0, err
    with zipfile.ZipFile(out) as book, Image.open(book.open("1.png")) as image:
        assert_obeyed(samples(1) / 255, np.asarray(image), [(10, 50, RED)])


def test_a_paler_hint_is_said(models, capsys, tmp_path):
    light = samples(0)
    light[50, 10] = 235
    save(tmp_path / "page.png", light)
    file = written(tmp_path / "mine.csv", (10, 50, RED))
    code, _, err = run(capsys, models["tiny"], tmp_path / "page.png", "-o", tmp_path / "out.png", "--hints", file)
    assert code == 0, err
    pale = "#" + bytes(wanted(light / 255, 10, 50, RED).tolist()).hex()
    assert f"page.png: line 1 (#cc3333 at 10, 50) becomes {pale} there: the page keeps its luma" in err


def test_strokes_cross_ink(models, capsys, tmp_path):
    """Of a stroke, what lies on ink is left out."""
    lines = samples(0)
    lines[:, 38:42] = 0
    save(tmp_path / "page.png", lines)
    rgba = np.zeros((60, 80, 4), np.uint8)
    rgba[28:33, 5:75] = (*color_of(RED), 255)
    file = save(tmp_path / "mine.png", rgba)
    code, _, err = run(capsys, models["tiny"], tmp_path / "page.png", "-o", tmp_path / "out.png", "--hints", file)
    assert code == 0, err
    name = PurePosixPath("page")
    guide, notes = Said(files={name: file}).of(name, Scan(lines), 0.0)
    assert len(guide.hints) > 10
    assert not [hint for hint in guide.hints if 38 <= hint.x < 42]
    assert notes == []
    rgb = read(tmp_path / "out.png")
    assert (rgb[:, 38:42] == 0).all()
    for columns in (np.s_[8:34], np.s_[46:72]):
        uv = split_luma(rgb[30, columns] / 255)[1]
        assert np.abs(uv - uv_of(RED)).mean() < 0.05


def test_a_palette_by_the_command(book, models, capsys, tmp_path):
    command = [models["tiny"], book / "0.png", "-o", tmp_path / "out.png", "--palette"]
    for words, message in (
        ("#777,black", "the palette is grey: give at least one colour"),
        ("#c3x", "'#c3x' is no colour"),
        (tmp_path / "x.gpl", f"--palette {tmp_path / 'x.gpl'}: there is no such file"),
    ):
        code, _, err = run(capsys, *command, words)
        assert code == 2
        assert message in err
        assert not (tmp_path / "out.png").exists()
    code, _, err = run(capsys, *command, "#c33")
    assert code == 0, err
    flat = np.broadcast_to(uv_of("#c33"), (60, 80, 2))
    expected = 255 * compose(samples(0)[..., None] / 255, flat)[0]
    assert np.abs(read(tmp_path / "out.png") - expected).max() <= 1


def test_palette_and_reference_are_settings_of_a_folder(models, capsys, tmp_path):
    """What was made with others is not taken for the same."""
    save(tmp_path / "page.png", outlined(False))
    save(tmp_path / "colour.png", outlined(True))
    for first, others in (
        (["--palette", "#c33,#777"], [["--palette", "#c33,#770"], []]),
        (["--reference", tmp_path / "colour.png"], [["--palette", "#c33"], []]),
    ):
        command = [models["tiny"], tmp_path / "page.png", "-o", tmp_path / first[0]]
        assert run(capsys, *command, *first)[0] == 0
        for other in others:
            code, _, err = run(capsys, *command, *other)
            assert code == 2
            assert "made with other settings" in err
        code, _, err = run(capsys, *command, *first)
        assert code == 0
        assert "1 of 1 pages are there already" in err


def test_a_reference_by_the_command(models, networks, capsys, tmp_path):
    save(tmp_path / "page.png", outlined(False))
    save(tmp_path / "colour.png", outlined(True))
    save(tmp_path / "grey.png", outlined(False))
    (tmp_path / "text.png").write_text("no picture")
    command = [models["tiny"], tmp_path / "page.png", "-o", tmp_path / "out.png", "--reference"]
    for name, message in (
        ("grey.png", "it has no colours: give a coloured page of the same work"),
        ("none.png", "there is no such file"),
        ("text.png", "not an image"),
    ):
        code, _, err = run(capsys, *command, tmp_path / name)
        assert code == 2
        assert f"--reference {tmp_path / name}: {message}" in err
        assert not (tmp_path / "out.png").exists()
    code, _, err = run(capsys, *command, tmp_path / "colour.png")
    assert code == 0, err
    colorizer = Colorizer(networks["tiny"])
    expected = colorizer(outlined(False), reference=outlined(True)).astype(int)
    assert np.abs(read(tmp_path / "out.png") - expected).max() <= 1
    assert np.abs(colorizer(outlined(False)) - expected).max() > 5
