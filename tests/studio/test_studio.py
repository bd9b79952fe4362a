"""The studio, asked as its page asks it: what is said is kept, shown, and coloured as `zoo colorize` colours it."""

import json
import multiprocessing
import shlex
import shutil
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coloring import uv_of
from hinting import outlined
from PIL import Image
from studying import PLACE, Client, kept, opened, pixels, save_book, save_model, save_undecided

from zoo import colorize
from zoo.chroma.yuv import split_luma
from zoo.errors import UsageError
from zoo.pages.asking import Question
from zoo.pages.hint import color_of
from zoo.studio import desk, keep, marks, saying
from zoo.studio.__main__ import opened as command
from zoo.studio.__main__ import parser
from zoo.studio.bounded import Bounded
from zoo.studio.queue_of_work import IDLE, URGENT, QueueOfWork, SupersededError

pytestmark = pytest.mark.needs("starlette", "uvicorn")


def picture(client: Client, page: int = 0, layer: str = "") -> np.ndarray:
    layer = layer or client.get("/api/book")["own"]
    return pixels(client.get(f"/api/page/{page}/picture?layer={layer.replace('+', '%2B')}"))


def test_the_book_its_pages_and_their_pictures(client: Client, book: Path) -> None:
    about = client.get("/api/book")
    assert [page["label"] for page in about["pages"]] == ["page1.png", "page2.png", "page3.png"]
    assert about["title"] == "book"
    assert {"guided", "residual"} <= {each["name"] for each in about["models"]}
    page = client.get("/api/page/1")
    assert (page["width"], page["height"], page["truth"], page["marks"]) == (144, 96, False, [])
    assert picture(client, 1).shape == (96, 144, 3)
    grey = picture(client, 1, "grey")
    assert np.abs(grey[..., 0].astype(int) - np.asarray(Image.open(book / "page2.png"))).mean() < 2
    assert max(pixels(client.get("/api/page/2/thumbnail")).shape) == 144
    assert "no page 4" in client.get("/api/page/3", 422)["error"]
    assert "nobody knows" in client.get("/api/page/1/picture?layer=truth", 422)["error"]
    assert "not started with a model" in client.get("/api/page/1/picture?layer=/etc/passwd|mode", 422)["error"]


def test_a_colour_is_obeyed_kept_and_found_again(client: Client, book: Path, model: Path) -> None:
    before = picture(client)
    found = client.post("/api/page/0/place", PLACE)
    shares = [each["share"] for each in found["possible"]]
    assert len(shares) == 5
    assert shares == sorted(shares, reverse=True)
    assert found["outline"]["left"] < PLACE["x"] < found["outline"]["left"] + found["outline"]["width"]
    second = client.color()
    after = picture(client)
    y, x = PLACE["y"], PLACE["x"]
    assert np.abs(after[y, x].astype(int) - before[y, x]).max() > 20
    assert np.abs(split_luma(after[y, x] / 255)[1] - uv_of(second)).max() < 0.03
    assert np.abs(split_luma(after[30, 50] / 255)[1] - uv_of(second)).max() < 0.05  # the region follows
    file = kept(book) / "hints" / "page1.json"
    assert json.loads(file.read_text())["hints"] == [PLACE | {"color": second, "id": 1}]
    client.running.stop()
    with opened(book, model) as again:
        (mark,) = again.get("/api/page/0")["marks"]
        assert mark == {"id": 1, "color": second, "points": [[x, y]]}
        np.testing.assert_array_equal(picture(again), after)


def test_marks_are_changed_moved_and_taken_away(client: Client, book: Path) -> None:
    path = "/api/page/0/marks"
    first = client.post(path, {"color": "#c33", "path": [[30, 45]]})
    assert first["before"] == []
    assert first["after"] == first["marks"] == [{"id": 1, "color": "#cc3333", "points": [[30, 45]]}]
    second = client.post(path, {"color": "teal", "path": [[100, 45]]})
    assert [mark["id"] for mark in second["marks"]] == [1, 2]
    moved = client.post(path, {"id": 2, "color": "teal", "points": [[101, 46]]})
    assert moved["before"][0]["points"] == [[100, 45]]
    assert moved["after"][0]["points"] == [[101, 46]]
    # On the place of another, the last one stays, and what was there is told, to be undone.
    over = client.post(path, {"id": 2, "color": "teal", "points": [[30, 45]]})
    assert [mark["id"] for mark in over["marks"]] == [2]
    assert [mark["id"] for mark in over["before"]] == [1, 2]
    assert client.post(path, {"id": 2, "drop": True})["marks"] == []
    assert not (kept(book) / "hints" / "page1.json").exists()
    for wrong, message in (
        ({"color": "#c33", "path": [[11, 17]]}, "black ink"),
        ({"color": "#c33", "path": [[999, 45]]}, "outside of the page"),
        ({"color": "reddish", "path": [[30, 45]]}, "no colour"),
        ({"color": "#c33", "path": [[30, "45"]]}, "no number"),
        ({"color": "#c33", "path": [[30]]}, "no x and y"),
        ({"color": "#c33"}, "a path or points"),
        ({"color": "#c33", "points": [[-1, 4]]}, "outside of the page"),
        ({"drop": True}, "give its id"),
        ({"drop": True, "id": "1"}, "no number of a mark"),
    ):
        assert message in client.post(path, wrong, 422)["error"]
    assert client.get("/api/page/0")["marks"] == []


def test_a_stroke_crosses_ink_and_is_one_mark(client: Client, book: Path) -> None:
    answer = client.post("/api/page/0/marks", {"color": "#36c", "path": [[20, 45], [120, 45]]})
    (mark,) = answer["marks"]
    columns = [x for x, _ in mark["points"]]
    assert len(columns) > 20
    assert not [x for x in columns if 61 <= x < 64 or 77 <= x < 80]  # ink
    held = json.loads((kept(book) / "hints" / "page1.json").read_text())["hints"]
    assert {each["id"] for each in held} == {1}
    after = picture(client)
    for x in (30, 100):
        assert np.abs(split_luma(after[45, x] / 255)[1] - uv_of("#36c")).max() < 0.06
    assert marks.read_marks(kept(book) / "hints" / "page1.json").marks[0].points == tuple(map(tuple, mark["points"]))


def test_a_file_of_hints_asks_stays_as_it_is(tmp_path: Path, model: Path) -> None:
    book = save_book(tmp_path / "book", 1)
    hints = kept(book) / "hints"
    hints.mkdir(parents=True)
    asked = {"x": 100, "y": 40, "color": None, "possible": [{"color": "#5093be", "probability": 0.4}]}
    (hints / "page1.json").write_text(json.dumps({"hints": [asked, {"x": 30.7, "y": 45, "color": "red"}]}))
    with opened(book, model) as client:
        assert client.get("/api/page/0")["marks"] == [{"id": 1, "color": "#ff0000", "points": [[30, 45]]}]
        client.post("/api/page/0/marks", {"id": 1, "drop": True})
        assert json.loads((hints / "page1.json").read_text())["hints"] == [asked]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("hints/page9.json", "[]", "is of a page page9, which is not there"),
        ("hints/page1.csv", "x,y,color\n", "keeps hints as page1.json alone"),
        ("studio.json", "{", "not as the studio wrote it"),
        ("studio.json", '{"model": 3}', "not as the studio wrote it"),
    ],
)
def test_what_was_kept_and_cannot_be_read_is_named(book: Path, model: Path, name: str, text: str, message: str) -> None:
    file = kept(book) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    with pytest.raises(UsageError, match=message), opened(book, model):
        pass
    assert file.read_text() == text


def test_a_damaged_file_of_hints_costs_its_page_alone(book: Path, model: Path) -> None:
    file = kept(book) / "hints" / "page1.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"hints": [{"x": 1}]}')
    with opened(book, model) as client:
        assert "hint 1 is" in client.get("/api/page/0", 422)["error"]
        assert "hint 1 is" in client.post("/api/page/0/marks", {"color": "red", "path": [[30, 45]]}, 422)["error"]
        assert file.read_text() == '{"hints": [{"x": 1}]}'
        assert client.get("/api/page/1")["marks"] == []


def test_the_command_makes_the_same_bytes(client: Client, book: Path, tmp_path: Path, capsys: Any) -> None:
    Image.fromarray(outlined(True)).save(tmp_path / "reference.png")
    client.color()
    client.post("/api/page/2/marks", {"color": "#36c", "path": [[20, 45], [50, 60]]})
    client.post("/api/choices", {"palette": ["#c33", "#36c", "#2a6"], "limited": True})
    client.post("/api/references?title=ref", (tmp_path / "reference.png").read_bytes())
    client.post("/api/sheet", {"promote": {"page": 1, "x": 100, "y": 45, "color": "#885522"}})
    work = client.works(do="color")
    assert (work["state"], work["message"]) == ("done", "3 of 3 pages coloured")
    words = shlex.split(client.get("/api/book")["command"])
    words = words[words.index(str(client.running.studio.book.model)) :]
    assert {"--hints", "--palette", "--reference", "--sheet"} < set(words)
    # ONNX Runtime, which is the usual one of a model that is prepared for it, differs in the last bits.
    assert words[words.index("--runtime") + 1] == "tensorflow"
    words[words.index("-o") + 1] = str(tmp_path / "anew")
    assert colorize.main(words) == 0
    capsys.readouterr()
    for name in ("page1", "page2", "page3"):
        ours = (kept(book) / "coloured" / f"{name}.png").read_bytes()
        assert ours == (tmp_path / "anew" / f"{name}.png").read_bytes()
    # What the screen shows is that, but for JPEG.
    shown = picture(client, 2).astype(int)
    with Image.open(tmp_path / "anew" / "page3.png") as page:
        assert np.abs(shown - np.asarray(page)).mean() < 4


def test_the_command_is_one_for_any_folder(
    book: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "odd [1]"
    odd.mkdir()
    shutil.copy(model, odd / "own.keras")
    book.rename(odd / "book")
    monkeypatch.chdir(odd)
    with command(parser().parse_args(["own.keras", "book", "boo?/page1.png", "--port", "0", "--keep", "kept"])) as it:
        client = Client(it.url)
        client.color()
        assert client.works(do="color")["message"] == "4 of 4 pages coloured"
        words = shlex.split(client.get("/api/book")["command"])
    monkeypatch.chdir("/")
    words = words[words.index("zoo.colorize" if "zoo.colorize" in words else "colorize") + 1 :]
    words[words.index("-o") + 1] = str(tmp_path / "anew")
    assert colorize.main(words) == 0
    files = sorted(path.relative_to(tmp_path / "anew") for path in (tmp_path / "anew").rglob("*.png"))
    assert len(files) == 4
    for file in files:
        assert (odd / "kept" / "coloured" / file).read_bytes() == (tmp_path / "anew" / file).read_bytes()


def test_only_what_changed_is_coloured_anew(client: Client, book: Path) -> None:
    assert client.works(do="color")["message"] == "3 of 3 pages coloured"
    assert client.works(do="color")["message"] == "nothing had changed: all 3 pages are there"
    assert client.works(do="color", page=1)["message"] == "nothing had changed: the page is there"
    client.color(1)
    assert client.works(do="color")["message"] == "1 of 3 pages coloured"
    client.post("/api/choices", {"palette": ["#c33"], "limited": True})  # of other settings: all of them
    assert client.works(do="color", page=0)["message"] == "1 of 1 pages coloured"
    assert client.works(do="color")["message"] == "2 of 3 pages coloured"
    data = client.get("/api/download/cbz")
    (kept(book) / "mine.cbz").write_bytes(data)
    with zipfile.ZipFile(kept(book) / "mine.cbz") as held:
        assert held.namelist() == ["page1.png", "page2.png", "page3.png"]
        assert held.read("page2.png") == (kept(book) / "coloured" / "page2.png").read_bytes()
    assert client.get("/api/download/pdf").startswith(b"%PDF")
    assert client.get("/api/download/page?page=1") == (kept(book) / "coloured" / "page2.png").read_bytes()
    _, headers, _ = client.ask("GET", "/api/download/zip")
    assert headers["content-disposition"] == 'attachment; filename="book-coloured.zip"'
    for path, message in (
        ("cbr", "books are"),
        ("page?page=7", "no page 8"),
        ("page?page=-1", "no such page"),
        ("page?page=0&format=jpg", "not coloured yet"),
        ("cbz?format=gif", "png, jpg or webp"),
    ):
        assert message in client.get(f"/api/download/{path}", 422)["error"]


def test_a_long_work_is_stopped_and_goes_on(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.pages.job import Job

    go = threading.Semaphore(2)
    finish = Job._finish

    def slowly(self: Any, left: int) -> None:
        go.acquire(timeout=20)
        finish(self, left)

    book = save_book(tmp_path / "book", 8)
    with opened(book, model) as client:
        with monkeypatch.context() as patch:
            patch.setattr(Job, "_finish", slowly)
            client.post("/api/work", {"do": "color"})
            assert "already" in client.post("/api/work", {"do": "gather"}, 422)["error"]
            client.color()  # clicks go on meanwhile
            client.post("/api/work", {"do": "stop"})
            go.release(20)
            while (work := client.get("/api/pulse")["work"])["state"] == "running":
                time.sleep(0.02)
        assert (work["state"], work["message"]) == ("stopped", "stopped; Colour the book goes on from here")
        there = len(list((kept(book) / "coloured").glob("*.png")))
        assert there < 8
        assert client.works(do="color")["state"] == "done"
        assert len(list((kept(book) / "coloured").glob("*.png"))) == 8


def test_colours_that_look_the_same_are_one(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        {"color": color, "share": share, "uv": [0, 0]}
        for color, share in (("#fffdf8", 0.4), ("#c03020", 0.3), ("#fefdfa", 0.2), ("#c23222", 0.06), ("#2040c0", 0.04))
    ]
    monkeypatch.setattr(saying, "possible", lambda place, count=5: found[:count])
    told = client.post("/api/page/0/place", PLACE)["possible"]
    assert [(each["color"], each["share"]) for each in told] == [("#fffdf8", 0.6), ("#c03020", 0.36), ("#2040c0", 0.04)]


def test_where_next_is_a_place_in_which_a_colour_shows(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = PLACE["x"], PLACE["y"]
    apart, alike = (("#c03020", 0.5), ("#2040c0", 0.4)), (("#fffdf8", 0.5), ("#fefdfa", 0.4))
    asked = [Question(x, y, 0.2, 5.0, alike), Question(11, 17, 0.1, 5.0, apart), Question(x + 1, y, 0.1, 5.0, apart)]
    monkeypatch.setattr(saying, "questions", lambda examined, count, hints: asked[:count])
    found = client.post("/api/page/0/next", {})["place"]  # alike colours are passed by, and so is ink
    assert (found["x"], found["y"]) == (x + 1, y)
    del asked[2:]
    assert client.post("/api/page/0/next", {})["place"] is None


def test_what_a_colour_becomes_is_told(tmp_path: Path, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    book = tmp_path / "book"
    book.mkdir()
    grey = np.full((96, 144), 217, np.uint8)
    grey[:, 72:] = 10
    Image.fromarray(grey).save(book / "page.png")
    with opened(book, model) as client:
        path = "/api/page/0/marks"
        light = client.post(path, {"color": "#c68642", "path": [[30, 45]]})
        assert light["becomes"] is not None
        becomes = np.array(color_of(light["becomes"]))
        assert abs(split_luma(becomes / 255)[0].item() - 217 / 255) < 0.01
        assert client.post(path, {"id": 1, "color": light["becomes"], "points": [[30, 45]]})["becomes"] is None
        stroke = client.post(path, {"color": "#c68642", "path": [[10, 20], [60, 20]]})
        assert stroke["becomes"] == light["becomes"]
        assert client.post("/api/page/0/place", PLACE)["note"] == ""
        dark = client.post("/api/page/0/place", {"x": 120, "y": 45})
        assert dark["refusal"] or dark["note"].startswith("This place is all but black")
        # A stroke is many hints. What becomes of each is not on the console besides.
        capfd.readouterr()
        assert client.works(do="color")["state"] == "done"
        assert "becomes" not in "".join(capfd.readouterr())


def test_an_entry_s_picture_shows_what_is_around(client: Client, book: Path) -> None:
    client.post("/api/sheet", {"promote": {"page": 0, **PLACE, "color": "#885522"}})
    (file,) = kept(book).glob("sheet-*-pictures/1.jpg")
    with Image.open(file) as image:
        shown = np.asarray(image.convert("RGB")).astype(int)
    white = (shown > 250).all(axis=-1)
    assert shown.shape == (96, 96, 3)
    assert not white[:, 48].all()
    assert (~white).mean() > 0.3  # no speck in a white square
    assert client.get("/api/sheet")["entries"] == [
        {"name": "1", "color": "#885522", "pages": ["page1.png"], "pictured": True}
    ]


def test_the_averaging_is_seen(tmp_path: Path) -> None:
    """Of a model that says blue or yellow: both are modes, the mean is neither; a regression answers with its own."""
    save_undecided(tmp_path / "undecided.keras")
    save_model(tmp_path / "answers.keras", classifier=False)
    book = tmp_path / "book"
    book.mkdir()
    Image.fromarray(outlined(True)).save(book / "page.png")
    models = [str(tmp_path / name) for name in ("undecided.keras", "answers.keras")]
    words = [models[0], str(book), "--desaturate", "--models", models[1], "--port", "0"]
    with command(parser().parse_args(words)) as it:
        client = Client(it.url)
        layers = [f"{models[0]}|mode", f"{models[1]}|", "grey"]
        told = client.post("/api/page/0/plane", PLACE | {"layers": layers})
        undecided, answers = told["layers"]
        modes = np.array([each["uv"] for each in undecided["modes"]])
        assert len(modes) == 2
        shares = [each["share"] for each in undecided["modes"]]
        np.testing.assert_allclose(undecided["mean"], shares @ modes / sum(shares), atol=0.03)
        assert np.linalg.norm(modes - undecided["mean"], axis=-1).min() > 0.15
        np.testing.assert_allclose(undecided["chosen"], modes[0], atol=0.03)
        assert sum(share for *_, share in undecided["points"]) == pytest.approx(1, abs=0.05)
        assert 0.8 < undecided["bits"] < 6
        assert answers["regression"]
        assert answers["modes"] == []
        np.testing.assert_allclose(answers["mean"], np.mean([p[:2] for p in answers["points"]], axis=0), atol=0.03)
        np.testing.assert_allclose(told["truth"], uv_of("#cc3333"), atol=0.02)
        # With a hint, the page has what was said, and the model finds possible what it did.
        client.post("/api/page/0/marks", {"color": "#22aa66", "path": [[PLACE["x"], PLACE["y"]]]})
        again = client.post("/api/page/0/plane", PLACE | {"layers": layers[:1]})["layers"][0]
        assert again["points"] == undecided["points"]
        np.testing.assert_allclose(again["chosen"], uv_of("#22aa66"), atol=0.04)
        assert pixels(client.get("/api/page/0/picture?layer=truth")).tolist()[45][30][0] > 150


def test_a_network_sees_a_page_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.models.prediction import Predictor

    runs = []
    call = Predictor.__call__
    monkeypatch.setattr(Predictor, "__call__", lambda self, *given: runs.append(given[0].shape) or call(self, *given))
    picture(client)
    for page in (0, 1):  # the next page is made ready meanwhile
        client.post(f"/api/page/{page}/place", PLACE)
    seen = len(runs)
    assert seen == 2
    for color in ("#c33", "#36c", "#2a6"):
        client.post("/api/page/0/marks", {"color": color, "path": [[30, 45]]})
        picture(client)
        client.post("/api/page/0/next", {})
        client.post("/api/page/0/plane", PLACE | {"layers": [client.get("/api/book")["own"]]})
    assert len(runs) <= seen + 1  # the page after the next


def test_of_a_tab_s_old_wishes_the_last_alone_is_answered() -> None:
    queue, go, done = QueueOfWork("test"), threading.Event(), []
    try:
        begun = queue.submit(go.wait)
        old = queue.submit(lambda: done.append("old"), slot="picture")
        idle = queue.submit(lambda: done.append("idle"), urgency=IDLE)
        other = queue.submit(lambda: done.append("other tab"), slot="another")
        new = queue.submit(lambda: done.append("new"), slot="picture")
        click = queue.submit(lambda: done.append("click"), urgency=URGENT)
        go.set()
        for each in (begun, idle, other, new, click):
            each.result(5)
        with pytest.raises(SupersededError):
            old.result(5)
        assert done == ["click", "other tab", "new", "idle"]
        with pytest.raises(ZeroDivisionError):
            queue.submit(lambda: 1 / 0).result(5)
    finally:
        queue.close()


def test_what_is_kept_in_memory_is_bounded() -> None:
    held: Bounded[str] = Bounded(10)
    for key in "abc":
        held.put(key, key, 4)
    assert (held.get("a"), held.get("b"), held.held) == (None, "b", 8)
    held.put("d", "d", 4)
    assert held.get("c") is None  # b was looked at since
    held.put("e", "e", 99)
    assert (len(held), held.get("e"), held.held) == (1, "e", 99)
    held.put("e", "e", 3)
    assert held.held == 3


def test_marks_sheets_and_small_pictures_are_bounded(book: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((keep, "MOST_MARKS"), (desk, "MOST_THUMBNAILS"), (saying, "MOST_SHEETS")):
        monkeypatch.setattr(module, name, 1)
    with opened(book, model) as client:
        for page in range(3):
            client.color(page)
            client.get(f"/api/page/{page}/thumbnail")
            client.post("/api/sheet", {"promote": {"page": page, **PLACE, "color": "#885522"}})
        studio = client.running.studio
        held = studio.keep._marks, studio.desk._thumbnails, studio.saying._sheets
        assert [len(each) for each in held] == [1, 1, 1]
        assert [len(client.get(f"/api/page/{page}")["marks"]) for page in range(3)] == [1, 1, 1]


@pytest.mark.needs("pypdfium2")
def test_what_renders_pages_of_a_pdf_ends_with_its_work(tmp_path: Path, model: Path) -> None:
    first, *more = (Image.fromarray(np.roll(outlined(False), 2 * index, axis=1)) for index in range(3))
    first.save(tmp_path / "book.pdf", save_all=True, append_images=more)
    with opened(tmp_path / "book.pdf", model) as client:
        for _ in range(2):
            assert client.works(do="color", format="jpg")["state"] == "done"
            assert client.works(do="gather")["state"] == "done"
            for file in (tmp_path / "book-studio" / "coloured").glob("*.jpg"):
                file.unlink()
        # Of the threads that answer, each may have one.
        assert len(multiprocessing.active_children()) <= 3


def test_a_stroke_that_comes_from_far_away_takes_no_longer() -> None:
    near = marks.along([[-30, 45], [174, 45]], (96, 144))
    far = marks.along([[-1e9, 45], [1e9, 45], [1e9, 1e9], [-1e9, -1e9], [0, -1e9]], (96, 144))
    assert abs(sum(y == 45 for _, y in far) - len(near)) <= 2
    assert sum(x == y for x, y in far) > 30  # the diagonal
    # Places are evenly apart, whatever corners are between them.
    bent = marks.along([[0, 45], [10, 45], [10, 45], [11, 45], [60, 45]], (96, 144))
    assert bent == marks.along([[0, 45], [60, 45]], (96, 144))
