"""`python -m zoo.data check`."""

import hashlib
import io
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from preparing import SMALL, rows, run, save, works

from zoo.data import __main__ as command
from zoo.data.prepared import manifest


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    code = command.main(["prepare", str(works(folder / "pages", 14)), str(folder / "out"), *SMALL])
    assert code == 0
    return folder / "out"


def _edit(root: Path, change) -> None:
    found = manifest.read_manifest(root)
    manifest.write_manifest(root, change(found))


def _of(root: Path, split: str) -> dict[str, str]:
    return next(row for row in rows(root) if row["split"] == split)


def _swap_group(root: Path) -> None:
    other = _of(root, "val")["group"]
    path = root / "manifest.csv"
    path.write_text(path.read_text().replace(_of(root, "test")["group"] + ",", other + ","))


def _add(root: Path, split: str, data: bytes, source: str) -> None:
    """A file that is in the manifest as it should be, and in the wrong split."""
    picture = Image.open(io.BytesIO(data))
    (root / split / "added.jpg").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    row = manifest.ManifestRow(f"{split}/added.jpg", source, "a new group", split, *picture.size, digest, "", "0" * 64)
    _edit(root, lambda found: [*found, row])
    record = json.loads((root / "prepared.json").read_text())
    record["digest"] = manifest.files_digest(manifest.read_manifest(root))
    (root / "prepared.json").write_text(json.dumps(record))


def _recompressed(root: Path) -> None:
    stream = io.BytesIO()
    with Image.open(root / _of(root, "train")["file"]) as picture:
        picture.resize((72, 48)).save(stream, "JPEG", quality=60)
    _add(root, "test", stream.getvalue(), "elsewhere.png")


@pytest.mark.parametrize(
    ("damage", "messages"),
    [
        (lambda root: (root / _of(root, "val")["file"]).unlink(), [": missing"]),
        (
            lambda root: (root / _of(root, "val")["file"]).write_bytes(b"\xff\xd8\xff"),
            ["its SHA-256 is not the manifest's"],
        ),
        (lambda root: save(root / "train" / "mine.png", 1), ["train/mine.png: not in manifest.csv"]),
        (lambda root: save(root / "valid" / "a" / "b.png", 1), ["valid/a/b.png: not in manifest.csv"]),
        (
            lambda root: _edit(root, lambda found: found[1:]),
            ["not the files that prepared.json", "not in manifest.csv"],
        ),
        (lambda root: _edit(root, lambda found: [*found, found[0]]), ["2 times in manifest.csv"]),
        (_swap_group, ["group pages/work", "is in test and val"]),
        (lambda root: _add(root, "test", (root / _of(root, "train")["file"]).read_bytes(), "x"), ["file ", "near-dup"]),
        (_recompressed, ["near-duplicates in two splits"]),
        (lambda root: _text(root), ["not an image"]),
        (lambda root: _rename(root, "../outside.jpg"), ["not a file of a split"]),
        (lambda root: _rename(root, "train/../val/x.jpg"), ["not a file of a split"]),
    ],
)
def test_check_finds(capsys, tmp_path, sound, damage, messages):
    root = tmp_path / "set"
    shutil.copytree(sound, root)
    assert run(capsys, "check", root)[0] == 0
    damage(root)
    code, out, err = run(capsys, "check", root)
    assert code == 1
    for message in messages:
        assert message in out
    assert "problems in" in err
    code, out, _ = run(capsys, "check", root, "--json")
    assert code == 1
    assert len(json.loads(out)["problems"]) >= 1


def _text(root: Path) -> None:
    """A file that has its digest and is no image."""
    file = root / _of(root, "train")["file"]
    old = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_text("text")
    path = root / "manifest.csv"
    path.write_text(path.read_text().replace(old, hashlib.sha256(b"text").hexdigest()))


def _rename(root: Path, name: str) -> None:
    path = root / "manifest.csv"
    path.write_text(path.read_text().replace(_of(root, "train")["file"], name))


def test_check_of_what_is_no_prepared_folder(capsys, tmp_path, sound):
    code, _, err = run(capsys, "check", tmp_path)
    assert code == 2
    assert "not a prepared folder" in err
    assert run(capsys, "check", tmp_path / "gone")[0] == 2
    root = tmp_path / "set"
    shutil.copytree(sound, root)
    (root / "manifest.csv").write_text("file,group\nx,y\n")
    code, _, err = run(capsys, "check", root)
    assert code == 2
    assert "manifest.csv: the columns must be file, source" in err
    (root / "prepared.json").write_text('{"format": 99}')
    code, _, err = run(capsys, "check", root)
    assert code == 2
    assert "not a record of format 1" in err
