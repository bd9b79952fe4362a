"""`tools/few_pages.py`: what it trains on, and what it says of odd words."""

import json
from pathlib import Path

import few_pages
import numpy as np
import pytest
from PIL import Image

from zoo import train


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """Two chapters of three pages each; the pages of both are called alike."""
    rng = np.random.default_rng(0)
    for chapter in ("1", "2"):
        (tmp_path / "series" / chapter).mkdir(parents=True)
        for index in range(3):
            blocks = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            Image.fromarray(blocks).save(tmp_path / "series" / chapter / f"{index}.png")
    return tmp_path / "series"


def test_pages_of_one_name_are_all_trained_on(series, tmp_path, monkeypatch):
    monkeypatch.setattr(few_pages, "import_tensorflow", lambda: None)
    monkeypatch.setattr(few_pages, "_colored", lambda model, truth: [255 - rgb for rgb in truth])
    monkeypatch.setattr(train, "main", lambda words: 0)
    out = tmp_path / "out"
    assert few_pages.main([str(series), "--sizes", "4", "--kept", "2", "-o", str(out)]) == 0
    for split, count in (("train", 4), ("val", 2)):
        assert len(list((out / "4-pages" / "data" / split).iterdir())) == count
    assert json.loads((out / "results.json").read_text())["scores"]["4"]["delta_e00"]["difference"] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sizes", "3,ten"], "--sizes: 'ten' is no number above 0"),
        (["--sizes", "3,"], "--sizes: '' is no number above 0"),
        (["--sizes", "0"], "--sizes: '0' is no number above 0"),
        (["--kept", "-1"], "--kept must be at least 1, not -1"),
        (["--sizes", "5", "--kept", "2"], "has 6 pages; 2 and 5 are asked for"),
    ],
)
def test_odd_words_are_refused(series, tmp_path, words, message, capsys):
    assert few_pages.main([str(series), *words, "-o", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
