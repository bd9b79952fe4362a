"""What the studio keeps from others: its address, its files, its memory, and the names that files have."""

import http.client
import io
import os
import re
import socket
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from hinting import outlined
from PIL import Image
from studying import PLACE, Client, opened, save_book

import zoo.studio
from zoo.studio.__main__ import main, parser
from zoo.studio.__main__ import opened as command
from zoo.studio.gate import HEADERS, Gate, is_loopback

pytestmark = pytest.mark.needs("starlette", "uvicorn")
STATIC = Path(zoo.studio.__file__).parent / "static"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Any:
    with opened(save_book(tmp_path_factory.mktemp("safety") / "book"), model) as found:
        yield found


def test_it_listens_on_the_loopback_address_alone(client: Client) -> None:
    host, port = client.address.split(":")
    assert is_loopback(host)
    assert client.running._socket.getsockname() == ("127.0.0.1", int(port))
    own = {each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for other in own - {"127.0.0.1"}:
        if not is_loopback(other):
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((other, int(port)), 2)


def test_hosts_by_other_names_are_turned_away(client: Client) -> None:
    """DNS rebinding: the page of a stranger's name that leads here."""
    port = client.address.split(":")[1]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}", f"[::1]:{port}"):
        assert client.ask("GET", "/api/book", host=host)[0] == 200, host
    for host in (
        f"evil.example:{port}",
        f"127.0.0.1.evil.example:{port}",
        f"localhost.evil.example:{port}",
        f"203.0.113.9:{port}",
        f"evil@127.0.0.1:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "",
        None,
    ):
        status, _, body = client.ask("GET", "/api/book", host=host)
        assert status in (400, 421), host
        assert b"pages" not in body


def test_other_pages_may_not_ask(client: Client) -> None:
    book = ("GET", "/api/book", None)
    mark = ("POST", "/api/page/0/marks", {"color": "red", "path": [[PLACE["x"], PLACE["y"]]]})
    for origin in ("http://evil.example", f"http://{client.address}.evil.example", "null", f"https://{client.address}"):
        for asked in (book, mark):
            assert client.ask(*asked, origin=origin)[0] == 403, origin
    assert client.ask(*mark, origin=None)[0] == 403  # a form of an old browser
    for site in ("cross-site", "same-site"):
        assert client.ask(*book, sec_fetch_site=site)[0] == 403
        assert client.ask(*mark, sec_fetch_site=site)[0] == 403
        assert (
            client.ask("GET", "/api/page/0/picture?layer=grey", sec_fetch_site=site, sec_fetch_dest="image")[0] == 403
        )
        assert client.ask("GET", "/", sec_fetch_site=site, sec_fetch_dest="iframe")[0] == 403
        assert client.ask("GET", "/", sec_fetch_site=site, sec_fetch_dest="document")[0] == 200  # a link to it
    assert client.ask(*book, sec_fetch_site="none")[0] == 200
    assert client.get("/api/page/0")["marks"] == []


def test_every_answer_forbids_what_the_page_does_not_need(client: Client) -> None:
    for path in ("/", "/main.js", "/api/book", "/api/page/0/picture?layer=grey", "/nowhere"):
        _, headers, _ = client.ask("GET", path)
        assert {name: headers[name] for name in HEADERS} == HEADERS
        assert "server" not in headers
    assert "'unsafe" not in HEADERS["content-security-policy"]


def test_the_page_names_no_other_place() -> None:
    for file in STATIC.iterdir():
        text = file.read_text(encoding="utf-8")
        places = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'`]*", text))
        assert places <= {"http://www.w3.org/2000/svg"}, file.name
        assert "innerHTML" not in text
    from zoo.studio import server

    assert {file.name for file in STATIC.iterdir()} == set(server.FILES)


def test_elsewhere_wants_a_token(model: Path, tmp_path: Path, capsys: Any) -> None:
    book = save_book(tmp_path / "book", 1)
    with command(parser().parse_args([str(model), str(book), "--host", "0.0.0.0", "--port", "0"])) as running:
        token = running.url.partition("?token=")[2]
        assert len(token) >= 32
        port = running.url.split(":")[2].partition("/")[0]
        client = Client(f"http://127.0.0.1:{port}/")
        for path in ("/", "/api/book", "/main.js", "/?token=", "/?token=wrong", f"/api/book?token={token}"):
            assert client.ask("GET", path)[0] == 403, path
        for cookie in ("", f"zoo-studio-{port}=wrong", f"zoo-studio-1={token}", "zoo-studio=\x01"):
            assert client.ask("GET", "/api/book", cookie=cookie)[0] == 403, cookie
        status, headers, _ = client.ask("GET", f"/?token={token}")
        assert (status, headers["location"]) == (303, "/")
        assert {"HttpOnly", "SameSite=Strict"} <= set(headers["set-cookie"].split("; "))
        cookie = headers["set-cookie"].split(";")[0]
        assert client.ask("GET", "/api/book", cookie=cookie)[0] == 200
        # Another site of this machine may have left anything beside it.
        for odd in ('theme={"dark": true}', "a[b]=c", "=", "x=\x7f"):
            assert client.ask("GET", "/api/book", cookie=f"{odd}; {cookie}")[0] == 200, odd
        # Names are a stranger's to choose; numbers, and this machine's name, are not.
        assert client.ask("GET", "/api/book", cookie=cookie, host=f"203.0.113.9:{port}")[0] == 200
        assert client.ask("GET", "/api/book", cookie=cookie, host=f"{socket.gethostname()}:{port}")[0] == 200
        assert client.ask("GET", "/api/book", cookie=cookie, host=f"evil.example:{port}")[0] == 421


def test_a_token_may_be_wanted_here_too(model: Path, tmp_path: Path) -> None:
    book = save_book(tmp_path / "book", 1)
    with command(parser().parse_args([str(model), str(book), "--token", "--port", "0"])) as running:
        client = Client(running.url)
        assert client.ask("GET", "/")[0] == 403
        assert client.ask("GET", client.path)[0] == 303


def test_a_wide_address_is_said(model: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.studio.running import Running

    monkeypatch.setattr(Running, "wait", lambda self: None)
    book = save_book(tmp_path / "book", 1)
    assert main([str(model), str(book), "--host", "0.0.0.0", "--port", "0"]) == 0
    told = capsys.readouterr()
    assert "listens at 0.0.0.0: others on the network can reach it" in told.err
    assert "?token=" in told.out
    assert main([str(model), str(book), "--port", "0"]) == 0
    told = capsys.readouterr()
    assert "others" not in told.err
    assert "token" not in told.out


def test_no_file_is_served_but_what_it_was_given(client: Client, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("TOP SECRET")
    away = os.path.relpath(secret, STATIC)
    for path in (
        f"/{away}",
        f"/static/{away}",
        "/../keep.py",
        "/%2e%2e/keep.py",
        "/..%2fkeep.py",
        "/keep.py",
        f"/api/references/{away.replace('/', '%2f')}",
        "/api/references/..%2fstudio.json",
        "/api/sheet/..%2f..%2fstudio",
        f"/api/sheet/{str(secret).replace('/', '%2f')}",
        "/api/download/..%2fstudio.json",
        "/api/download/page?page=../0",
        "/api/page/..%2f0/picture?layer=grey",
        f"/api/page/0/picture?layer={secret}",
    ):
        status, _, body = client.ask("GET", path)
        assert status in (404, 405, 422), path
        assert b"SECRET" not in body
        assert b"class Keep" not in body
    wrong = {"references": [f"../../{secret.name}"]}
    assert "there is no reference" in client.post("/api/choices", wrong, 422)["error"]
    assert "not started with a model" in client.post("/api/choices", {"own": f"{secret}|"}, 422)["error"]


def png(width: int, height: int) -> bytes:
    """The head of a PNG that claims so many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)

    head = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


def encoded(samples: np.ndarray, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(samples).save(stream, kind)
    return stream.getvalue()


def test_references_are_treated_as_strangers_files(client: Client) -> None:
    folder = client.running.keep / "references"
    good = encoded(outlined(True))
    for data, message in (
        (b"", "a page"),
        (b"hello", "looks like a text file"),
        (png(30_000, 30_000), "pixels"),
        (good[: len(good) // 2], "truncated"),
        (encoded(outlined(False)), "it has no colours"),
        (b"PK\3\4" + bytes(500), "not a JPEG"),
    ):
        error = client.post("/api/references?title=a%20page", data, 422)["error"]
        assert message in error
        assert error.startswith("a page: ")
    assert not folder.exists()
    name = client.post("/api/references?title=..%2F..%2F%1B%5B31mevil%00%3Cb%3E.png", good)["added"]
    assert re.fullmatch(r"[0-9a-f]{16}\.png", name)
    assert [path.name for path in folder.iterdir()] == [name]
    (reference,) = client.get("/api/book")["references"]
    assert reference["title"] == "../../?[31mevil?<b>.png"
    assert client.get(f"/api/references/{name}").startswith(b"\xff\xd8")
    client.post("/api/choices", {"references": []})


def test_bodies_are_read_no_further_than_they_may_go(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.requests import Request

    from zoo.studio import server

    monkeypatch.setattr(server, "MOST_JSON", 1000)
    monkeypatch.setattr(server, "MOST_UPLOAD", 5000)
    read: list[int] = []
    stream = Request.stream

    async def counted(self: Request) -> AsyncIterator[bytes]:
        async for part in stream(self):
            read.append(len(part))
            yield part

    monkeypatch.setattr(Request, "stream", counted)
    assert client.ask("POST", "/api/page/0/place", PLACE | {"more": "x" * 2000})[0] == 413
    assert client.ask("POST", "/api/references?title=x", bytes(6000))[0] == 413
    # Of a body that says nothing of its length too.
    read.clear()
    connection = http.client.HTTPConnection(client.address, timeout=20)
    headers = {"origin": f"http://{client.address}", "transfer-encoding": "chunked"}
    parts = (b"x" * 1000 for _ in range(10_000))
    try:
        connection.request("POST", "/api/references?title=x", parts, headers, encode_chunked=True)
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # it was closed before all was sent
    connection.close()
    assert 5000 < sum(read) < 500_000  # of ten million


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"3", b"\xff\xfe", b"[" * 100_000, b'{"x": NaN, "y": 1e999}', b'{"x": "1", "y": {}}']
)
def test_requests_that_are_none_are_refused(client: Client, body: bytes) -> None:
    for path in ("page/0/place", "page/0/marks", "page/0/plane", "choices", "sheet", "work"):
        status, headers, answer = client.ask("POST", f"/api/{path}", body)
        if path == "choices" and body.startswith(b'{"x"'):
            continue  # an object that chooses nothing
        assert status == 422, (path, body)
        assert headers["content-type"] == "application/json"
        assert b"Traceback" not in answer
    assert client.get("/api/book")["pages"]


def test_pages_by_odd_numbers_are_refused(client: Client) -> None:
    for number in ("9" * 5000, "-1", "1e1", "٣", "0.5", "x", "3"):
        for path in (f"page/{quote(number)}", f"page/{quote(number)}/thumbnail", f"pulse?page={quote(number)}"):
            assert "there is no" in client.get(f"/api/{path}", 422)["error"], path
    for page in (True, 0.5, -1, 3, [0], None):
        promote = {"promote": {"page": page, **PLACE, "color": "red"}}
        assert "there is no" in client.post("/api/sheet", promote, 422)["error"]
        if page is not None:
            assert "there is no" in client.post("/api/work", {"do": "color", "page": page}, 422)["error"]


def test_what_the_disk_refuses_is_said_as_it_is(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: Any) -> None:
        raise OSError(28, "No space left on device", "a\x1bb")

    monkeypatch.setattr(client.running.studio.keep, "choose", full)
    assert client.post("/api/choices", {"palette": []}, 500)["error"] == "a?b: No space left on device"


def test_choices_are_checked(client: Client) -> None:
    for wrong, message in (
        ({"palette": ["#c33", "nope"]}, "no colour"),
        ({"palette": ["#888", "#777"], "limited": True}, "the palette is grey"),
        ({"palette": [], "limited": True}, "no colour"),
        ({"palette": ["#c33"] * 257}, "256 at most"),
        ({"palette": "#c33"}, "no list"),
        ({"own": "grey"}, "by a model"),
        ({"own": f"{client.running.studio.book.model}|mod"}, "unknown decoder"),
        ({"references": ["0123456789abcdef.png"]}, "there is no reference"),
    ):
        assert message in client.post("/api/choices", wrong, 422)["error"], wrong
    for wrong, message in (
        ({"name": "1", "color": "red"}, "no entry"),
        ({"promote": {"page": 9, "x": 1, "y": 1, "color": "red"}}, "there is no page"),
        ({"promote": {"page": 0, "x": 900, "y": 1, "color": "red"}}, "outside of the page"),
        ({"promote": {"page": 0, **PLACE, "color": "reddish"}}, "no colour"),
        ({"promote": 3}, "no object"),
    ):
        assert message in client.post("/api/sheet", wrong, 422)["error"], wrong
    for wrong, message in (
        ({"do": "rm"}, "do is"),
        ({"do": "color", "page": 9}, "no page"),
        ({"do": "color", "format": "gif"}, "png, jpg, webp"),
    ):
        assert message in client.post("/api/work", wrong, 422)["error"], wrong
    assert client.get("/api/book")["palette"] == []


def test_the_gate_lets_nothing_else_through() -> None:
    import asyncio

    reached = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["type"])

    gate = Gate(inner, host="127.0.0.1", port=80, token="")
    for kind in ("websocket", "lifespan"):
        asyncio.run(gate({"type": kind, "headers": []}, None, None))
    assert reached == []
