"""The studio's routes: HTTP in, JSON and pictures out."""

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import asdict
from functools import partial
from importlib import resources
from io import BytesIO
from typing import Any
from urllib.parse import unquote

from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from zoo.errors import ImageError, UsageError
from zoo.pages.hint import color_of, hex_of
from zoo.pages.scan import read_scan
from zoo.studio.queue_of_work import IDLE, URGENT, USUAL, SupersededError
from zoo.studio.saying import Added, Gathered, GoneError
from zoo.studio.session import Studio
from zoo.studio.shelf import THUMBNAIL, PageError
from zoo.studio.uv_plane import plane
from zoo.support.names import printable

MOST_JSON = 1 << 20
MOST_UPLOAD = 64 << 20
"""Bytes of a request's body: of JSON, and of a reference."""

FILES = {
    "page.html": "text/html",
    "page.css": "text/css",
    "icon.svg": "image/svg+xml",
    **dict.fromkeys(
        ("api.js", "book.js", "main.js", "plane.js", "say.js", "stage.js", "state.js", "undo.js"), "text/javascript"
    ),
}
"""What is served of the package, and nothing else."""

BOOK_KINDS = {"cbz": "application/vnd.comicbook+zip", "zip": "application/zip", "pdf": "application/pdf"}

Handler = Callable[[Request], Awaitable[Response]]


class TooMuchError(Exception):
    """A request's body that is larger than it may be."""


def application(studio: Studio) -> Starlette:
    """The routes of a studio."""
    routes = Routes(studio)
    table: list[tuple[str, str, Handler]] = [
        ("GET", "/api/book", routes.book),
        ("GET", "/api/pulse", routes.pulse),
        ("GET", "/api/page/{index}", routes.page),
        ("GET", "/api/page/{index}/picture", routes.picture),
        ("GET", "/api/page/{index}/thumbnail", routes.thumbnail),
        ("POST", "/api/page/{index}/place", routes.place),
        ("POST", "/api/page/{index}/next", routes.next_place),
        ("POST", "/api/page/{index}/marks", routes.marks),
        ("POST", "/api/page/{index}/plane", routes.plane),
        ("POST", "/api/choices", routes.choices),
        ("POST", "/api/references", routes.add_reference),
        ("GET", "/api/references/{name}", routes.reference),
        ("GET", "/api/sheet", routes.sheet),
        ("POST", "/api/sheet", routes.change_sheet),
        ("GET", "/api/sheet/{name}", routes.example),
        ("POST", "/api/work", routes.work),
        ("GET", "/api/download/{kind}", routes.download),
        ("GET", "/", partial(_file, "page.html")),
        *(("GET", f"/{name}", partial(_file, name)) for name in FILES if name != "page.html"),
    ]
    return Starlette(routes=[Route(path, _guarded(handler), methods=[method]) for method, path, handler in table])


def _guarded(handler: Handler) -> Handler:
    """Makes an answer of what is found wrong."""

    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except GoneError as error:
            return JSONResponse({"error": str(error)}, 410)
        except (UsageError, ImageError, PageError) as error:
            return JSONResponse({"error": str(error)}, 422)
        except (SupersededError, asyncio.CancelledError):
            return Response(status_code=204)
        except TooMuchError as error:
            return JSONResponse({"error": str(error)}, 413)
        except OSError as error:
            file = f"{printable(str(error.filename))}: " if error.filename else ""
            return JSONResponse({"error": f"{file}{error.strerror or error}"}, 500)

    return guarded


async def _file(name: str, _: Request) -> Response:
    data = resources.files("zoo.studio").joinpath("static", name).read_bytes()
    return Response(data, media_type=FILES[name])


async def _body(request: Request, most: int) -> bytes:
    """A request's body.

    Raises:
        TooMuchError: it is larger than it may be; no more of it is read.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise TooMuchError(f"that is larger than {most >> 20} MiB")
        parts.append(part)
    return b"".join(parts)


async def _json(request: Request) -> dict[str, Any]:
    """A request's body as a JSON object.

    Raises:
        UsageError: it is none.
    """
    try:
        held = json.loads(await _body(request, MOST_JSON))
    except (ValueError, RecursionError):
        held = None
    if not isinstance(held, dict):
        raise UsageError("the request is no JSON object")
    return held


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e9:
        raise UsageError(f"{what} is {value!r:.40}, which is no number")
    return float(value)


def _place(value: Any, what: str = "a place") -> list[float]:
    if not isinstance(value, list) or len(value) != 2:
        raise UsageError(f"{what} is {value!r:.40}, which is no x and y")
    return [_number(each, what) for each in value]


class Routes:
    """What each address answers.

    Args:
        studio: that answers.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def _page_of(self, number: Any) -> int:
        """A page's index, of a number or of a text of it.

        Raises:
            UsageError: there is no such page.
        """
        if isinstance(number, bool) or not re.fullmatch("[0-9]{1,6}", str(number)):
            raise UsageError("there is no such page")
        if not int(number) < len(self._studio.desk.shelf.pages):
            raise UsageError(f"there is no page {int(number) + 1}")
        return int(number)

    def _index(self, request: Request) -> int:
        return self._page_of(request.path_params["index"])

    async def _front(self, work: Callable[[], Any], *, slot: Hashable = None, urgency: int = USUAL) -> Any:
        return await asyncio.wrap_future(self._studio.front.submit(work, slot=slot, urgency=urgency))

    async def _reader(self, work: Callable[[], Any], *, slot: Hashable = None, urgency: int = USUAL) -> Any:
        return await asyncio.wrap_future(self._studio.reader.submit(work, slot=slot, urgency=urgency))

    async def book(self, request: Request) -> Response:
        """The book: its pages, models, and what was chosen."""
        return JSONResponse(await self._reader(self._studio.about, urgency=URGENT))

    async def pulse(self, request: Request) -> Response:
        """What may have changed elsewhere: versions, and how far a long work is. It waits for no computation."""
        versions, page = self._studio.versions, request.query_params.get("page")
        of_page = 0 if page is None else versions.pages.get(self._page_of(page), 0)
        return JSONResponse({"book": versions.book, "page": of_page, "work": asdict(self._studio.printing.progress)})

    async def page(self, request: Request) -> Response:
        """A page: its size and its marks."""
        index = self._index(request)
        return JSONResponse(await self._reader(lambda: self._studio.page(index), urgency=URGENT))

    async def picture(self, request: Request) -> Response:
        """A page as a layer shows it, JPEG. Of one tab and side, the last wish alone is answered."""
        index, desk = self._index(request), self._studio.desk
        layer = desk.layer(request.query_params.get("layer", ""))
        slot = "picture", request.query_params.get("tab", ""), request.query_params.get("side", "")
        queue = self._front if layer.model else self._reader
        data = await queue(lambda: desk.picture(layer, index), slot=slot)
        if layer.text == desk.own.text:
            self._warm(index)
        return Response(data, media_type="image/jpeg")

    def _warm(self, index: int) -> None:
        """Makes a page ready for clicks, and the next one for a look, when nothing else is to be done."""
        back, desk = self._studio.back, self._studio.desk
        for place, page in enumerate((index, index + 1)):
            if page < len(desk.shelf.pages):
                back.submit(partial(desk.warm, page), slot=("warm", place))

    async def thumbnail(self, request: Request) -> Response:
        """A small picture of a page, JPEG."""
        index, desk = self._index(request), self._studio.desk
        return Response(await self._reader(lambda: desk.thumbnail(index), urgency=IDLE), media_type="image/jpeg")

    async def place(self, request: Request) -> Response:
        """What the region of a place may be."""
        index, held = self._index(request), await _json(request)
        x, y = (math.floor(each) for each in _place([held.get("x"), held.get("y")]))
        slot = "place", str(held.get("tab", ""))
        return JSONResponse(
            await self._front(lambda: self._studio.saying.place(index, x, y), slot=slot, urgency=URGENT)
        )

    async def next_place(self, request: Request) -> Response:
        """Where a word is worth most."""
        index = self._index(request)
        found = await self._front(lambda: self._studio.saying.next_place(index), urgency=URGENT)
        return JSONResponse({"place": found})

    async def marks(self, request: Request) -> Response:
        """Puts a mark, brings one back, or takes one away; answers with all of the page, once they are kept."""
        index, held = self._index(request), await _json(request)
        saying = self._studio.saying

        def change() -> dict[str, Any]:
            before = {mark.id: mark.as_json() for mark in saying.marks(index).marks}
            number, becomes = held.get("id"), None
            if number is not None and not (isinstance(number, int) and 0 < number < 1 << 31):
                raise UsageError(f"id is {number!r:.40}, which is no number of a mark")
            if held.get("drop"):
                if number is None:
                    raise UsageError("which mark is to go? give its id")
                saying.drop(index, number)
            else:
                color = hex_of(color_of(held.get("color")))
                path = held.get("points") or held.get("path")
                if not isinstance(path, list):
                    raise UsageError("a mark has a path or points")
                places = [_place(each) for each in path]
                if held.get("points"):
                    points = [(math.floor(x), math.floor(y)) for x, y in places]
                    mark = saying.again(index, color, points, number)
                else:
                    mark = saying.put(index, color, places, number)
                number, becomes = mark.id, saying.becomes(index, mark)
            self._studio.versions.changed(index)
            answer = self._studio.page(index)
            after = {mark["id"]: mark for mark in answer["marks"]}
            return answer | {
                "id": number,
                "becomes": becomes,
                "before": [before[each] for each in before if after.get(each) != before[each]],
                "after": [after[each] for each in after if before.get(each) != after[each]],
            }

        return JSONResponse(await self._front(change, urgency=URGENT))

    async def plane(self, request: Request) -> Response:
        """What models find possible in a region."""
        index, held = self._index(request), await _json(request)
        desk = self._studio.desk
        x, y = (math.floor(each) for each in _place([held.get("x"), held.get("y")]))
        texts = held.get("layers")
        if not isinstance(texts, list) or not 1 <= len(texts) <= 4:
            raise UsageError("layers is a list of one to four")
        layers = [layer for layer in (desk.layer(str(text)) for text in texts) if layer.model]
        slot = "plane", str(held.get("tab", ""))
        return JSONResponse(await self._front(lambda: plane(desk, index, x, y, desk.own, layers), slot=slot))

    async def choices(self, request: Request) -> Response:
        """Chooses for the whole book: model and decoder, palette, references."""
        held = await _json(request)
        changes: dict[str, Any] = {}
        if "own" in held:
            layer = self._studio.desk.layer(str(held["own"]))
            if not layer.model:
                raise UsageError("a book is coloured by a model")
            changes |= {"model": layer.model, "decode": layer.decode}
        for name in ("palette", "references"):
            if name in held:
                if not isinstance(held[name], list) or len(held[name]) > 256:
                    raise UsageError(f"{name} is no list of 256 at most")
                changes[name] = tuple(str(each) for each in held[name])
        if "limited" in held:
            changes["limited"] = bool(held["limited"])

        def choose() -> dict[str, Any]:
            self._studio.keep.choose(**changes)
            self._studio.versions.changed()
            return self._studio.about()

        return JSONResponse(await self._front(choose, urgency=URGENT))

    async def add_reference(self, request: Request) -> Response:
        """Takes a coloured page, the request's body."""
        title = unquote(request.query_params.get("title", ""))
        data = await _body(request, MOST_UPLOAD)

        def add() -> dict[str, Any]:
            name = self._studio.saying.add_reference(data, title)
            self._studio.versions.changed()
            return self._studio.about() | {"added": name}

        return JSONResponse(await self._front(add))

    async def reference(self, request: Request) -> Response:
        """A small picture of a reference, JPEG."""
        keep, name = self._studio.keep, request.path_params["name"]
        if name not in (keep.choices.titles or {}):
            raise UsageError("there is no such reference")

        def small() -> bytes:
            samples = read_scan(keep.reference(name).read_bytes()).samples
            image = Image.fromarray(samples if samples.dtype == "uint8" else (samples >> 8).astype("uint8"))
            image.thumbnail((THUMBNAIL, THUMBNAIL), reducing_gap=2)
            stream = BytesIO()
            image.convert("RGB").save(stream, "JPEG", quality=82)
            return stream.getvalue()

        return Response(await self._reader(small), media_type="image/jpeg")

    async def sheet(self, request: Request) -> Response:
        """The colour sheet."""
        return JSONResponse(await self._front(self._studio.saying.sheet, urgency=URGENT))

    async def change_sheet(self, request: Request) -> Response:
        """Changes the colour sheet: an entry's colour, one entry less, one of a region, or one of before."""
        held, saying = await _json(request), self._studio.saying

        def change() -> dict[str, Any]:
            if "restore" in held:
                found = saying.restore(str(held["restore"]))
            elif "promote" in held:
                asked = held["promote"]
                if not isinstance(asked, dict):
                    raise UsageError("promote is no object")
                x, y = (math.floor(each) for each in _place([asked.get("x"), asked.get("y")]))
                found = saying.promote(self._page_of(asked.get("page")), x, y, str(asked.get("color")))
            else:
                found = saying.recolor(str(held.get("name")), held.get("color"))
            self._studio.versions.changed()
            return found

        return JSONResponse(await self._front(change, urgency=URGENT))

    async def example(self, request: Request) -> Response:
        """The picture of an entry of the colour sheet, JPEG."""
        file = self._studio.keep.example(self._studio.desk.own.model, request.path_params["name"])
        if not file.is_file():
            raise UsageError("there is no picture of that entry")
        return FileResponse(file, media_type="image/jpeg")

    async def work(self, request: Request) -> Response:
        """Begins or ends a long work."""
        held, printing = await _json(request), self._studio.printing
        asked, form = held.get("do"), str(held.get("format", "png"))
        if asked == "stop":
            printing.stop()
        elif asked == "gather":

            def then(found: Gathered) -> Added:
                added = self._studio.saying.gathered(found)
                self._studio.versions.changed()
                return added

            tab = str(held.get("tab", ""))
            printing.gather(lambda found: self._studio.front.submit(lambda: then(found)).result(), tab)
        elif asked == "color":
            only = held.get("page")
            printing.color(form, None if only is None else self._page_of(only))
        else:
            raise UsageError(f"do is {asked!r:.40}, and not color, gather or stop")
        return JSONResponse({"work": asdict(printing.progress)})

    async def download(self, request: Request) -> Response:
        """The coloured pages as a book, or one of them."""
        kind, form = request.path_params["kind"], request.query_params.get("format", "png")
        printing, stem = self._studio.printing, self._studio.stem
        if form not in ("png", "jpg", "webp"):
            raise UsageError("pages are png, jpg or webp")
        if kind == "page":
            index = self._page_of(request.query_params.get("page"))
            file = printing.page(index, form)
            if not file.is_file():
                raise UsageError("this page is not coloured yet")
            return FileResponse(file, filename=f"{stem}-{index + 1}.{form}")
        if kind not in BOOK_KINDS:
            raise UsageError(f"books are {', '.join(BOOK_KINDS)}")
        path = await asyncio.to_thread(printing.bound, kind, form)
        return FileResponse(path, media_type=BOOK_KINDS[kind], filename=f"{stem}-coloured.{kind}")
