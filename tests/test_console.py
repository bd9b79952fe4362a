"""What commands say of what they are doing."""

import io
import re

import pytest
from rich.console import Console

from zoo.support import console as module
from zoo.support.console import scanning, working


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
    assert lines == [f"measuring: {done} of 60 images, 0:{60 - done:02} left" for done in range(10, 61, 10)]


def test_what_was_there_before_is_not_counted_as_speed(clock):
    out = io.StringIO()
    with scanning(Console(file=out), unit="files") as progress:
        progress(1000, 1100)
        for done in range(1001, 1012):
            clock[0] += 2
            progress(done, 1100)
    assert out.getvalue().splitlines()[0] == "reading the data set: 1005 of 1100 files, 3:10 left"


def test_what_is_quick_is_not_said(clock):
    out = io.StringIO()
    with scanning(Console(file=out)) as progress:
        clock[0] += 9
        progress(5, 10)
    assert out.getvalue() == ""


def test_a_terminal_has_the_last_word_gone():
    plain, terminal = io.StringIO(), io.StringIO()
    with working(Console(file=plain), "loading [this]"):
        pass
    assert plain.getvalue() == "loading [this]\n"
    with working(Console(file=terminal, force_terminal=True), "loading"):
        pass
    assert "loading" in terminal.getvalue()
    assert re.search(r"\x1b\[2K", terminal.getvalue())  # the line is taken away again
