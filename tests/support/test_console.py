"""What commands say of what they are doing."""

import io

import pytest
from rich.console import Console

from zoo.support import console as module
from zoo.support.console import say, scanning


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_what_takes_long_is_said_with_the_time_left(clock):
    out = io.StringIO()
    with scanning(Console(file=out), "measuring") as progress:
        for done in range(1, 61):
            clock[0] += 1
            progress(done, 60)
    lines = out.getvalue().splitlines()
    assert lines == [
        "measuring: 2 of 60 images",  # it is too early to tell
        *(f"measuring: {done} of 60 images, 0:{60 - done:02} left" for done in range(12, 61, 10)),
        "measuring: 60 of 60 images",
    ]


def test_what_was_there_before_is_not_counted_as_speed(clock):
    out = io.StringIO()
    with scanning(Console(file=out), unit="files") as progress:
        progress(1000, 1100)
        for done in range(1001, 1012):
            clock[0] += 2
            progress(done, 1100)
    assert out.getvalue().splitlines()[1] == "reading the data set: 1006 of 1100 files, 3:08 left"


def test_what_is_quick_is_not_said(clock):
    out = io.StringIO()
    with scanning(Console(file=out)) as progress:
        clock[0] += 1
        progress(5, 10)
    assert out.getvalue() == ""


def test_what_begins_is_said():
    out = io.StringIO()
    with scanning(Console(file=out)) as progress:
        progress(0, 2)
        progress(0, 2)
        progress(1, 2)
        progress(2, 2)
    assert out.getvalue().splitlines() == [f"reading the data set: {done} of 2 images" for done in (0, 2)]


def test_lines_are_said_as_they_are(capsys):
    say("loading [this] from " + "a very " * 40 + "long path")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "loading [this] from " + "a very " * 40 + "long path\n"
