"""The directive `commands`: a reference of every command, made of the parsers that the commands use.

A section a command, and one below it a command of a command: what it does, how it is called, and every argument with
what its help says. Nothing of it is written down a second time.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from zoo.__main__ import COMMANDS, command_module

CODE = re.compile(r"`([^`]+)`|(?<![\w-])(--?[a-z][\w-]*)")
"""What is shown as code in a help text: words between backticks, and flags."""


@contextmanager
def as_console_script() -> Iterator[None]:
    """Parsers made inside call themselves `zoo …`, and wrap their usage for a page."""
    with mock.patch.object(sys, "argv", ["zoo"]), mock.patch.dict(os.environ, {"COLUMNS": "100", "NO_COLOR": "1"}):
        yield


def parsers() -> list[argparse.ArgumentParser]:
    """The parser of every command, in the order of `zoo --help`."""
    with as_console_script():
        return [command_module(name).parser() for name in COMMANDS]


def commands_of(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The parsers of a command's own commands."""
    found = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    return [child for action in found for child in action.choices.values()]


def text(words: str) -> list[nodes.Node]:
    """A help text: flags, and words between backticks, as code."""
    found: list[nodes.Node] = []
    end = 0
    for match in CODE.finditer(words):
        found += [nodes.Text(words[end : match.start()]), nodes.literal(text=match[1] or match[2])]
        end = match.end()
    return [*found, nodes.Text(words[end:])]


def prose(words: str) -> list[nodes.Node]:
    """A description or an epilog: paragraphs, and a list where lines are indented."""
    found: list[nodes.Node] = []
    for block in re.split(r"\n\s*\n", words.strip("\n")):
        lines = block.splitlines()
        plain = [line for line in lines if not line.startswith("  ")]
        if plain:
            found.append(nodes.paragraph("", "", *text(" ".join(plain))))
        items = [line.split(None, 1) for line in lines if line.startswith("  ")]
        if items:
            entries = [
                nodes.list_item("", nodes.paragraph("", "", nodes.literal(text=name), *text(f": {rest}")))
                for name, rest in items
            ]
            found.append(nodes.bullet_list("", *entries))
    return found


def argument(action: argparse.Action, formatter: argparse.HelpFormatter) -> nodes.definition_list_item:
    """An argument: its names and what it takes, and its help with its default."""
    default = action.dest.upper() if action.option_strings else action.dest
    takes = "" if action.nargs == 0 else formatter._format_args(action, default)
    names = action.option_strings or [takes]
    term = nodes.term("", "")
    for number, name in enumerate(names):
        shown = f"{name} {takes}" if action.option_strings and takes and number == len(names) - 1 else name
        term += [*([nodes.Text(", ")] if number else []), nodes.literal(text=shown)]
    words = formatter._expand_help(action) if action.help else ""
    return nodes.definition_list_item("", term, nodes.definition("", nodes.paragraph("", "", *text(words))))


def arguments(parser: argparse.ArgumentParser) -> list[nodes.Node]:
    """The arguments of a parser, a list a group."""
    found: list[nodes.Node] = []
    formatter = parser._get_formatter()
    titles = {"positional arguments": "Arguments", "options": "Options"}
    for group in parser._action_groups:
        shown = [
            action
            for action in group._group_actions
            if action.help != argparse.SUPPRESS
            and not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
        ]
        if shown:
            title = titles.get(str(group.title), str(group.title).capitalize())
            found.append(nodes.rubric("", title))
            found.append(nodes.definition_list("", *(argument(action, formatter) for action in shown)))
    return found


class Commands(SphinxDirective):
    """The reference of all commands."""

    def run(self) -> list[nodes.Node]:
        """A section a command."""
        with as_console_script():
            return [self._section(each) for each in parsers()]

    def _section(self, parser: argparse.ArgumentParser) -> nodes.section:
        section = nodes.section("", nodes.title("", parser.prog), names=[parser.prog], ids=[nodes.make_id(parser.prog)])
        self.state.document.note_explicit_target(section, section)
        section += prose(parser.description or "")
        shown = parser.format_usage().partition(": ")[2].rstrip("\n")
        section += nodes.literal_block(shown, shown, language="none")
        section += arguments(parser)
        section += prose(parser.epilog or "")
        section += [self._section(each) for each in commands_of(parser)]
        return section


def setup(app: Sphinx) -> dict[str, Any]:
    """Tells Sphinx of the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
