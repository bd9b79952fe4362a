"""Files of a run directory or of an evaluation, damaged, through resuming and through all that reads them."""

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fuzz import fixture, sandbox
from fuzz.arguments import one_of
from fuzz.images import mutate

if TYPE_CHECKING:
    from fuzz.runner import Batch, Found

SECONDS = sandbox.SECONDS
prepare = fixture.prepare

_TRAIN = ["train", "tiny", *fixture.TRAIN]
READERS: list[list[str]] = [
    [*_TRAIN, "--run-dir", "run"],
    [*_TRAIN, "--run-dir", "run"],
    [*_TRAIN, "--run-dir", "run", "--steps", "6"],
    [*_TRAIN, "--run-dir", "run", "--patience", "1"],
    ["train", "--from", "run", *fixture.TRAIN[:-2], "--run-dir", "new"],
    ["train", "tiny", "--from", "run/last.keras", *fixture.TRAIN[:-2], "--run-dir", "new"],
    ["colorize", "run", "grey.png", "-o", "out"],
    ["hints", "run", "grey.png", "-o", "asked.json"],
    ["evaluate", "run", "--data", "data", "-o", "evaluated"],
    ["evaluate", "run", "--data", "data", "--hints", "0,1"],
    ["gallery", "run", "--data", "data", "-o", "shown", "--pages", "1"],
    ["export", "run", "--format", "saved_model"],
    ["report", "build", "run", "-o", "pages"],
    ["report", "build", "evaluated", "run", "-o", "pages"],
    ["report", "build", "evaluated", "-o", "pages"],
    ["report", "compare", "run", "evaluated"],
    ["report", "compare", "run::tiny", "evaluated::residual"],
    ["report", "compare", "run", "other"],
    ["released", "add", "run", "mine", "--data", "x", "--attribution", "x", "--licence", "x"],
    ["released", "add", "run", "mine", "--last", "--data", "x", "--attribution", "x", "--licence", "x"],
]
"""All that reads a run directory `run`, or an evaluation `evaluated`; `other` is a sound copy of the run."""

VALUES: list[Any] = [None, True, False, 0, 1, -1, 2, 10**6, 10**30, 0.5, -0.5, 1e308, float("nan"), float("inf"), ""]
VALUES += ["x"]
VALUES += ["x" * 2000, "\x1b[31m", "\udcff", "ж", "../..", "/", [], [1], [None], [[]], {}, {"a": 1}, "tiny"]
VALUES += ["residual", "uv"]
VALUES += ["nan", "truth", "rmse_ab", 3, 4, -(10**30)]
TEXTS = [b"", b"\xef\xbb\xbf{}", b"\xff\xfe", b"\x00" * 100, b"[" * 100_000, b'{"a":' * 50_000, b"null", b"[]", b"{}"]
TEXTS += [b"1", b'""']
TEXTS += [b"NaN", b"9" * 5000, b"{} {}", b'{"step": 1}', b'{"schema": 3}', b"PK\3\4", b"PK\5\6" + bytes(18)]
TEXTS += [b"\n" * 1000]


def feed(batch: "Batch", folder: Path, found: "Found", begin: Callable[[str], None]) -> None:
    """Runs the cases of a batch; steps of training are none, and everything around them is."""
    import pytest

    from zoo.training import trainer

    train = trainer.Trainer.train
    with fixture.at_the_edge(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.Trainer, "train", train)
        patch.setattr(trainer, "build_step", lambda *_, **__: lambda batch: np.float32(0.5))
        sandbox.feed(batch, folder, found, begin, _case)


def _damaged_value(value: Any, rng: np.random.Generator) -> Any:
    """A JSON value with an odd one somewhere in it, or without a part."""
    places: list[tuple[Any, Any]] = []

    def walk(each: Any) -> None:
        keys = list(each) if isinstance(each, dict) else range(len(each)) if isinstance(each, list) else []
        for key in keys:
            places.append((each, key))
            walk(each[key])

    walk(value)
    odd = VALUES[int(rng.integers(len(VALUES)))]
    if not places or rng.random() < 0.05:
        return odd
    holder, key = places[int(rng.integers(len(places)))]
    kind = rng.random()
    if kind < 0.25:
        del holder[key]
    elif kind < 0.35 and isinstance(holder, dict):
        holder[one_of(rng, ["x", "", "step", "model", "values", "\udcff"])] = odd
    else:
        holder[key] = odd
    return value


def _json(data: bytes, rng: np.random.Generator) -> bytes:
    value = _damaged_value(json.loads(data), rng)
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _lines(data: bytes, rng: np.random.Generator) -> bytes:
    lines = data.split(b"\n")[:-1]
    for _ in range(int(rng.integers(1, 3))):
        at = int(rng.integers(len(lines)))
        match int(rng.integers(6)):
            case 0 | 1 | 2:
                lines[at] = _json(lines[at], rng)
            case 3:
                lines.insert(at, TEXTS[int(rng.integers(len(TEXTS)))])
            case 4:
                lines.insert(at, lines[int(rng.integers(len(lines)))])
            case 5 if len(lines) > 1:
                del lines[at]
            case _:
                pass
    return b"\n".join(lines) + b"\n"


def _inside_zip(data: bytes, rng: np.random.Generator) -> bytes:
    """A zip file, as .keras and .npz are, with an entry changed, removed or added."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w") as new:
        names = old.namelist()
        chosen = names[int(rng.integers(len(names)))]
        for name in names:
            content = old.read(name)
            if name == chosen:
                kind = rng.random()
                if kind < 0.15:
                    continue
                try:
                    content = _json(content, rng) if kind < 0.7 else mutate(content, [content], rng)
                except ValueError:  # it is no JSON
                    content = mutate(content, [content], rng)
            new.writestr(name, content)
        if rng.random() < 0.1:
            new.writestr(one_of(rng, ["../x", "x.npy", "v9999.npy", "config.json"]), b"x")
    return stream.getvalue()


def _broken(path: Path, rng: np.random.Generator) -> str:
    """Damages a file; what was done."""
    data = path.read_bytes()
    kind = int(rng.integers(10))
    if kind < 2:
        path.unlink()
        match int(rng.integers(8)):
            case 0:
                path.mkdir()
            case 1:
                path.mkdir()
                (path / "x").touch()
            case 2:
                path.symlink_to("nowhere")
            case 3:
                path.symlink_to(path)
            case 4:
                os.mkfifo(path)
            case 5:
                path.symlink_to("/dev/zero")
            case 6:
                others = sorted(each for each in path.parent.rglob("*") if each.is_file())
                shutil.copyfile(others[int(rng.integers(len(others)))], path)
            case _:
                pass
        return "another thing"
    if kind == 2:
        path.write_bytes(TEXTS[int(rng.integers(len(TEXTS)))])
        return "another text"
    if kind == 3:
        path.write_bytes(mutate(data, [data], rng))
        return "bytes"
    change = {".json": _json, ".jsonl": _lines, ".keras": _inside_zip, ".npz": _inside_zip}.get(path.suffix)
    try:
        path.write_bytes(change(data, rng) if change else mutate(data, [data], rng))
    except (ValueError, zipfile.BadZipFile, RecursionError, IndexError):  # it is damaged already
        path.write_bytes(data[: len(data) // 2])
    return "values" if change else "bytes"


def _stray(folder: Path, rng: np.random.Generator) -> str:
    """Puts something where it does not belong."""
    name = one_of(
        rng, ["x.png", "x.webp", "00-99.webp", "99-00.webp", "0-0-0.webp", "-.webp", "00-00.png", "best.keras"]
    )
    path = folder / name
    if not path.exists():
        if rng.random() < 0.3:
            path.mkdir()
        else:
            path.write_bytes(b"RIFF....WEBP" if rng.random() < 0.5 else b"")
    return f"a stray {path}"


def _case(here: Path, rng: np.random.Generator) -> tuple[str, Callable[[], str]]:
    shutil.copytree("run", "other")
    asked = list(READERS[int(rng.integers(len(READERS)))])
    evaluations = any("evaluated" in word for word in asked)
    what = []
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        folder = here / ("evaluated" if evaluations and rng.random() < 0.6 else "run")
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
        weights = np.array([0.1 if path.suffix in (".png", ".webp") else 1.0 for path in files])
        if rng.random() < 0.08:
            inner = [folder, *(path for path in folder.iterdir() if path.is_dir())]
            what.append(_stray(inner[int(rng.integers(len(inner)))], rng))
        elif files:
            path = files[int(rng.choice(len(files), p=weights / weights.sum()))]
            what.append(f"{_broken(path, rng)} in {path.relative_to(here)}")
    if "train" in asked and rng.random() < 0.5:
        result = Path("run/result.json")
        if result.is_dir() and not result.is_symlink():
            shutil.rmtree(result)
        else:
            result.unlink(missing_ok=True)
    return f"{', '.join(what)}: {asked}", lambda: sandbox.outcome(asked, sandbox.run(asked), ["run/", "evaluated/"])
