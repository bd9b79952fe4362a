"""What a command says of what it did not expect, and its exit code."""

import errno

import pytest

from zoo.errors import UsageError
from zoo.support.command import Parser, run


def failing(error: Exception):
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENAMETOOLONG, 2), (errno.EACCES, 2), (errno.EROFS, 2), (errno.ENOSPC, 1), (errno.EIO, 1)],
)
def test_an_error_of_the_system_names_the_file(capsys, number, code):
    assert run(failing(OSError(number, "so it is", "a\x1b/b"))) == code
    assert capsys.readouterr().err == "error: a?/b: so it is\n"


def test_a_path_that_is_too_long_is_bad_input(capsys):
    assert run(lambda: open("x" * 300).close()) == 2
    assert "File name too long" in capsys.readouterr().err


def test_a_mistake_of_the_program_is_a_traceback():
    with pytest.raises(OSError, match="no file"):
        run(failing(OSError("no file")))
    with pytest.raises(ValueError, match="a mistake"):
        run(failing(ValueError("a mistake")))


def test_a_value_that_argparse_would_drop_is_refused(capsys):
    parser = Parser()
    parser.add_argument("--pages", type=int)
    with pytest.raises(SystemExit):
        parser.parse_args(["--pages=--"])
    assert "--pages: expected one argument" in capsys.readouterr().err


def test_a_name_that_is_no_text_is_printed(capfd):
    assert run(lambda: print("a\udcff.png")) == 0
    assert capfd.readouterr().out == "a?.png\n"


def test_a_message_that_no_screen_would_hold_is_cut(capsys):
    assert run(failing(UsageError(f"{'x' * 60_000}: there is no such file"))) == 2
    message = capsys.readouterr().err
    assert len(message) < 3000
    assert message.endswith("there is no such file\n")


def test_of_many_options_usage_names_those_that_are_needed(capsys):
    parser = Parser(prog="zoo try")
    parser.add_argument("model", metavar="MODEL")
    for number in range(5):
        parser.add_argument(f"--flag{number}")
    assert "[--flag0 FLAG0]" in parser.format_usage()
    parser.add_argument("-o", "--out", metavar="OUT", required=True)
    assert parser.format_usage() == "usage: zoo try MODEL --out OUT [options]\n"
    assert "--flag4" in parser.format_help()
    with pytest.raises(SystemExit):
        parser.parse_args(["m", "--flga1", "x"])
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert Parser(prog="zoo try", usage="%(prog)s [MODEL] PAGE").format_usage() == "usage: zoo try [MODEL] PAGE\n"


def test_what_is_said_of_a_name_goes_on_below_itself():
    parser = Parser(prog="zoo try", epilog="models:\n  one  " + "word " * 30 + "\n\nMore.")
    lines = parser.format_help().splitlines()
    start = lines.index("models:")
    assert lines[start + 1].startswith("  one  word")
    assert lines[start + 2].startswith("       word")
    assert lines[-1] == "More."
