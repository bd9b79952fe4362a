"""What a book survives that `python -m zoo.colorize` makes: bad pages, odd names, interruptions."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from coloring import page, run, save, save_models
from PIL import Image

from zoo.data.image_files import inner_path
from zoo.errors import UsageError
from zoo.pages import defaults
from zoo.pages.output import Output
from zoo.support import command as cli
from zoo.support.files import locked


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    return save_models(tmp_path_factory.mktemp("models"))


def test_a_bad_page_costs_that_page_and_is_named(tmp_path, models, capsys):
    for index in range(3):
        save(tmp_path / "in" / f"{index}.png", page(seed=index))
    (tmp_path / "in" / "bad.png").write_bytes((tmp_path / "in" / "0.png").read_bytes()[:60])
    save(tmp_path / "in" / "colour.png", np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8))
    code, out, err = run(capsys, models["tiny"], tmp_path / "in", "-o", tmp_path / "out", "--json")
    assert code == 1
    assert "2 of 5 pages could not be coloured" in err
    assert "bad.png: truncated" in err
    assert "colour.png: it has colours: --desaturate colours it anew" in err
    report = json.loads(out)
    assert (report["pages"], report["coloured"]) == (5, 3)
    assert (report["model"], report["decode"]) == (str(models["tiny"]), None)
    assert set(report["failed"]) == {"bad.png", "colour.png"}
    assert {p.name for p in (tmp_path / "out").glob("[!.]*")} == {"0.png", "1.png", "2.png"}


def test_a_bad_book_in_a_folder_costs_that_book(tmp_path, models, capsys):
    save(tmp_path / "in" / "page.png", page())
    (tmp_path / "in" / "bad.cbz").write_bytes(b"PK\3\4 nothing")
    (tmp_path / "in" / "bad.pdf").write_bytes(b"%PDF-1.4 nothing")
    code, _, err = run(capsys, models["tiny"], tmp_path / "in", "-o", tmp_path / "out")
    assert code == 1
    assert "2 of 3 pages could not be coloured" in err
    assert "bad.cbz: neither a folder nor a readable .zip or .cbz archive" in err
    assert "bad.pdf: damaged" in err or "bad.pdf: PDF files need the package pypdfium2" in err
    assert [path.name for path in (tmp_path / "out").glob("[!.]*")] == ["page.png"]


def test_a_name_that_the_disk_does_not_take_costs_that_page(tmp_path, models, capsys):
    stream = io.BytesIO()
    Image.fromarray(page()).save(stream, "PNG")
    with zipfile.ZipFile(tmp_path / "book.cbz", "w") as book:
        for name in ("1.png", "x" * 300 + ".png", "2.png"):
            book.writestr(name, stream.getvalue())
    code, _, err = run(capsys, models["tiny"], tmp_path / "book.cbz", "-o", tmp_path / "out")
    assert code == 1
    assert "1 of 3 pages could not be coloured" in err
    assert "xxx.png: File name too long" in err
    assert {p.name for p in (tmp_path / "out").glob("[!.]*")} == {"1.png", "2.png"}


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("a/b.png", "a/b.png"),
        ("//tmp/b.png", "tmp/b.png"),
        ("///b.png", "b.png"),
        ("/../a/./../b.png", "a/b.png"),
        ("..\\..\\b.png", "b.png"),
        ("C:\\b.png", "b.png"),
        ("a/C:b.png", "a/b.png"),
        ("C:D:b.png", "b.png"),
        ("Book 1: One/2.png", "Book 1: One/2.png"),
        ("a/..", "a"),
        ("//", "unnamed"),
    ],
)
def test_names_from_archives_lead_nowhere(name, inside):
    assert inner_path(name).as_posix() == inside


def test_nothing_is_written_outside_the_output(tmp_path, models, capsys):
    stream = io.BytesIO()
    Image.fromarray(page()).save(stream, "PNG")
    with zipfile.ZipFile(tmp_path / "book.cbz", "w") as book:
        book.writestr(f"/{tmp_path}/stolen/1.png", stream.getvalue())  # "//…", which a path keeps as its root
    code, _, _ = run(capsys, models["tiny"], tmp_path / "book.cbz", "-o", tmp_path / "out")
    assert code == 0
    assert not (tmp_path / "stolen").exists()
    assert [each.name for each in (tmp_path / "out").rglob("*.png")] == ["1.png"]


def test_a_book_is_made_by_one_call_at_a_time(tmp_path, models, capsys):
    save(tmp_path / "page.png", page())
    book = tmp_path / "book.cbz"
    command = [models["tiny"], tmp_path / "page.png", "-o", book]
    with locked(tmp_path / "book.cbz.parts", "busy"):
        code, _, err = run(capsys, *command)
        assert code == 2
        assert f"another process is making {book}" in err
        assert not book.exists()
    late = Output(book, "png", overwrite=False, single=False)
    assert run(capsys, *command)[0] == 0
    made = book.read_bytes()
    with pytest.raises(UsageError, match="is there already"), late.alone():
        raise AssertionError("a book that another call has made meanwhile is not made again")
    assert book.read_bytes() == made
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.cbz", "page.png"]


@pytest.mark.parametrize(("kind", "longest"), [("jpg", 65_500), ("webp", 16_383)])
def test_a_page_that_is_too_long_for_the_format_costs_itself(tmp_path, models, capsys, kind, longest):
    save(tmp_path / "in" / "a.png", np.full((1, longest + 1), 128, np.uint8))
    save(tmp_path / "in" / "b.png", page())
    code, _, err = run(capsys, models["tiny"], tmp_path / "in", "-o", tmp_path / "out", "--format", kind)
    assert code == 1
    assert f"a.png: {longest + 1} x 1 pixels: {kind} has at most {longest} a side, png has more" in err
    assert [path.name for path in tmp_path.glob(f"out/*.{kind}")] == [f"b.{kind}"]


def test_a_book_in_a_folder_that_is_not_there_yet(tmp_path, models, capsys):
    save(tmp_path / "in" / "0.png", page())
    book = tmp_path / "new" / "shelf" / "book.cbz"
    code, _, err = run(capsys, models["tiny"], tmp_path / "in", "-o", book)
    assert code == 0, err
    assert [path.name for path in book.parent.iterdir()] == ["book.cbz"]


def test_a_page_whose_folder_is_another_pages_file_costs_itself(tmp_path, models, capsys):
    stream = io.BytesIO()
    Image.fromarray(page()).save(stream, "PNG")
    with zipfile.ZipFile(tmp_path / "book.cbz", "w") as book:
        for name in ("a.png", "a.png/b.png", "c.png"):
            book.writestr(name, stream.getvalue())
    code, _, err = run(capsys, models["tiny"], tmp_path / "book.cbz", "-o", tmp_path / "out")
    assert code == 1
    assert "1 of 3 pages could not be coloured" in err
    assert {path.name for path in (tmp_path / "out").glob("[!.]*")} == {"a.png", "c.png"}


def test_a_name_brings_no_codes_to_the_terminal(tmp_path, models, capsys):
    bad = tmp_path / "\x1b[31mred.png"
    bad.write_bytes(b"no image")
    code, out, err = run(capsys, models["tiny"], bad, "-o", tmp_path / "out")
    assert code == 1
    assert "?[31mred.png" in err
    assert "\x1b" not in out + err
    code, out, err = run(capsys, models["tiny"], tmp_path / "\x1b[31m.png", "-o", tmp_path / "out")
    assert code == 2
    assert "\x1b" not in out + err


def test_it_goes_on_where_it_stopped(tmp_path, models, capsys, monkeypatch):
    for index in range(6):
        save(tmp_path / "in" / f"{index}.png", page(seed=index))
    out = tmp_path / "book.cbz"
    command = [models["tiny"], tmp_path / "in", "-o", out, "--batch-size", 1]
    write, written = Output.write, []

    def counted(self, name, data, extra=""):
        written.append(str(name))
        if len(written) == 4:
            raise KeyboardInterrupt
        write(self, name, data, extra)

    monkeypatch.setattr(Output, "write", counted)
    code, _, err = run(capsys, *command)
    assert code == 130
    assert "interrupted: the same command goes on where it stopped" in err
    assert not out.exists()
    there = sorted(p.stem for p in (tmp_path / "book.cbz.parts").glob("*.png"))
    assert 3 <= len(there) < 6
    written.clear()
    written.extend("xxxx")  # no more interruptions
    code, _, err = run(capsys, *command, "--quality", 50)
    assert code == 2
    assert "holds pages that were made with other settings: --overwrite begins anew" in err
    code, _, err = run(capsys, *command)
    assert code == 0, err
    assert f"{6 - len(there)} of 6 pages coloured" in err
    assert sorted([*written[4:], *there]) == [str(i) for i in range(6)]
    with zipfile.ZipFile(out) as book:
        assert book.namelist() == [f"{i}.png" for i in range(6)]


@pytest.mark.parametrize("suffix", [".cbz", ".pdf"])
def test_a_book_of_which_no_page_can_be_coloured_is_not_written(tmp_path, models, capsys, suffix):
    colored = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    save(tmp_path / "in" / "0.png", colored)
    out = tmp_path / f"book{suffix}"
    command = [models["tiny"], tmp_path / "in", "-o", out]
    code, _, err = run(capsys, *command)
    assert code == 1
    assert f"{out} was not written" in err
    assert {each.name for each in tmp_path.iterdir()} == {"in"}
    assert run(capsys, *command, "--desaturate")[0] == 0  # as the message says
    save(tmp_path / "in" / "1.png", page())
    code, _, err = run(capsys, *command, "--overwrite")
    assert code == 1
    assert f"{out} is without them: --overwrite makes it anew" in err


def test_a_begun_book_can_be_begun_anew(tmp_path, models, capsys):
    save(tmp_path / "in" / "0.png", page())
    out = tmp_path / "book.cbz"
    parts = tmp_path / "book.cbz.parts"
    parts.mkdir()
    (parts / "settings.json").write_text("{}")
    (parts / "old.png").write_bytes(b"")
    command = [models["tiny"], tmp_path / "in", "-o", out]
    assert run(capsys, *command)[0] == 2
    assert run(capsys, "no-model", *command[1:], "--overwrite")[0] == 2
    assert (parts / "old.png").exists()  # a mistake costs nothing
    assert run(capsys, *command, "--overwrite")[0] == 0
    with zipfile.ZipFile(out) as book:
        assert book.namelist() == ["0.png"]


@pytest.mark.parametrize("arguments", [["in", "-o", "in"], ["in/0.png", "-o", "in/0.png"], ["in.cbz", "-o", "in.cbz"]])
def test_inputs_are_not_overwritten_even_if_asked(tmp_path, models, capsys, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    file = save(tmp_path / "in" / "0.png", page())
    with zipfile.ZipFile("in.cbz", "w") as book:
        book.write(file, "0.png")
    before = file.read_bytes(), Path("in.cbz").read_bytes()
    code, _, err = run(capsys, models["tiny"], *arguments, "--overwrite")
    assert code == 2
    assert "is one of the inputs; give another place" in err
    assert (file.read_bytes(), Path("in.cbz").read_bytes()) == before


def test_an_error_that_a_library_makes_of_ctrl_c_is_an_interruption(capsys):
    import os
    import signal

    def command() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise ValueError("casting elements to a supported type") from None

    def refused() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise UsageError("this is no model of this zoo") from None

    def broken() -> None:
        raise ValueError("a mistake")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        assert cli.run(command) == 130
        assert capsys.readouterr().err == "interrupted\n"
        assert cli.run(refused) == 130
        assert capsys.readouterr().err == "interrupted\n"
        with pytest.raises(ValueError, match="a mistake"):
            cli.run(broken)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("word", "is_input"),
    [
        ("page.png", True),
        ("book.cbz", True),
        ("scans/*.jpg", True),
        ("book.pdf", True),
        ("pages", True),
        ("run", False),
        ("begun", False),
        ("residual", False),
        ("residual:comics", False),
        ("mine.keras", False),
        ("mine[1]/mine.keras", False),
        ("mine[1].keras", True),
        ("nothing", False),
    ],
)
def test_the_model_may_be_left_out(tmp_path, monkeypatch, word, is_input):
    """Pages, books, patterns and folders of pages are no models; runs are, finished or begun, and names."""
    monkeypatch.chdir(tmp_path)
    for file in ("pages/1.png", "run/best.keras", "begun/config.json", "residual/1.png", "mine[1]/mine.keras"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).touch()
    assert defaults.is_input(word) is is_input
