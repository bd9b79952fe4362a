"""Data sets that are not distributed, importing them, and unions of them; the lists that the package carries."""

import csv
import hashlib
import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.data import __main__ as command
from zoo.data import cards
from zoo.data.cards import cards_dir, get_card, list_datasets, local_digests
from zoo.data.dataset import open_dataset
from zoo.data.fetched.get import describe
from zoo.errors import UsageError

COLUMNS = "file,source,licence,group,width,height,sha256"
SEEDS = {"mine": {"train": (0, 1, 2), "val": (3, 4)}, "yours": {"train": (10, 11, 3), "val": (12,), "test": (13,)}}
RELEASABLE = r"public[- ]domain.*|CC Public Domain Dedication|CC0-1\.0.*|CC-BY(-\d\.\d)? \(.+\)|(MIT|Expat)( \(.+\))?"


def write_card(folder: Path, name: str, kind: str, digest: str, extra: str = "") -> None:
    (folder / f"{name}.toml").write_text(
        f'name = "{name}"\ntitle = ""\nsummary = ""\nsource = "drawn here"\nlicence = ""\nversion = 1\n'
        f'digest = "{digest}"\nkind = "{kind}"\n{extra}\n[pages]\ntrain = 3\nval = 2\ntest = 0\n'
    )


def union_digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("".join(f"{part} {get_card(part).digest}\n" for part in parts).encode()).hexdigest()


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the folders mine/ and yours/, which share an image; cards of both and of their union."""
    folder = tmp_path / "cards"
    folder.mkdir()
    monkeypatch.setattr(cards, "cards_dir", lambda: folder)
    monkeypatch.setenv("COLORIZATION_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for name, splits in SEEDS.items():
        rows = [COLUMNS]
        for split, seeds in splits.items():
            (tmp_path / name / split).mkdir(parents=True)
            for seed in seeds:
                path = tmp_path / name / split / f"{seed}.png"
                Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 48, 3), np.uint8)).save(path)
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                rows.append(f"{split}/{seed}.png,s,CC0-1.0,{name}-{seed},48,40,{digest}")
        listed = "\n".join([*rows, ""]).encode()
        (folder / f"{name}.csv").write_bytes(listed)
        write_card(folder, name, "local", hashlib.sha256(listed).hexdigest())
    write_card(folder, "ours", "union", union_digest(list(SEEDS)), 'parts = ["mine", "yours"]')
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = command.main([str(each) for each in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def places() -> dict[str, tuple[str, str | None]]:
    return {each["name"]: (each["state"], each["path"]) for each in describe()}


def test_a_local_data_set_is_what_its_card_lists(work: Path) -> None:
    named, folder = open_dataset("mine", crop=16), open_dataset("./mine", crop=16)
    assert named.name == folder.name == "mine"
    assert named.fingerprint == folder.fingerprint
    assert places()["mine"] == ("here", "mine")
    with pytest.raises(UsageError, match="mine cannot be downloaded: it was drawn here"):
        cards.card_files(get_card("mine"))


@pytest.mark.parametrize("change", ["changed", "gone", "more", "archive"])
def test_another_folder_of_that_name_is_refused(work: Path, change: str) -> None:
    file = sorted((work / "mine" / "train").iterdir())[0]
    if change == "changed":
        file.write_bytes(sorted(file.parent.iterdir())[1].read_bytes())
    elif change == "gone":
        file.unlink()
    elif change == "more":
        (file.parent / "more.png").write_bytes(file.read_bytes())
    else:  # which cannot be read as an image
        (file.parent / "more.cbr").write_bytes(b"no archive")
    named = {"more": "more.png", "archive": "more.cbr"}.get(change, file.name)
    with pytest.raises(UsageError, match=rf"mine/ is not mine: 1 images .*{named}.*\./mine"):
        open_dataset("mine", crop=16)


def test_a_local_data_set_that_is_not_here(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (work / "elsewhere").mkdir()
    monkeypatch.chdir(work / "elsewhere")
    with pytest.raises(UsageError, match=r"mine is not distributed .*lists its 5 images.*zoo.data import mine DIR"):
        open_dataset("mine", crop=16)
    assert places()["mine"] == ("not distributed; import it", None)


@pytest.mark.parametrize("archive", [False, True])
def test_images_are_imported_by_their_digest(work, capsys, archive) -> None:
    expected = open_dataset("mine", crop=16).fingerprint
    other = work / "other"
    other.mkdir()
    for number, file in enumerate(sorted((work / "mine").rglob("*.png"))):
        file.rename(other / f"{number}.png")  # other names, one folder, and files that are no images of it
    (other / "more.jpg").write_bytes(b"no image")
    (other / "x.cbr").write_bytes(b"no archive")
    (work / "mine").rename(work / "empty")
    source = other
    if archive:
        source = work / "other.zip"
        with zipfile.ZipFile(source, "w") as target:
            for file in other.iterdir():
                target.write(file, file.name)
    pages = work / "cache" / "mine-v1" / "pages"
    code, out, err = run(capsys, "import", "mine", source, "--json")
    assert (code, json.loads(out)) == (0, [str(pages)]), err
    dataset = open_dataset("mine", crop=16)
    assert (dataset.root, dataset.fingerprint) == (pages, expected)
    assert dataset.facts("group")["train/2.png"]["group"] == "mine-2"
    assert places()["mine"] == ("here", str(pages))
    (pages / "train" / "0.png").write_bytes(b"damaged")
    with pytest.raises(UsageError, match=r"pages/ is not mine: 1 images .*train/0.png.*Remove it and import it again"):
        open_dataset("mine", crop=16)
    assert run(capsys, "import", "mine", source) == (0, f"{pages}\n", "")
    assert open_dataset("mine", crop=16).fingerprint == expected


def test_nothing_is_imported_if_an_image_is_missing(work, capsys) -> None:
    (work / "yours" / "val" / "12.png").unlink()
    code, out, err = run(capsys, "import", "ours", work)
    assert (code, out) == (2, "")
    assert "1 of the 5 images of yours are not in it, or cannot be read (val/12.png); nothing was imported" in err
    assert not (work / "cache").exists()
    code, _, err = run(capsys, "import", "mine", work / "nowhere")
    assert code == 2
    assert "nowhere" in err


def test_a_stopped_import_is_none(work, capsys) -> None:
    pages = work / "cache" / "mine-v1" / "pages"
    (pages / "train").mkdir(parents=True)
    (work / "mine" / "train" / "0.png").rename(pages / "train" / "0.png")
    (work / "mine").rename(work / "rest")
    with pytest.raises(UsageError, match="mine is not distributed"):
        open_dataset("mine", crop=16)


def test_what_is_not_imported(work, capsys) -> None:
    (work / "cards" / "procedural.toml").write_bytes((cards_dir() / "procedural.toml").read_bytes())
    code, _, err = run(capsys, "import", "procedural", work)
    assert code == 2
    assert "procedural is not imported" in err


def test_a_union_is_one_data_set(work, capsys, monkeypatch) -> None:
    assert run(capsys, "import", "ours", work)[0] == 0
    (work / "elsewhere").mkdir()
    monkeypatch.chdir(work / "elsewhere")
    calls: list[tuple[int, int]] = []
    dataset = open_dataset("ours", crop=16, progress=lambda *call: calls.append(call))
    assert calls[-1] == (10, 10)
    found = {split: {image.name for image in dataset.splits[split].images} for split in dataset.splits}
    assert found == {
        "train": {
            "mine/train/0.png",
            "mine/train/1.png",
            "mine/train/2.png",
            "yours/train/10.png",
            "yours/train/11.png",
        },
        "val": {"mine/val/3.png", "mine/val/4.png", "yours/val/12.png"},
        "test": {"yours/test/13.png"},
    }
    assert dataset.duplicates == ("yours/train/3.png",)  # as an image of mine/val
    digests = [image.digest for split in dataset.splits.values() for image in split.images]
    assert len(set(digests)) == len(digests) == 9
    facts = dataset.facts("group")
    assert {facts[name]["group"] for name in found["val"]} == {"mine-3", "mine-4", "yours-12"}
    assert places()["ours"] == ("mine + yours", None)
    code, _, err = run(capsys, "get", "ours")
    assert code == 2
    assert "ours is made of other data sets; get or import each: mine, yours" in err


def test_a_union_needs_all_its_parts(work) -> None:
    (work / "yours").rename(work / "theirs")
    with pytest.raises(UsageError, match="yours is not distributed"):
        open_dataset("ours", crop=16)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "a card of the kind union, and no other, has parts"),
        (["mine", "mine"], "parts must be a list of different names"),
        (["mine", 1], "parts must be a list of different names"),
        (["mine", "ours"], "files of their own, not of mine, ours"),
        (["mine", "theirs"], "no data set 'theirs'"),
        (["yours", "mine"], "the digest is not that of its parts"),
    ],
)
def test_wrong_unions(work, parts, message) -> None:
    write_card(work / "cards", "ours", "union", union_digest(list(SEEDS)), f"parts = {json.dumps(parts)}")
    with pytest.raises(UsageError, match=message):
        get_card("ours")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("train/0.png", "../0.png", "line 2: '../0.png' is not a plain relative path"),
        ("train/1.png", "train/0.png", "line 3: 'train/0.png' is there twice"),
        (",48,40,", ",48,40,x", "line 2: 'x.*' is not a SHA-256"),
        ("file,", "path,", "the columns must be file, source"),
    ],
)
def test_wrong_lists(work, old, new, message) -> None:
    path = work / "cards" / "mine.csv"
    text = path.read_text().replace(old, new)
    path.write_text(text)
    with pytest.raises(UsageError, match="its SHA-256 is not the digest in mine.toml"):
        local_digests(get_card("mine"))
    write_card(work / "cards", "mine", "local", hashlib.sha256(text.encode()).hexdigest())
    with pytest.raises(UsageError, match=message):
        local_digests(get_card("mine"))


def rows_of(name: str) -> list[dict[str, str]]:
    with open(cards_dir() / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


LOCAL = [name for name in list_datasets() if get_card(name).kind == "local"]


@pytest.mark.parametrize("name", LOCAL)
def test_the_lists_of_the_package(name: str) -> None:
    card = get_card(name)
    assert len(local_digests(card)) == sum(card.pages.values())
    rows = rows_of(name)
    for split, count in card.pages.items():
        assert sum(row["file"].startswith(f"{split}/") for row in rows) == count
    for row in rows:
        assert re.fullmatch(RELEASABLE, row["licence"], re.IGNORECASE), row
        assert not re.search(r"\b(SA|NC|ND|GPL)\b", row["licence"]), row
        assert row["source"]
        assert row["group"]
        assert min(int(row["width"]), int(row["height"])) > 0


def test_open_is_all_of_them_and_no_image_is_in_it_twice() -> None:
    card = get_card("open")
    assert list(card.parts) == LOCAL
    assert card.pages == {split: sum(get_card(part).pages[split] for part in LOCAL) for split in card.pages}
    digests = [row["sha256"] for name in LOCAL for row in rows_of(name)]
    assert len(set(digests)) == len(digests) == sum(card.pages.values())


def test_a_story_is_in_one_split() -> None:
    groups = {(row["group"], row["file"].split("/")[0]) for row in rows_of("illustrations-open")}
    assert len({group for group, _ in groups}) == len(groups)
