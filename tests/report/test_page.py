"""The page in a real browser: nothing goes wrong, nothing is asked of a network, and everything on it works."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import report
from browsing import chromium, emulate, needs_browser
from PIL import Image
from samples import benchmark_rows, evaluation, run_result, save_evaluation
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from zoo.results import merge_rows, save_result

ROOT = Path(__file__).parents[2]
NAUGHTY = "<img src=x onerror=document.title='hit'>"

pytestmark = needs_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two machines, two evaluations, one of them with pictures, and two runs."""
    results = tmp_path_factory.mktemp("report") / "reports" / "results"
    rows = benchmark_rows()
    merge_rows(results / "bench-one.json", rows)
    merge_rows(results / "bench-two.json", [row | {"cpu": "another"} for row in rows])
    save_result(results / "run-one.json", run_result())
    save_result(results / "run-two.json", run_result("hypercolumn", seed=1))
    names = {
        "truth": 0.0,
        "grey": None,
        "residual": 0.9,
        "classifier, mode": 0.1,
        "classifier, mean": 0.8,
        NAUGHTY: 0.5,
    }
    found = evaluation(names)
    save_evaluation(results / "evaluation-drawn.json", found)
    save_evaluation(results / "evaluation-plain.json", replace(found, ideal_indices=None))
    (results / "evaluation-drawn").mkdir()
    for row in range(2):
        for column in range(len(names)):
            color = (40 * column, 100 * row, 50)
            Image.new("RGB", (60, 40), color).save(results / "evaluation-drawn" / f"{row:02}-{column:02}.webp")
    (results / "run-broken.json").write_text("{")
    (results.parents[1] / "README.md").write_text("# No tables\n")
    assert report.build(results.parents[1])[1]
    return results.parent / "index.html"


def opened(browser: Any, page: Path, *, width: int = 1200, scheme: str = "light") -> Any:
    emulate(browser, width=width, scheme=scheme)
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(page.as_uri())
    return browser


def column(browser: Any, table: str, index: int) -> list[str]:
    """The texts of a column's rows that are shown, without intervals."""
    script = (
        "return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)].filter((row) => !row.hidden)"
        ".map((row) => row.cells[arguments[1]].firstChild?.textContent ?? '')"
    )
    return browser.execute_script(script, table, index)


def heading(browser: Any, table: str, words: str) -> Any:
    return next(
        button
        for button in browser.find_elements(By.CSS_SELECTOR, f"#{table} thead button")
        if button.text.replace("\n", " ").startswith(words)
    )


@pytest.mark.parametrize("which", ["made here", "committed"])
def test_no_error_and_no_request(browser: Any, page: Path, which: str) -> None:
    opened(browser, page if which == "made here" else ROOT / "reports" / "index.html")
    assert browser.title == "Colourisation models compared"
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    assert urls
    assert not [url for url in urls if not url.startswith(("file:", "data:"))]
    assert sum(url.startswith("file:") for url in urls) == 1
    assert browser.get_log("browser") == []
    ids = browser.execute_script("return [...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))
    targets = browser.execute_script("return [...document.querySelectorAll('nav a')].map((a) => a.hash.slice(1))")
    assert set(targets) <= set(ids)


def test_names_from_files_are_text(browser: Any, page: Path) -> None:
    opened(browser, page)
    assert NAUGHTY in column(browser, "evaluation-drawn", 0)
    assert browser.find_elements(By.CSS_SELECTOR, "img[src='x']") == []
    warning = browser.find_element(By.CLASS_NAME, "warning").text
    assert "run-broken.json is not a result file" in warning


def test_tables_sort_by_mouse_and_keyboard(browser: Any, page: Path) -> None:
    opened(browser, page)
    table = "evaluation-drawn"
    place = 1
    button = heading(browser, table, "A*")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    assert column(browser, table, place) == ["0", "0.1", "0.5", "0.8", "0.9", "–"]
    cell = button.find_element(By.XPATH, "..")
    assert cell.get_attribute("aria-sort") == "ascending"
    button.send_keys(Keys.ENTER)
    assert column(browser, table, place) == ["0.9", "0.8", "0.5", "0.1", "0", "–"]  # the unknown stays last
    assert cell.get_attribute("aria-sort") == "descending"
    name = heading(browser, table, "candidate")
    name.send_keys(Keys.SPACE)
    assert column(browser, table, 0)[1:3] == ["classifier, mean", "classifier, mode"]
    assert cell.get_attribute("aria-sort") is None


def test_rows_and_columns_are_filtered(browser: Any, page: Path) -> None:
    opened(browser, page)
    table = "evaluation-drawn"
    field = browser.find_element(By.CSS_SELECTOR, f"[data-filter='{table}']")
    field.send_keys("class mode")
    assert column(browser, table, 0) == ["classifier, mode"]
    count = browser.find_element(By.CSS_SELECTOR, f"[data-count='{table}']")
    assert count.text == "1 of 6 rows"
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(Keys.DELETE)
    assert count.text == "6 rows"
    browser.find_element(By.CSS_SELECTOR, f"[data-references='{table}']").click()
    assert "truth" not in column(browser, table, 0)
    assert count.text == "4 of 6 rows"

    def headings() -> list[str]:
        buttons = browser.find_elements(By.CSS_SELECTOR, f"#{table} thead button")
        return [button.text for button in buttons if button.is_displayed()]

    assert any(text.startswith("BVR") for text in headings())
    assert not any(text.startswith("delta e00") for text in headings())
    choice = browser.find_element(By.CSS_SELECTOR, f".choice[data-table='{table}'][data-group='accuracy']")
    choice.click()
    assert choice.get_attribute("aria-pressed") == "true"
    assert not any(text.startswith("BVR") for text in headings())
    assert any(text.startswith("delta e00") for text in headings())

    machines = Select(browser.find_element(By.CSS_SELECTOR, "[data-machine-of='benchmarks-table']"))
    everything = len(column(browser, "benchmarks-table", 0))
    machines.select_by_visible_text("another avx2, 2 cores")
    assert len(column(browser, "benchmarks-table", 0)) == everything / 2
    assert set(column(browser, "benchmarks-table", 6)) == {"another avx2, 2 cores"}


def test_the_gallery_slides_between_any_two(browser: Any, page: Path) -> None:
    opened(browser, page)
    gallery = browser.find_element(By.CLASS_NAME, "gallery")

    def role(name: str) -> Any:
        return gallery.find_element(By.CSS_SELECTOR, f"[data-role='{name}']")

    browser.execute_script("arguments[0].scrollIntoView()", gallery)
    pictures = json.loads(gallery.find_element(By.TAG_NAME, "script").get_attribute("textContent"))
    assert Select(role("left")).first_selected_option.text == "residual"
    for image, left, right in ((0, "grey", "truth"), (1, "classifier, mode", "residual")):
        Select(role("image")).select_by_value(str(image))
        Select(role("left")).select_by_visible_text(left)
        Select(role("right")).select_by_visible_text(right)
        for side, name in (("left", left), ("right", right)):
            for place in (f"picture-{side}", f"strip-{side}"):
                assert role(place).get_attribute("src") == pictures[image][name]
        assert role("strip-truth").get_attribute("src") == pictures[image]["truth"]
        assert left in role("picture-left").get_attribute("alt")
    script = "return getComputedStyle(arguments[0]).clipPath"
    assert browser.execute_script(script, role("picture-left")).replace(" ", "").startswith("inset(0px50%")
    role("slider").send_keys(Keys.HOME)
    assert "100%" in browser.execute_script(script, role("picture-left"))
    role("slider").send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert "98%" in browser.execute_script(script, role("picture-left"))
    width = role("picture-right").size["width"]
    action = webdriver.ActionChains(browser).move_to_element_with_offset(role("slider"), width // 4, 0)
    action.click().perform()
    assert 70 <= float(role("slider").get_attribute("value")) <= 80


@pytest.mark.parametrize("which", ["made here", "committed"])
def test_a_phone_shows_it_without_sideways_scrolling(browser: Any, page: Path, which: str) -> None:
    opened(browser, page if which == "made here" else ROOT / "reports" / "index.html", width=375)
    wide = browser.execute_script(
        "return [...document.querySelectorAll('body *')].filter((each) => !each.parentElement.closest('.scroll')"
        " && each.getBoundingClientRect().right > 376).map((each) => each.outerHTML.slice(0, 80))"
    )
    assert wide == []
    assert browser.execute_script("return document.documentElement.scrollWidth") == 375
    small = browser.execute_script(
        "return [...document.querySelectorAll('select, button.choice, input[type=search]')]"
        ".filter((each) => each.getBoundingClientRect().height < 30).length"
    )
    assert small == 0
    # Tables scroll in their own box, which the keyboard reaches.
    table = browser.find_element(By.CSS_SELECTOR, ".scroll")
    assert table.get_attribute("tabindex") == "0"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(browser: Any, page: Path, scheme: str) -> None:
    opened(browser, page, scheme=scheme)
    script = (
        "const style = getComputedStyle(arguments[0]);"
        "return [style.color, style.fill].map((each) => each.match(/[0-9.]+/g)?.map(Number) ?? null)"
    )

    def luminance(color: list[float]) -> float:
        linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in color[:3]]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    back = browser.execute_script(
        "return getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).map(Number)"
    )
    assert (luminance(back) < 0.2) == (scheme == "dark")
    for selector, kind in (
        ("p", 0),
        ("td", 0),
        ("td small", 0),
        ("tr.reference th", 0),
        ("a", 0),
        (".plot svg text", 1),
    ):
        color = browser.execute_script(script, browser.find_element(By.CSS_SELECTOR, selector))[kind]
        bright, dim = sorted((luminance(color), luminance(back)), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, selector
