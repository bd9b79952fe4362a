"""Files of hints: what they may hold, and what is wrong with one that is refused."""

import contextlib
import hashlib
import io
import json
import re
import struct
import zlib
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from fuzz import mutate, with_right_checksums
from PIL import Image

from zoo.errors import UsageError
from zoo.pages import hint as hints_module
from zoo.pages.hint import Hint, Hints, becomes, color_of, hex_of, hint_files, hints_of, read_hints

RED, BLUE = (204, 51, 51), (0, 0, 255)
EXPECTED = {(12, 4, RED), (0, 39, BLUE)}


def places(hints: Hints) -> set[tuple[int, int, tuple[int, int, int]]]:
    return {(hint.x, hint.y, hint.rgb) for hint in hints.hints}


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def png(rgba: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(rgba).save(stream, "PNG")
    return stream.getvalue()


def painted(*strokes: tuple[slice, slice, tuple[int, int, int]], size: tuple[int, int] = (40, 60)) -> np.ndarray:
    """A picture that is transparent but for strokes."""
    rgba = np.zeros((*size, 4), np.uint8)
    for rows, columns, color in strokes:
        rgba[rows, columns] = (*color, 255)
    return rgba


# What is read.


@pytest.mark.parametrize(
    "text",
    [
        "12,4,#c33\n0,39,blue\n",
        "x,y,color\n12,4,#cc3333\n0,39,#00f",
        " x , y , what\r\n\r\n12.9 , 4.2 , CC3333 , ignored\r\n0,39, Blue\r\n,,\r\n",
        "\ufeffx,y,color\n12,4,#c33\n7,7,\n8,8,  \n0,39,blue\n",
    ],
)
def test_csv(tmp_path, text):
    path = written(tmp_path, "page.csv", text)
    found = read_hints(path)
    assert places(found) == EXPECTED
    assert found.size is None
    assert found.digest == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("wrap", [lambda items: items, lambda items: {"page": "p.png", "hints": items}])
def test_json(tmp_path, wrap):
    items = [
        {"x": 12, "y": 4.5, "color": "#c33", "area": 0.2},
        {"x": 3, "y": 3, "color": None},
        {"x": 3, "y": 4},
        {"x": "0", "y": 39, "color": "blue"},
    ]
    found = read_hints(written(tmp_path, "page.JSON", json.dumps(wrap(items))))
    assert places(found) == EXPECTED
    assert [hint.name for hint in found.hints] == ["hint 1", "hint 4"]


@pytest.mark.parametrize("name", ["empty.csv", "empty.json"])
def test_a_file_without_hints_has_none(tmp_path, name):
    text = "x,y,color\n" if name.endswith("csv") else '{"hints": []}'
    assert read_hints(written(tmp_path, name, text)).hints == ()


def test_strokes(tmp_path):
    rgba = painted(
        (slice(10, 13), slice(5, 50), RED),
        (slice(30, 31), slice(57, 58), BLUE),  # one pixel
        (slice(20, 23), slice(20, 23), (0, 255, 0)),
    )
    rgba[21:24, 40:44] = (255, 0, 0, 100)  # half seen through
    found = read_hints(written(tmp_path, "page.png", png(rgba)))
    assert found.size == (40, 60)
    there = places(found)
    assert (57, 30, BLUE) in there
    assert (21, 21, (0, 255, 0)) in there
    assert {rgb for _, _, rgb in there} == {RED, BLUE, (0, 255, 0)}
    assert all(tuple(rgba[y, x]) == (*rgb, 255) for x, y, rgb in there)
    along = [x for x, _, rgb in there if rgb == RED]
    assert max(np.diff(sorted(along)).max(), min(along) - 5, 49 - max(along)) <= 2  # places all along the stroke


def test_every_patch_of_a_colour_has_a_place(tmp_path):
    spots = [(7, 9), (7, 300), (311, 33), (201, 203)]
    rgba = painted(*((slice(y, y + 1), slice(x, x + 1), RED) for y, x in spots), size=(320, 320))
    found = read_hints(written(tmp_path, "page.png", png(rgba)))
    assert {(hint.y, hint.x) for hint in found.hints} >= set(spots)


@pytest.mark.parametrize("mode", ["P", "LA", "RGBA"])
def test_pictures_of_every_kind_with_transparency(tmp_path, mode):
    image = Image.fromarray(painted((slice(3, 9), slice(3, 9), (90, 90, 90))))
    image.convert(mode).save(tmp_path / "page.png")
    found = read_hints(tmp_path / "page.png")
    assert {rgb for _, _, rgb in places(found)} == {(90, 90, 90)}


@pytest.mark.parametrize(
    ("text", "rgb"),
    [
        ("#c33", RED),
        ("#CC3333", RED),
        ("cc3333", RED),
        ("c33", RED),
        (" red ", (255, 0, 0)),
        ("rgb(1, 2, 3)", (1, 2, 3)),
    ],
)
def test_colours(text, rgb):
    assert color_of(text) == rgb
    assert color_of(hex_of(rgb)) == rgb


# What is refused.


@pytest.mark.parametrize(
    "word",
    [
        *("", "#c", "#ggg", "redd", "#12345", "transparent", None, 7, RED, b"red", "\ud800", "r" * 1000),
        *("rgb(999,0,0)", "rgb(200%,0%,0%)", "hsl(0,1000%,50%)"),
    ],
)
def test_what_is_no_colour(word):
    with pytest.raises(UsageError) as error:
        color_of(word)
    assert str(error.value) == f"{word!r} is no colour: write it as #c33, #cc3333, or by a name of CSS, as darkred"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("12,4\n", "line 1 has 2 columns: x,y,colour are wanted"),
        ("x,y,color\n12,4,#c33\n\n12;4;#c33\n", "line 4 has 1 columns"),
        ("x,y,color\n12,4,#c3x\n", "line 2: '#c3x' is no colour"),
        ("twelve,4,red\n", "line 1: x is 'twelve', which is no number of pixels"),
        ("1,2,red\nx,y,color\n", "line 2: x is 'x'"),
        ("12,,red\n", "line 1: y is '', which"),
        ("nan,4,red\n", "line 1: x is 'nan', which"),
        ("4,inf,red\n", "line 1: y is 'inf', which"),
        ("4,-1e300,red\n", "line 1: y is '-1e300', which"),
        ("1,2,red\r3,4,blue\r", "it is no CSV: "),
        ("1,2," + "r" * 200_000, "it is no CSV: field larger than field limit"),
        (b"1,2,\xff\xfe", "it is not text in UTF-8"),
    ],
)
def test_bad_csv_is_named(tmp_path, text, message):
    path = written(tmp_path, "page.csv", text)
    with pytest.raises(UsageError) as error:
        read_hints(path)
    assert str(error.value).startswith(f"hints {path}: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is no JSON: "),
        ("[{]", "it is no JSON: "),
        ("[" * 100_000, "it is no JSON: "),
        ("7", 'it has no list of hints: write [{"x": 120, "y": 48, "color": "#c33"}]'),
        ('{"hint": []}', "it has no list of hints"),
        ('{"hints": {}}', "it has no list of hints"),
        ('[{"x": 1, "y": 2, "color": null}, 5]', "hint 2 is 5: write {"),
        ('[{"x": 1, "color": "red"}]', "hint 1 is {'x': 1, 'color': 'red'}: write {"),
        ('[{"x": 1, "y": 2, "colour": "red"}]', 'hint 1 has a "colour": write "color"'),
        ('[[1, 2, "red"]]', "hint 1 is [1, 2, 'red']: write {"),
        ('[{"x": true, "y": 2, "color": "red"}]', "hint 1: x is True, which is no number of pixels"),
        ('[{"x": 1, "y": null, "color": "red"}]', "hint 1: y is None, which"),
        ('[{"x": 1, "y": [], "color": "red"}]', "hint 1: y is [], which"),
        ('[{"x": NaN, "y": 1, "color": "red"}]', "hint 1: x is nan, which"),
        ('[{"x": 1e400, "y": 1, "color": "red"}]', "hint 1: x is inf, which"),
        ('[{"x": 1' + "0" * 400 + ', "y": 1, "color": "red"}]', "hint 1: x is 1000"),
        ('[{"x": 1, "y": 2, "color": 5}]', "hint 1: 5 is no colour"),
        ('[{"x": 1, "y": 2, "color": "rgb(999,0,0)"}]', "hint 1: 'rgb(999,0,0)' is no colour"),
        (b'["\xff"]', "it is not text in UTF-8"),
    ],
)
def test_bad_json_is_named(tmp_path, text, message):
    path = written(tmp_path, "page.json", text)
    with pytest.raises(UsageError) as error:
        read_hints(path)
    assert str(error.value).startswith(f"hints {path}: {message}")


def claiming(width: int, height: int) -> bytes:
    """A small PNG whose header claims another size."""
    data = bytearray(png(painted()))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is no PNG that can be read"),
        (b"GIF89a", "it is no PNG that can be read"),
        (png(painted((slice(0, 9), slice(0, 9), RED)))[:-30], "it is no PNG that can be read"),
        (png(np.full((9, 9, 3), 99, np.uint8)), "all of it is opaque: leave transparent where no colour is given"),
        (png(np.full((9, 9, 4), 255, np.uint8)), "all of it is opaque"),
        (claiming(10_000, 10_000), "it "),
        (claiming(60_000, 60_000), "it "),
    ],
    ids=["empty", "gif", "cut", "rgb", "opaque", "large", "bomb"],
)
def test_bad_pictures_are_named(tmp_path, data, message):
    path = written(tmp_path, "page.png", data)
    with pytest.raises(UsageError) as error:
        read_hints(path)
    assert str(error.value).startswith(f"hints {path}: {message}")


@pytest.mark.parametrize("kind", [b"acTL", b"cHRM", b"gAMA", b"pHYs", b"tRNS", b"iCCP", b"eXIf", b"zTXt", b"fcTL"])
@pytest.mark.parametrize("length", [0, 1, 5, 8])
def test_odd_parts_of_a_picture_matter_to_nobody(tmp_path, kind, length):
    """They are passed over, or the picture is refused; no warning comes of them either."""
    data, body = GOOD["png"], kind + bytes(length)
    chunk = length.to_bytes(4) + body + zlib.crc32(body).to_bytes(4)
    for at in (33, len(data) - 12):  # after the header, and before the end
        path = written(tmp_path, "page.png", data[:at] + chunk + data[at:])
        with contextlib.suppress(UsageError):
            assert {rgb for _, _, rgb in places(read_hints(path))} == {RED, BLUE}


def test_files_that_are_none(tmp_path, monkeypatch):
    (tmp_path / "folder.csv").mkdir()
    for name, message in (
        ("page.txt", "give a .json, .csv or .png file"),
        ("page.csv", "there is no such file"),
        ("folder.csv", "it is no file"),
    ):
        with pytest.raises(UsageError) as error:
            read_hints(tmp_path / name)
        assert str(error.value) == f"hints {tmp_path / name}: {message}"
    path = written(tmp_path, "page.csv", "1,1,red\n2,2,red\n3,3,red\n")
    monkeypatch.setattr(hints_module, "MOST_HINTS", 2)
    with pytest.raises(UsageError, match=r"page.csv: it has 3 hints, and 2 are the most"):
        read_hints(path)
    monkeypatch.setattr(hints_module, "MOST_BYTES", 20)
    with pytest.raises(UsageError, match=r"page.csv: it is larger than 0 MiB"):
        read_hints(path)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ((1, 2), "hint 2 is (1, 2): give (x, y, colour), as (120, 48, '#c33')"),
        (5, "hint 2 is 5: give (x, y, colour)"),
        ((1, 2, "#c3x"), "hint 2: '#c3x' is no colour"),
        ((1, "a", "red"), "hint 2: y is 'a', which is no number of pixels"),
        ((True, 1, "red"), "hint 2: x is True, which"),
        ((10**400, 1, "red"), "hint 2: x is 1000"),
    ],
)
def test_bad_hints_from_python_are_named(item, message):
    with pytest.raises(UsageError) as error:
        hints_of([(1, 1, "red"), item])
    assert str(error.value).startswith(message)


def test_hints_from_python():
    own = Hint(5, 6, BLUE, "mine")
    found = hints_of([(12.7, np.int64(4), "#c33"), own])
    assert found.hints == (Hint(12, 4, RED, "hint 1"), own)
    np.testing.assert_allclose(own.uv, [0.436, -0.1], atol=1e-4)


# On a page.


@pytest.mark.parametrize(("x", "y"), [(60, 0), (0, 40), (-1, 5), (5, -0.5)])
def test_hints_outside_of_the_page_are_named(tmp_path, x, y):
    found = read_hints(written(tmp_path, "page.csv", f"1,1,red\n{x},{y},#c33\n"))
    assert len(hints_of([(59, 39, "red"), (0, 0, "red")]).on((40, 60))) == 2
    with pytest.raises(UsageError) as error:
        found.on((40, 60))
    outside = f"{int(np.floor(x))}, {int(np.floor(y))}"
    assert str(error.value) == f"line 2 (#cc3333 at {outside}) is outside of the page, which is 60 × 40 pixels"


def test_hints_that_contradict_each_other_are_both_named(tmp_path):
    found = read_hints(written(tmp_path, "page.csv", "9,9,red\n12,4,#c33\n9,9,red\n12.5,4,blue\n"))
    with pytest.raises(UsageError) as error:
        found.on((40, 60))
    assert str(error.value) == (
        "line 2 (#cc3333 at 12, 4) and line 4 (#0000ff at 12, 4) contradict each other: leave one out"
    )
    twice = hints_of([(9, 9, "red"), (9, 9, "#f00"), (9, 8, "blue")]).on((40, 60))
    assert [hint.name for hint in twice] == ["hint 1", "hint 3"]  # the same again is no second one


def test_a_picture_of_another_size_is_refused(tmp_path):
    found = read_hints(written(tmp_path, "page.png", png(painted((slice(3, 9), slice(3, 9), RED)))))
    assert found.on((40, 60))
    with pytest.raises(UsageError, match="the picture of hints is 60 × 40 pixels, and the page 40 × 60"):
        found.on((60, 40))


def test_what_a_hint_becomes():
    rgb, left = becomes(Hint(0, 0, RED, ""), 0.4)
    assert np.abs(np.array(rgb) @ [0.299, 0.587, 0.114] - 0.4 * 255) < 1
    assert left == 1
    assert rgb[0] - rgb[1] == pytest.approx(153, abs=1)
    rgb, left = becomes(Hint(0, 0, RED, ""), 1.0)
    assert (rgb, left) == ((255, 255, 255), 0)


# Which file is of which page.

PAGES = [PurePosixPath(name) for name in ("1", "part/1", "part/two.b")]


def test_a_folder_has_a_file_for_a_page(tmp_path):
    (tmp_path / "part").mkdir()
    for name in ("1.json", "part/1.csv", "part/two.b.png", "notes.txt", "1-places.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "more.csv").mkdir()
    assert hint_files(tmp_path, PAGES) == {
        page: tmp_path / name for page, name in zip(PAGES, ("1.json", "part/1.csv", "part/two.b.png"), strict=True)
    }


def test_a_file_is_of_one_page(tmp_path):
    path = written(tmp_path, "any.csv", "")
    assert hint_files(path, PAGES[:1]) == {PAGES[0]: path}
    with pytest.raises(UsageError, match=r"--hints .*any.csv: a file is of one page, and there are 3: give a folder"):
        hint_files(path, PAGES)
    with pytest.raises(UsageError, match=r"--hints .*other.csv: there is no such file or folder"):
        hint_files(tmp_path / "other.csv", PAGES[:1])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["1.json", "2.csv"], "2.csv is for a page 2, which is not there; pages are 1, part/1, part/two.b"),
        (["part/two.json"], "two.json is for a page part/two, which is not there"),
        (["1.csv", "1.json"], "1.csv and 1.json are for one page: leave one out"),
    ],
)
def test_files_that_fit_no_page_are_named(tmp_path, names, message):
    (tmp_path / "part").mkdir()
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(UsageError) as error:
        hint_files(tmp_path, PAGES)
    assert str(error.value).startswith(f"--hints {tmp_path}: {message}")


def test_of_many_pages_a_few_are_named(tmp_path):
    (tmp_path / "x.csv").touch()
    with pytest.raises(UsageError, match=r"pages are 0, 1, 2, …$"):
        hint_files(tmp_path, [PurePosixPath(str(index)) for index in range(9)])


# Damaged files.

WORDS = [
    *(b",", b"\n", b'"', b"[]", b"{}", b":", b"null", b"true", b"-", b"1e99", b"NaN", b"#", b"\\u", b"\x00", b"\r"),
    *(b"red", b"#c33", b"rgb(1,2,3)", b"rgb(9,9,900)", b"%", b"\xc3", b"\xff", b"9" * 20, b"9" * 350, b" ", b"5.5"),
    *(b'"x"', b'"y"', b'"color"', b'"hints"', b'"#00f"', b"12", b"0", b'"4"'),
]


def damaged_text(data: bytes, rng: np.random.Generator) -> bytes:
    """A few words or bytes replaced, taken away or said again."""
    for _ in range(int(rng.integers(1, 4))):
        words = re.findall(rb'"[^"]*"|\w+|.' if rng.random() < 0.7 else b".", data, re.DOTALL)
        at, other = (int(each) for each in rng.integers(len(words) + 1, size=2))
        match int(rng.integers(4)):
            case 0:
                words[at : at + 1] = [WORDS[int(rng.integers(len(WORDS)))]]
            case 1:
                del words[at : at + int(rng.integers(1, 5))]
            case 2:
                words[at:at] = words[other : other + 4]
            case 3:
                words[at : at + 1] = [bytes([int(rng.integers(256))])]
        data = b"".join(words)
    return data


VALUES = [
    *(b"0", b"-1", b"59.9", b"1e400", b"9" * 350, b"NaN", b"-Infinity", b"true", b"null", b'""', b'"7"', b'"red"'),
    *(
        b'"rgb(0,0,256)"',
        b'"hsv(1,2%,300%)"',
        b'"\\ud800"',
        b'"x"',
        b"[]",
        b"{}",
        b'[{"x": 1, "y": 1, "color": "#12"}]',
    ),
]


def damaged_json(data: bytes, rng: np.random.Generator) -> bytes:
    """JSON of other values, damaged as text too or not."""
    parts = re.split(rb'("[^"]*"|[\w.]+)', data)
    for at in rng.integers(len(parts) // 2, size=2):
        if parts[2 * at + 2][:1] != b":":
            parts[2 * at + 1] = VALUES[int(rng.integers(len(VALUES)))]
    data = b"".join(parts)
    return damaged_text(data, rng) if rng.random() < 0.4 else data


DAMAGED = {"csv": damaged_text, "json": damaged_json}
GOOD = {
    "csv": b'x,y,color\n12,4,#c33\n0,39,blue\n5,6,\n7,8,"rgb(1, 2, 3)"\n',
    "json": b'{"hints": [{"x": 12, "y": 4, "color": "#c33"}, {"x": 0.5, "y": 39, "color": null}]}',
    "png": png(painted((slice(3, 12), slice(3, 30), RED), (slice(20, 30), slice(9, 12), BLUE))),
}


@pytest.mark.parametrize("kind", GOOD)
def test_damaged_files_are_read_or_refused(tmp_path, kind):
    rng = np.random.default_rng(len(kind))
    read, refused = 0, set()
    for index in range(400):
        data = GOOD[kind]
        if kind == "png":
            data = mutate(data, [data], rng)
            data = with_right_checksums(data) if index % 4 else data
        else:
            data = DAMAGED[kind](data, rng)
        path = written(tmp_path, f"page.{kind}", data)
        try:
            found = read_hints(path)
            there = found.on((40, 60))
            read += 1
        except UsageError as error:
            refused.add(re.sub(r"\W|\d", "", str(error).removeprefix(f"hints {path}"))[:40])
            continue
        except Exception as error:
            raise AssertionError(f"mutant {index}: {data!r}") from error
        assert all(0 <= value <= 255 for hint in found.hints for value in hint.rgb), data
        assert all(0 <= hint.x < 60 and 0 <= hint.y < 40 for hint in there)
    assert read >= 20
    assert len(refused) >= 2
