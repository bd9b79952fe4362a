"""What tests of `python -m zoo.data` prepare, and how they run it."""

import csv
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.data import __main__ as command

SMALL = ["--longest", "96", "--shortest", "32"]


def page(seed: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """A coloured page (width, height), other for every seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def save(path: Path, seed: int, size: tuple[int, int] = (96, 64)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    page(seed, size).save(path)
    return path


def works(root: Path, count: int, each: int = 2, first: int = 0) -> Path:
    """Folders of pages."""
    for work in range(first, first + count):
        for number in range(each):
            save(root / f"work{work:02d}" / f"{number}.png", 100 * work + number)
    return root


def archive(path: Path, entries: dict[str, bytes | Image.Image]) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        for name, content in entries.items():
            if isinstance(content, Image.Image):
                stream = io.BytesIO()
                content.save(stream, "PNG")
                content = stream.getvalue()
            zipped.writestr(name, content)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = command.main([str(each) for each in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def prepared(capsys, *arguments: object) -> dict:
    code, out, err = run(capsys, "prepare", *arguments, *SMALL, "--json")
    assert code == 0, err
    return json.loads(out)


def rows(root: Path, name: str = "manifest.csv") -> list[dict[str, str]]:
    with open(root / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
