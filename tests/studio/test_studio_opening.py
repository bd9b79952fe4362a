"""How a studio is opened, from the command line and from a notebook, and what is refused before it is."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hinting import outlined
from PIL import Image
from studying import Client, kept, opened, save_model

from zoo.errors import UsageError
from zoo.studio import running
from zoo.studio.__main__ import main, parser
from zoo.studio.__main__ import opened as command

pytestmark = pytest.mark.needs("starlette", "uvicorn")


def inside(book: Path, words: list[str]) -> list[str]:
    """Words with the book's folder in the place of BOOK."""
    return [word.replace("BOOK", str(book)) for word in words]


def test_help_needs_no_tensorflow() -> None:
    code = "import sys\nfrom zoo.studio.__main__ import parser\nparser()\n"
    code += "assert not {'keras', 'tensorflow', 'starlette', 'scipy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, book: Path, capsys: Any) -> None:
    monkeypatch.setattr(running, "EXTRA", ("starlette", "not_there_at_all"))
    assert main([str(book)]) == 2
    assert 'not_there_at_all: pip install "keras-colorization-zoo[studio]"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["guided"], "no PAGES come after it"),
        (["nowhere/"], "no PAGES come after it"),
        (["guided", "nowhere/"], "nowhere/: no such file"),
        (["gided", "BOOK"], "Did you mean 'guided'"),
        (["BOOK", "--headroom", "3"], "--headroom must be in"),
        (["BOOK", "--decode", "mod"], "unknown decoder 'mod'"),
        (["residual", "BOOK", "--decode", "mode"], "leave --decode out"),
        (["BOOK", "--models", "contxt"], "--models: no model at contxt"),
        (["BOOK", "--port", "70000"], "--port must be in"),
        (["BOOK", "--keep", "BOOK/kept"], "/kept: it lies in"),
        (["BOOK", "--keep", "BOOK"], "give a folder outside of it"),
        (["BOOK*", "--keep", "BOOK/../book/kept"], "--keep "),
        (["BOOK", "--host", "203.0.113.7", "--port", "0"], "--host 203.0.113.7"),
    ],
)
def test_what_is_wrong_is_said_before_tensorflow(book: Path, capsys: Any, words: list[str], message: str) -> None:
    assert main(inside(book, words)) == 2
    assert message in capsys.readouterr().err


def test_two_studios_do_not_share_a_folder(client: Client, book: Path, model: Path) -> None:
    with pytest.raises(UsageError, match="another studio"), opened(book, model):
        pass


def test_a_book_of_which_no_page_can_be_coloured_is_refused(tmp_path: Path, model: Path, capsys: Any) -> None:
    book = tmp_path / "book"
    book.mkdir()
    Image.fromarray(outlined(True)).save(book / "page1.png")
    (book / "page2.png").write_bytes(b"hello")
    assert main([str(model), str(book), "--port", "0"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "no page of the book can be coloured. page1.png: This page has colours already." in told
    assert told.count("--desaturate") == 1
    assert list(tmp_path.iterdir()) == [book]


def test_a_decoder_is_of_models_that_have_one(book: Path, model: Path, tmp_path: Path, capsys: Any) -> None:
    regression = save_model(tmp_path / "answers.keras", classifier=False)
    with opened(book, model, models=[str(regression)]) as client:
        error = client.post("/api/choices", {"own": f"{regression}|mode"}, 422)["error"]
        assert "answers with one colour: it takes no decoder mode" in error
        assert client.get("/api/book")["own"].startswith(f"{model}|")
    words = [str(book), "--decode", "mean", "--port", "0", "--models", f"{model},{regression}"]
    kept(book).mkdir()
    for chosen, decode in ((model, "mode"), (regression, None)):
        held = {"model": str(chosen), "decode": decode, "palette": [], "limited": False, "references": []}
        (kept(book) / "studio.json").write_text(json.dumps(held | {"titles": {}}))
        if decode:  # of a model that was chosen before, the decoder alone is another
            with command(parser().parse_args(words)) as it:
                assert Client(it.url).get("/api/book")["own"] == f"{model}|mean"
    assert main(words) == 2
    assert "which was chosen before, answers with one colour; leave --decode out" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_taken_port_is_not_the_end(book: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running._listening("127.0.0.1", 0, True) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"--port {port}: "):
            command(parser().parse_args([str(model), str(book), "--port", str(port)]))
        with running._listening("127.0.0.1", port, True) as other:
            assert other.getsockname()[1] != port


def test_a_notebook_gets_an_address_and_a_stop(book: Path, model: Path) -> None:
    import zoo.studio

    studio = zoo.studio.launch(book, str(model))
    assert repr(studio).startswith(f"the studio at {studio.url}")
    assert Client(studio.url).get("/").startswith(b"<!doctype html>")
    studio.stop()
    with pytest.raises(ConnectionRefusedError):
        Client(studio.url).get("/")


def test_a_notebook_is_told_what_is_wrong(book: Path, model: Path) -> None:
    import zoo.studio

    for wrong, message in (
        ({"port": "no"}, "invalid int value: 'no'"),
        ({"model": "--modl"}, "unknown flag --modl"),
        ({"model": "gided"}, "Did you mean 'guided'"),
        ({"keep": book}, "--keep"),
    ):
        with pytest.raises(UsageError, match=message):
            zoo.studio.launch(book, **wrong)


def test_a_notebook_may_go_to_another_folder(book: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(book.parent)
    with opened("book", model, keep="kept") as client:
        monkeypatch.chdir("/")
        client.post("/api/page/0/marks", {"color": "#c33", "path": [[30, 45]]})
        assert (book.parent / "kept" / "hints" / "page1.json").exists()
        assert client.works(do="color")["message"] == "3 of 3 pages coloured"
