"""Small files of every kind that a command takes, and a command line of each command that succeeds with them."""

import argparse
import contextlib
import importlib
import io
import json
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

TRAIN = ["--data", "data", "--crop", "16", "--batch-size", "2", "--validation-crops", "2", "--steps", "4"]
TRAIN += ["--validate-every", "2", "--checkpoint-every", "2", "--encoder-weights", "none"]

GOOD: dict[str, dict[str, list[str]]] = {
    "train": {
        "model": ["tiny"],
        **{TRAIN[at].strip("-").replace("-", "_"): TRAIN[at : at + 2] for at in range(0, len(TRAIN), 2)},
        "run_dir": ["--run-dir", "new"],
    },
    "colorize": {"model": ["tiny.keras"], "inputs": ["grey.png"], "out": ["-o", "out"]},
    "hints": {"model": ["tiny.keras"], "page": ["grey.png"], "out": ["-o", "asked.json"]},
    "evaluate": {"candidates": ["tiny.keras"], "data": ["--data", "data"]},
    "gallery": {"models": ["tiny.keras"], "data": ["--data", "data"], "out": ["-o", "shown"]},
    "export": {"model": ["tiny.keras"], "format": ["--format", "saved_model"], "out": ["-o", "exported"]},
    "data list": {},
    "data get": {"name": ["peppercarrot"]},
    "data import": {"name": ["peppercarrot"], "source": ["data"]},
    "data prepare": {"sources": ["data"], "target": ["made"], "shortest": ["--shortest", "16"]},
    "data check": {"target": ["prepared"]},
    "report build": {"runs": ["run"], "out": ["-o", "pages"]},
    "report compare": {"a": ["run"], "b": ["evaluated"]},
    "released list": {},
    "released add": {
        "run": ["run"],
        "name": ["mine"],
        **{name: [f"--{name}", "x"] for name in ("data", "attribution", "licence")},
    },
}
"""Words by what they are for; of a command that is not here every positional gets a page."""


def prepare(folder: Path) -> None:
    """Makes the files."""
    import tiny

    tiny.register()
    home = Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            _files(folder)
    finally:
        os.chdir(home)


def _files(folder: Path) -> None:
    import tiny
    from samples import evaluation

    from zoo.__main__ import main
    from zoo.evaluation.pictures import save_gallery
    from zoo.evaluation.record import evaluation_result
    from zoo.results import save_result

    rng = np.random.default_rng(0)

    def picture(path: Path, size: tuple[int, int] = (72, 64), mode: str = "RGB") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        coarse.resize(size, Image.Resampling.BICUBIC).convert(mode).save(path)

    for split, count in (("train", 3), ("val", 2), ("test", 1)):
        for index in range(count):
            picture(folder / "data" / split / f"{index}.png")
    picture(folder / "grey.png", mode="L")
    picture(folder / "colored.png")
    for index in range(2):
        picture(folder / "scans" / f"{index}.png", mode="L")
    with zipfile.ZipFile(folder / "book.cbz", "w") as book:
        for index in range(2):
            book.write(folder / "scans" / f"{index}.png", f"book/{index}.png")
    Image.open(folder / "grey.png").save(folder / "book.pdf")
    (folder / "hints.json").write_text(json.dumps({"hints": [{"x": 5, "y": 5, "color": "#c33"}]}))
    (folder / "hints.csv").write_text("x,y,color\n5,5,#c33\n")
    (folder / "palette.gpl").write_text("GIMP Palette\n255 0 0 red\n0 128 0 green\n")
    (folder / "recipe.toml").write_text('summary = "x"\n[run]\nsteps = 4\n')
    tiny.build().save(folder / "tiny.keras")
    words = [word for each in GOOD["train"].values() for word in each]
    for line in (
        [*words[:-1], "run"],
        ["prepare", "data", "prepared", "--shortest", "16", "--group", "file"],
    ):
        code = main([("train" if line[0] == "tiny" else "data"), *line])
        if code:
            raise RuntimeError(f"{line}: exit code {code}")
    sample = evaluation()
    save_result(folder / "evaluated" / "results.json", evaluation_result(sample))
    small = [np.full((8, 8, 3), shade, np.uint8) for shade in (10, 200)]
    save_gallery(folder / "evaluated" / "gallery", {each.way.title: small for each in sample.candidates})


def commands() -> dict[str, argparse.ArgumentParser]:
    """Every command's parser, of commands of commands as well."""
    from zoo.__main__ import COMMANDS

    found: dict[str, argparse.ArgumentParser] = {}
    for name in COMMANDS:
        module = importlib.import_module(f"zoo.{name}")
        if hasattr(module, "__path__"):
            module = importlib.import_module(f"zoo.{name}.__main__")
        parser = module.parser()
        inner = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
        below = {f"{name} {word}": each for group in inner for word, each in group.choices.items()}
        found |= below or {name: parser}
    return found


def actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """What a parser takes, but for --help."""
    return [each for each in parser._actions if not isinstance(each, argparse._HelpAction)]


def good_words(command: str, parser: argparse.ArgumentParser) -> dict[str, list[str]]:
    """A command line that succeeds, by what its words are for."""
    if command in GOOD:
        return dict(GOOD[command])
    needed = [each for each in actions(parser) if each.required]
    return {each.dest: [*each.option_strings[:1], "grey.png"] for each in needed}


@contextlib.contextmanager
def at_the_edge() -> Iterator[None]:
    """Nothing trains or is converted, no studio waits, and released weights and drawn pages go to this folder."""
    import pytest
    import tiny
    from samples import run_result

    from zoo import colorize
    from zoo.data.drawn import procedural
    from zoo.data.fetched import download
    from zoo.export import __main__ as export
    from zoo.models.loading import load
    from zoo.models.registry import MODELS
    from zoo.studio import running
    from zoo.training import releasing, trainer
    from zoo.training.outcome import scores_of

    if "tiny" not in MODELS:
        tiny.register()
    draw = procedural.materialise

    def trained(self: Any, *_: Any) -> Any:
        self.run_dir.rewind(0)
        return scores_of(run_result("tiny"))

    def drawn(root: Path | None = None, **options: Any) -> Path:
        counts = dict.fromkeys(("train", "val", "test"), 1)
        return draw(root, **options | {"counts": counts, "workers": 1})

    def written(form: Any, graph: Any, path: Path, variant: str) -> None:
        (path if form.suffix else path / "saved_model.pb").write_bytes(b"x")

    release = releasing.release

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.Trainer, "train", trained)
        patch.setattr(procedural, "materialise", drawn)
        patch.setattr(download, "ATTEMPTS", 1)  # between two it waits
        patch.setattr(export, "_write", written)
        patch.setattr(export, "_compared", lambda *_: {"check": None, "pages": None})
        patch.setattr(colorize, "open_network", load)
        patch.setattr(running.Running, "wait", lambda self: None)
        patch.setattr(releasing, "release", lambda *a, **k: release(*a, **k, folder=Path("weights")))
        patch.setattr(sys, "argv", ["zoo"])
        patch.setenv("HOME", "/nowhere")
        patch.delenv("TF_CONFIG", raising=False)
        yield
