"""Named things and their colours: the file of the project, the rule, and `tools/named_things.py`."""

import hashlib
import json
from collections import Counter

import named_things as tool
import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.errors import UsageError
from zoo.evaluation.named_things import COLUMNS, NamedClass, load_named_things

HEAD = """# Regions of tests.
#
# version = 1
# [classes]
# sky = {hue = [190, 300], chroma = 6, is = "blue"}
# night = {hue = [220, 320], chroma = 6, neutral = 10, is = "blue or grey"}
# paper = {neutral = 12, is = "white"}
"""
SKY, GROUND = (90, 140, 230), (200, 200, 196)


@pytest.fixture
def folder(tmp_path):
    """Two images of a blue upper and a grey lower half, in two sets, and a file of three regions in each."""
    lines = [",".join(COLUMNS)]
    for name in ("drawn", "painted"):
        (tmp_path / name).mkdir()
        image = Image.new("RGB", (48, 40 if name == "drawn" else 64), GROUND)
        image.paste(SKY, (0, 0, 48, image.height // 2))
        image.save(tmp_path / name / "page.png")
        digest = hashlib.sha256((tmp_path / name / "page.png").read_bytes()).hexdigest()
        lines += [f"{name},page.png,{digest},sky,0.1 0.1 0.9 0.1 0.5 0.4"]
        lines += [f"{name},page.png,{digest},{each},0.1 0.6 0.9 0.6 0.9 0.9 0.1 0.9" for each in ("night", "paper")]
    (tmp_path / "regions.csv").write_text(HEAD + "\n".join(lines) + "\n")
    return tmp_path


def test_the_projects_regions_are_whole():
    things = load_named_things()
    assert len(things.regions) >= 200
    counts = Counter(region.name for region in things.regions)
    assert counts.keys() == things.classes.keys()
    assert min(counts.values()) >= 7
    assert max(Counter(region.picture for region in things.regions).values()) <= 4
    pictures = {(region.picture, region.digest) for region in things.regions}
    assert len({picture for picture, _ in pictures}) == len({digest for _, digest in pictures}) == len(pictures)
    assert not [picture for picture, _ in pictures if picture.split("/")[1] not in ("test", "val")]
    areas = [region.mask(400, 400).mean() for region in things.regions]
    assert min(areas) > 0.0005
    for name, each in things.classes.items():
        assert each.right(0, 0) == (name in ("night", "paper"))  # no grey answer is right for what has a colour


def test_a_region_holds_the_pixels_within_its_corners(folder):
    region = load_named_things(folder / "regions.csv").regions[0]
    mask = region.mask(400, 480)
    assert mask[50, 240]
    assert not mask[150, 80]  # left of the triangle's tip
    assert mask.mean() == pytest.approx(0.12, abs=0.002)


@pytest.mark.parametrize(
    ("named", "chroma", "hue", "right"),
    [
        (NamedClass((75, 115), 20, -1), 40, 90, True),
        (NamedClass((75, 115), 20, -1), 40, 74, False),
        (NamedClass((75, 115), 20, -1), 40, 116, False),
        (NamedClass((75, 115), 20, -1), 19, 90, False),
        (NamedClass((75, 115), 20, -1), 0, 0, False),
        (NamedClass((190, 300), 6, -1), 10, 270, True),
        (NamedClass((220, 320), 6, 10), 9, 90, True),
        (NamedClass((220, 320), 6, 10), 11, 90, False),
        (NamedClass(None, 0, 12), 12, 45, True),
        (NamedClass(None, 0, 12), 13, 45, False),
    ],
)
def test_a_colour_is_right_by_hue_and_chroma(named, chroma, hue, right):
    angle = np.radians(hue)
    assert named.right(chroma * np.cos(angle), chroma * np.sin(angle)) is right


def test_the_tool_counts_who_is_right(folder, capsys):
    zoo.create("residual", encoder_weights="none").save(folder / "model.keras")
    command = [str(folder), str(folder / "model.keras"), "--regions", str(folder / "regions.csv")]
    assert tool.main([*command, "-o", str(folder / "out.json")]) == 0
    table = capsys.readouterr().out
    assert "model" in table
    found = json.loads((folder / "out.json").read_text())
    assert found["decoders"] == {"model": None}
    scores = {name: {each: found["value"] for each, found in every.items()} for name, every in found["scores"].items()}
    assert scores["truth"] == {"sky": 1, "night": 1, "paper": 1, "all": 1}
    assert scores["grey"] == {"sky": 0, "night": 1, "paper": 1, "all": pytest.approx(2 / 3, abs=1e-5)}
    assert scores["sepia"] == {"sky": 0, "night": 0, "paper": 0, "all": 0}
    assert scores["model"].keys() == scores["truth"].keys()
    assert found["right"]["grey"] == [False, True, True] * 2
    assert found["scores"]["grey"]["all"]["regions"] == 6
    assert found["scores"]["grey"]["all"]["low"] == found["scores"]["grey"]["all"]["value"]  # each image has the same


def test_intervals_draw_whole_images(folder):
    things = load_named_things(folder / "regions.csv")
    found = things.scores([True] * 3 + [False] * 3)["all"]
    assert (found["value"], found["low"], found["high"]) == (0.5, 0, 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version = 1", "edition = 1", "do not say what colours"),
        ("hue = [190, 300]", "hue = 190", "do not say what colours"),
        ("sha256,class", "digest,class", "its columns are"),
        (",sky,", ",ski,", "line 9: no class 'ski'"),
        ("0.5 0.4", "0.5", "line 9: .* corners"),
        ("0.5 0.4", "0.5 1.4", "line 9: .* corners"),
        ("0.5 0.4", "0.5 high", "line 9: .* corners"),
        ("drawn,page.png,", "drawn,page.png,0", "is not a SHA-256"),
        ("drawn,page", "drawn,../page", "is not a plain path"),
    ],
)
def test_a_wrong_file_is_refused(folder, old, new, message):
    path = folder / "regions.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UsageError, match=message):
        load_named_things(path)


def test_one_file_has_one_digest(folder):
    path = folder / "regions.csv"
    head, row = path.read_text().rstrip().rsplit("\n", 1)
    digest = row.split(",")[2]
    path.write_text(f"{head}\n{row.replace(digest, digest[::-1])}\n")
    with pytest.raises(UsageError, match="line 14: painted/page.png has another SHA-256 above"):
        load_named_things(path)


@pytest.mark.parametrize("fault", ["changed", "missing", "tiny", "twice"])
def test_the_tool_says_what_is_wrong(folder, capsys, fault):
    command = [str(folder), "--regions", str(folder / "regions.csv")]
    page = folder / "painted" / "page.png"
    if fault == "changed":
        Image.new("RGB", (48, 64), SKY).save(page)
        message = "is not the image in which the regions were drawn"
    elif fault == "missing":
        page.unlink()
        message = "lacks 1 of the 2 images, the first is painted/page.png"
    elif fault == "tiny":
        text = (folder / "regions.csv").read_text()
        (folder / "regions.csv").write_text(text.replace("0.1 0.1 0.9 0.1 0.5 0.4", "0.1 0.1 0.1 0.1 0.1 0.1"))
        message = "smaller than a pixel"
    else:
        command.insert(1, "grey")
        message = "two of the candidates have one name: truth, grey, sepia, grey"
    assert tool.main(command) == 2
    assert message in " ".join(capsys.readouterr().err.split())
