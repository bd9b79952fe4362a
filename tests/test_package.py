"""What is installed: the package alone, working from any directory."""

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_only_zoo_is_installed():
    files = metadata.distribution("keras-colorization-zoo").files
    tops = {file.parts[0] for file in files if file.parts[0] != ".."}
    names = {name for name in tops if not name.endswith((".dist-info", ".pth", ".py")) and name != "__pycache__"}
    assert names <= {"zoo"}
    assert not tops & {"datasets", "reports", "bench", "tests", "tools"}


def test_cards_and_recipes_are_found_from_anywhere(tmp_path):
    code = (
        "from zoo.data.cards import list_datasets; from zoo.training.config import list_recipes;"
        "print(*list_datasets(), *list_recipes())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert {"procedural", "quick", "paper", "dahl", "modern", "crops"} <= set(done.stdout.split())


def test_the_page_needs_no_file_beside_the_package():
    templates = {path.name for path in (ROOT / "zoo" / "report" / "templates").iterdir()}
    assert templates == {"page.html", "page.css", "page.js"}


def test_the_wheel_carries_the_cards():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert config == {"packages": ["zoo"], "force-include": {"datasets": "zoo/_datasets"}}


def test_top_level_folders_are_no_packages():
    assert not [folder for folder in ("datasets", "reports") if (ROOT / folder / "__init__.py").exists()]
