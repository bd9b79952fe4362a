"""The pictures of docs/studio.md: `python tools/studio_pictures.py PAGES docs`.

PAGES is a folder of coloured pages: those of the pictures are Pepper&Carrot, episode 19, by David Revoy (CC BY 4.0), of
the test pages of `comics-open`. The averaging is that of an embedded page. The studio is opened in a headless Chromium
(with chromedriver), and used as a person does.
"""

import argparse
import io
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zoo.chroma.regions import innermost
from zoo.errors import RunError
from zoo.support.command import run

WIDE, PHONE = (1320, 860), (375, 760)
SAID = (
    *((0.80, 0.06), (0.22, 0.35), (0.20, 0.43), (0.60, 0.30), (0.62, 0.37)),
    *((0.47, 0.525), (0.08, 0.60), (0.38, 0.57), (0.66, 0.87), (0.13, 0.92)),
)
"""Places of the first page that are given the colours it has, in parts of its width and height."""

ASKED = 0.60, 0.60
MODEL, REGRESSION = "conditional:procedural", "residual:procedural"
SHOWN = (
    "document.getElementById('busy').hidden && document.querySelector('#pane-right img').dataset.layer?.includes('|')"
)


class Window:
    """A studio in a browser.

    Args:
        url: of the studio.
        size: of the window, width and height in pixels.
        scheme: `light` or `dark`.
    """

    def __init__(self, url: str, size: tuple[int, int], scheme: str) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
        for flag in ("headless=new", "no-sandbox", "disable-gpu", "no-first-run", "hide-scrollbars", "disable-sync"):
            options.add_argument(f"--{flag}")
        self.driver: Any = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
        self.driver.get(url)
        self.until(SHOWN)

    def js(self, script: str, *arguments: Any) -> Any:
        """What a script answers."""
        return self.driver.execute_script(script, *arguments)

    def until(self, expression: str) -> None:
        """Waits until an expression is true."""
        for _ in range(2400):
            if self.js(f"return {expression}"):
                return
            time.sleep(0.05)
        raise TimeoutError(expression)

    def press(self, name: str) -> None:
        """Presses what has an id."""
        self.js("document.getElementById(arguments[0]).click()", name)

    def choose(self, name: str, value: str) -> None:
        """Chooses in a list by the beginning of a value."""
        self.js(
            "const list = document.getElementById(arguments[0]);"
            "list.value = [...list.options].find((each) => each.value.startsWith(arguments[1])).value;"
            "list.dispatchEvent(new Event('change'))",
            name,
            value,
        )

    def click(self, across: float, down: float) -> None:
        """Clicks a place of the page, in parts of its width and height."""
        x, y = self.js(
            "const box = document.querySelector('#pane-right .sheet').getBoundingClientRect();"
            "return [box.left + arguments[0] * box.width, box.top + arguments[1] * box.height]",
            across,
            down,
        )
        for kind in ("mousePressed", "mouseReleased"):
            event = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
            self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)
        self.until("document.querySelectorAll('.swatch').length || !document.getElementById('refusal').hidden")
        if refusal := self.js("return document.getElementById('refusal').textContent"):
            raise RunError(f"{across}, {down}: {refusal}")

    def take(self, color: str) -> None:
        """Gives the place another colour than the five."""
        self.js(
            "const field = document.getElementById('picker'); field.value = arguments[0];"
            "field.dispatchEvent(new Event('change'))",
            color,
        )
        time.sleep(0.5)
        self.until(SHOWN)
        self.press("close")

    def slide(self, percent: int) -> None:
        """Puts the slider at so many percent."""
        self.js(
            "const slider = document.getElementById('slider'); slider.value = arguments[0];"
            "slider.dispatchEvent(new Event('input'))",
            percent,
        )

    def picture(self) -> Image.Image:
        """What is to be seen."""
        time.sleep(0.8)
        return Image.open(io.BytesIO(self.driver.get_screenshot_as_png())).convert("RGB")


def draw(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    import zoo.studio

    keep = Path(tempfile.mkdtemp())
    _averaging(keep, arguments.out / "studio-averaging.webp")
    with zoo.studio.launch(arguments.pages, keep=keep / "book", desaturate=True) as running:
        truth = running.studio.desk.shelf.open(0).truth
        window = Window(running.url, WIDE, "light")
        for across, down in SAID:
            y, x = int(down * truth.shape[0]), int(across * truth.shape[1])
            red, green, blue = truth[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).mean(axis=0).astype(int)
            window.click(across, down)
            window.take(f"#{red:02x}{green:02x}{blue:02x}")
        window.press("mode-slider")
        window.slide(38)
        window.click(*ASKED)
        _save(window.picture(), arguments.out / "studio.webp")
        window.driver.quit()
        phones = []
        for scheme in ("light", "dark"):
            phone = Window(running.url, PHONE, scheme)
            if phones:
                phone.click(*ASKED)
            phones.append(phone.picture())
            phone.driver.quit()
        sheet = Image.new("RGB", (2 * PHONE[0] + 24, PHONE[1]), "white")
        for index, picture in enumerate(phones):
            sheet.paste(picture, (index * (PHONE[0] + 24), 0))
        _save(sheet, arguments.out / "studio-phone.webp")
    shutil.rmtree(keep)


def _averaging(folder: Path, path: Path) -> None:
    """Draws what two models say of a region of an embedded page, of which they cannot know the colour."""
    import zoo.studio
    from zoo.data.drawn.procedural import materialise

    drawn = materialise(folder / "drawn", counts={"train": 0, "val": 0, "test": 4}) / "pages" / "test"
    launched = zoo.studio.launch(drawn, MODEL, keep=folder / "drawn-kept", models=[REGRESSION], desaturate=True)
    with launched as running:
        index, across, down = _telling(running.studio.desk)
        window = Window(running.url, WIDE, "light")
        for _ in range(index):
            window.press("next")
        window.until(SHOWN)
        window.press("tab-plane")
        window.click(across, down)
        window.choose("left", REGRESSION)
        window.choose("right", f"{MODEL}|mode+coherent")
        window.until("document.querySelectorAll('#plane svg').length === 2")
        window.press("enlarge")
        window.until("document.querySelectorAll('#large svg').length === 2")
        box = window.js("return document.getElementById('large').getBoundingClientRect().toJSON()")
        edges = [round(box[side]) for side in ("left", "top", "right", "bottom")]
        window.js("document.activeElement.blur()")
        _save(window.picture().crop((edges[0], edges[1], edges[2], edges[3])), path)
        window.driver.quit()


def _telling(desk: Any) -> tuple[int, float, float]:
    """The page, and the place in parts of its width and height, of the region with the two colours that are farthest
    apart and both probable."""
    found = []
    for index in range(len(desk.shelf.pages)):
        frame = desk.looked(MODEL, index).examined.frames[0]
        sight = frame.sight()
        for region in np.argsort(-sight.sizes)[:40]:
            inside = sight.regions == region
            (one, share), *others = frame.prediction.possible(frame.image, inside, 2)
            if others and 0.3 < sight.tones[region] < 0.75:
                row, column = innermost(inside)
                apart = float(np.linalg.norm(one - others[0][0])) * min(share, others[0][1])
                found.append((apart, index, (column + 0.5) / inside.shape[1], (row + 0.5) / inside.shape[0]))
    return max(found)[1:]


def _save(picture: Image.Image, path: Path) -> None:
    from zoo.support.files import atomic_path

    with atomic_path(path) as temporary:
        picture.save(temporary, "WEBP", quality=82, method=6)


def main() -> int:
    """Entry point; returns the exit code."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("pages", type=Path)
    p.add_argument("out", type=Path)
    parsed = p.parse_args()
    return run(lambda: draw(parsed))


if __name__ == "__main__":
    sys.exit(main())
