"""Arguments: odd values for every flag of every command, as their parsers list them."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fuzz import fixture, sandbox

if TYPE_CHECKING:
    from fuzz.runner import Batch, Found

SECONDS = sandbox.SECONDS
prepare = fixture.prepare

INTEGERS = ["-1", "0", "1", "2", "3", "7", "8", "16", "64", "100", "1000", "65535", "2147483647", "2147483648", "-0"]
INTEGERS += ["4294967296", "9223372036854775807", "9223372036854775808", "1" + "0" * 30, "9" * 5000, "", " 5 ", "٣"]
INTEGERS += ["1e3", "1.0", "0x10", "1_0", "nan", "x", "-", "--", "+1", "１"]
FLOATS = ["-1", "0", "0.0", "-0.0", "0.1", "0.5", "0.999", "1", "1.0", "1.5", "2", "4", "8", "64", "1e308", "1e309"]
FLOATS += ["1e-320", "nan", "inf", "-inf", "infinity", "", "x", "1,5", "1_0.0", "٠.٥", "0x1p-1", " 0.5 ", "-"]
TEXTS = ["", " ", ".", "..", "/nowhere", "//nowhere/x", "~", "~nobody", "-", "--", "x", "X" * 300, "x" * 5000, "ж"]
TEXTS += ["🎨", "\udcff", "\x1b[31m"]
TEXTS += ["a\nb", "\t", "%s", "%(prog)s", "{}", "{0}", "$HOME", "*", "**", "?", "[", "[]", "a[b", "'", '"', "\\"]
TEXTS += ["\\\\x\\y"]
TEXTS += [":", "::", ":x", "x:", ",", ",,", "=", "x=", "=x", "x=1", "+", "#", "#c33", "#c33,#2a6", "red", "red,x"]
TEXTS += ["0", "-1"]
TEXTS += ["nan", "tfds:", "tfds:x", "tfds:x/y:1.0.0", "hf:", "hf://x", "hf://x/y", "keras:", "keras:VGG16"]
TEXTS += ["keras:VGG16:"]
TEXTS += ["keras:VGG16:block1_conv1", "keras:Nothing:x", "conditional:", "conditional:x", "tiny", "residual"]
TEXTS += ["classifier"]
TEXTS += ["mean", "mode", "annealed", "annealed:0", "annealed:nan", "annealed:1e400", "sample:0.5", "sample:", "raw"]
TEXTS += ["mean+"]
TEXTS += ["mean+coherent", "mean+flat", "mean+coherent+flat", "mean,mode", "mode:2", "0,1,5", "1,,2", "-1,2", "classes"]
TEXTS += ["1" + "0" * 30, "truth", "grey", "mean colour", "sampler", "delta_e00:5", "delta_e00", "rmse_ab:nan"]
TEXTS += ["rmse_ab:-1"]
TEXTS += ["procedural", "peppercarrot", "openmoji", "imagenet", "none", "mse", "euclidean", "cross_entropy", "quick"]
TEXTS += ["finetune"]
TEXTS += ["activation=relu", "output=sigmoid", "head=uv", "head=logits", "x=NaN", "x=[1]", "x=" + "[" * 5000]
TEXTS += ["stride=0"]
TEXTS += ["tiny.keras", "run", "data", "grey.png", "colored.png", "book.cbz", "book.pdf", "scans", "hints.json"]
TEXTS += ["hints.csv"]
TEXTS += ["palette.gpl", "recipe.toml", "evaluated", "run::tiny", "run::", "evaluated/results.json"]
TEXTS += ["run/result.json", "prepared"]
TEXTS += ["new.json", "new.png", "new.cbz", "new.pdf", "new.keras", "new", "new/deep/er", "grey.png/x", "scans/*.png"]
TEXTS += ["./data/"]
TEXTS += ["CON", "a.", "a ", "a|b", "file:///x", "http://localhost/x", "\u202e", "é", "e\u0301", "x" * 255]
TEXTS += ["x" * 256 + ".png"]


def feed(batch: "Batch", folder: Path, found: "Found", begin: Callable[[str], None]) -> None:
    """Runs the cases of a batch."""
    with fixture.at_the_edge():
        sandbox.feed(batch, folder, found, begin, _case)


def values(action: argparse.Action) -> Sequence[str]:
    """Odd values for what an action takes, and good ones."""
    if action.choices is not None:
        return [*map(str, action.choices), *map(str, action.choices), "", "x", "-", "X" * 300]
    return INTEGERS if action.type is int else FLOATS if action.type is float else TEXTS


def one_of(rng: np.random.Generator, words: Sequence[str]) -> str:
    """One of some words."""
    return words[int(rng.integers(len(words)))]


def given(rng: np.random.Generator, action: argparse.Action, value: str) -> list[str]:
    """An action with a value as a command line has them; the flag before the value, or joined to it."""
    flag = [] if not action.option_strings else [one_of(rng, action.option_strings)]
    if action.nargs == 0:
        return flag
    if flag and flag[0].startswith("--") and rng.random() < 0.5:
        return [f"{flag[0]}={value}"]
    return [*flag, value]


def line(command: str, words: dict[str, list[str]], parser: argparse.ArgumentParser) -> list[str]:
    """The command line: positionals in their order, then flags."""
    order = [each.dest for each in fixture.actions(parser) if not each.option_strings]
    first = [word for dest in order for word in words.get(dest, [])]
    return [*command.split(), *first, *(word for dest, each in words.items() if dest not in order for word in each)]


def _case(here: Path, rng: np.random.Generator) -> tuple[str, Callable[[], str]]:
    parsers, there = fixture.commands(), sorted(path.name for path in here.iterdir())
    command = one_of(rng, sorted(parsers))
    parser = parsers[command]
    words = fixture.good_words(command, parser)
    actions = fixture.actions(parser)
    for _ in range(int(rng.integers(1, 4)) if actions else 0):
        action = actions[int(rng.integers(len(actions)))]
        new = given(rng, action, one_of(rng, values(action)))
        for _ in range(int(rng.integers(3)) if action.nargs in ("*", "+") or rng.random() < 0.1 else 0):
            new += (
                given(rng, action, one_of(rng, values(action)))
                if action.nargs not in ("*", "+")
                else [one_of(rng, values(action))]
            )
        words[action.dest] = new
    if rng.random() < 0.1 and words:
        del words[one_of(rng, sorted(words))]
    asked = line(command, words, parser)
    if rng.random() < 0.08:
        asked.insert(
            int(rng.integers(1, len(asked) + 1)), one_of(rng, ["--odd", "-x", "--", "--js", "--help=x", "x", "-o"])
        )
    return repr(asked), lambda: sandbox.outcome(asked, sandbox.run(asked), there)
