"""A studio that is killed at any moment: what was said is there, but for the last click at most."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from studying import Client, save_book

from zoo.models.kinds import weights_digest
from zoo.pages.defaults import GUIDED_MODEL
from zoo.pages.hint import hint_files, read_hints
from zoo.pages.palette import palette_of, read_palette
from zoo.pages.sheet import SheetEntry, write_entries

pytestmark = pytest.mark.needs("starlette", "uvicorn")


killed = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system knows no SIGKILL")


class Busy(Client):
    """A client that lets others wait until it was answered so often: a slow machine takes longer, and does no less."""

    def __init__(self, url: str, count: int) -> None:
        super().__init__(url)
        self.left, self.often = count, threading.Event()

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        answer = super().post(path, body, status)
        self.left -= 1
        if self.left == 0:
            self.often.set()
        return answer


@contextmanager
def until_killed(book: Path, rng: random.Random) -> Iterator[Client]:
    """A studio that is killed at a random moment, whatever it is at then: the block ends when it does not answer."""
    command = [sys.executable, "-m", "zoo.studio", str(book), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    try:
        assert process.stdout
        client = Busy(process.stdout.readline().strip(), rng.randint(8, 40))
        client.get("/api/sheet")

        def kill() -> None:
            client.often.wait()
            time.sleep(0.1 * rng.random())
            process.kill()

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        with suppress(OSError, HTTPException):
            yield client
        client.often.set()
        killer.join()
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


@killed
def test_a_killed_studio_loses_the_last_click_at_most(tmp_path: Path) -> None:
    book = save_book(tmp_path / "book", 2)
    rng = random.Random(0)
    known: list[dict[str, object]] = []
    for _ in range(3):
        known = killed_while_clicking(book, rng, known)
    assert len(known) > 20
    # The files are as `zoo colorize` takes them, and nothing half written is among them.
    files = hint_files(tmp_path / "book-studio" / "hints", [PurePosixPath("page1"), PurePosixPath("page2")])
    assert sum(len(read_hints(file).hints) for file in files.values()) == len(known)


def killed_while_clicking(book: Path, rng: random.Random, known: list[dict[str, object]]) -> list[dict[str, object]]:
    """Opens the book, checks what is known of it, clicks until a random moment, and gives what has to be there next."""
    asked: dict[str, object] = {}
    with until_killed(book, rng) as client:
        assert client.get("/api/page/1")["marks"] == known
        while True:
            x, y = 20 + len(known) % 40, 30 + len(known) // 40
            asked = {"id": len(known) + 1, "color": "#2244aa", "points": [[x, y]]}
            answer = client.post("/api/page/1/marks", {"color": asked["color"], "path": asked["points"]})
            known = answer["marks"]
    file = book.with_name("book-studio") / "hints" / "page2.json"
    held = json.loads(file.read_text())["hints"] if file.exists() else []
    found = [{"id": each["id"], "color": each["color"], "points": [[each["x"], each["y"]]]} for each in held]
    assert found in (known, [*known, asked])
    return found


@killed
def test_a_killed_studio_loses_the_last_choice_at_most(tmp_path: Path) -> None:
    """A palette, whose colours alone are taken, and an entry of the colour sheet are changed by turns."""
    book, folder = save_book(tmp_path / "book", 1), tmp_path / "book-studio"
    folder.mkdir()
    entry = SheetEntry("1", "#000000", 0.5, (0.0, 1.0), 1.0, 0.1, ("page1.png",))
    write_entries(folder / "sheet-guided.json", [entry], weights_digest(GUIDED_MODEL))
    rng, count = random.Random(1), 0
    possible = [([], "#000000")]
    for _ in range(3):
        with until_killed(book, rng) as client:
            found = client.get("/api/book")["palette"], client.get("/api/sheet")["entries"][0]["color"]
            assert found in possible
            possible = [found]
            while True:
                count += 1
                color, before = f"#ff{count:04x}", possible[-1]
                after = ([color], before[1]) if count % 2 else (before[0], color)
                possible = [before, after]
                if count % 2:
                    client.post("/api/choices", {"palette": [color], "limited": True})
                else:
                    client.post("/api/sheet", {"name": "1", "color": color})
                possible = [after]
    assert count > 5
    with until_killed(book, rng) as client:
        found = client.get("/api/book")["palette"], client.get("/api/sheet")["entries"][0]["color"]
        assert found in possible
        # What `zoo colorize` takes is what the page shows.
        np.testing.assert_array_equal(read_palette(str(folder / "palette.gpl")), palette_of(found[0]))
        raise ConnectionError("enough")


def test_ctrl_c_ends_it_and_says_where_everything_is(tmp_path: Path) -> None:
    # A shell's background jobs ignore Ctrl-C, and so do their children.
    heeding = "import os, signal, sys; signal.signal(2, signal.SIG_DFL); os.execv(sys.executable, sys.argv[1:])"
    command = [sys.executable, "-c", heeding, sys.executable, "-m", "zoo.studio"]
    command += [str(save_book(tmp_path / "book", 1)), "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=os.environ | {"PYTHONUNBUFFERED": "1"}, **pipes) as process:
        client = Client(process.stdout.readline().strip())
        client.post("/api/page/0/marks", {"color": "#c33", "path": [[30, 45]]})
        process.send_signal(signal.SIGINT)
        try:
            _, told = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    assert f"ended; what you decided is in {tmp_path / 'book-studio'}" in told
    assert "Traceback" not in told
    assert (tmp_path / "book-studio" / "hints" / "page1.json").exists()
