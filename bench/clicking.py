"""What `bench/test_studio.py` has a worker do: a studio in this process, asked over HTTP as its page asks it."""

import http.client
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from PIL import Image, ImageOps

import zoo.studio

Call = Callable[[], Any]
ABOUT = {"precision": "float32", "jit": False, "operations": lambda: None}


class Page:
    """What a page in a browser says to a studio."""

    def __init__(self, folder: Path) -> None:
        self.running = zoo.studio.launch(folder, keep=folder.with_name("kept"))
        self._address = urlsplit(self.running.url).netloc
        self.layer = quote(json.loads(self.get("/api/book"))["own"])

    def _ask(self, method: str, path: str, body: str | None) -> bytes:
        # Anew each time: a worker that stood still between its orders finds an old one closed.
        connection = http.client.HTTPConnection(self._address, timeout=600)
        connection.request(method, path, body, {"origin": f"http://{self._address}"})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if answer.status >= 500:
            raise RuntimeError(data.decode())
        return data if answer.status == 200 else b""

    def get(self, path: str) -> bytes:
        return self._ask("GET", path, None)

    def post(self, address: str, /, **held: Any) -> dict[str, Any]:
        """The answer; an empty one where no colour fits."""
        return json.loads(self._ask("POST", address, json.dumps(held)) or "{}")

    def picture(self, index: int) -> bytes:
        return self.get(f"/api/page/{index}/picture?layer={self.layer}")


def _book(source: str, count: int, height: int, width: int) -> Path:
    """A folder of grey pages, each another."""
    folder = Path(tempfile.mkdtemp()) / "book"
    folder.mkdir()
    files = sorted(Path(source).rglob("*.jpg"))
    for index in range(count):
        with Image.open(files[index % len(files)]) as page:
            grey = page.convert("L").resize((width, height), Image.Resampling.LANCZOS)
        (ImageOps.mirror(grey) if index // len(files) % 2 else grey).save(folder / f"{index:03}.jpg", quality=90)
    return folder


def studio_click(*, source: str, height: int, width: int, strokes: int = 0) -> tuple[Call, dict[str, Any]]:
    """A place is clicked, the second of its colours is taken, and the page comes in its new colours.

    The page was opened before, and has so many strokes on it; every click is at another place.
    """
    page = Page(_book(source, 1, height, width))
    page.picture(0)
    page.post("/api/page/0/place", x=width // 2, y=height // 2)
    for stroke in range(strokes):
        y = height * (stroke + 1) / (strokes + 1)
        page.post("/api/page/0/marks", color="#36c", path=[[width * 0.2, y], [width * 0.8, y + height / 40]])
    count = 0

    def call() -> None:
        nonlocal count
        while True:  # places of ink are passed over
            count += 1
            x, y = (37 * count) % width, (101 * count) % height
            found = page.post("/api/page/0/place", x=x, y=y)
            if not found["refusal"]:
                break
        color = found["possible"][1]["color"]
        if not page.post("/api/page/0/marks", color=color, path=[[x, y]]):
            return call()
        page.picture(0)

    return call, dict(ABOUT)


def studio_book(*, source: str, height: int, width: int, pages: int) -> tuple[Call, dict[str, Any]]:
    """A book is looked through, a click on every page."""
    page = Page(_book(source, pages, height, width))

    def look(index: int) -> None:
        page.picture(index)
        page.get(f"/api/page/{index}/thumbnail")
        found = page.post(f"/api/page/{index}/place", x=width // 3, y=height // 3)
        if not found["refusal"]:
            page.post(f"/api/page/{index}/marks", color="#36c", path=[[width // 3, height // 3]])
            page.picture(index)

    first = iter([True])

    def call() -> None:
        for index in [0] if next(first, False) else range(pages):
            look(index)

    return call, dict(ABOUT)
