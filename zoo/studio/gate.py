"""Who may ask the studio: this machine's own page, at the address that was opened, with the token where one is wanted.

Every request passes here before anything else looks at it.
"""

import hmac
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
"""Of every answer: the page takes nothing from elsewhere, is shown inside of nothing, and is kept by no cache."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def is_loopback(host: str) -> bool:
    """Whether an address that is listened at is this machine's own, which no other reaches."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def names_of(host: str) -> frozenset[str]:
    """What a browser may call this machine, besides by number, if `host` is listened at.

    A name that anybody else has a say in is none of these: a page of such a name could otherwise have it lead here
    (DNS rebinding).
    """
    own = {"localhost"} if is_loopback(host) else {"localhost", host, socket.gethostname()}
    return frozenset(name.lower().rstrip(".") for name in own)


class Gate:
    """Turns away requests that are not the studio's own page's, and puts `HEADERS` on all answers.

    Args:
        application: what is asked, by those who may.
        host: the address that is listened at.
        port: likewise; 0 for any, in tests.
        token: what the first request has to bring; empty for none.
    """

    def __init__(self, application: Application, *, host: str, port: int, token: str) -> None:
        self._application, self._token, self._port = application, token, port
        self._names, self._loopback = names_of(host), is_loopback(host)
        self._cookie = f"zoo-studio-{port}"

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return
        headers = _headers(scope["headers"])
        refusal = self._refusal(scope, headers)
        if refusal:
            await _answer(send, refusal[0], refusal[1])
            return
        if self._token and not self._knows(headers):
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            if scope["path"] == "/" and hmac.compare_digest(given.encode(), self._token.encode()):
                cookie = f"{self._cookie}={self._token}; HttpOnly; SameSite=Strict; Path=/"
                await _answer(send, 303, "", {"location": "/", "set-cookie": cookie})
            else:
                await _answer(send, 403, "Open the address that the command printed: it has a token at its end.")
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_encoded(HEADERS)]
            await send(message)

        await self._application(scope, receive, guarded)

    def _refusal(self, scope: Message, headers: dict[str, list[str]]) -> tuple[int, str] | None:
        """Status and words for a request that nobody may make; None for others."""
        hosts = headers.get("host", [])
        if len(hosts) != 1 or not self._is_here(hosts[0]):
            return 421, "The studio is not at this address. Open the one that the command printed."
        safe = scope["method"] in ("GET", "HEAD")
        origins = headers.get("origin", [])
        if any(origin != f"http://{hosts[0]}" for origin in origins) or (not safe and len(origins) != 1):
            return 403, "Another page may not ask the studio."
        fetched = headers.get("sec-fetch-site", ["same-origin"])
        if fetched[0] not in ("same-origin", "none") and not (
            safe and scope["path"] == "/" and headers.get("sec-fetch-dest") == ["document"]
        ):
            return 403, "Another page may not ask the studio."
        return None

    def _is_here(self, host: str) -> bool:
        """Whether a Host header is of this studio."""
        found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]/@\s]+)(?::([0-9]{1,5}))?", host)
        if not found or (self._port and int(found[2] or 80) != self._port):
            return False
        name = found[1].strip("[]").lower().rstrip(".")
        try:
            number = ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return number.is_loopback or not self._loopback

    def _knows(self, headers: dict[str, list[str]]) -> bool:
        from starlette.requests import cookie_parser  # which an odd cookie of another site costs that cookie alone

        held = (cookie_parser(text).get(self._cookie, "") for text in headers.get("cookie", []))
        return any(hmac.compare_digest(each.encode(), self._token.encode()) for each in held)


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


async def _answer(send: Send, status: int, text: str, more: dict[str, str] | None = None) -> None:
    headers = {"content-type": "text/plain; charset=utf-8", **HEADERS, **(more or {})}
    await send({"type": "http.response.start", "status": status, "headers": _encoded(headers)})
    await send({"type": "http.response.body", "body": text.encode()})
