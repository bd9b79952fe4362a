"""The studio in a tab of a browser, used as a person does."""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from browsing import emulate
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from studying import PLACE

SHOWN = (
    "document.querySelector('#pane-right img').dataset.layer?.includes('|') && document.getElementById('busy').hidden"
)
"""What a script finds true once the page shows its colours."""

X, Y = PLACE["x"], PLACE["y"]


class Window:
    """A tab with a studio in it."""

    def __init__(self, browser: Any, url: str, **emulated: Any) -> None:
        self.browser, self.url = browser, url
        emulate(browser, **emulated)
        browser.get("about:blank")  # the page of the test before would still ask a server that is gone
        for log in ("browser", "performance"):
            browser.get_log(log)
        browser.get(url)
        self.until(SHOWN)

    def js(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def until(self, expression: str, *arguments: Any, seconds: float = 60) -> Any:
        end = time.monotonic() + seconds
        while not (found := self.js(f"return {expression}", *arguments)):
            assert time.monotonic() < end, (expression, self.status, self.browser.get_log("browser"))
            time.sleep(0.03)
        return found

    def settled(self, act: Callable[[], Any]) -> None:
        """Does something that changes the colours, and waits for them."""
        count = self.js("return document.querySelector('#pane-right img').dataset.count")
        act()
        self.until("document.querySelector('#pane-right img').dataset.count !== arguments[0]", count)
        self.until(SHOWN)

    @property
    def status(self) -> str:
        return self["#status"].text

    def __getitem__(self, selector: str) -> Any:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[Any]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a place of the page is in the window."""
        return tuple(
            self.js(
                "const sheet = document.querySelector('#pane-right .sheet');"
                "const [box, zoom] = [sheet.getBoundingClientRect(),"
                " sheet.getBoundingClientRect().width / sheet.offsetWidth];"
                "return [box.left + (arguments[0] + 0.5) * zoom, box.top + (arguments[1] + 0.5) * zoom]",
                x,
                y,
            )
        )

    def click(self, x: float, y: float) -> None:
        """Clicks a place of the page, and waits for its colours."""
        self.drag([(x, y)])
        self.until("document.querySelectorAll('.swatch').length === 5")

    def drag(self, path: list[tuple[float, float]]) -> None:
        actions = ActionChains(self.browser, duration=20)
        for index, place in enumerate(path):
            left, top = self.at(*place)
            actions.w3c_actions.pointer_action.move_to_location(round(left), round(top))
            if index == 0:
                actions.w3c_actions.pointer_action.pointer_down()
        actions.w3c_actions.pointer_action.pointer_up()
        actions.perform()

    def color(self, x: float, y: float) -> np.ndarray:
        """The colour of a place in the right picture."""
        return np.array(
            self.js(
                "const image = document.querySelector('#pane-right img');"
                "const canvas = new OffscreenCanvas(1, 1).getContext('2d');"
                "canvas.drawImage(image, -arguments[0], -arguments[1]);"
                "return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)",
                x,
                y,
            )
        )

    def clean(self, errors: int = 0) -> None:
        """Nothing went wrong, and nobody else was asked."""
        found = self.browser.get_log("browser")
        assert len(found) == errors, found
        messages = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        urls = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
        assert urls
        here = urlsplit(self.url).netloc
        assert [url for url in urls if not url.startswith(("data:", "blob:")) and urlsplit(url).netloc != here] == []
