"""The lesson's notebook runs, and the page of the lesson shows what comes of it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import lesson
import numpy as np
import pytest
from PIL import Image

from zoo.errors import UsageError

PAGE = lesson.DOCS / "averaging-in-five-minutes.md"


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> tuple[Path, str]:
    """Where the command wrote the pictures, and what it printed; in a process of its own, whatever ran before."""
    out = tmp_path_factory.mktemp("lesson")
    command = [sys.executable, lesson.__file__, "-o", str(out)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=500, encoding="utf-8")
    assert told.returncode == 0, told.stderr
    return out, told.stdout


def scores(told: str) -> dict[str, tuple[float, float]]:
    """A* and error, by answer, of what the notebook prints."""
    found = re.findall(r"^(.+?) +A\* +(-?[\d.]+) +error +([\d.]+)$", told, re.M)
    return {title: (float(a_star), float(error)) for title, a_star, error in found}


def test_the_pictures_of_the_page_are_those_of_the_notebook(done):
    out, _ = done
    shown = sorted(re.findall(r"\]\(lesson/([\w-]+)\.webp\)", PAGE.read_text(encoding="utf-8")))
    assert sorted(path.stem for path in out.iterdir()) == shown
    assert sorted(path.stem for path in (lesson.DOCS / "lesson").iterdir()) == shown
    for name in shown:
        with Image.open(lesson.DOCS / "lesson" / f"{name}.webp") as committed, Image.open(out / f"{name}.webp") as made:
            assert committed.size == made.size, name
            arrays = [np.asarray(picture.convert("RGB"), float) for picture in (committed, made)]
        assert np.abs(np.subtract(*arrays)).mean() < 4, f"{name}: python tools/lesson.py"


def test_the_numbers_of_the_page_are_those_of_the_notebook(done):
    _, told = done
    rows = re.findall(r"^\| ([^|]+) \| ([\d.]+) \| ([\d.]+) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    found = scores(told)
    assert {row[0] for row in rows} == set(found)
    for title, a_star, error in rows:
        assert found[title] == pytest.approx((float(a_star), float(error)), abs=0.06), title


def test_what_the_lesson_says_is_so(done):
    _, told = done
    found = scores(told)
    assert found["the mean"][0] == pytest.approx(1, abs=0.02)
    assert found["the regression"][0] > 0.7
    assert max(found["a sample"][0], found["the mode, one colour a region"][0]) < 0.2
    assert min(found, key=lambda title: found[title][1]) == "the mean"
    assert "the three pictures differ by at most 1 of 255" in told


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
