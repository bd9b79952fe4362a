"""Requests over http and https that end: no other scheme is followed, and every connection can be hung up."""

import contextlib
import http.client
import socket
import threading
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit


class RedirectError(Exception):
    """The server redirects to where it is not followed."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https alone, and never from https to http."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new not in ("http", "https") or (old, new) == ("https", "http"):
            fp.close()
            raise RedirectError(f"redirected to {newurl[:200]!r}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Call:
    """One request, redirects included. Another thread may hang up at any time; whoever reads then gets an error."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._late = False

    def open(self, url: str, headers: Mapping[str, str], silence: float) -> Any:
        """Sends the request, by way of the proxies of the environment, and returns the response when its head is there.

        Args:
            url: http or https.
            headers: of the request.
            silence: seconds to wait for the next byte; the whole head may take twice as long.

        Raises:
            RedirectError: redirected to where it is not followed.
            OSError, http.client.HTTPException, ValueError: what the network and `urllib` raise.
        """
        # A socket's timeout starts again with each byte: a head that comes byte by byte would never end.
        timer = threading.Timer(2 * silence, self._give_up)
        timer.daemon = True
        timer.start()
        try:
            request = urllib.request.Request(url, headers=dict(headers))
            response = _opener(self._sockets.append).open(request, timeout=silence)
        except (OSError, http.client.HTTPException):
            if self._late:
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()
        if self._late:  # to the reader, a head that is cut off has ended
            response.close()
            raise TimeoutError
        return response

    def hang_up(self) -> None:
        """Ends the connection."""
        for each in self._sockets:
            with contextlib.suppress(OSError):  # closed already
                socket.socket.shutdown(each, socket.SHUT_RDWR)  # and not that of SSL, which is not for two threads

    def _give_up(self) -> None:
        self._late = True
        self.hang_up()


def _opener(watch: Callable[[socket.socket], None]) -> urllib.request.OpenerDirector:
    """An opener for http and https that shows its sockets; `build_opener` would open files too."""

    class Plain(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            watch(self.sock)

    class Secure(http.client.HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            watch(self.sock)

    class PlainHandler(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Plain, req)

    class SecureHandler(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Secure, req)

    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        PlainHandler(),
        SecureHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener
