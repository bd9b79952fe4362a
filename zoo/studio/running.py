"""A studio that listens: in a thread, so that a command or a notebook goes on beside it."""

import importlib.util
import logging
import secrets
import socket
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from zoo.errors import UsageError
from zoo.pages.input import BOOKS
from zoo.studio.gate import Gate, is_loopback
from zoo.support.files import user_path

PORT = 8642
EXTRA = ("starlette", "uvicorn")


def require_starlette() -> None:
    """Raises UsageError unless the packages of the extra are installed."""
    for package in EXTRA:
        if importlib.util.find_spec(package) is None:
            raise UsageError(f'the studio needs the package {package}: pip install "keras-colorization-zoo[studio]"')


def usual_folder(inputs: Sequence[str]) -> Path:
    """Where what is decided of pages is kept unless told otherwise: beside a folder or a book, or `studio` here."""
    path = user_path(inputs[0])
    if len(inputs) == 1 and path.is_dir():
        path = path.absolute()
        return path.with_name(f"{path.name or 'pages'}-studio")
    if len(inputs) == 1 and path.suffix.lower() in BOOKS:
        return path.with_name(f"{path.stem}-studio")
    return Path("studio")


class Running:
    """A studio that listens, until it is stopped. A context manager.

    Attributes:
        url: its address, with the token where one is wanted.
        keep: the folder of what was decided.
    """

    def __init__(self, book: Any, *, host: str, port: int, any_port: bool, token: bool) -> None:
        import uvicorn

        from zoo.data.pdf import Renderers
        from zoo.studio.keep import alone
        from zoo.studio.server import application
        from zoo.studio.session import Studio

        self.keep = book.folder
        self._stack = ExitStack()
        try:
            # First, so that it is the last to end: nothing is read or written but by the one that has the folder.
            self._stack.enter_context(alone(book.folder))
            self._socket = _listening(host, port, any_port)
            self._stack.callback(self._socket.close)
            port = self._socket.getsockname()[1]
            renderers = self._stack.enter_context(Renderers())
            self.studio = Studio(book, renderers)
            self._stack.callback(self.studio.close)
        except BaseException:
            self._stack.close()
            raise
        word = secrets.token_urlsafe(24) if token or not is_loopback(host) else ""
        gate = Gate(application(self.studio), host=host, port=port, token=word)
        name = socket.gethostname() if host in ("0.0.0.0", "::", "") else f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{port}/" + f"?token={word}" * bool(word)
        config = uvicorn.Config(
            gate,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="studio", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait(self) -> None:
        """Returns when it has stopped."""
        while self._thread.is_alive():
            self._thread.join(1)

    def stop(self) -> None:
        """Stops listening. What was decided is kept."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # of pictures that nobody waits for any more
        self._server.should_exit = True
        self._thread.join(10)
        self._stack.close()

    def __repr__(self) -> str:
        return f"the studio at {self.url}, which keeps what is decided in {self.keep}"


def _listening(host: str, port: int, any_port: bool) -> socket.socket:
    """A socket that listens; at another port, if it may, where that one is taken.

    Raises:
        UsageError: the address or the port cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for each in (port, 0) if any_port and port else (port,):
        try:
            return socket.create_server((host, each), family=family)
        except OSError as error:
            if each == 0 or not any_port:
                raise UsageError(f"--host {host} --port {port}: {error.strerror or error}") from None
    raise AssertionError
