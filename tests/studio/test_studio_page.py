"""The studio in a real browser: by mouse, by keys and on a phone, and nothing is asked elsewhere."""

import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import emulate, needs_browser
from hinting import outlined
from PIL import Image
from selenium.webdriver.common.keys import Keys
from studio_window import SHOWN, Window, X, Y
from studying import opened, save_book

pytestmark = [needs_browser, pytest.mark.needs("starlette", "uvicorn")]


def test_a_book_is_coloured_by_the_mouse(browser: Any, client: Any, book: Path, model: Path, downloads: Path) -> None:
    window = Window(browser, client.running.url)
    assert len(window.all("#thumbs button")) == 3
    before = window.color(X, Y)
    window.click(X, Y)
    second = window.all(".swatch")[1]
    assert second.get_attribute("aria-label").startswith("Colour 2: #")
    window.settled(second.click)
    after = window.color(X, Y)
    assert np.abs(after - before).max() > 15
    assert np.abs(window.color(X + 20, Y - 15) - before).max() > 8  # the region follows
    assert len(window.all("#mark-list li")) == 1
    window.settled(window["#undo"].click)
    assert np.abs(window.color(X, Y) - before).max() < 4
    assert window.all(".mark") == []
    window.settled(window["#redo"].click)
    assert np.abs(window.color(X, Y) - after).max() < 4
    # The colours alone were shown. The slider's edge is dragged, and no obstacle to a click.
    assert not window["#slider"].is_displayed()
    assert not window["#left"].is_displayed()
    window["#mode-slider"].click()
    window.until("document.querySelector('#pane-left img').dataset.layer === 'grey'")
    assert window["#left"].is_displayed()
    window.drag([(72, 50), (60, 50), (40, 50)])
    assert 20 < float(window["#slider"].get_attribute("value")) < 45
    window.drag([(40, 50)])
    window.until("document.querySelectorAll('.swatch').length === 5")
    window["#close"].click()
    # Another colour for the same mark; then it is moved.
    window.drag([(X, Y)])
    window.until("document.querySelectorAll('.swatch').length === 5")
    window.settled(window.all(".swatch")[3].click)
    (mark,) = client.get("/api/page/0")["marks"]
    assert mark["points"] == [[X, Y]]
    window["#close"].click()
    window.settled(lambda: window.drag([(X, Y), (X + 6, Y + 3), (X + 10, Y + 6)]))
    (moved,) = client.get("/api/page/0")["marks"]
    assert (moved["id"], moved["color"]) == (mark["id"], mark["color"])
    assert np.abs(np.array(moved["points"][0]) - [X + 10, Y + 6]).max() <= 1
    assert not window["#popover"].is_displayed()  # it was dragged, not chosen
    # What a colour becomes on a page that keeps its luma is told; and the swatches go as another panel is turned to.
    window.click(X + 20, Y - 15)
    assert not window["#farther"].is_displayed()
    window.settled(
        lambda: window.js(
            "const picker = document.getElementById('picker');"
            "picker.value = '#ffffcc';"
            "picker.dispatchEvent(new Event('change'))"
        )
    )
    assert re.fullmatch("#ffffcc becomes #[0-9a-f]{6} here: the page keeps its light and dark.", window.status)
    assert window["#farther"].is_displayed()
    window["#tab-plane"].click()
    assert not window["#popover"].is_displayed()
    window.until("document.querySelectorAll('#plane svg').length === 1")  # of the place that was chosen
    window["#stage"].send_keys(Keys.CONTROL, "z")
    window.until("document.querySelectorAll('.mark').length === 1")
    # The next page; a stroke; what was kept is there in a new studio.
    window.settled(window["#next"].click)
    assert window["#number"].get_attribute("value") == "2"
    window["#tool-stroke"].click()
    window.settled(lambda: window.drag([(22, 30), (40, 40), (50, 60)]))
    (stroke,) = client.get("/api/page/1")["marks"]
    assert len(stroke["points"]) > 5
    assert stroke["color"] == "#c0392b"
    window["#tab-take"].click()
    window["[data-take=cbz]"].click()
    window.until("document.getElementById('work-status').textContent === '3 of 3 pages coloured'")
    until = time.monotonic() + 60
    while not (downloads / "book-coloured.cbz").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    window.clean()
    client.running.stop()
    with opened(book, model) as again:
        window = Window(browser, again.running.url)
        assert window["#number"].get_attribute("value") == "1"
        (found,) = window.all(".mark")
        assert mark["color"] in found.get_attribute("aria-label")
        assert [made.get_attribute("class") for made in window.all("#thumbs button")] == ["marked", "marked", ""]
        window.clean()


def test_by_keyboard(browser: Any, client: Any) -> None:
    window = Window(browser, client.running.url)
    stage = window["#stage"]
    stage.send_keys(Keys.ARROW_LEFT)
    for _ in range(5):
        stage.send_keys(Keys.SHIFT, Keys.ARROW_LEFT)
    stage.send_keys(Keys.ENTER)
    window.until("document.activeElement.classList.contains('swatch')")
    window.settled(lambda: browser.switch_to.active_element.send_keys("2"))
    (mark,) = client.get("/api/page/0")["marks"]
    assert mark["points"][0][0] < 72
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert window.js("return document.activeElement.id") == "stage"
    window[".mark"].send_keys(Keys.ARROW_DOWN)
    window.until("document.activeElement.classList.contains('mark')")
    until = time.monotonic() + 60
    while client.get("/api/page/0")["marks"][0]["points"][0] == mark["points"][0]:
        assert time.monotonic() < until
    window.settled(lambda: window[".mark"].send_keys(Keys.DELETE))
    assert client.get("/api/page/0")["marks"] == []
    stage.send_keys(Keys.CONTROL, "z")
    window.until("document.querySelectorAll('.mark').length === 1")
    stage.send_keys("n")
    window.until("document.getElementById('status').textContent.includes('least sure')")
    stage.send_keys(Keys.PAGE_DOWN)
    window.until("document.getElementById('number').value === '2'")
    window["#tab-marks"].send_keys(Keys.ARROW_RIGHT)
    assert window["#tab-book"].get_attribute("aria-selected") == "true"
    assert window["#panel-book"].is_displayed()
    stage.send_keys("?")
    assert window["#keys"].is_displayed()
    window["#keys"].send_keys(Keys.ESCAPE)
    assert not window["#keys"].is_displayed()
    # Everything that can be reached says what it is.
    nameless = window.js(
        "return [...document.querySelectorAll('button, select, input, [role=dialog], dialog')].filter((each) =>"
        " !each.ariaLabel && !each.textContent.trim() && !each.labels?.length).map((each) => each.outerHTML)"
    )
    assert nameless == []
    window.clean()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(browser: Any, client: Any, scheme: str) -> None:
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
    try:
        on_a_phone(Window(browser, client.running.url, width=375, height=760, scheme=scheme), scheme)
    finally:
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def on_a_phone(window: Window, scheme: str) -> None:
    window.js("localStorage.removeItem('theme')")
    assert window.js("return document.documentElement.scrollWidth") == 375
    assert window.js("return document.getElementById('stage').getBoundingClientRect().top") < 300
    for mode in ("slider", "one"):
        window[f"#mode-{mode}"].click()
        cut = window.js(
            "const [right, copy] = [document.getElementById('right'), document.createElement('select')];"
            "copy.append(new Option(right.selectedOptions[0].text));"
            "right.after(copy);"
            "copy.style = 'flex: none; width: auto';"
            "const width = copy.offsetWidth;"
            "copy.remove();"
            "return width > right.offsetWidth"
        )
        assert not cut, mode
    window.click(X, Y)
    box = window.js("return document.getElementById('popover').getBoundingClientRect().toJSON()")
    assert box["left"] >= 0
    assert box["right"] <= 375
    window.settled(window.all(".swatch")[1].click)
    window["#close"].click()
    for tab in ("book", "plane", "take", "marks"):
        window[f"#tab-{tab}"].click()
        assert window.js("return document.documentElement.scrollWidth") == 375
        if tab == "book":
            assert window["#drop"].text == "Choose a coloured page"
    small = window.js(
        "return [...document.querySelectorAll('header button, #layers select, #layers button')]"
        ".filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 30).map((each) => each.id)"
    )
    assert small == []
    back, ink = (
        np.array(window.js(f"return getComputedStyle(document.body).{name}.match(/[0-9.]+/g).map(Number)")[:3])
        for name in ("backgroundColor", "color")
    )
    assert (back.mean() < 80) == (scheme == "dark")
    assert np.abs(back - ink).min() > 120
    window.clean()


def test_the_whole_book_and_the_averaging(browser: Any, client: Any, tmp_path: Path) -> None:
    Image.fromarray(outlined(True)).save(tmp_path / "reference.png")
    window = Window(browser, client.running.url)
    window.click(X, Y)
    window["#explain"].click()
    window.until("document.querySelectorAll('#plane svg circle').length > 20")
    told = window["#plane"].text
    assert told.startswith("small.keras, annealed+coherent")
    assert "their mean: what a regression would answer" in told
    window["#enlarge"].click()
    assert window["#large svg"].is_displayed()
    window["#large .shut"].click()
    # No colour was chosen for the place: there is none to give to the whole book.
    assert not window["#whole"].is_enabled()
    window.settled(window.all(".swatch")[1].click)
    assert window["#whole"].is_enabled()
    (mark,) = client.get("/api/page/0")["marks"]
    red, green, blue = (int(mark["color"][at : at + 2], 16) for at in (1, 3, 5))
    spot = window.js("return getComputedStyle(document.querySelector('#whole i')).backgroundColor")
    assert spot == f"rgb({red}, {green}, {blue})"
    window.settled(window["#whole"].click)
    window["#tab-book"].click()
    window.until("document.querySelectorAll('.entry').length === 1")
    assert client.get("/api/sheet")["entries"][0]["color"] == mark["color"]
    assert window.js("return document.querySelector('.entry img').complete")
    window["#add-color"].click()
    window.until("!document.getElementById('limited').disabled")
    window.settled(window["#limited"].click)
    window["#reference"].send_keys(str(tmp_path / "reference.png"))
    window.until("document.querySelectorAll('#references figure').length === 1")
    about = client.get("/api/book")
    assert (len(about["palette"]), about["limited"], about["references"][0]["title"]) == (1, True, "reference.png")
    for _ in range(5):
        window["#undo"].click()
    window.until("document.getElementById('undo').disabled")
    about = client.get("/api/book")
    assert (about["palette"], about["limited"], about["references"]) == ([], False, [])
    assert client.get("/api/sheet")["entries"] == []
    window["#gather"].click()
    window.until("document.querySelectorAll('.entry').length > 1")
    assert not window["#redo"].is_enabled()
    window["#mode-beside"].click()
    # At once: the page lists the choices anew when it learns of what was gathered.
    window.js(
        "const left = document.getElementById('left');"
        "left.value = arguments[0];"
        "left.dispatchEvent(new Event('change'))",
        about["own"].partition("|")[0] + "|mean",
    )
    window.until("document.querySelector('#pane-left img').dataset.layer?.endsWith('|mean')")
    assert window["#pane-left img"].is_displayed()
    assert window["#left"].get_attribute("title") == "mean: the average, dull"
    said = window["#right"].get_attribute("title")
    assert said == "annealed: vivid, the usual one; +coherent: one colour a region"
    window["#theme"].click()
    assert window.js("return document.documentElement.dataset.theme") == "dark"
    window.js("localStorage.removeItem('theme')")
    window.clean()


def test_two_tabs_do_not_mix(browser: Any, client: Any) -> None:
    window = Window(browser, client.running.url)
    first = browser.current_window_handle
    browser.switch_to.new_window("tab")
    try:
        other = Window(browser, client.running.url)
        other.settled(other["#next"].click)
        other.click(X, Y)
        other.settled(other.all(".swatch")[1].click)
        second = browser.current_window_handle
        browser.switch_to.window(first)
        assert window["#number"].get_attribute("value") == "1"
        window.click(X, Y)
        window.settled(window.all(".swatch")[2].click)
        window.settled(window["#undo"].click)
        assert client.get("/api/page/0")["marks"] == []
        assert len(client.get("/api/page/1")["marks"]) == 1  # what the other tab did is the other tab's
        browser.switch_to.window(second)
        other.settled(other["#previous"].click)
        client.color(0)  # what another tab says is seen here
        other.until("document.querySelectorAll('.mark').length === 1")
    finally:
        if len(browser.window_handles) > 1:
            browser.close()
        browser.switch_to.window(first)


def test_a_page_that_cannot_be_coloured_says_so_in_its_place(browser: Any, model: Path, tmp_path: Path) -> None:
    book = save_book(tmp_path / "book", 1)
    Image.fromarray(outlined(True)).save(book / "page0.png")
    (book / "page2.png").write_bytes(b"hello")
    with opened(book, model) as client:
        emulate(browser)
        browser.get(client.running.url)
        window = object.__new__(Window)
        window.browser, window.url = browser, client.running.url
        window.until("!document.getElementById('fault').hidden")
        assert "--desaturate" in window["#fault"].text
        assert window.status == ""  # said once
        window["#next"].click()
        window.until(SHOWN)
        assert not window["#fault"].is_displayed()
        window["#next"].click()
        window.until("!document.getElementById('fault').hidden")
        assert "text file" in window["#fault"].text
        assert window.all(".swatch") == []


def test_names_and_texts_from_files_are_text(browser: Any, model: Path, tmp_path: Path) -> None:
    name = "<img src=x onerror=document.title='hit'>"
    book = tmp_path / "book"
    book.mkdir()
    Image.fromarray(outlined(False)).save(book / f"{name}.png")
    with opened(book, model) as client:
        Image.fromarray(outlined(True)).save(tmp_path / f"{name}2.png")
        window = Window(browser, client.running.url)
        window["#tab-book"].click()
        window["#reference"].send_keys(str(tmp_path / f"{name}2.png"))
        window.until("document.querySelectorAll('#references figure').length === 1")
        assert window["#references figcaption"].text == f"{name}2.png"
        assert name in window["#thumbs button"].get_attribute("title")
        assert window.all("img[src='x']") == []
        assert browser.title != "hit"
        window.clean()
