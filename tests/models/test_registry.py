import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import zoo
from zoo.__main__ import COMMANDS
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
        "import zoo.train as t; assert t.main(['residul']) == 2",
        *(f"import zoo.__main__ as m\ntry: m.main([{name!r}, '--help'])\nexcept SystemExit: pass" for name in COMMANDS),
        "import zoo.export.__main__ as e; assert e.main(['x.keras', '--format', 'saved_model']) == 2",
        "import zoo.export.__main__ as e; assert e.main(['residual', '--format', 'litert', '--decode', 'mode']) == 2",
        "import zoo.export.__main__ as e; assert e.main(['classifier', '--format', 'saved_model']) == 2",
        "import zoo.evaluate as e; assert e.main(['residual', 'grey', '--decode', 'mode']) == 2",
        "import zoo.gallery as g; assert g.main(['residual', '--data', 'x', '--decode', 'mode', '-o', 'nowhere']) == 2",
        "import zoo.released as r; assert r.main('add x y --data x --attribution x --licence x'.split()) == 2",
        "import zoo.train as t; assert t.main(['residual', '--decode', 'mode']) == 2",
        "import zoo.convert as c; assert c.main(['eccv16', 'x.pth', '-o', 'x.keras']) == 2",
    ],
)
def test_tensorflow_is_not_imported(code):
    check = "\nimport sys; assert not {'tensorflow', 'keras'} & set(sys.modules), 'imported'"
    done = subprocess.run([sys.executable, "-c", code + check], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True)


def test_table_of_models():
    done = call("-m", "zoo")
    assert done.returncode == 0
    assert all(name in done.stdout for name in zoo.list_models())


def test_the_script_and_the_modules_are_the_same_commands():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"]["zoo"].partition(":")
    script = f"import sys; sys.argv[0] = '/somewhere/bin/zoo'; from {module} import {function}; sys.exit({function}())"
    by_script = call("-c", script, "train", "--help")
    by_package, by_module = (call(*words, "--help") for words in (["-m", "zoo", "train"], ["-m", "zoo.train"]))
    assert by_script.returncode == by_package.returncode == by_module.returncode == 0
    assert by_script.stdout.startswith("usage: zoo train ")
    assert by_module.stdout.startswith("usage: python -m zoo.train ")
    assert by_package.stdout == by_module.stdout
    assert "--learning-rate" in by_script.stdout


def test_the_commands_are_listed_without_their_modules():
    code = "import sys, zoo.__main__ as m\ntry: m.main(['--help'])\nfinally: print(*sys.modules, file=sys.stderr)"
    done = call("-c", code)
    for name, words in COMMANDS.items():
        assert name in done.stdout
        assert words.split()[-1] in done.stdout
        assert f"zoo.{name}" not in done.stderr.split()
    assert "numpy" not in done.stderr.split()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "invalid choice: 'trian' (choose from 'train'"),
        (["trian"], "Did you mean 'train'?"),
        (["data", "prepair"], "Did you mean 'prepare'?"),
        (
            ["train", "residual", "--stepz", "3"],
            "python -m zoo.train: error: unknown flag --stepz. Did you mean '--steps'?",
        ),
        (["train", "residual", "--step=3"], "unknown flag --step. Did you mean '--steps'?"),
        (["train", "--optimizer", "adm", "residual"], "(choose from 'sgd', 'adam', 'adamw'). Did you mean 'adam'?"),
        (
            ["data", "get", "--paralel", "3", "x"],
            "zoo.data get: error: unknown flag --paralel. Did you mean '--parallel'?",
        ),
        (["colorize", "m", "p.png", "--ouput", "x"], "unknown flag --ouput. Did you mean '--out'?"),
        (["export", "m", "--format", "onyx"], "Did you mean 'onnx'?"),
        (["train", "--qqqq", "residual"], "unknown flag --qqqq.\n"),
    ],
)
def test_a_mistyped_word_is_refused_with_the_nearest(capsys, words, message):
    with pytest.raises(SystemExit) as error:
        zoo.__main__.main(words)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_help_shows_defaults_that_say_something(capsys):
    shown = {}
    for words in (["colorize"], ["data", "prepare"], ["evaluate"], ["train"]):
        with pytest.raises(SystemExit):
            zoo.__main__.main([*words, "--help"])
        shown[words[-1]] = " ".join(capsys.readouterr().out.split())
    assert "keeps the page's size (default: the size that the model was trained at, or 1024)" in shown["colorize"]
    assert "reduce larger pages to this longer side (default: 1024)" in shown["prepare"]
    assert "samples, and places of hints (default: 0)" in shown["evaluate"]
    assert "a .toml file (default: quick; with --from finetune)" in shown["train"]
    for text in shown.values():
        assert not re.search(r"default: (None|False|\[\]|)\)", text)


def test_flags_that_mean_one_thing_have_one_name():
    for name in ("colorize", "evaluate", "export.__main__", "gallery"):
        parser = importlib.import_module(f"zoo.{name}").parser()
        (out,) = (action for action in parser._actions if "--out" in action.option_strings)
        assert out.option_strings == ["-o", "--out"]
    from zoo.export import __main__ as export

    assert export.parser().parse_args(["m", "--format", "onnx", "--output", "x"]).out == Path("x")  # as it was called
    assert "--output" not in export.parser().format_help()
    assert export.parser().parse_args(["m", "--format", "onnx"]).out is None
