"""A server of files that drops, stalls, cuts short and lies."""

import contextlib
import hashlib
import http.server
import threading
from collections.abc import Iterator

import numpy as np

from zoo.data.cards import DataFile

BODY = np.random.default_rng(0).bytes(300_000)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the first part of the path; what a server of good files does if there is no such behaviour."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.close_connection = True
        behaviour = getattr(self, self.path.split("/")[1].replace("-", "_"), self.good)
        behaviour(self.server.bodies[self.path.split("/")[-1]])

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def calls(self) -> int:
        return self.server.requests.count(self.path)

    def head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def good(self, body: bytes, most: int | None = None) -> None:
        self.head(200, Content_Length=len(body))
        self.wfile.write(body[:most])

    def drops(self, body: bytes) -> None:
        self.good(body, None if self.calls() > 2 else 70_000)

    def always_drops(self, body: bytes) -> None:
        self.good(body, 70_000)

    def stalls(self, body: bytes) -> None:
        if self.calls() > 1:
            return self.good(body)
        self.good(body, 100_000)
        self.server.closing.wait(5)

    def silent(self, body: bytes) -> None:
        self.server.closing.wait(5)

    def wrong_length(self, body: bytes) -> None:
        self.head(200, Content_Length=len(body) - 1)
        self.wfile.write(body[:-1])

    def wrong_content(self, body: bytes) -> None:
        self.good(bytes(len(body)))

    def endless(self, body: bytes) -> None:
        self.head(200)
        for _ in range(200):
            try:
                self.wfile.write(bytes(100_000))
            except OSError:
                return

    def login_page(self, body: bytes) -> None:
        page = b"<html>please log in</html>"
        self.head(200, Content_Length=len(page))
        self.wfile.write(page)

    def compressed(self, body: bytes) -> None:
        self.head(200, Content_Length=len(body), Content_Encoding="gzip")
        self.wfile.write(body)

    def missing(self, body: bytes) -> None:
        self.head(404, Content_Length=0)

    def busy(self, body: bytes) -> None:
        if self.calls() < 3:
            return self.head(503, Content_Length=0, Retry_After="0")
        self.good(body)

    def always_busy(self, body: bytes) -> None:
        self.head(503, Content_Length=0)

    def moved(self, body: bytes) -> None:
        self.head(302, Location=f"/good/{self.path.split('/')[-1]}", Content_Length=0)

    def moved_to_other(self, body: bytes) -> None:
        self.head(302, Location=f"/wrong-content/{self.path.split('/')[-1]}", Content_Length=0)

    def moved_to_file(self, body: bytes) -> None:
        self.head(302, Location="file:///etc/passwd", Content_Length=0)

    def moved_to_ftp(self, body: bytes) -> None:
        self.head(302, Location="ftp://127.0.0.1/x", Content_Length=0)

    def moved_round(self, body: bytes) -> None:
        self.head(302, Location=self.path, Content_Length=0)

    def nonsense(self, body: bytes) -> None:
        self.wfile.write(b"\x1b[31mwhat?\r\n\r\n")

    def bad_chunks(self, body: bytes) -> None:
        self.head(200, Transfer_Encoding="chunked")
        self.wfile.write(b"zzz\r\n" + body[:1000])


class Server(http.server.ThreadingHTTPServer):
    """The server, what it was asked, and the files it has."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []
        self.closing = threading.Event()
        self.bodies = {"0.bin": BODY}

    def handle_error(self, request: object, address: object) -> None:
        pass  # clients that hang up

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"

    def file(self, behaviour: str) -> DataFile:
        return DataFile("one/0.bin", self.url(f"{behaviour}/0.bin"), len(BODY), hashlib.sha256(BODY).hexdigest())


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.closing.set()
        running.shutdown()
        thread.join()
