"""`python -m zoo.data get`, against a local server that drops, stalls, cuts short and lies."""

import contextlib
import csv
import functools
import hashlib
import io
import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import requests
from PIL import Image
from server import BODY, Server, serving

from zoo.data import __main__ as command
from zoo.data import cards
from zoo.data.cards import card_files, get_card
from zoo.data.dataset import open_dataset
from zoo.data.fetched import download, get
from zoo.data.prepared.groups import assign
from zoo.errors import RunError, UsageError


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "ATTEMPTS", 3)
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda seconds: None))
    with serving() as running:
        yield running


def files_in(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("behaviour", "requests"), [("good", 1), ("drops", 3), ("stalls", 2), ("busy", 3), ("moved", 2)]
)
def test_a_server_that_can_be_borne(tmp_path, server, capfd, behaviour, requests):
    seen: list[tuple[int, int]] = []
    file = server.file(behaviour)
    download.download([file], tmp_path, progress=lambda *call: seen.append(call))
    assert files_in(tmp_path) == {"one/0.bin": BODY}
    assert len(server.requests) == requests
    assert seen[-1] == (len(BODY), len(BODY))
    download.download([file], tmp_path)
    assert len(server.requests) == requests  # what is there is not asked for again
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("behaviour", "message", "requests"),
    [
        ("always-drops", "70000 bytes read", 3),
        ("silent", "no answer within 0.5 s", 3),
        ("wrong-length", "other content: '299999' bytes, not 300000", 1),
        ("wrong-content", "other content: its SHA-256 is not", 3),
        ("endless", "other content: more than the 300000 bytes listed", 1),
        ("login-page", "other content: '26' bytes", 1),
        ("compressed", "decode", 3),
        ("missing", "the server says 404 Not Found", 1),
        ("always-busy", "503 Server Error: Service Unavailable", 3),
        ("moved-to-other", "other content: its SHA-256 is not", 6),
        ("moved-to-file", "redirected to 'file:///etc/passwd', which is not followed", 1),
        ("moved-to-ftp", "redirected to 'ftp://127.0.0.1/x', which is not followed", 1),
        ("moved-round", "Exceeded 30 redirects", 93),
        ("nonsense", "[31mwhat?", 3),
        ("bad-chunks", "", 3),
    ],
)
def test_a_server_that_lies_leaves_no_file(tmp_path, server, behaviour, message, requests):
    began = time.monotonic()
    file = server.file(behaviour)
    with pytest.raises(RunError) as error:
        download.download([file], tmp_path)
    assert time.monotonic() - began < 15
    assert f"1 of 1 files could not be had: one/0.bin from {file.url}: " in str(error.value)
    assert message in str(error.value)
    assert "\x1b" not in str(error.value)
    assert len(server.requests) == requests
    assert files_in(tmp_path) == {}
    download.download([server.file("good")], tmp_path)
    assert files_in(tmp_path) == {"one/0.bin": BODY}


@pytest.mark.parametrize(
    ("url", "to", "followed"),
    [
        ("https://example.org/0", "https://example.net/0", True),
        ("https://example.org/0", "/1", True),
        ("http://example.org/0", "https://example.net/0", True),
        ("https://example.org/0", "http://example.net/0", False),
        ("https://example.org/0", "//example.net/0", True),
        ("http://example.org/0", "file:///etc/passwd", False),
    ],
)
def test_https_is_not_left_for_http(url, to, followed):
    response = requests.Response()
    response.raw = io.BytesIO()
    response.url, response.status_code, response.headers["location"] = url, 302, to
    with contextlib.nullcontext() if followed else pytest.raises(download._GiveUpError, match="redirected to"):
        download._check_redirect(response)


def test_files_that_are_there_are_verified(tmp_path, server):
    file = server.file("good")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "0.bin").write_bytes(bytes(len(BODY)))
    download.download([file], tmp_path)
    assert files_in(tmp_path) == {"one/0.bin": BODY}


def test_one_bad_file_costs_that_file(tmp_path, server):
    files = [replace(server.file("missing" if n == 3 else "good"), file=f"{n}.bin") for n in range(8)]
    with pytest.raises(RunError, match=r"1 of 8 files could not be had: 3.bin from http.*: the server says 404"):
        download.download(files, tmp_path)
    assert set(files_in(tmp_path)) == {f"{n}.bin" for n in range(8) if n != 3}


def test_no_more_downloads_at_a_time_than_asked_for(tmp_path, server, monkeypatch):
    running, most = Counter[str](), []
    original = download._receive

    def receive(*arguments):
        running["now"] += 1
        most.append(running["now"])
        time.sleep(0.02)
        original(*arguments)
        running["now"] -= 1

    monkeypatch.setattr(download, "_receive", receive)
    files = [replace(server.file("good"), file=f"{n}.bin") for n in range(12)]
    download.download(files, tmp_path, parallel=3)
    assert max(most) == 3


def test_a_full_disk_stops_the_downloads(tmp_path, server, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pooch.core.shutil", SimpleNamespace(move=full))
        with pytest.raises(RunError, match="No space left on device; what has come is kept"):
            download.download([server.file("good")], tmp_path)
    assert files_in(tmp_path) == {}
    download.download([server.file("good")], tmp_path)
    assert files_in(tmp_path) == {"one/0.bin": BODY}


def test_ctrl_c_stops_all_downloads_and_keeps_what_came(tmp_path, server):
    def progress(done: int, total: int) -> None:
        if done > 700_000:
            raise KeyboardInterrupt

    files = [replace(server.file("good"), file=f"{n}.bin") for n in range(30)]
    with pytest.raises(KeyboardInterrupt):
        download.download(files, tmp_path, parallel=2, progress=progress)
    left = files_in(tmp_path)
    assert 0 < len(left) < 30
    assert all(data == BODY for data in left.values())


def test_ctrl_c_waits_for_a_silent_server_once(tmp_path, server):
    files = [replace(server.file(kind), file=f"{kind}.bin") for kind in ("silent", "good")]

    def progress(done: int, total: int) -> None:
        while len(server.requests) < 2 and done:
            time.sleep(0.01)
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download.download(files, tmp_path, parallel=2, progress=progress)
    assert len(server.requests) == 2
    assert files_in(tmp_path) == {}


# Cards, and the whole command.


@functools.cache
def picture(seed: int) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 6, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).resize((240, 320), Image.Resampling.BICUBIC).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def comic(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A card `comic` of 12 pages in 6 episodes, beside the package's; its pages are asked for by a behaviour."""
    folder = tmp_path / "cards"
    folder.mkdir()
    monkeypatch.setattr(cards, "cards_dir", lambda: folder)
    monkeypatch.setenv("COLORIZATION_ZOO_CACHE", str(tmp_path / "cache"))
    server.bodies |= {f"{number}.png": picture(number) for number in range(12)}

    def write(behaviour: str = "good", **changes: str) -> None:
        lines = ["file,url,bytes,sha256"]
        for number in range(12):
            body = server.bodies[f"{number}.png"]
            row = {
                "file": f"episode-{number // 2}/{number}.png",
                "url": server.url(f"{behaviour}/{number}.png"),
                "bytes": str(len(body)),
                "sha256": hashlib.sha256(body).hexdigest(),
            }
            lines.append(",".join((row | (changes if number == 5 else {})).values()))
        text = "\n".join(lines) + "\n"
        (folder / "comic.csv").write_text(text)
        (folder / "comic.toml").write_text(
            'name = "comic"\ntitle = "A comic"\nsummary = "x"\nsource = "here"\nlicence = "CC0-1.0"\nversion = 3\n'
            f'digest = "{hashlib.sha256(text.encode()).hexdigest()}"\nkind = "download"\n'
            "[pages]\ntrain = 8\nval = 2\ntest = 2\n"
        )

    return write


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = command.main([str(each) for each in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_what_is_got_is_a_data_set(capsys, tmp_path, server, comic):
    comic("missing")
    with pytest.raises(UsageError, match=r"comic is not downloaded yet: python -m zoo.data get comic"):
        open_dataset("comic", crop=32)
    code, out, err = run(capsys, "get", "comic")
    assert (code, out) == (1, "")
    assert "A comic: 12 files, " in err
    assert "Licence: CC0-1.0" in err
    assert "12 of 12 files could not be had" in err
    comic("drops")
    code, out, err = run(capsys, "get", "comic", "--json")
    assert code == 0, err
    record = json.loads(out)
    pages = tmp_path / "cache" / "comic-v3" / "pages"
    assert record["path"] == str(pages)
    assert record["found"] == sum(record["pages"].values()) == 12
    assert record["settings"]["licence"] == "CC0-1.0"
    dataset = open_dataset("comic", crop=32)
    assert {name: len(split.images) for name, split in dataset.splits.items()} == record["pages"]
    with open(pages / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["group"] for row in rows} == {f"comic/episode-{number}" for number in range(6)}
    code, out, _ = run(capsys, "list", "--json")
    (described,) = json.loads(out)
    assert (described["state"], described["path"]) == ("downloaded", str(pages))
    asked = len(server.requests)
    assert run(capsys, "get", "comic")[0] == 0
    assert len(server.requests) == asked


def test_another_folder(capsys, tmp_path, comic):
    comic()
    code, out, err = run(capsys, "get", "comic", "--to", tmp_path / "mine")
    assert code == 0, err
    assert f"--data {tmp_path / 'mine' / 'pages'}" in err
    assert out.endswith(f" in {tmp_path / 'mine' / 'pages'}\n")
    assert not (tmp_path / "cache").exists()
    assert open_dataset(tmp_path / "mine" / "pages", crop=32).splits["train"].images


def test_a_disk_that_is_too_small_is_known_before(capsys, tmp_path, server, comic, monkeypatch):
    comic()
    monkeypatch.setattr(get.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    code, _, err = run(capsys, "get", "comic")
    assert code == 2
    assert "0 MB are free" in err
    assert not server.requests
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file": "../x.png"}, "'../x.png' is not a plain relative path"),
        ({"file": "/etc/x.png"}, "is not a plain relative path"),
        ({"file": ".x.png"}, "is not a plain relative path"),
        ({"file": "a/../x.png"}, "is not a plain relative path"),
        ({"file": "a\\x.png"}, "is not a plain relative path"),
        ({"file": "EPISODE-0/0.png"}, "'EPISODE-0/0.png' is there twice"),
        ({"url": "file:///etc/passwd"}, "is not an http or https address"),
        ({"bytes": "-1"}, "'-1' is not a length in bytes"),
        ({"bytes": "99999999999999"}, "is not a length in bytes"),
        ({"sha256": "abc"}, "'abc' is not a SHA-256"),
    ],
)
def test_lists_that_are_refused(capsys, server, comic, changes, message):
    comic(**changes)
    code, _, err = run(capsys, "get", "comic")
    assert code == 2
    assert message in err
    assert "comic.csv, line 7" in err
    assert not server.requests


def test_a_list_that_is_not_the_card_s(capsys, tmp_path, comic):
    comic()
    path = tmp_path / "cards" / "comic.csv"
    path.write_text(path.read_text() + "\n")
    code, _, err = run(capsys, "get", "comic")
    assert code == 2
    assert "its SHA-256 is not the digest in comic.toml" in err
    path.unlink()
    assert run(capsys, "get", "comic")[0] == 2


def test_what_cannot_be_got(capsys):
    code, _, err = run(capsys, "get", "procedural")
    assert code == 2
    assert "drawn on first use" in err
    code, _, err = run(capsys, "get", "no-such-set")
    assert code == 2
    assert "known: " in err
    assert run(capsys, "get", "peppercarrot", "--parallel", "17")[0] == 2


def test_the_list_of_pepper_and_carrot():
    card = get_card("peppercarrot")
    files = card_files(card)
    assert len(files) == 171
    assert all(file.url.startswith("https://raw.githubusercontent.com/Deevad/peppercarrot_ep") for file in files)
    sizes = Counter(f"peppercarrot/{file.file.split('/')[0]}" for file in files)
    assert len(sizes) == 23
    splits, _ = assign(sizes, 0.1, 0.1)
    counted = {split: sum(sizes[name] for name in splits if splits[name] == split) for split in card.pages}
    assert counted == card.pages


def test_an_address_where_nobody_listens(tmp_path, server, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    file = replace(server.file("good"), url=f"http://127.0.0.1:{port}/0.bin")
    with pytest.raises(RunError, match="refused"):
        download.download([file], tmp_path)
