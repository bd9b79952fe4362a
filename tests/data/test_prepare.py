"""`python -m zoo.data prepare`, on small pages made up for it."""

import errno
import hashlib
import io
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from preparing import SMALL, archive, content, page, prepared, rows, run, save, works

from zoo.data.dataset import open_dataset
from zoo.data.prepared import originals, prepare
from zoo.data.prepared.groups import split_of


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    """A folder of works, with an archive in it, and an archive; and everything that is to be left out."""
    folder = works(tmp_path / "pages", 8)
    save(folder / "loose.jpg", 5000, (300, 150))
    page(1000).convert("L").save(folder / "work00" / "grey.png")
    save(folder / "work00" / "tiny.png", 1001, (96, 20))
    save(folder / "work01" / "flat.png", 1002, (960, 64))  # 96 x 6 when it is reduced
    page(2, (80, 60)).save(folder / "work01" / "cut.png")
    (folder / "work01" / "cut.png").write_bytes((folder / "work01" / "cut.png").read_bytes()[:-900])
    page(101, (48, 32)).save(folder / "work02" / "smaller.jpg", quality=70)  # of work01/1.png
    (folder / "notes.txt").write_text("no page")
    save(folder / ".trash" / "0.png", 9999)
    archive(folder / "inside.zip", {f"a/{n}.png": page(3000 + n) for n in range(2)})
    (folder / "broken.cbz").write_bytes(b"no archive")
    (folder / "work00" / "rare.cbr").write_bytes(b"another archive")
    book = archive(tmp_path / "book.cbz", {"../../0.png": page(4000), "1\x1b[31m.png": page(4001), "2.png": b"text"})
    return [folder, book]


def test_pages_become_a_data_set(capsys, tmp_path, sources):
    before = content(tmp_path)
    target = tmp_path / "out"
    record = prepared(capsys, *sources, target, "--licence", "CC0-1.0, me")
    assert {name: data for name, data in content(tmp_path).items() if not name.startswith("out/")} == before
    assert {path.name for path in target.iterdir()} == {
        *("train", "val", "test", "manifest.csv", "dropped.csv", "prepared.json", ".lock")
    }
    assert record["found"] == 8 * 2 + 1 + 5 + 2 + 2 + 3
    assert record["dropped"] == {"grey": 1, "near-duplicate": 1, "small": 2, "unreadable": 4}
    assert {row["page"]: (row["reason"], row["detail"]) for row in rows(target, "dropped.csv")} == {
        "book.cbz/2.png": ("unreadable", "not an image (it looks like a text file)"),
        "pages/broken.cbz": (
            "unreadable",
            "neither a folder nor a readable .zip or .cbz archive (File is not a zip file)",
        ),
        "pages/work00/grey.png": ("grey", ""),
        "pages/work00/rare.cbr": (
            "unreadable",
            "a RAR archive, which cannot be read: unpack it, or save it as .cbz",
        ),
        "pages/work00/tiny.png": ("small", "96 x 20"),
        "pages/work01/cut.png": ("unreadable", "truncated"),
        "pages/work01/flat.png": ("small", "960 x 64"),
        "pages/work02/smaller.jpg": ("near-duplicate", "pages/work01/1.png"),
    }

    found = {row["source"]: row for row in rows(target)}
    assert len(found) == sum(record["pages"].values()) == 8 * 2 + 1 + 2 + 2
    assert found["pages/work03/1.png"]["group"] == "pages/work03"
    assert found["pages/loose.jpg"]["group"] == "pages"
    assert found["pages/inside.zip/a/0.png"]["group"] == "pages/inside.zip"
    assert found["book.cbz/../../0.png"]["group"] == found["book.cbz/1?[31m.png"]["group"] == "book.cbz"
    assert (found["pages/loose.jpg"]["width"], found["pages/loose.jpg"]["height"]) == ("96", "48")
    digest = hashlib.sha256((sources[0] / "loose.jpg").read_bytes()).hexdigest()
    assert found["pages/loose.jpg"]["source_sha256"] == digest
    splits = defaultdict(set)
    for row in found.values():
        splits[row["group"]].add(row["split"])
        assert row["licence"] == "CC0-1.0, me"
        assert row["file"].startswith(f"{row['split']}/")
        data = (target / row["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == "JPEG"
            assert image.size == (int(row["width"]), int(row["height"]))
            assert [layer[1:3] for layer in image.layer] == [(2, 2), (1, 1), (1, 1)]  # 4:2:0
            assert not image.getexif()
    assert all(len(each) == 1 for each in splits.values())
    original = np.asarray(page(301), float)
    with Image.open(target / found["pages/work03/1.png"]["file"]) as image:
        assert np.abs(np.asarray(image) - original).mean() < 4

    lines = sorted(f"{row['sha256']}  {row['file']}\n" for row in found.values())
    lines.sort(key=lambda line: line.split("  ")[1])
    assert record["digest"] == hashlib.sha256("".join(lines).encode()).hexdigest()
    code, out, _ = run(capsys, "check", target)
    assert (code, out) == (0, f"{target}: 21 files, nothing wrong\n")


def test_it_trains_and_is_evaluated_by_group(capsys, tmp_path):
    from zoo import train
    from zoo.evaluation.scoring import subjects

    target = tmp_path / "out"
    prepared(capsys, works(tmp_path / "pages", 12), target)
    dataset = open_dataset(target, crop=32)
    listed = {row["file"]: row for row in rows(target)}
    for name, split in dataset.splits.items():
        assert {image.name for image in split.images} == {file for file in listed if file.startswith(name)}
    assert all(image.fast == "jpeg" for image in dataset.splits["train"].images)
    assert {each.group for each in subjects(dataset, "val", limit=None, max_side=64)} == {
        row["group"] for row in listed.values() if row["split"] == "val"
    }
    fast = ["--encoder-weights", "none", "--crop", "16", "--batch-size", "2", "--validation-crops", "4", "--steps", "2"]
    code = train.main(["residual", "--data", str(target), *fast, "--run-dir", str(tmp_path / "run")])
    assert code == 0, capsys.readouterr().err


def test_works_stay_in_their_splits_when_others_are_added(capsys, tmp_path):
    folder = works(tmp_path / "pages", 25, 1)
    prepared(capsys, folder, tmp_path / "few")
    before = {row["group"]: row["split"] for row in rows(tmp_path / "few")}
    assert set(before.values()) == {"train", "val", "test"}
    works(folder, 10, 1, first=25)
    prepared(capsys, folder, tmp_path / "many")
    after = {row["group"]: row["split"] for row in rows(tmp_path / "many")}
    assert len(after) == 35
    assert {group: after[group] for group in before} == before
    assert all(split == split_of(group, 0.1, 0.1) for group, split in after.items())


@pytest.mark.parametrize("group", ["folder", "file", "none"])
def test_what_a_work_is(capsys, tmp_path, group):
    folder = works(tmp_path / "pages", 3)
    archive(folder / "work00" / "book.cbz", {f"{n}.png": page(500 + n) for n in range(3)})
    prepared(capsys, folder, tmp_path / "out", "--group", group)
    found = {row["source"]: row["group"] for row in rows(tmp_path / "out")}
    image, entry = "pages/work01/1.png", "pages/work00/book.cbz/2.png"
    assert found[image] == ("pages/work01" if group == "folder" else image)
    assert found[entry] == (entry if group == "none" else "pages/work00/book.cbz")


def test_split_folders_are_kept_apart(capsys, tmp_path):
    folder = tmp_path / "pages"
    for split, seeds in {"train": range(6), "Validation": range(10, 13), "test": range(20, 23)}.items():
        for seed in seeds:
            save(folder / split / "inside" / f"{seed}.png", seed)
    save(folder / "train" / "large.png", 20, (192, 128))  # of test/inside/20.png, which stays all the same
    save(folder / "train" / "twice.png", 11)
    flat, bright = (Image.new("RGB", (96, 64), color) for color in ("#6060c0", "#906020"))
    for split, picture in {"train": flat, "test": bright}.items():  # alike but for their colours
        picture.paste(page(30).convert("L").resize((40, 30)), (8, 8))
        picture.save(folder / split / "flat.png")
    archive(folder / "train" / "book.zip", {f"{n}.png": page(40 + n) for n in range(2)})
    save(folder / "beside.png", 50)
    save(folder / "other" / "0.png", 51)
    record = prepared(capsys, folder, tmp_path / "out", "--group", "split")
    assert record["pages"] == {"train": 8, "val": 3, "test": 4}
    assert record["notes"] == []
    assert {row["page"]: row["detail"] for row in rows(tmp_path / "out", "dropped.csv")} == {
        "pages/train/large.png": "pages/test/inside/20.png",
        "pages/train/twice.png": "pages/Validation/inside/11.png",
        "pages/train/flat.png": "pages/test/flat.png",
    }
    found = rows(tmp_path / "out")
    assert {row["group"] for row in found} == {row["source"] for row in found}
    assert run(capsys, "check", tmp_path / "out")[0] == 0
    dataset = open_dataset(tmp_path / "out", crop=32)
    assert {name: len(split.images) for name, split in dataset.splits.items()} == record["pages"]


def test_a_split_that_is_missing_is_said(capsys, tmp_path):
    book = archive(tmp_path / "book.zip", {f"train/{n}.png": page(n) for n in range(4)} | {"test/0.png": page(10)})
    record = prepared(capsys, book, tmp_path / "out", "--group", "split")
    assert record["pages"] == {"train": 4, "val": 0, "test": 1}
    assert record["notes"] == ["no pages for val: it will be a tenth of train, by the hash of their bytes"]
    assert open_dataset(tmp_path / "out", crop=32).splits["val"].images


def test_split_folders_that_are_none(capsys, tmp_path):
    folder = works(tmp_path / "pages", 2)
    code, _, err = run(capsys, "prepare", folder, tmp_path / "out", *SMALL, "--group", "split")
    assert code == 2
    assert "--group split needs images in a folder train, and in val or test" in err
    for seed in range(2):
        for split in ("train", "val", "test"):
            save(tmp_path / "same" / split / f"{seed}.png", seed)
    code, _, err = run(capsys, "prepare", tmp_path / "same", tmp_path / "out", *SMALL, "--group", "split")
    assert code == 2
    assert "2 of 6 pages are usable (4 near-duplicate)" in err
    assert not any(path.name != ".lock" for path in tmp_path.glob("out/*"))


def test_small_sets_are_never_without_training_or_validation(capsys, tmp_path):
    for count in range(2, 9):
        folder = works(tmp_path / str(count), count, 1, first=10 * count)
        record = prepared(capsys, folder, tmp_path / f"out{count}")
        assert min(record["pages"]["train"], record["pages"]["val"]) > 0
        assert record["pages"]["test"] > 0 or count == 2
        by_hash = [split_of(row["group"], 0.1, 0.1) == row["split"] for row in rows(tmp_path / f"out{count}")]
        *moved, few = record["notes"]
        assert by_hash.count(False) == len(moved)
        assert all("would have been empty" in note for note in moved)
        assert few.startswith(f"there are only {record['pages']['val']} for val and")
    code, _, err = run(capsys, "prepare", works(tmp_path / "one", 1, 6) / "work00", tmp_path / "out", *SMALL)
    assert code == 0
    assert "note: all pages are of one work, work00: they were split page by page" in err
    assert {row["split"] for row in rows(tmp_path / "out")} == {"train", "val", "test"}
    assert run(capsys, "check", tmp_path / "out")[0] == 0


def test_nothing_to_learn_from(capsys, tmp_path):
    folder = works(tmp_path / "pages", 1, 1)
    code, _, err = run(capsys, "prepare", folder, tmp_path / "out", *SMALL)
    assert code == 2
    assert "1 of 1 pages are usable: at least two pages in colour that do not look alike are needed" in err
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "a.png").write_text("text")
    page(3).convert("L").save(bad / "b.png")
    code, _, err = run(capsys, "prepare", bad, tmp_path / "out", *SMALL)
    assert code == 2
    assert "0 of 2 pages are usable (1 grey, 1 unreadable): at least two pages in colour" in err
    assert "bad/a.png: not an image" in err
    (tmp_path / "empty").mkdir()
    code, _, err = run(capsys, "prepare", tmp_path / "empty", tmp_path / "none", *SMALL)
    assert code == 2
    assert "no pages in" in err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("stop", ["convert", "note", "move", "manifest", "record"])
def test_a_stopped_call_goes_on_and_ends_the_same(capsys, tmp_path, sources, monkeypatch, stop):
    whole, target = tmp_path / "whole", tmp_path / "out"
    prepared(capsys, *sources, whole)
    converted: list[str] = []
    original = {name: getattr(prepare, name) for name in ("convert", "_note", "write_manifest", "write_text")}
    replace = os.replace

    def convert(found, *rest, **options):
        if stop == "convert" and len(converted) == 9:
            raise KeyboardInterrupt
        converted.append(found.key)
        return original["convert"](found, *rest, **options)

    def note(lines, key, result):
        original["_note"](lines, key, result)
        if stop == "note" and len(converted) > 9:
            lines.write('{"key": "cut sho')
            raise KeyboardInterrupt

    def move(source, to):
        if stop == "move" and Path(to).parent.name == "val":
            raise KeyboardInterrupt
        replace(source, to)

    def write_manifest(*arguments):
        if stop == "manifest":
            raise KeyboardInterrupt
        original["write_manifest"](*arguments)

    def write_text(path, text):
        if stop == "record" and path.name == "prepared.json":
            raise KeyboardInterrupt
        original["write_text"](path, text)

    with monkeypatch.context() as patch:
        for name, stopping in (("convert", convert), ("_note", note)):
            patch.setattr(prepare, name, stopping)
        patch.setattr(prepare, "write_manifest", write_manifest)
        patch.setattr(prepare, "write_text", write_text)
        patch.setattr(prepare.os, "replace", move)
        code, out, _ = run(capsys, "prepare", *sources, target, *SMALL)
        assert (code, out) == (130, "")
        assert not (target / "prepared.json").exists()
        code, _, err = run(capsys, "check", target)
        assert code == 2
        assert "not finished yet" in err
        when, stop = stop, ""
        first = set(converted)
        converted.clear()
        record = prepared(capsys, *sources, target)
    assert len(first) >= 9
    if when in ("move", "manifest", "record"):
        assert not converted  # all was done
    else:
        assert len(converted) < record["found"]
    assert content(target) == content(whole)
    converted.clear()
    code, _, err = run(capsys, "prepare", *sources, target, *SMALL)
    assert code == 0
    assert "is prepared already" in err
    assert not converted
    assert content(target) == content(whole)


@pytest.mark.skipif(os.name != "posix", reason="needs kill")
def test_a_killed_process_leaves_nothing_half_done(capsys, tmp_path, sources):
    whole, target = tmp_path / "whole", tmp_path / "out"
    sources = [works(sources[0], 20, 4, first=10), sources[1]]
    prepared(capsys, *sources, whole)
    line = [sys.executable, "-m", "zoo.data", "prepare", *map(str, sources), str(target), *SMALL]
    kept: list[int] = []
    for count in (1, 30, 60):
        with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and len(list((target / ".prepare").glob("*.jpg"))) < count:
                time.sleep(0.002)
            process.kill()
        kept.append(len(list((target / ".prepare").glob("*.jpg"))))
    assert kept[0] < kept[1] < kept[2]
    prepared(capsys, *sources, target)
    assert content(target) == content(whole)
    assert not list(target.rglob(".*.jpg"))


def test_other_settings_and_other_pages_are_refused(capsys, tmp_path):
    folder, target = works(tmp_path / "pages", 3), tmp_path / "out"
    prepared(capsys, folder, target)
    before = content(target)
    code, _, err = run(capsys, "prepare", folder, target, *SMALL, "--quality", "80", "--group", "none")
    assert code == 2
    assert "quality: 90 there, 80 asked for; group: 'folder' there, 'none' asked for" in err
    save(folder / "work00" / "new.png", 7)
    code, _, err = run(capsys, "prepare", folder, target, *SMALL)
    assert code == 2
    assert "was prepared from other files than the sources hold now" in err
    assert content(target) == before


def test_settings_that_were_begun_are_kept_to(capsys, tmp_path, monkeypatch):
    folder, target = works(tmp_path / "pages", 3), tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(prepare, "_finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert run(capsys, "prepare", folder, target, *SMALL)[0] == 130
    code, _, err = run(capsys, "prepare", folder, target, *SMALL, "--near", "3")
    assert code == 2
    assert "near: 6 there, 3 asked for" in err


def test_a_full_disk_loses_nothing(capsys, tmp_path, monkeypatch):
    folder, target = works(tmp_path / "pages", 4), tmp_path / "out"
    calls = []

    def full(path):
        calls.append(path)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(path)

    original = originals.atomic_path
    with monkeypatch.context() as patch:
        patch.setattr(originals, "atomic_path", full)
        code, _, err = run(capsys, "prepare", folder, target, *SMALL)
    assert code == 1
    assert "the disk is full; what is done is kept" in err
    assert prepared(capsys, folder, target)["pages"]["train"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--quality", "96"], "--quality must be from 1 to 95, not 96"),
        (["--longest", "9000"], "--longest must be from 16 to 8192"),
        (["--shortest", "2000"], "--shortest must be from 1 to --longest, 1024, not 2000"),
        (["--near", "17"], "--near must be from 0 to 16"),
        (["--val", "0"], "--val must be above 0"),
        (["--val", "0.5", "--test", "0.5"], "both below 1 together"),
        (["--val", "nan"], "--val must be above 0"),
        (["--licence", "a\nb"], "--licence must be one line"),
    ],
)
def test_bad_settings_are_exit_code_2_and_make_nothing(capsys, tmp_path, arguments, message):
    code, out, err = run(capsys, "prepare", works(tmp_path / "pages", 1, 1), tmp_path / "out", *arguments)
    assert code == 2
    assert message in err
    assert out == ""
    assert not (tmp_path / "out").exists()


def test_bad_places_are_exit_code_2(capsys, tmp_path):
    folder = works(tmp_path / "pages", 1, 1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    for name in ("page.txt", "page.bmp", "a.cbr"):
        (tmp_path / name).touch()
    (tmp_path / "bad.zip").write_text("no archive")
    for source, target, message in (
        (folder, tmp_path / "mine", "is not empty and holds no prepared pages"),
        (folder, folder / "out", "is inside"),
        (tmp_path / "gone", tmp_path / "out", "gone: no such folder or file"),
        (tmp_path / "page.txt", tmp_path / "out", "page.txt: a source is a folder, a .zip or .cbz archive, or a PDF"),
        (tmp_path / "page.bmp", tmp_path / "out", "page.bmp: a .bmp file, which cannot be read: save it as PNG or"),
        (tmp_path / "a.cbr", tmp_path / "out", "a.cbr: a RAR archive, which cannot be read: unpack it, or save it"),
        (tmp_path / "bad.zip", tmp_path / "out", "bad.zip: neither a folder nor a readable"),
        (folder, tmp_path / "bad.zip", "cannot be written"),
    ):
        code, out, err = run(capsys, "prepare", source, target, *SMALL)
        assert (code, out) == (2, ""), err
        assert message in err
    save(tmp_path / "split" / "train" / "0.png", 1)
    save(tmp_path / "split" / "Validation" / "0.png", 2)
    code, _, err = run(capsys, "prepare", tmp_path / "split", tmp_path / "out", *SMALL)
    assert code == 2
    assert "split has split folders, which are no works" in err
    assert run(capsys, "prepare", tmp_path / "split", tmp_path / "out", *SMALL, "--group", "file")[0] == 0
    assert [path.name for path in (tmp_path / "mine").iterdir() if path.name != ".lock"] == ["thesis.txt"]


def test_a_second_process_is_refused(capsys, tmp_path):
    folder, target = works(tmp_path / "pages", 3), tmp_path / "out"
    target.mkdir()
    code = f"""
import filelock, sys
lock = filelock.FileLock({str(target / ".lock")!r})
lock.acquire()
print("locked", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"locked\n"
        exit_code, _, err = run(capsys, "prepare", folder, target, *SMALL)
        other.stdin.close()
    assert exit_code == 2
    assert "another process is preparing" in err


def test_a_page_that_changes_meanwhile_is_named(capsys, tmp_path, monkeypatch):
    folder, target = works(tmp_path / "pages", 3), tmp_path / "out"
    read = prepare._read_journal

    def meanwhile(*arguments):
        save(folder / "work01" / "1.png", 55, (200, 300))
        return read(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(prepare, "_read_journal", meanwhile)
        code, _, err = run(capsys, "prepare", folder, target, *SMALL)
    assert code == 1
    assert "pages/work01/1.png changed while it was prepared" in err
    assert prepared(capsys, folder, target)["found"] == 6
    assert run(capsys, "check", target)[0] == 0


@pytest.mark.skipif(os.name != "posix", reason="needs a limit of open files")
def test_any_number_of_archives(tmp_path):
    for number in range(100):
        archive(tmp_path / f"{number}.cbz", {"1.png": page(number, (40, 40))})
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
from zoo.data.__main__ import main
assert main(["prepare", {str(tmp_path)!r}, {str(tmp_path.parent / "of-archives")!r}, *{SMALL}]) == 0
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "100 pages found, dropped: nothing" in done.stdout


# The command line.


def test_list(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLORIZATION_ZOO_CACHE", str(tmp_path))
    code, out, _ = run(capsys, "list", "--json")
    found = {each["name"]: each for each in json.loads(out)}
    assert code == 0
    assert found["procedural"]["state"] == "drawn on first use"
    assert found["peppercarrot"]["state"] == "to download: 335 MB"
    assert found["peppercarrot"]["bytes"] == 334_649_109
    code, out, _ = run(capsys, "list")
    assert code == 0
    for word in ("procedural", "CC0-1.0", "peppercarrot", "CC BY 4.0"):
        assert word in out


def test_no_command_needs_tensorflow(tmp_path):
    works(tmp_path / "pages", 3)
    code = f"""
import sys
from zoo.data.__main__ import main
assert main(["list"]) == 0
assert main(["prepare", {str(tmp_path / "pages")!r}, {str(tmp_path / "out")!r}, *{SMALL}]) == 0
assert main(["check", {str(tmp_path / "out")!r}]) == 0
assert not {{"tensorflow", "keras"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    done = subprocess.run([sys.executable, "-m", "zoo.data", "prepare"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
