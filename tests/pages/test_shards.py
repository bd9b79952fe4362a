"""`--shard I/N`: several calls, on as many machines, fill one folder."""

import json
from pathlib import Path

import pytest
from coloring import page, run, save, save_models


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    return save_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pages") / "book"
    for index in range(5):
        save(folder / f"{index}.png", page(40 + 8 * (index % 2), 56, index))
    return folder


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("model", ["tiny", "classifier"])
def test_shards_and_one_call_write_the_same_bytes(tmp_path, models, pages, model, capsys):
    command = [models[model], pages] + (["--decode", "sample", "--samples", "2"] if model == "classifier" else [])
    assert run(capsys, *command, "-o", tmp_path / "one")[0] == 0
    for shard, count in (("2/3", 2), ("1/3", 2), ("3/3", 1)):
        code, out, err = run(capsys, *command, "-o", tmp_path / "three", "--shard", shard, "--json")
        assert code == 0, err
        report = json.loads(out)
        assert (report["pages"], report["coloured"]) == (count, count)
    assert held(tmp_path / "three") == held(tmp_path / "one")
    code, _, err = run(capsys, *command, "-o", tmp_path / "three", "--shard", "1/3")
    assert code == 0
    assert "2 of 2 pages are there already" in err


def test_a_shard_is_every_nth_page(tmp_path, models, pages, capsys):
    assert run(capsys, models["tiny"], pages, "-o", tmp_path / "out", "--shard", "2/2")[0] == 0
    assert {"1.png", "3.png"} == {name for name in held(tmp_path / "out") if name.endswith(".png")}


def test_more_shards_than_pages_are_no_fault(tmp_path, models, pages, capsys):
    code, _, err = run(capsys, models["tiny"], pages, "-o", tmp_path / "out", "--shard", "7/7")
    assert code == 0
    assert "0 of 0 pages coloured" in err


def test_shards_that_overwrite_leave_a_record_of_all(tmp_path, models, pages, capsys):
    """Each keeps what the others have written down."""
    out = tmp_path / "out"
    assert run(capsys, models["tiny"], pages, "-o", out)[0] == 0
    for shard in ("1/2", "2/2"):
        assert run(capsys, models["tiny"], pages, "-o", out, "--side", "32", "--shard", shard, "--overwrite")[0] == 0
    code, out_text, _ = run(capsys, models["tiny"], pages, "-o", out, "--side", "32", "--json")
    assert code == 0
    report = json.loads(out_text)
    assert (report["already there"], report["made by an unknown command"]) == (5, 0)


@pytest.mark.parametrize("shard", ["", "1", "0/2", "3/2", "1/0", "-1/2", "a/b", "1/2/3", "1 / 2", "٣/٤"])
def test_what_is_no_shard_is_refused(tmp_path, models, pages, shard, capsys):
    code, _, err = run(capsys, models["tiny"], pages, "-o", tmp_path / "out", f"--shard={shard}")
    assert code == 2
    assert f"--shard takes I/N, as 1/4 to 4/4, not {shard!r}" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "book.cbz"], "--shard: shards fill a folder, and {}/book.cbz is one file; give a folder"),
        (["-o", "sheet.png", "--preview", "2"], "--shard and --preview do not go together"),
        (["-o", "out", "--sheet", "colors.json"], "make it by a call without --shard"),
    ],
)
def test_what_wants_all_pages_takes_no_shard(tmp_path, models, pages, words, message, capsys):
    given = [tmp_path / word if "." in word or word == "out" else word for word in words]
    code, _, err = run(capsys, models["classifier"], pages, *given, "--shard", "1/2")
    assert code == 2
    assert message.format(tmp_path) in err
    assert not any(tmp_path.iterdir())
