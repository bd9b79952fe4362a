"""What happens while something else does, in another tab or thread: nothing that was decided is lost or mixed up."""

import json
import threading
import time
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from studying import PLACE, Client, opened, save_model

from zoo.errors import UsageError
from zoo.studio import keep, printing
from zoo.studio.keep import Choices, Keep, alone
from zoo.studio.session import Studio

pytestmark = pytest.mark.needs("starlette", "uvicorn")
MARKS = "/api/page/0/marks"


def test_what_is_decided_while_alike_things_are_gathered_stays(
    book: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = save_model(tmp_path / "other.keras")
    reached, go = threading.Event(), threading.Event()
    grouped = printing.grouped

    def slowly(*given: Any) -> Any:
        reached.set()
        go.wait(20)
        return grouped(*given)

    monkeypatch.setattr(printing, "grouped", slowly)
    with opened(book, model, models=[str(other)]) as client:
        own = client.get("/api/book")["own"]
        client.post("/api/sheet", {"promote": {"page": 0, **PLACE, "color": "#885522"}})
        client.post("/api/work", {"do": "gather", "tab": "one"})
        assert reached.wait(20)
        client.post("/api/sheet", {"name": "1", "color": "#112233"})
        client.post("/api/choices", {"own": f"{other}|mode"})
        go.set()
        assert client.ended()["state"] == "done"
        assert client.get("/api/sheet")["entries"] == []  # of the other model
        client.post("/api/choices", {"own": own})
        first, *more = client.get("/api/sheet")["entries"]
        assert (first["name"], first["color"]) == ("1", "#112233")
        assert more
        assert all(each["pictured"] for each in more)
        # The tab that wanted it is told of it as a step, even after another work; what was there before comes back.
        client.works(do="color", page=0)
        step = client.get("/api/pulse")["work"]["step"]
        assert (step["number"], step["tab"]) == (1, "one")
        assert len(client.post("/api/sheet", {"restore": step["before"]})["entries"]) == 1
        assert len(client.post("/api/sheet", {"restore": step["after"]})["entries"]) == 1 + len(more)


def test_a_colour_sheet_is_brought_back_by_a_name_that_no_other_has(book: Path, model: Path, tmp_path: Path) -> None:
    other = save_model(tmp_path / "other.keras")

    def promote(client: Client, color: str) -> dict[str, Any]:
        return client.post("/api/sheet", {"promote": {"page": 0, **PLACE, "color": color}})

    with opened(book, model, models=[str(other)]) as client:
        own = client.get("/api/book")["own"]
        first, second = promote(client, "#885522"), promote(client, "#228855")
        assert first["after"] == second["before"]
        assert client.post("/api/sheet", {"restore": first["after"]})["entries"][0]["color"] == "#885522"
        client.post("/api/choices", {"own": f"{other}|mode"})
        error = client.post("/api/sheet", {"restore": first["after"]}, 422)["error"]
        assert error == f"that colour sheet is of the model {model}: choose it first"
        assert client.get("/api/sheet")["entries"] == []
        client.post("/api/choices", {"own": own})
    with opened(book, model) as again:
        promote(again, "#552288")
        for name in (second["after"], 0, "nothing"):
            assert "not known any more" in again.post("/api/sheet", {"restore": name}, 410)["error"]
        assert again.get("/api/sheet")["entries"][0]["color"] == "#552288"


def test_a_mark_s_number_is_never_another_s(client: Client) -> None:
    for x in (25, 35, 45):
        client.post(MARKS, {"color": "#c33", "path": [[x, 45]]})
    gone = client.post(MARKS, {"id": 3, "drop": True})["before"]
    assert client.post(MARKS, {"color": "#36c", "path": [[100, 45]]})["id"] == 4
    assert client.post(MARKS, {"color": "#36c", "points": [[102, 50]]})["id"] == 5
    answer = client.post(MARKS, gone[0])  # undone, in the tab that took it away
    assert [(mark["id"], mark["color"]) for mark in answer["marks"]] == [
        *((1, "#cc3333"), (2, "#cc3333"), (3, "#cc3333")),
        *((4, "#3366cc"), (5, "#3366cc")),
    ]


def test_two_threads_get_the_same_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = keep.read_marks

    def slowly(file: Path) -> Any:
        time.sleep(0.2)
        return read(file)

    monkeypatch.setattr(keep, "read_marks", slowly)
    page = PurePosixPath("page1")
    kept = Keep(tmp_path, {page: "page1.png"}, Choices("guided", "mode"), models=["guided"])
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(kept.marks(page))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] is found[1]


def test_a_folder_is_another_studio_s_until_all_of_that_has_ended(
    book: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = book.with_name("book-studio")
    folder.mkdir()
    (folder / "studio.json").write_text("{")  # half of what another one writes
    with alone(folder), pytest.raises(UsageError, match="another studio"), opened(book, model):
        pass
    (folder / "studio.json").unlink()
    close, told = Studio.close, []

    def closing(self: Studio) -> None:
        with pytest.raises(UsageError, match="another studio") as error, alone(folder):
            pass
        told.append(str(error.value))
        close(self)

    monkeypatch.setattr(Studio, "close", closing)
    with opened(book, model):
        pass
    assert len(told) == 1


def test_what_changes_while_it_is_read_is_newer_by_the_next_pulse(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = client.running.studio
    marks, marked = studio.saying.marks, studio.keep.marked

    def read_and_changed(index: int) -> Any:
        found = marks(index)
        studio.versions.changed(index)
        return found

    def listed_and_changed() -> Any:
        found = marked()
        studio.versions.changed()
        return found

    monkeypatch.setattr(studio.saying, "marks", read_and_changed)
    monkeypatch.setattr(studio.keep, "marked", listed_and_changed)
    told = client.get("/api/page/0")["version"], client.get("/api/book")["version"]
    now = client.get("/api/pulse?page=0")
    assert told < (now["page"], now["book"])
    assert told[1] < now["book"]


@pytest.mark.parametrize("error", [SystemExit(3), RuntimeError("a bug"), KeyboardInterrupt()])
def test_a_work_that_ends_in_any_way_has_ended(client: Client, error: BaseException) -> None:
    def work() -> str:
        raise error

    running = client.running.studio.printing
    running._begin("trying", work)
    told = client.ended()
    assert told["state"] == "failed"
    assert told["message"] == f"{type(error).__name__}: {error}"
    running._begin("trying", lambda: "done")
    assert client.ended()["message"] == "done"


def test_a_book_is_coloured_as_it_was_chosen_when_that_began(
    client: Client, book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coloured = book.with_name("book-studio") / "coloured"
    assert client.works(do="color", page=0)["state"] == "done"
    before = (coloured / "page1.png").read_bytes()
    client.color(0)
    client.post(MARKS, {"id": 1, "drop": True})
    (coloured / "page1.png").unlink()
    checked = printing.colorize.checked

    def chosen_otherwise(arguments: Any) -> Any:
        client.running.studio.keep.choose(decode="mean")
        return checked(arguments)

    monkeypatch.setattr(printing.colorize, "checked", chosen_otherwise)
    assert client.works(do="color", page=0)["message"] == "1 of 1 pages coloured"
    assert (coloured / "page1.png").read_bytes() == before


def test_pages_that_come_later_are_none_of_the_book(client: Client, book: Path) -> None:
    (book / "page0.png").write_bytes((book / "page2.png").read_bytes())
    assert client.works(do="color", page=0)["message"] == "1 of 1 pages coloured"
    coloured = book.with_name("book-studio") / "coloured"
    assert [path.name for path in coloured.glob("*.png")] == ["page1.png"]
    assert client.works(do="color")["message"] == "2 of 3 pages coloured"


def test_a_palette_that_was_half_kept_is_made_whole(tmp_path: Path) -> None:
    usual = Choices("guided", "mode")
    Keep(tmp_path, {}, usual, models=["guided"]).choose(palette=("#cc3333",), limited=True)
    before = (tmp_path / "palette.gpl").read_bytes()
    (tmp_path / "palette.gpl").unlink()  # killed between the two files
    Keep(tmp_path, {}, usual, models=["guided"])
    assert (tmp_path / "palette.gpl").read_bytes() == before


def test_references_are_counted_before_they_are_kept_and_their_titles_go_with_them(tmp_path: Path) -> None:
    def kept() -> Keep:
        return Keep(tmp_path, {}, Choices("guided", "mode"), models=["guided"])

    it = kept()
    names = [it.add_reference(b"%d" % number, "PNG", f"title {number}") for number in range(16)]
    with pytest.raises(UsageError, match="16 references are the most"):
        it.add_reference(b"one more", "PNG", "title")
    assert len(list((tmp_path / "references").iterdir())) == 16
    it.choose(references=tuple(names[:1]))
    assert json.loads((tmp_path / "studio.json").read_text())["titles"] == {names[0]: "title 0"}
    it.choose(references=tuple(names[:2]))  # undone
    assert it.choices.titles == {names[0]: "title 0", names[1]: "title 1"}
    again = kept()
    again.choose(references=tuple(names[:3]))
    assert again.choices.titles == {names[0]: "title 0", names[1]: "title 1", names[2]: names[2]}
