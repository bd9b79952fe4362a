import subprocess
import sys

import pytest

import zoo
from zoo.errors import UsageError
from zoo.models.registry import MODELS


def test_models_of_the_zoo():
    assert zoo.list_models()[:4] == ["hypercolumn", "residual", "classifier", "conditional"]


def test_a_taken_name_raises():
    with pytest.raises(ValueError, match=r"model 'residual' is registered already"):
        zoo.register_model(zoo.get_card("residual"))(lambda: None)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UsageError, match=r"unknown model 'residul'. Did you mean 'residual'\? Known models: hyper"):
        zoo.create("residul")
    with pytest.raises(UsageError, match="unknown model 'xyzzy'. Known models"):
        zoo.get_card("xyzzy")


def test_a_registered_builder_is_created_with_its_options(monkeypatch):
    monkeypatch.setattr(MODELS, "_items", dict(MODELS._items))
    card = zoo.ModelCard("mine", "s", "s", "residual", "uv", "uv", 1, "c")

    @zoo.register_model(card)
    def mine(**options):
        return options

    assert "mine" in zoo.list_models()
    assert zoo.create("mine", seed=4) == {"seed": 4}


@pytest.mark.parametrize(
    "code",
    [
        "import zoo",
        "import zoo.data.dataset, zoo.training.config",
        "import zoo.__main__ as m; m.main([])",
        "import contextlib, zoo.train as t\nwith contextlib.suppress(SystemExit): t.main(['--help'])",
        "import zoo.train as t; assert t.main(['residul']) == 2",
        "import contextlib, zoo.export.__main__ as e\nwith contextlib.suppress(SystemExit): e.main(['--help'])",
        "import zoo.export.__main__ as e; assert e.main(['x.keras', '--format', 'saved_model']) == 2",
    ],
)
def test_tensorflow_is_not_imported(code):
    check = "\nimport sys; assert not {'tensorflow', 'keras'} & set(sys.modules), 'imported'"
    done = subprocess.run([sys.executable, "-c", code + check], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_table_of_models():
    done = subprocess.run([sys.executable, "-m", "zoo"], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in zoo.list_models())
