"""`tools/stories.py`: what it writes, of a model that colours nothing."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import stories

import zoo.pages.asking
import zoo.pages.colorizer


class Grey:
    """Stands for a colorizer; every page stays grey."""

    decode = None

    def __init__(self, model):
        self.examined = SimpleNamespace(given=lambda hints: (), chroma=lambda decode, seed, guide: np.zeros((8, 8, 2)))

    def draft(self, luma):
        return SimpleNamespace(examined=self.examined, scan=luma)

    def references(self, scan):
        return ()

    def paint(self, scan, uv, hints):
        return np.repeat(np.rint(scan * 65535).astype(np.uint16)[..., None], 3, axis=-1)


@pytest.fixture
def images():
    rng = np.random.default_rng(0)

    def image(story, page):
        rgb = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        return SimpleNamespace(name=f"test/asp_{story}_{page:02}.jpg", decode=lambda: rgb)

    return [image(story, page) for story in ("0001", "0002") for page in range(5)]


def test_how_well_the_sheets_group_is_written_too(images, tmp_path, monkeypatch, capsys):
    dataset = SimpleNamespace(splits={"test": SimpleNamespace(images=images)})
    told = {"entries": 2, "regions": 3}
    monkeypatch.setattr(stories, "open_dataset", lambda name, crop: dataset)
    monkeypatch.setattr(stories, "import_tensorflow", lambda: None)
    monkeypatch.setattr(stories, "_sheets", lambda colorizer, pages: ([(), ()], told))
    monkeypatch.setattr(zoo.pages.asking, "questions", lambda examined, count: [])
    monkeypatch.setattr(zoo.pages.colorizer, "Colorizer", Grey)
    monkeypatch.setattr("sys.argv", ["stories.py", "grey", "-o", str(tmp_path / "stories.json")])
    assert stories.main() == 0
    found = json.loads((tmp_path / "stories.json").read_text())
    assert found["sheets"] == {"0001": told, "0002": told}
    assert len(found["pages"]) == 8
    assert found["table"]["reference"]["change"][0] == 0
