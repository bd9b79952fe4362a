"""The lesson's notebook runs, and the page of the lesson shows what comes of it."""

import json
import re
from pathlib import Path

import lesson
import numpy as np
import pytest
from PIL import Image

from zoo.errors import UsageError

PAGE = lesson.DOCS / "averaging-in-five-minutes.md"


@pytest.fixture(scope="module")
def done():
    return lesson.run_notebook(lesson.NOTEBOOK)


def test_the_pictures_of_the_page_are_those_of_the_notebook(done):
    _, pictures = done
    shown = re.findall(r"\]\(lesson/([\w-]+)\.webp\)", PAGE.read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(pictures)
    assert {path.stem for path in (lesson.DOCS / "lesson").iterdir()} == set(shown)
    for name, picture in pictures.items():
        with Image.open(lesson.DOCS / "lesson" / f"{name}.webp") as committed:
            assert committed.size == picture.size, name
            distance = np.abs(np.asarray(committed.convert("RGB"), float) - np.asarray(picture, float))
        assert distance.mean() < 5, f"{name}: python tools/lesson.py"


def test_the_numbers_of_the_page_are_those_of_the_notebook(done):
    names, _ = done
    rows = re.findall(r"^\| ([^|]+) \| ([\d.]+) \| ([\d.]+) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    assert {row[0] for row in rows} == set(names["scores"])
    for title, a_star, error in rows:
        assert names["scores"][title] == pytest.approx((float(a_star), float(error)), abs=0.06), title


def test_what_the_lesson_says_is_so(done):
    names, _ = done
    scores = names["scores"]
    assert scores["the mean"][0] == pytest.approx(1, abs=0.02)
    assert scores["the regression"][0] > 0.7
    assert max(scores["a sample"][0], scores["the mode, one colour a region"][0]) < 0.2
    assert min(scores, key=lambda title: scores[title][1]) == "the mean"
    assert names["most"] <= 1
    # About every possible colour of a car, and hardly elsewhere.
    assert names["plane"].sum() == pytest.approx(1)
    assert names["plane"].max() > 0.1


def test_the_notebook_is_committed_without_outputs():
    notebook = json.loads(lesson.NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(code) > 5
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])


def notebook_of(path: Path, *cells: tuple[str, dict]) -> Path:
    found = [{"cell_type": "code", "source": [source], "metadata": metadata} for source, metadata in cells]
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": ["1 +"]}, *found]}), encoding="utf-8")
    return path


def test_cells_share_names_and_end_with_pictures(tmp_path):
    make = "from PIL import Image\na = 3"
    path = notebook_of(tmp_path / "a.ipynb", (make, {}), ("b = a + 1\nImage.new('L', (a, b))", {"picture": "grey"}))
    names, pictures = lesson.run_notebook(path)
    assert names["b"] == 4
    assert {name: picture.size for name, picture in pictures.items()} == {"grey": (3, 4)}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"cells": 1}'])
def test_what_is_no_notebook_is_refused(tmp_path, text):
    (tmp_path / "a.ipynb").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"a\.ipynb is no notebook"):
        lesson.run_notebook(tmp_path / "a.ipynb")


def test_a_cell_without_its_picture_is_named(tmp_path):
    path = notebook_of(tmp_path / "a.ipynb", ("a = 1", {"picture": "grey"}))
    with pytest.raises(UsageError, match="cell 1 ends with no picture, and is to make grey"):
        lesson.run_notebook(path)
