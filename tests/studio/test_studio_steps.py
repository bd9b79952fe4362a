"""What a person does in the studio's page is undone and redone, step by step."""

import time
from typing import Any

import pytest
from browsing import needs_browser
from studio_window import SHOWN, Window, X, Y

from zoo.studio.bounded import Bounded

pytestmark = [needs_browser, pytest.mark.needs("starlette", "uvicorn")]


def test_what_was_gathered_is_one_step(browser: Any, client: Any) -> None:
    def entries(count: int) -> None:
        window.until("document.querySelectorAll('.entry').length === arguments[0]", count)
        assert len(client.get("/api/sheet")["entries"]) == count
        window.until(SHOWN)

    window = Window(browser, client.running.url)
    window.click(X, Y)
    window.settled(window.all(".swatch")[1].click)
    window.settled(window["#whole"].click)
    window["#tab-book"].click()
    entries(1)
    window["#undo"].click()
    entries(0)
    window.until("!document.getElementById('redo').disabled")
    window["#gather"].click()
    window.until("document.getElementById('status').textContent.endsWith(' entries added')")
    count = len(client.get("/api/sheet")["entries"])
    assert window.status == f"{count} entries added"
    assert not window["#redo"].is_enabled()
    entries(count)
    window["#undo"].click()
    entries(0)
    assert len(client.get("/api/page/0")["marks"]) == 1  # an older step, which stays
    window.until("!document.getElementById('redo').disabled")
    window["#redo"].click()
    entries(count)
    window.clean()


def test_what_the_last_work_said_goes_when_something_changes(browser: Any, client: Any) -> None:
    window = Window(browser, client.running.url)
    window["#tab-take"].click()
    assert window["#coloured"].text == "book-studio/coloured"
    command = client.get("/api/book")["command"]
    assert window["#command"].text.replace("\n", " ") == command
    heights = "[...document.querySelectorAll('.flag')].map((each) => each.getClientRects().length)"
    assert set(window.js(f"return {heights}")) == {1}
    window.js("navigator.clipboard.writeText = async (text) => (window.copied = text)")
    window["#copy"].click()
    window.until("window.copied")
    assert window.js("return window.copied") == command
    assert window.status == "The command is copied."
    window["#color-book"].click()
    window.until("document.getElementById('work-status').textContent === '3 of 3 pages coloured'")
    window.click(X, Y)
    window.settled(window.all(".swatch")[1].click)
    assert window["#work-status"].text == ""
    time.sleep(2)  # a pulse
    assert window["#work-status"].text == ""
    window.settled(lambda: client.post("/api/choices", {"palette": ["#c33"]}))
    window["#color-book"].click()
    window.until("document.getElementById('work-status').textContent === '1 of 3 pages coloured'")
    window.clean()


def wait_for_mark(client: Any, x: int, y: int) -> None:
    """Until the studio has the first page's only mark there."""
    until = time.monotonic() + 60
    while (marks := client.get("/api/page/0")["marks"])[0]["points"] != [[x, y]]:
        assert time.monotonic() < until, marks


def test_a_key_that_is_held_moves_a_mark_all_the_way(browser: Any, client: Any) -> None:
    client.post("/api/page/0/marks", {"color": "#c33", "path": [[X, Y]]})
    window = Window(browser, client.running.url)
    window.js(
        "const mark = document.querySelector('.mark');"
        "for (let time = 0; time < 6; time++)"
        " mark.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowDown', bubbles: true }))"
    )
    wait_for_mark(client, X, Y + 12)
    # Undone step by step, it is where it was.
    for _ in range(6):
        window["#undo"].click()
    window.until("document.getElementById('undo').disabled")
    assert client.get("/api/page/0")["marks"][0]["points"] == [[X, Y]]
    window.clean()


def test_what_is_on_its_way_is_undone_first(browser: Any, client: Any) -> None:
    client.post("/api/page/0/marks", {"color": "#c33", "path": [[X, Y]]})
    window = Window(browser, client.running.url)
    down = "document.querySelector('.mark').dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowDown' }));"
    window.settled(lambda: window.js(down))
    window.js(
        "window.asked = fetch;"
        "window.fetch = async (...held) => {"
        " const answer = await window.asked(...held);"
        " await new Promise((then) => setTimeout(then, 500));"
        " return answer; };" + down
    )
    wait_for_mark(client, X, Y + 4)
    # The server has moved it, and the page waits for the answer yet.
    for _ in range(2):
        window["#undo"].click()
    window.until("document.getElementById('undo').disabled")
    assert client.get("/api/page/0")["marks"][0]["points"] == [[X, Y]]
    window.clean()


def test_a_step_that_is_refused_can_be_undone_later(browser: Any, client: Any) -> None:
    window = Window(browser, client.running.url)
    window.click(X, Y)
    second = window.all(".swatch")[1]
    window.settled(second.click)
    window.settled(lambda: window.all(".swatch")[1].click())  # the same again changes nothing
    steps = f"JSON.parse(sessionStorage.getItem('done {client.running.keep}'))[0].length"
    assert window.js(f"return {steps}") == 1
    window["#close"].click()
    window.js(
        "window.asked = fetch;"
        'window.fetch = async () => new Response(\'{"error": "the disk is full"}\', { status: 500 })'
    )
    window["#undo"].click()
    window.until("document.getElementById('status').textContent === 'the disk is full'")
    window.js("window.fetch = window.asked")
    assert window.js(f"return {steps}") == 1
    window.settled(window["#undo"].click)
    assert client.get("/api/page/0")["marks"] == []
    assert not window["#undo"].is_enabled()
    window.settled(window["#redo"].click)
    assert len(client.get("/api/page/0")["marks"]) == 1
    # What nobody knows any more is not asked for again.
    window.click(X + 60, Y)
    window.settled(window.all(".swatch")[1].click)
    window.settled(window["#whole"].click)
    client.running.studio.saying._sheets = Bounded(1)
    window["#undo"].click()
    window.until("document.getElementById('status').textContent.includes('not known any more')")
    for _ in range(2):
        window.settled(window["#undo"].click)
    assert client.get("/api/page/0")["marks"] == []
    window.clean(errors=1)
