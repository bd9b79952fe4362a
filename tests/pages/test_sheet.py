"""The colour sheet of a book: what is alike on all its pages has one colour, which a user changes."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from coloring import read, run, save, save_linear, uv_of
from PIL import Image

from zoo.chroma.yuv import compose, split_luma, to_uint8
from zoo.pages.hint import color_of
from zoo.pages.job import Job
from zoo.pages.sheet import (
    read_sheet,
)

RED, GREEN = "#cc3333", "#22aa66"
DARK, LIGHT, PAPER, INK = 100, 170, 255, 0


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """Dark and light get colours that are not alike."""
    return save_linear(tmp_path_factory.mktemp("models") / "line.keras", (0.5, -0.3), (-0.4, 0.25))


def flat(left: int, right: int, at: int = 60, size: tuple[int, int] = (80, 120)) -> np.ndarray:
    """Two tones with a line of ink between them."""
    luma = np.full(size, left, np.uint8)
    luma[:, at:] = right
    luma[:, at - 2 : at + 2] = INK
    return luma


PAGES = {"a": flat(DARK, LIGHT), "b": flat(LIGHT, DARK, at=40), "c": flat(LIGHT, LIGHT)}


@pytest.fixture
def book(tmp_path) -> Path:
    """Three pages in a folder; one has no dark part."""
    for name, luma in PAGES.items():
        save(tmp_path / "in" / f"{name}.png", luma)
    return tmp_path / "in"


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.stem: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.glob("*.png")}


def entry_of(entries, tone: int):
    """The entry of a tone of grey."""
    (found,) = (each for each in entries if abs(each["tone"] - tone / 255) < 0.02)
    return found


def at_tone(tone: int, color: str) -> np.ndarray:
    return to_uint8(compose(np.array([tone / 255]), uv_of(color))[0]).astype(int)


# The command.


def test_first_a_sheet_is_written_and_then_it_is_followed(book, model, capsys, tmp_path):
    out, sheet = tmp_path / "out", tmp_path / "s.json"
    command = [model, book, "-o", out, "--sheet", sheet]
    code, _, err = run(capsys, *command)
    assert code == 0, err
    assert "3 of 3 pages coloured" in err
    assert f"colours in {sheet}, pictured in {tmp_path / 's-colours.jpg'}: change one, and call again" in err
    with Image.open(tmp_path / "s-colours.jpg") as image:
        assert image.format == "JPEG"
    text = sheet.read_text()
    held = json.loads(text)
    entries = held["entries"]
    assert [each["name"] for each in entries] == ["1", "2"]
    dark, light = entry_of(entries, DARK), entry_of(entries, LIGHT)
    assert sorted(Path(each).stem for each in dark["pages"]) == ["a", "b"]
    assert sorted(Path(each).stem for each in light["pages"]) == ["a", "b", "c"]
    for each, tone in ((dark, DARK), (light, LIGHT)):
        u, v = 0.5 * tone / 255 - 0.3, -0.4 * tone / 255 + 0.25
        expected = to_uint8(compose(np.array([tone / 255]), np.array([u, v]))[0]).astype(int)
        assert np.abs(np.array(color_of(each["color"])) - expected).max() <= 2
        share = np.mean([(luma == tone).mean() for luma in PAGES.values()])
        assert each["share"] == pytest.approx(share, abs=0.01)
    first = stamps(out)
    assert set(first) == set(PAGES)

    code, _, err = run(capsys, *command)
    assert code == 0, err
    assert "3 of 3 pages are there already" in err
    assert stamps(out) == first
    assert sheet.read_text() == text

    plain = {name: read(out / f"{name}.png").astype(int) for name in PAGES}
    dark["color"] = RED
    sheet.write_text(json.dumps(held))
    code, _, err = run(capsys, *command)
    assert code == 0, err
    assert "3 of 3 pages coloured" in err
    assert json.loads(sheet.read_text()) == held  # it stays the user's
    for name, luma in PAGES.items():
        rgb = read(out / f"{name}.png").astype(int)
        if name != "c":
            assert np.abs(rgb[luma == DARK] - at_tone(DARK, RED)).max() <= 4
            assert np.abs(plain[name][luma == DARK] - at_tone(DARK, RED)).min(axis=0).max() > 30
        assert np.abs(rgb - plain[name])[luma == LIGHT].max() <= 4
    again = stamps(out)
    assert all(again[name] != first[name] for name in PAGES)
    code, _, err = run(capsys, *command)
    assert code == 0, err
    assert stamps(out) == again


def test_a_sheet_as_it_was_made_changes_nothing_much(book, model, capsys, tmp_path):
    for name, more in (("with", ["--sheet", tmp_path / "s.json"]), ("without", [])):
        code, _, err = run(capsys, model, book, "-o", tmp_path / name, *more)
        assert code == 0, err
    for name in PAGES:
        one, two = (read(tmp_path / folder / f"{name}.png").astype(int) for folder in ("with", "without"))
        assert np.abs(one - two).max() <= 6
        assert np.ptp(two, axis=-1).max() > 20


def test_names_are_the_user_s(book, model, capsys, tmp_path):
    """A name is no reason to make pages anew, and another way to write a colour neither."""
    out, sheet = tmp_path / "out", tmp_path / "s.json"
    command = [model, book, "-o", out, "--sheet", sheet]
    assert run(capsys, *command)[0] == 0
    held = json.loads(sheet.read_text())
    held["entries"][0] |= {"name": "hair", "color": held["entries"][0]["color"].upper()}
    sheet.write_text(json.dumps(held))
    before = stamps(out)
    code, _, err = run(capsys, *command)
    assert code == 0, err
    assert stamps(out) == before
    assert read_sheet(sheet, held["weights"])[0].name == "hair"


def test_a_sheet_for_pages_that_are_there_already(book, model, capsys, tmp_path):
    """They were made without one: the sheet is written all the same."""
    out, sheet = tmp_path / "out", tmp_path / "s.json"
    assert run(capsys, model, book, "-o", out)[0] == 0
    code, _, err = run(capsys, model, book, "-o", out, "--sheet", sheet)
    assert code == 0, err
    assert sheet.exists(), err


def test_no_sheet_is_left_of_pages_that_cannot_be_coloured(model, capsys, tmp_path):
    save(tmp_path / "in" / "a.png", np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8))
    file = tmp_path / "sheet.json"
    command = [model, tmp_path / "in", "-o", tmp_path / "out", "--sheet", file]
    code, _, err = run(capsys, *command)
    assert code == 1
    assert "1 of 1 pages could not be coloured:\n  a.png: it has colours: --desaturate" in err
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert run(capsys, *command, "--desaturate")[0] == 0
    assert file.exists()


def test_a_sheet_that_is_gone_is_made_anew(book, model, capsys, tmp_path):
    out, sheet = tmp_path / "out", tmp_path / "s.json"
    command = [model, book, "-o", out, "--sheet", sheet]
    assert run(capsys, *command)[0] == 0
    text = sheet.read_text()
    sheet.unlink()
    code, _, err = run(capsys, *command)
    assert code == 0, err
    assert sheet.read_text() == text


def test_a_book_s_sheet(book, model, capsys, tmp_path):
    with zipfile.ZipFile(tmp_path / "book.cbz", "w") as archive:
        for name in PAGES:
            archive.write(book / f"{name}.png", f"{name}.png")
    sheet = tmp_path / "s.json"
    command = [model, tmp_path / "book.cbz", "--sheet", sheet]
    code, _, err = run(capsys, *command, "-o", tmp_path / "one.cbz")
    assert code == 0, err
    held = json.loads(sheet.read_text())
    entry_of(held["entries"], LIGHT)["color"] = GREEN
    sheet.write_text(json.dumps(held))
    code, _, err = run(capsys, *command, "-o", tmp_path / "two.cbz")
    assert code == 0, err
    with zipfile.ZipFile(tmp_path / "two.cbz") as archive, Image.open(archive.open("b.png")) as image:
        rgb = np.asarray(image).astype(int)
    assert np.abs(rgb[PAGES["b"] == LIGHT] - at_tone(LIGHT, GREEN)).max() <= 4


@pytest.mark.parametrize("name", ["out", "out.cbz"])
def test_a_call_that_was_interrupted_goes_on_with_its_sheet(book, model, capsys, tmp_path, monkeypatch, name):
    """After the sheet was written, and before the last page was."""
    sheet = tmp_path / "s.json"
    command = [model, book, "-o", tmp_path / name, "--sheet", sheet]
    write, calls = Job._write, []

    def interrupted(self, page, *arguments):
        calls.append(page)
        if len(calls) > 1:
            raise KeyboardInterrupt
        write(self, page, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Job, "_write", interrupted)
        code, _, err = run(capsys, *command, "--batch-size", 1)
    assert code == 130
    assert "the same command goes on where it stopped" in err
    assert sheet.exists()
    code, _, err = run(capsys, *command, "--batch-size", 1)
    assert code == 0, err
    assert "of 3 pages coloured" in err


def test_a_sheet_of_another_model_is_refused(book, model, capsys, tmp_path):
    sheet = tmp_path / "s.json"
    assert run(capsys, model, book, "-o", tmp_path / "out", "--sheet", sheet)[0] == 0
    text = sheet.read_text()
    other = save_linear(tmp_path / "other.keras", (0.1, 0.0), (0.1, 0.0))
    code, _, err = run(capsys, other, book, "-o", tmp_path / "new", "--sheet", sheet)
    assert code == 2
    assert f"--sheet {sheet}: it was made with another model: move it away, and it is made anew" in err
    assert not (tmp_path / "new").exists()
    assert sheet.read_text() == text


@pytest.mark.parametrize("name", ["s.txt", "s", "s.jpg"])
def test_a_sheet_has_a_name_of_its_kind(book, model, capsys, tmp_path, name):
    code, _, err = run(capsys, model, book, "-o", tmp_path / "out", "--sheet", tmp_path / name)
    assert code == 2
    assert f"--sheet {tmp_path / name}: give a name that ends in .json" in err
    assert {each.name for each in tmp_path.iterdir()} == {"in"}


# Damaged sheets.


def without(key: str):
    def change(held: dict) -> None:
        del held["entries"][1][key]

    return change


def with_(**values):
    def change(held: dict) -> None:
        held["entries"][1] |= values

    return change


def shorter(held: dict) -> None:
    held["entries"][1]["kind"].pop()


def no_entries(held: dict) -> None:
    del held["entries"]


def none_of_it(held: dict) -> None:
    held["entries"] = None


def a_word(held: dict) -> None:
    held["entries"][1] = "red"


ENTRY = "entry 2"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("{", "it is no JSON"),
        ("", "it is no JSON"),
        (b"\xff\xfe", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
        ("[1]", "it is no colour sheet: it has no list of entries"),
        ("7", "it is no colour sheet"),
        (no_entries, "it is no colour sheet"),
        (none_of_it, "it is no colour sheet"),
        (a_word, ENTRY),
        *((without(key), f"{ENTRY} is not as it was written") for key in ("color", "tone", "kind", "share", "pages")),
        (with_(color="#c3x"), f"{ENTRY}: '#c3x' is no colour"),
        (with_(color=None), f"{ENTRY}: None is no colour"),
        (with_(color=[1, 2, 3]), f"{ENTRY}: [1, 2, 3] is no colour"),
        (with_(tone=float("nan")), f"{ENTRY} has a tone or a kind that no region has"),
        (with_(tone=float("inf")), f"{ENTRY} has a tone or a kind that no region has"),
        (with_(kind=[0.1, float("nan")]), f"{ENTRY} has a tone or a kind that no region has"),
        (with_(tone="dark"), f"{ENTRY} is not as it was written"),
        (with_(kind=None), f"{ENTRY} is not as it was written"),
        (with_(kind=["u", "v"]), f"{ENTRY} is not as it was written"),
        (with_(tone=10**400), ENTRY),
        (with_(kind=[1e200, 1e200]), ENTRY),
        (with_(kind=[]), ENTRY),
        (shorter, ENTRY),
    ],
)
def test_damaged_sheets_are_refused(book, model, capsys, tmp_path, damage, message):
    sheet = tmp_path / "s.json"
    assert run(capsys, model, book, "-o", tmp_path / "out", "--sheet", sheet)[0] == 0
    if callable(damage):
        held = json.loads(sheet.read_text())
        damage(held)
        sheet.write_text(json.dumps(held))
    else:
        sheet.write_bytes(damage.encode() if isinstance(damage, str) else damage)
    before, pages = sheet.read_bytes(), stamps(tmp_path / "out")
    for out in (tmp_path / "new", tmp_path / "out"):
        code, _, err = run(capsys, model, book, "-o", out, "--sheet", sheet)
        assert code == 2
        assert f"--sheet {sheet}: " in err
        assert message in err
    assert not (tmp_path / "new").exists()
    assert stamps(tmp_path / "out") == pages
    assert sheet.read_bytes() == before


# Hints that are carried over.


def hints(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.csv").write_text(f"20,40,{RED}\n")
    return folder


def test_carried_hints_change_what_is_alike_on_other_pages(book, model, capsys, tmp_path):
    where = hints(tmp_path / "hints")
    for name, more in (
        ("plain", []),
        ("own", ["--hints", where]),
        ("carried", ["--hints", where, "--carry-hints"]),
    ):
        code, _, err = run(capsys, model, book, "-o", tmp_path / name, *more)
        assert code == 0, err
    found = {
        folder: {name: read(tmp_path / folder / f"{name}.png").astype(int) for name in PAGES}
        for folder in ("plain", "own", "carried")
    }
    np.testing.assert_array_equal(found["own"]["b"], found["plain"]["b"])
    np.testing.assert_array_equal(found["own"]["c"], found["plain"]["c"])
    for folder in ("own", "carried"):
        assert np.abs(found[folder]["a"][40, 20] - at_tone(DARK, RED)).max() <= 1
    dark, light = PAGES["b"] == DARK, PAGES["b"] == LIGHT
    moved = np.abs(found["carried"]["b"] - found["plain"]["b"])
    assert moved[dark].max(axis=-1).min() > 30
    towards = split_luma(found["carried"]["b"] / 255)[1][dark] - uv_of(RED)
    assert np.abs(towards).max() < 0.05
    assert moved[light].max() <= 6
    assert np.abs(found["carried"]["c"] - found["plain"]["c"]).max() <= 6


def test_a_carried_hint_that_changes_makes_all_pages_anew(book, model, capsys, tmp_path):
    where, out = hints(tmp_path / "hints"), tmp_path / "out"
    command = [model, book, "-o", out, "--hints", where, "--carry-hints"]
    assert run(capsys, *command)[0] == 0
    first = stamps(out)
    code, _, err = run(capsys, *command)
    assert code == 0, err
    assert stamps(out) == first
    (where / "a.csv").write_text("20,40,#0000cc\n")
    code, _, err = run(capsys, *command)
    assert code == 0, err
    assert all(stamps(out)[name] != first[name] for name in PAGES)
    rgb = read(out / "b.png")
    assert np.abs(split_luma(rgb / 255)[1][PAGES["b"] == DARK] - uv_of("#0000cc")).max() < 0.12


def test_hints_are_carried_if_there_are_any(book, model, capsys, tmp_path):
    code, _, err = run(capsys, model, book, "-o", tmp_path / "out", "--carry-hints")
    assert code == 2
    assert "--carry-hints needs --hints: give both" in err
    assert not (tmp_path / "out").exists()


def test_a_hint_beats_the_sheet(book, model, capsys, tmp_path):
    sheet = tmp_path / "s.json"
    assert run(capsys, model, book, "-o", tmp_path / "first", "--sheet", sheet)[0] == 0
    held = json.loads(sheet.read_text())
    entry_of(held["entries"], DARK)["color"] = "#0000cc"
    sheet.write_text(json.dumps(held))
    command = [model, book, "-o", tmp_path / "out", "--sheet", sheet, "--hints", hints(tmp_path / "hints")]
    code, _, err = run(capsys, *command)
    assert code == 0, err
    rgb = read(tmp_path / "out" / "a.png")
    assert np.abs(split_luma(rgb / 255)[1][PAGES["a"] == DARK] - uv_of(RED)).max() < 0.1
    rgb = read(tmp_path / "out" / "b.png")
    assert np.abs(split_luma(rgb / 255)[1][PAGES["b"] == DARK] - uv_of("#0000cc")).max() < 0.1
