"""The documentation does what it says: its commands parse, its links lead somewhere, its examples run."""

import importlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import images
import numpy as np
import pytest
import tiny
from PIL import Image
from scripts import run_script

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKED = [*PAGES, *sorted((ROOT / "docs" / "site").glob("*.md")), ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"]
LINKED += sorted((ROOT / "reports").glob("*.md"))


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)```", path.read_text(encoding="utf-8"), re.S | re.M)


def example(name: str) -> str:
    """The file of that name in docs/extending.md."""
    return next(block for block in blocks(ROOT / "docs" / "extending.md", "python") if block.startswith(f'"""{name}'))


def commands() -> list[tuple[str, str]]:
    """Every `python -m zoo.…` of the shell examples, and the page it is on."""
    found = []
    for path in PAGES:
        for block in blocks(path, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                found += [(path.name, command) for command in re.findall(r"python -m (zoo\.\w+ [^;&|']*)", line)]
    for path in (*PAGES, ROOT / "reports" / "README.md"):  # within sentences too, but for what they leave out
        text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.S | re.M)
        for command in re.findall(r"`python -m (zoo\.\w+ [^`]+)`", text):
            if not re.search(r"…|--help|FORMAT|^zoo.data prepare$", command):
                found.append((path.name, " ".join(command.split())))
    return found


def test_commands_are_found():
    assert len(commands()) > 20


@pytest.mark.parametrize(("page", "command"), commands())
def test_every_command_parses(page, command):
    module, *words = shlex.split(command.partition(" #")[0])
    package = (ROOT / module.replace(".", "/")).is_dir()
    name = f"{module}.__main__" if package else module
    words = ["X" if word.startswith("$") else word for word in words]
    importlib.import_module(name).parser().parse_args(words)


def test_links_lead_somewhere():
    for path in LINKED:
        text = re.sub(r"^```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S | re.M)
        for target in re.findall(r"\]\(([^)]+)\)", text):
            file, _, anchor = target.partition("#")
            if "://" in file:
                continue
            page = path.parent / file if file else path
            assert page.exists(), f"{path.name}: {target}"
            if anchor and page.suffix == ".md":
                headings = re.findall(r"^#+ (.*)", page.read_text(encoding="utf-8"), re.M)
                names = {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
                assert anchor in names, f"{path.name}: {target}"


@pytest.mark.parametrize("path", [*PAGES, ROOT / "reports" / "README.md"], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_line_begins_with_a_marker(path):
    """A comment at the beginning of a line ends the paragraph, and the rest of the line is shown as it is written."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [number for number, line in enumerate(lines, 1) if line.lstrip().startswith("<!-- value")] == []


def test_promises_name_tests_that_are_there():
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8")))
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 20
    assert named - set(re.findall(r"def (test_\w+)", tests)) == set()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("little.py", ["residual", "--encoder", "little", "--train-encoder"]),
        ("shallow.py", ["classifier", "--option", "trunk=shallow"]),
        ("deeper.py", ["residual", "--option", "head=deeper"]),
        ("tinted.py", ["tinted"]),
        ("strongest.py", ["classifier", "--decode", "strongest:0.3"]),
        ("mine.py", ["mine", "--option", "width=8"]),
    ],
)
def test_examples_of_extending_run(tmp_path, name, words):
    (tmp_path / name).write_text(example(name), encoding="utf-8")
    images.make_images(tmp_path / "pages", train=4, val=2)
    settings = ["--data", "pages", "--crop", "32", "--batch-size", "2", "--steps", "2", "--validation-crops", "2"]
    settings += ["--encoder-weights", "none", "--precision", "float32", "--run-dir", "run"]
    run_script(name, [*words, *settings], tmp_path)
    assert (tmp_path / "run" / "best.keras").exists()


def test_the_metric_of_extending_is_shown(tmp_path):
    (tmp_path / "pages").mkdir()
    images.make_books(tmp_path / "pages", train=2, val=1, test=2)
    (tmp_path / "blues.py").write_text(example("blues.py"), encoding="utf-8")
    out = run_script("blues.py", ["grey", "--data", "pages", "--json"], tmp_path)
    rows = {row["variant"]: row["value"] for row in json.loads(out)["rows"] if row["metric"] == "blues"}
    assert rows["grey"] == 0 < rows["truth"] < 1


def test_the_readme_s_python_runs(tmp_path):
    code = next(block for block in blocks(ROOT / "README.md", "python") if "model.fit" in block)
    (tmp_path / "pages").mkdir()
    images.make_books(tmp_path / "pages", train=8, val=2)
    code = code.replace("steps_per_epoch=50, epochs=2", "steps_per_epoch=1, epochs=1")
    code += "assert set(zoo.metrics.evaluate(rgb, image)) >= {'cf', 'chroma_ratio', 'delta_e00'}\n"
    (tmp_path / "example.py").write_text(code, encoding="utf-8")
    run_script("example.py", [], tmp_path)


@pytest.mark.needs("onnxruntime", "tf2onnx")
def test_the_example_of_export_colours_as_we_do(tmp_path, monkeypatch):
    from zoo.export import __main__ as export
    from zoo.pages.colorizer import Colorizer

    model = tiny.build()
    for variable in model.trainable_variables:
        variable.assign(variable * 3)
    model.save(tmp_path / "tiny.keras")
    rng = np.random.default_rng(0)
    page = Image.fromarray(rng.integers(0, 256, (6, 5), dtype=np.uint8)).resize((50, 41), Image.Resampling.BICUBIC)
    page.save(tmp_path / "page.png")
    target = str(tmp_path / "model.onnx")
    assert export.main([str(tmp_path / "tiny.keras"), "--format", "onnx", "-o", target]) == 0
    (code,) = blocks(ROOT / "docs" / "export.md", "python")
    (tmp_path / "use_onnx.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "use_onnx.py", "model.onnx", "page.png", "coloured.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "coloured.png") as coloured:
        rgb = np.asarray(coloured).astype(int)
    assert np.abs(rgb - Colorizer(model)(np.asarray(page))).max() <= 1
    assert np.ptp(rgb, axis=-1).mean() > 5
