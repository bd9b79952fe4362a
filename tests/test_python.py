"""What `import zoo` reaches, and what it costs."""

import subprocess
import sys

import pytest

import zoo
from zoo import metrics
from zoo.data.dataset import open_dataset
from zoo.data.pipeline import training_pairs
from zoo.pages.colorizer import Colorizer


def test_what_is_elsewhere_is_reached_and_listed():
    assert zoo.Colorizer is Colorizer
    assert zoo.open_dataset is open_dataset
    assert zoo.training_pairs is training_pairs
    assert zoo.metrics is metrics
    assert set(zoo.__all__) <= set(dir(zoo))
    assert all(getattr(zoo, name) is not None for name in zoo.__all__)
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'colorizer'"):
        _ = zoo.colorizer


COST = """
import sys
import zoo
heavy = {"keras", "tensorflow", "torch", "numpy", "scipy", "skimage", "matplotlib", "pandas"} & set(sys.modules)
assert not heavy, heavy
zoo.metrics, zoo.open_dataset, zoo.training_pairs
heavy = {"keras", "tensorflow", "scipy", "skimage"} & set(sys.modules)
assert not heavy, heavy
"""


def test_importing_is_light():
    done = subprocess.run([sys.executable, "-c", COST], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


TYPED = """
import zoo
reveal_type(zoo.metrics.colorfulness)
reveal_type(zoo.metrics.delta_e00)
reveal_type(zoo.Colorizer)
zoo.colorizer
"""


def test_type_checkers_know_them(tmp_path):
    api = pytest.importorskip("mypy.api")
    (tmp_path / "mine.py").write_text(TYPED)
    told, _, _ = api.run([str(tmp_path / "mine.py"), "--follow-imports=silent", "--ignore-missing-imports"])
    assert "-> float" in told
    assert '"zoo.metrics.images.ImageMetric"' in told
    assert '-> zoo.pages.colorizer.Colorizer"' in told
    assert 'Module has no attribute "colorizer"' in told
