"""Opening data sets: folders, archives and cards; what is left out; how images are split."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zoo.data import image_files
from zoo.data.dataset import Dataset, open_dataset
from zoo.errors import UsageError

CROP = 32


def page(seed: int, size: tuple[int, int] = (40, 48)) -> np.ndarray:
    """A coloured page, other for every seed."""
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def save(path: Path, seed: int, size: tuple[int, int] = (40, 48)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(page(seed, size)).save(path)
    return path


def save_gray(path: Path, seed: int) -> None:
    Image.fromarray(page(seed)[..., 0]).convert("RGB").save(path)


def fill(root: Path, count: int, first: int = 0) -> None:
    for seed in range(first, first + count):
        save(root / f"{seed:03d}.png", seed)


def opened(root: Path | str, **options: Any) -> Dataset:
    return open_dataset(root, crop=CROP, **options)


def names(dataset: Dataset) -> dict[str, set[str]]:
    return {key: {image.name for image in split.images} for key, split in dataset.splits.items()}


def digests(dataset: Dataset) -> dict[str, set[str]]:
    return {key: {image.digest for image in split.images} for key, split in dataset.splits.items()}


def test_folder(tmp_path: Path) -> None:
    for index, suffix in enumerate((".jpg", ".JPEG", ".png", ".webp", ".gif", ".TIF")):
        save(tmp_path / "deep" / f"er{index}" / f"a{suffix}", index, (40 + index, 48))
    for ignored in (".hidden.png", "__MACOSX/a.png", ".git/b.png"):
        save(tmp_path / ignored, 9)
    for ignored in ("notes.txt", "Thumbs.db", "pages.csv"):
        (tmp_path / ignored).write_text("not an image")
    calls: list[tuple[int, int]] = []
    dataset = open_dataset(tmp_path, crop=CROP, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 6) for done in range(1, 7)]
    assert dataset.name == tmp_path.name
    images = [image for split in dataset.splits.values() for image in split.images]
    assert {image.name for image in images} == {
        "deep/er0/a.jpg",
        "deep/er1/a.JPEG",
        "deep/er2/a.png",
        "deep/er3/a.webp",
        "deep/er4/a.gif",
        "deep/er5/a.TIF",
    }
    assert not dataset.skipped
    for image in images:
        data = (tmp_path / image.name).read_bytes()
        assert image.read() == data
        assert image.digest == hashlib.sha256(data).hexdigest()
        assert image.decode().shape == (image.height, image.width, 3)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_archive_equals_its_folder(tmp_path: Path, method: int) -> None:
    root = tmp_path / "book"
    fill(root / "one", 6)
    fill(root / "two" / "three", 6, 6)
    save(root / "__MACOSX" / "x.png", 99)
    archive = tmp_path / "book.cbz"
    with zipfile.ZipFile(archive, "w", method) as zipped:
        for path in sorted(root.rglob("*"), reverse=True):
            zipped.write(path, path.relative_to(root))
    folder, packed = opened(root), opened(archive)
    assert packed.fingerprint == folder.fingerprint
    assert names(packed) == names(folder)
    image, twin = packed.splits["train"].images[0], folder.splits["train"].images[0]
    np.testing.assert_array_equal(image.decode(), twin.decode())
    assert set(tmp_path.iterdir()) == {archive, root}  # nothing was unpacked


def test_archive_entries_that_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "book.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for seed in range(12):
            stream = io.BytesIO()
            Image.fromarray(page(seed)).save(stream, "PNG")
            zipped.writestr(f"../{seed}.png", stream.getvalue())
        zipped.writestr("zeros.png", bytes(100_000))
        zipped.writestr("lzma.png", bytes(1000), zipfile.ZIP_LZMA)
        zipped.writestr("a\x1b[31m.png", b"red")
    monkeypatch.setattr(image_files, "MAX_FILE_BYTES", 50_000)
    dataset = opened(archive, max_bad=0.5)
    assert dict(dataset.skipped) == {
        "zeros.png": "100000 bytes: a decompression bomb",
        "lzma.png": "compressed by a method other than deflate",
        "a?[31m.png": "not an image (it looks like a text file)",
    }
    assert sum(map(len, names(dataset).values())) == 12
    assert not (tmp_path.parent / "0.png").exists()


def zip_pages(archive: Path, entries: list[str]) -> None:
    """An archive with a page of its own under each name."""
    with zipfile.ZipFile(archive, "w") as zipped:
        for seed, name in enumerate(entries):
            stream = io.BytesIO()
            Image.fromarray(page(seed)).save(stream, "PNG")
            zipped.writestr(name, stream.getvalue())


def test_damaged_archive_entry(tmp_path: Path) -> None:
    archive = tmp_path / "book.zip"
    zip_pages(archive, [f"{seed}.png" for seed in range(11)])
    data = bytearray(archive.read_bytes())
    data[200] ^= 1
    archive.write_bytes(data)
    assert opened(archive).skipped == (("0.png", "damaged archive entry (Bad CRC-32 for file '0.png')"),)


def test_archives_that_cannot_be_used(tmp_path: Path) -> None:
    text = tmp_path / "book.cbz"
    text.write_text("no archive")
    with pytest.raises(UsageError, match=r"book.cbz: neither a folder nor a readable .zip or .cbz archive"):
        opened(text)
    locked = tmp_path / "locked.zip"
    with zipfile.ZipFile(locked, "w") as zipped:
        zipped.writestr("a.png", b"secret")
    data = bytearray(locked.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag of encryption
    locked.write_bytes(data)
    with pytest.raises(UsageError, match=r"locked.zip: the archive is encrypted"):
        opened(locked)


@pytest.mark.parametrize(("suffix", "kind"), [("cbr", "RAR"), ("RAR", "RAR"), ("cb7", "7-Zip"), ("cbt", "tar")])
def test_archives_of_another_kind_say_what_to_do(tmp_path: Path, suffix: str, kind: str) -> None:
    fill(tmp_path, 12)
    book = tmp_path / f"book.{suffix}"
    book.write_bytes(b"an archive")
    reason = f"a {kind} archive, which cannot be read: unpack it, or save it as .cbz"
    with pytest.raises(UsageError) as error:
        opened(book)
    assert str(error.value) == f"{book}: {reason}"
    assert opened(tmp_path).skipped == ((book.name, reason),)


def test_bad_files_are_skipped_named_and_counted(tmp_path: Path) -> None:
    fill(tmp_path, 40)
    whole = save(tmp_path / "whole.jpg", 100).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "page.jpg").write_text("<!doctype html><p>Not found")
    (tmp_path / "empty.png").touch()
    (tmp_path / "mislabelled.jpg").write_bytes((tmp_path / "000.png").read_bytes() + b"other bytes")
    save_gray(tmp_path / "gray.png", 101)
    shutil.copy(tmp_path / "001.png", tmp_path / "copy.png")
    save(tmp_path / "tiny.png", 102, (16, 64))
    dataset = opened(tmp_path)
    assert dict(dataset.skipped) == {
        "cut.jpg": "truncated",
        "page.jpg": "not an image (it looks like a web page)",
        "empty.png": "empty file",
    }
    assert dataset.gray == ("gray.png",)
    assert dataset.duplicates == ("copy.png",)
    assert dataset.small == (("tiny.png", "64 x 16"),)
    assert "mislabelled.jpg" in set.union(*names(dataset).values())
    summary = dataset.summary()
    assert sum(map(len, names(dataset).values())) == 42
    for part in ("1 grey", "3 unreadable (cut.jpg: truncated; ", "1 smaller than the crop", "1 duplicate"):
        assert part in summary


def test_too_many_bad_files(tmp_path: Path) -> None:
    fill(tmp_path, 16)
    (tmp_path / "a.jpg").write_text("text")
    save(tmp_path / "b.png", 100, (20, 64))
    save(tmp_path / "c.png", 101, (64, 24))
    with pytest.raises(UsageError) as error:
        opened(tmp_path, flags=("--crop", "--max-bad"))
    message = str(error.value)
    for part in ("3 of 19 images cannot be used", "10%", "a.jpg: not an image", "b.png: 64 x 20", "--crop 16 "):
        assert part in message
    assert "or raise --max-bad" in message
    assert len(opened(tmp_path, max_bad=0.2).skipped) == 1
    assert len(open_dataset(tmp_path, crop=20, max_bad=0.06).splits["train"].images) > 0


@pytest.mark.parametrize(
    ("flags", "advice"), [((), "remove them."), (("--max-bad",), "remove them, or raise --max-bad.")]
)
def test_no_flag_is_advised_that_a_command_does_not_have(tmp_path: Path, flags: tuple[str, ...], advice: str) -> None:
    fill(tmp_path, 4)
    (tmp_path / "a.jpg").write_text("text")
    save(tmp_path / "b.png", 100, (20, 64))
    with pytest.raises(UsageError) as error:
        opened(tmp_path, flags=flags)
    message = str(error.value)
    assert message.endswith(f"1 are smaller than the crop of {CROP}: {advice}")
    assert "--crop" not in message
    assert ("--max-bad" in message) == bool(flags)


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no images in it"):
        opened(tmp_path)
    for seed in range(12):
        save_gray(tmp_path / f"{seed}.png", seed)
    with pytest.raises(UsageError, match="all 12 images are greyscale"):
        opened(tmp_path)
    save(tmp_path / "color.png", 100)
    with pytest.raises(UsageError, match=r"1 of 13 images are usable \(12 greyscale"):
        opened(tmp_path)
    save(tmp_path / "color2.png", 101)
    assert {key: len(value) for key, value in names(opened(tmp_path)).items()} == {
        "train": 1,
        "val": 1,
        "test": 0,
    }


def test_unknown_names_and_paths(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'procedurla'; did you mean 'procedural'"):
        opened("procedurla")
    with pytest.raises(UsageError, match=r"no data set, folder or file .*path of a folder, .zip or .cbz"):
        opened(str(tmp_path / "missing"))


def test_hash_splits_do_not_depend_on_names_and_stay_when_images_are_added(tmp_path: Path) -> None:
    fill(tmp_path / "a", 120)
    before = opened(tmp_path / "a")
    counts = {key: len(value) for key, value in digests(before).items()}
    assert sum(counts.values()) == 120
    assert 4 <= counts["val"] <= 22
    assert 4 <= counts["test"] <= 22
    for image in before.splits["val"].images:
        assert int(image.digest[:8], 16) < 0.1 * 2**32

    (tmp_path / "b").mkdir()
    for index, path in enumerate(sorted((tmp_path / "a").iterdir(), reverse=True)):
        shutil.copy(path, tmp_path / "b" / f"{index}.png")
    renamed = opened(tmp_path / "b")
    assert renamed.fingerprint == before.fingerprint
    assert [image.digest for image in renamed.splits["train"].images] == [
        image.digest for image in before.splits["train"].images
    ]

    fill(tmp_path / "a", 20, 500)
    after = opened(tmp_path / "a")
    assert after.fingerprint != before.fingerprint
    for split, kept in digests(before).items():
        assert kept <= digests(after)[split]


def test_small_sets_get_a_val_and_a_test_split(tmp_path: Path) -> None:
    for first in range(0, 60, 3):
        fill(tmp_path / str(first), 3, first)
        dataset = opened(tmp_path / str(first))
        found = digests(dataset)
        assert found["train"]
        assert found["test"] or len(found["val"]) == 2
        assert min(found["val"]) == min(set.union(*found.values()))


def test_of_ten_pages_two_are_for_val(tmp_path: Path) -> None:
    for first in range(0, 100, 10):
        fill(tmp_path / str(first), 10, first)
        found = digests(opened(tmp_path / str(first)))
        assert len(found["val"]) >= 2
        assert found["test"]
        assert len(found["train"]) >= 4
        hashed = {each for each in set.union(*found.values()) if int(each[:8], 16) < 0.1 * 2**32}
        assert found["val"] >= hashed
        assert max(found["val"]) < min(found["test"] | found["train"])


@pytest.mark.parametrize("val", ["val", "valid", "Validation"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_split_folders(tmp_path: Path, val: str, wrapped: bool) -> None:
    root = tmp_path / "book" if wrapped else tmp_path
    fill(root / "train" / "deep", 12)
    fill(root / val, 4, 100)
    fill(root / "test", 3, 200)
    save(root / "cover.png", 300)
    dataset = opened(tmp_path)
    assert {key: len(value) for key, value in digests(dataset).items()} == {"train": 12, "val": 4, "test": 3}
    assert dataset.outside == 1
    assert "1 outside the split folders" in dataset.summary()


def test_an_archive_with_the_backslashes_of_windows_has_its_split_folders(tmp_path: Path) -> None:
    archive = tmp_path / "book.zip"
    zip_pages(archive, [f"pages\\{'train' if seed < 6 else 'val'}\\{seed}.png" for seed in range(8)])
    with zipfile.ZipFile(archive, "a") as zipped:
        zipped.writestr("__MACOSX\\a.png", b"")
    dataset = opened(archive)
    assert names(dataset)["val"] == {"pages/val/6.png", "pages/val/7.png"}
    assert not dataset.skipped


def test_a_missing_split_is_taken_from_train(tmp_path: Path) -> None:
    fill(tmp_path / "train", 30)
    fill(tmp_path / "val", 2, 100)
    found = digests(opened(tmp_path))
    assert len(found["val"]) == 2
    assert len(found["test"]) >= 1
    assert len(found["train"]) + len(found["test"]) == 30
    (tmp_path / "val").rename(tmp_path / "test")
    found = digests(opened(tmp_path))
    assert len(found["test"]) == 2
    assert len(found["val"]) >= 1


def test_a_train_folder_alone_is_no_split(tmp_path: Path) -> None:
    fill(tmp_path / "train", 10)
    fill(tmp_path / "more", 10, 100)
    assert sum(map(len, digests(opened(tmp_path)).values())) == 20


def test_an_image_in_two_splits_is_kept_for_testing(tmp_path: Path) -> None:
    fill(tmp_path / "train", 10)
    fill(tmp_path / "val", 3, 8)  # two of train's
    fill(tmp_path / "test", 2, 10)  # one of val's
    dataset = opened(tmp_path)
    found = digests(dataset)
    assert {key: len(value) for key, value in found.items()} == {"train": 8, "val": 2, "test": 2}
    assert len(set.union(*found.values())) == 12
    assert dataset.duplicates == ("train/008.png", "train/009.png", "val/010.png")


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links and pipes")
def test_links_and_pipes(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", 6)
    root = tmp_path / "root"
    fill(root / "own", 6, 100)
    (root / "own" / "up").symlink_to(root)
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(root / "own")
    assert sum(map(len, digests(opened(root)).values())) == 12
    (root / "gone.png").symlink_to(root / "nowhere.png")
    os.mkfifo(root / "pipe.png")
    assert dict(opened(root, max_bad=0.2).skipped) == {
        "gone.png": "No such file or directory",
        "pipe.png": "not a regular file",
    }


def test_card_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORIZATION_ZOO_CACHE", str(tmp_path))
    from zoo.data.drawn import procedural

    # Fewer pages than the card says, which would take a while to draw.
    few = {"counts": {"train": 2, "val": 1, "test": 1}, "workers": 1}
    monkeypatch.setattr(procedural.materialise, "__kwdefaults__", procedural.materialise.__kwdefaults__ | few)
    dataset = open_dataset("procedural", crop=CROP)
    assert dataset.name == "procedural"
    assert {key: len(value) for key, value in digests(dataset).items()} == {"train": 2, "val": 1, "test": 1}
    split = dataset.splits["val"]
    image = split.images[0]
    assert split.read_maps is not None
    for array in split.read_maps(image.path):
        assert (array.dtype, array.shape) == (np.uint8, (image.height, image.width))


def test_scanning_needs_no_tensorflow(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    code = f"""
import sys
from zoo.data.dataset import open_dataset
import zoo.data.pipeline
open_dataset({str(tmp_path)!r}, crop={CROP})
assert not {{"tensorflow", "keras"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
