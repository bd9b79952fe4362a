"""A studio with a small network, and a client that says what a browser says."""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import tiny
from hinting import outlined
from PIL import Image

PLACE = {"x": 30, "y": 45}
"""In the left thing of `outlined`."""


def save_book(folder: Path, pages: int = 3) -> Path:
    """A folder of grey pages, each another by a little."""
    folder.mkdir(parents=True)
    grey = outlined(False)
    grey = np.where(grey < 20, 0, grey).astype(np.uint8)  # ink that takes no colour
    for index in range(pages):
        Image.fromarray(np.roll(grey, 2 * index, axis=1)).save(folder / f"page{index + 1}.png")
    return folder


def save_model(path: Path, classifier: bool = True) -> Path:
    """A random network of two convolutions, a classifier unsure enough to know of five colours everywhere."""
    network = tiny.two_convolutions(classifier)
    if classifier:
        kernel = network.layers[-2].kernel
        kernel.assign(kernel * 0.05)
    network.save(path)
    return path


def save_undecided(path: Path) -> None:
    """A classifier that says of every pixel: U is 0.2 or −0.2, the first a little more likely, and V 0."""
    import keras

    from zoo.chroma.bins import BINS, NEUTRAL, bin_position
    from zoo.models.layers import SplitChannels

    luma = keras.Input((None, None, 1), name="luma")
    layer = keras.layers.Conv2D(2 * BINS, 1)
    model = keras.Model(luma, SplitChannels(BINS)(layer(luma)))
    bias = np.full((2, BINS), -12.0)
    bias[1, NEUTRAL] = 3
    for value, weight in ((0.2, 3.2), (-0.2, 3.0)):
        bias[0, round(float(bin_position(np.float64(value), 0)))] = weight
    layer.set_weights([np.zeros((1, 1, 1, 2 * BINS)), bias.ravel()])
    model.save(path)


class Client:
    """Asks a studio, as its page does unless told otherwise.

    Args:
        url: of the studio.

    Attributes:
        running: that studio, where it is in this process.
    """

    running: Any = None

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.address = parts.netloc
        self.path = parts.path + (f"?{parts.query}" if parts.query else "")

    def ask(self, method: str, path: str, body: Any = None, **headers: str | None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer. Headers of None are left out."""
        connection = http.client.HTTPConnection(self.address, timeout=60)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        usual: dict[str, str | None] = {"host": self.address}
        if method != "GET":
            usual |= {"origin": f"http://{self.address}", "content-type": "application/json"}
        usual |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in usual.items():
            if value is not None:
                connection.putheader(name, value)
        if data is not None:
            connection.putheader("content-length", str(len(data)))
        connection.endheaders(data)
        answer = connection.getresponse()
        found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        connection.close()
        return found

    def get(self, path: str, status: int = 200) -> Any:
        """The JSON, or the bytes, of an answer."""
        return self._checked("GET", path, None, status)

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        """Likewise."""
        return self._checked("POST", path, body, status)

    def _checked(self, method: str, path: str, body: Any, status: int) -> Any:
        found, headers, data = self.ask(method, path, body)
        assert found == status, (found, data)
        return json.loads(data) if headers["content-type"].startswith("application/json") else data

    def color(self, page: int = 0) -> str:
        """Gives the place the second of its colours; answers with it."""
        second = self.post(f"/api/page/{page}/place", PLACE)["possible"][1]["color"]
        self.post(f"/api/page/{page}/marks", {"color": second, "path": [[PLACE["x"], PLACE["y"]]]})
        return second

    def works(self, **held: Any) -> dict[str, Any]:
        """Has a long work done; answers with what is said of its end."""
        number = self.post("/api/work", held)["work"]["number"]
        work = self.ended()
        assert work["number"] == number
        return work

    def ended(self, seconds: float = 240) -> dict[str, Any]:
        """Waits for a long work; answers with what is said of its end."""
        until = time.monotonic() + seconds
        while (work := self.get("/api/pulse")["work"])["state"] == "running":
            assert time.monotonic() < until, work
            time.sleep(0.02)
        return work


@contextmanager
def opened(pages: Any, model: Path | str, **options: Any) -> Iterator[Client]:
    """A studio, asked by a client, which has the studio as `running`."""
    import zoo.studio

    with zoo.studio.launch(pages, str(model), **options) as running:
        client = Client(running.url)
        client.running = running
        yield client


def pixels(data: bytes) -> np.ndarray:
    """The pixels of a picture, uint8 RGB."""
    import io

    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def kept(book: Path) -> Path:
    """The folder of what is decided of a book, where nothing else is said."""
    return book.with_name("book-studio")
