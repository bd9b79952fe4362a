"""Pages of PDF files as pixels, rendered by PDFium in a process of its own.

PDFium is not to be used by two threads, and a hostile file may crash it, hang it or ask for all memory: the process is
replaced when it dies or takes too long, and costs the one page. Needs the package pypdfium2, the extra `pdf`.
"""

import importlib.util
import json
import multiprocessing
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from zoo.errors import ImageError, UsageError
from zoo.support.files import real

MAX_PAGES = 10_000
"""A PDF of more pages is refused."""

SECONDS_A_PAGE = 120.0
"""What takes longer is given up."""

MEMORY = 4 << 30
"""Address space, in bytes, that the process may take, where the system lets one say so."""

OVERSAMPLING = 2
"""Pages are rendered this much larger than asked for, to be reduced with a better filter than PDFium's."""

_MESSAGE_BYTES = 1 << 16
_MAX_SIDE = 1 << 14


def require_pdfium() -> None:
    """Raises UsageError unless pypdfium2 is installed."""
    if importlib.util.find_spec("pypdfium2") is None:
        raise UsageError('PDF files need the package pypdfium2: pip install "keras-colorization-zoo[pdf]"')


class PdfRenderer:
    """Renders pages of PDF files. To be used by one thread, as a context manager.

    Raises:
        UsageError: pypdfium2 is not installed.
    """

    def __init__(self, seconds: float = SECONDS_A_PAGE) -> None:
        require_pdfium()
        self._seconds = seconds
        self._process: Any = None
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def count(self, path: Path) -> int:
        """The number of pages of a PDF.

        Raises:
            ImageError: it cannot be read, is encrypted, or has more than `MAX_PAGES`.
        """
        pages = int(self._ask(path, None, 0)[0]["pages"])
        if pages > MAX_PAGES:
            raise ImageError(f"{pages} pages, and {MAX_PAGES} are the most")
        return pages

    def render(self, path: Path, index: int, longest: int) -> np.ndarray:
        """Renders a page, counted from 0, to uint8 RGB (height, width, 3) on white.

        The longer side has `OVERSAMPLING` × `longest` pixels; fewer where the page is a scan of fewer.

        Raises:
            ImageError: the page cannot be rendered.
        """
        answer, pixels = self._ask(path, index, longest)
        height, width = int(answer["height"]), int(answer["width"])
        if min(height, width) < 1 or len(pixels) != height * width * 3:
            raise ImageError("damaged (the renderer gave no picture)")
        return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)

    def close(self) -> None:
        """Ends the process."""
        if self._connection:
            self._connection.close()
            self._process.kill()
            self._process.join()
            with suppress(ValueError):  # another thread, which starts a process, is just seeing that this one ended
                self._process.close()
            self._connection = self._process = None

    def _ask(self, path: Path, index: int | None, longest: int) -> tuple[dict[str, Any], bytes]:
        if self._connection is None:
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
        try:
            # Bytes and not objects: what is unpickled could run code, and the other side has read strangers' files.
            self._connection.send_bytes(json.dumps([str(real(path)), index, longest]).encode())
            if not self._connection.poll(self._seconds):
                raise ImageError(f"not rendered within {self._seconds:g} s")
            answer = json.loads(self._connection.recv_bytes(_MESSAGE_BYTES))
            pixels = b"" if index is None or "error" in answer else self._connection.recv_bytes(3 * _MAX_SIDE**2)
        except ImageError:
            self.close()
            raise
        except (OSError, EOFError, ValueError):
            self.close()
            raise ImageError("damaged (the renderer died of it)") from None
        if "error" in answer:
            raise ImageError(str(answer["error"]))
        return answer, pixels


class Renderers:
    """A `PdfRenderer` for each thread that asks, and the page counts of PDF files. A context manager."""

    def __init__(self) -> None:
        self._own = threading.local()
        self._all: list[PdfRenderer] = []
        self._counts: dict[Path, int | str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for renderer in self._all:
            renderer.close()

    def mine(self) -> PdfRenderer:
        """The renderer of this thread."""
        if not hasattr(self._own, "renderer"):
            self._own.renderer = PdfRenderer()
            self._all.append(self._own.renderer)
        return self._own.renderer

    def count(self, path: Path) -> int:
        """The number of pages of a PDF; raises ImageError."""
        if path not in self._counts:
            try:
                if path.exists() and not path.is_file():  # reading a pipe would never end
                    raise ImageError("not a regular file")
                self._counts[path] = self.mine().count(path)
            except ImageError as error:
                self._counts[path] = str(error)
        found = self._counts[path]
        if isinstance(found, str):
            raise ImageError(found)
        return found


def _serve(connection: Connection) -> None:
    """The other process: answers until the connection is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes of a terminal
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ImportError, ValueError, OSError):  # not POSIX, or a lower limit holds already
        pass
    import pypdfium2

    opened: str | None = None
    document: Any = None
    while True:
        try:
            path, index, longest = json.loads(connection.recv_bytes())
        except EOFError:
            return
        pixels = b""
        try:
            if opened != path:
                document, opened = pypdfium2.PdfDocument(path), path
            if index is None:
                answer: dict[str, Any] = {"pages": len(document)}
            else:
                width, height, pixels = _render(document[index], longest)
                answer = {"width": width, "height": height}
        except ImageError as error:
            answer = {"error": str(error)}
        except Exception as error:  # whatever PDFium's wrapper raises on damaged files
            text = "encrypted" if "password" in str(error).lower() else f"damaged ({error})"[:300]
            answer = {"error": text if text.isprintable() else "damaged"}
        connection.send_bytes(json.dumps(answer).encode())
        if pixels:
            connection.send_bytes(pixels)


def _render(page: Any, longest: int) -> tuple[int, int, bytes]:
    """Width, height and RGB bytes of a page."""
    width, height = page.get_size()
    if not (min(width, height) > 0 and max(width, height) < 1e6):
        raise ImageError(f"damaged (a page of {width:g} x {height:g} points)")
    scale = OVERSAMPLING * longest / max(width, height)
    scan = _scan_scale(page, width * height)
    # A scan is not enlarged beyond its own pixels.
    bitmap = page.render(scale=min(scale, scan) if scan else scale)
    picture = bitmap.to_pil().convert("RGB")
    page.close()
    return picture.width, picture.height, picture.tobytes()


def _scan_scale(page: Any, area: float) -> float | None:
    """Pixels a point of the finest image, if an image covers half of the page or more; None if none does."""
    from pypdfium2 import raw

    scales, covered = [], False
    for image in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3):
        left, bottom, right, top = image.get_bounds()
        if right > left and top > bottom:
            across, down = image.get_px_size()
            scales.append(max(across / (right - left), down / (top - bottom)))
            covered = covered or (right - left) * (top - bottom) >= area / 2
    return max(scales) if covered else None
