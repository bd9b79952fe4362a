"""`python tools/prose.py`: how long the sentences and paragraphs of the documentation are.

It is a guide for who writes, not a test. Aimed at are a median of at most 17 words a sentence, a 90th percentile of at
most 28, and paragraphs of at most 80 words.
"""

import argparse
import re
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from markdown_it import MarkdownIt
from markdown_it.token import Token

from zoo.errors import UsageError
from zoo.support.command import Parser, run
from zoo.support.table import Table

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "docs/*.md", "reports/README.md")
CODE = "Code"
"""The one word that a piece of code counts as: a command is read as a name, however long it is."""

QUOTED = re.compile(r"<!-- value: [^>]+? -->(.*?)<!-- end -->", re.S)
END = re.compile(r"""(?<=[.!?])[)"”*_]*\s+(?=[("“*_]*[A-ZÀ-Þ0-9(])""")
SHORT = re.compile(r"(?:^|[\s(])(?:[A-Z]|al|e\.g|i\.e|vs|cf|no|Fig|St)\.[)\"”*_]*$")
"""What ends in a full stop and ends no sentence: initials and common short forms."""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph, or an item of a list.

    Attributes:
        line: of the file where it begins, from 1.
        text: without markup; code and quoted numbers are a word each.
    """

    line: int
    text: str

    @property
    def sentences(self) -> list[str]:
        """Its sentences, at least one."""
        found: list[str] = []
        for part in END.split(self.text):
            if found and SHORT.search(found[-1]):
                found[-1] += f" {part}"
            else:
                found.append(part)
        return found


def words(text: str) -> int:
    """How many words a text has: runs of characters with a letter or a digit among them."""
    return sum(any(character.isalnum() for character in word) for word in text.split())


def paragraphs(markdown: str) -> list[Paragraph]:
    """The paragraphs and list items of a page; no headings, tables, code blocks, comments, pictures or link targets.

    Args:
        markdown: the page.
    """
    one_word = QUOTED.sub(lambda match: "0" + "\n" * match[0].count("\n"), markdown)
    one_word = re.sub(r"<!--.*?-->", lambda match: "\n" * match[0].count("\n"), one_word, flags=re.S)
    tokens = MarkdownIt("commonmark").enable("table").parse(one_word)
    found = []
    for before, token in pairwise(tokens):
        if before.type == "paragraph_open" and token.type == "inline":
            text = " ".join(_text(token).split())
            if words(text):
                found.append(Paragraph((token.map or [0])[0] + 1, text))
    return found


def _text(token: Token) -> str:
    children = token.children or []
    kinds = {"text": None, "code_inline": CODE, "softbreak": " ", "hardbreak": " "}
    return "".join(kinds[child.type] or child.content for child in children if child.type in kinds)


def measure(markdown: str) -> dict[str, float] | None:
    """Counts of a page.

    Args:
        markdown: the page.

    Returns:
        `sentences`; `median` and `ninth`, the 90th percentile, of the words of a sentence; `longest`, the words of the
        longest paragraph. None for a page without text.
    """
    found = paragraphs(markdown)
    lengths = [words(sentence) for each in found for sentence in each.sentences]
    if not lengths:
        return None
    return {
        "sentences": len(lengths),
        "median": float(np.median(lengths)),
        "ninth": float(np.percentile(lengths, 90)),
        "longest": max(words(each.text) for each in found),
    }


def parser() -> Parser:
    """The command line."""
    p = Parser(prog="python tools/prose.py", description="Counts the words of the documentation's sentences.")
    p.add_argument("pages", type=Path, nargs="*", metavar="FILE", help="Markdown files (default: the documentation)")
    p.add_argument("--longest", type=int, default=0, metavar="N", help="show the N longest sentences and paragraphs")
    return p


def prose(arguments: argparse.Namespace) -> None:
    """Runs the command.

    Raises:
        UsageError: a page that is no text file.
    """
    pages = arguments.pages or [path for pattern in PAGES for path in sorted(ROOT.glob(pattern))]
    rows, sentences, long = [], [], []
    for path in pages:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: not a text file that can be read: {error}") from None
        name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
        found = measure(text)
        if found:
            rows.append((name, *(f"{found[key]:.0f}" for key in ("sentences", "median", "ninth", "longest"))))
        for each in paragraphs(text):
            long.append((words(each.text), f"{name}:{each.line}", each.text))
            sentences += [(words(sentence), f"{name}:{each.line}", sentence) for sentence in each.sentences]
    print(Table.of(("page", "sentences", "median ≤ 17", "90 % ≤ 28", "paragraph ≤ 80"), rows, numbers=4).markdown())
    if arguments.longest > 0:
        for title, lines in (("sentences", sentences), ("paragraphs", long)):
            print(f"\nThe longest {title}:")
            for count, where, text in sorted(lines, reverse=True)[: arguments.longest]:
                print(f"{count:4} {where}: {text}")


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: prose(parsed))


if __name__ == "__main__":
    sys.exit(main())
