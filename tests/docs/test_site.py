"""The documentation site has every page, metric, command and public name, and its extensions do what they say."""

import re
from pathlib import Path

import pytest

import zoo
from zoo import metrics
from zoo.chroma.decoders import DECODERS
from zoo.evaluation.oracles import ORACLES
from zoo.results import METRICS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_every_page_is_in_the_navigation_and_in_the_index():
    index = text("index.md")
    trees = re.findall(r"^```\{toctree\}\n.*?^```", index, re.S | re.M)
    listed = {line.split("<")[-1].rstrip(">") for tree in trees for line in tree.splitlines()[1:-1] if line[:1] != ":"}
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    assert listed - {""} == pages | {f"site/{path.stem}" for path in (DOCS / "site").glob("*.md")}
    body = re.sub(r"^```.*?^```", "", index, flags=re.S | re.M)
    assert pages - set(re.findall(r"\]\(([\w-]+)\.md\)", body)) == set()


def test_the_readme_lists_every_guide():
    linked = set(re.findall(r"\]\(docs/([\w-]+)\.md", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert {path.stem for path in DOCS.glob("*.md")} - linked == set()


def test_the_glossary_has_every_metric_decoder_and_oracle():
    glossary = text("glossary.md")
    assert [name for name in (*METRICS, *DECODERS) if f"`{name}`" not in glossary] == []
    assert [name for name in ORACLES if name not in glossary] == []


def test_the_interface_has_every_public_name():
    page = text("api.md")
    assert [name for name in zoo.__all__ if name not in ("__version__", "metrics") and f":: {name}\n" not in page] == []
    assert [name for name in metrics.__all__ if not re.search(rf"[:.] ?{name}\n", page)] == []
    modules = set(re.findall(r"automodule:: ([\w.]+)|auto\w+:: (zoo[\w.]+)\.\w+", page))
    shown = {name for pair in modules for name in pair if name}
    used = set(re.findall(r"^ *from (zoo\.(?:chroma|models)[\w.]*) import", text("extending.md"), re.M))
    within = {"zoo.models.build", "zoo.models.heads.uv"}  # what parts are made from, named in their docstrings
    assert used - within - shown == {"zoo.models.registry"}  # of which zoo has ModelCard and register_model


@pytest.mark.needs("sphinx")
def test_the_reference_has_every_command_and_flag():
    import commands

    def check(parser) -> int:
        shown = {node.astext() for part in commands.arguments(parser) for node in part.findall(commands.nodes.literal)}
        flags = [action for action in parser._actions if action.help != "==SUPPRESS=="]
        for action in flags:
            for flag in action.option_strings:
                if flag not in ("-h", "--help"):
                    assert any(words == flag or words.startswith(f"{flag} ") for words in shown), (parser.prog, flag)
        return 1 + sum(check(each) for each in commands.commands_of(parser))

    with commands.as_console_script():
        found = commands.parsers()
        assert [parser.prog for parser in found] == [f"zoo {name}" for name in commands.COMMANDS]
        assert sum(check(parser) for parser in found) > len(found) + 5  # some have commands of their own


@pytest.mark.needs("sphinx")
def test_help_texts_become_paragraphs_lists_and_code():
    from commands import prose

    paragraph, listed = prose("Give --steps N, or `x`.\n\n  one  the first\n  two  the second")
    assert [node.astext() for node in paragraph if node.tagname == "literal"] == ["--steps", "x"]
    assert [item.astext() for item in listed] == ["one: the first", "two: the second"]


@pytest.mark.needs("sphinx")
def test_links_are_led_to_what_the_site_has():
    from outside import led

    pages = {"site/study": "reports/README.md", "site/changes": "CHANGELOG.md"}
    study = ROOT / "reports" / "README.md"

    def of_the_study(link: str) -> str:
        return led(link, study, "site/study", pages)

    assert of_the_study("[a](../CHANGELOG.md#b)") == "[a](../site/changes.md#b)"
    assert of_the_study("[`a`](../docs/data.md)") == "[`a`](../data.md)"
    assert of_the_study("[a](evaluation-comics.md)") == '<a href="../reports/index.html#on-comics">a</a>'
    assert of_the_study("[a](runs.md)") == '<a href="../reports/index.html#runs">a</a>'
    assert of_the_study("![a](figures/b.png)") == "![a](../../reports/figures/b.png)"
    kept = "[a](#b) [c](https://example.org/d.md)\n```sh\n[e](f.md)\n```\n"
    assert of_the_study(kept) == kept
    assert led("[a](../reports/README.md)", DOCS / "data.md", "data", pages) == "[a](site/study.md)"
    assert led("[a](models.md)", DOCS / "data.md", "data", pages) == "[a](models.md)"


@pytest.mark.needs("sphinx")
def test_what_is_loaded_from_elsewhere_is_found():
    from outside import loaded

    assert loaded('<a href="https://a.org">a</a> <img src="b.png"> <link rel="x" href="c.css">') == []
    page = '<script async src="https://a.org/b.js"></script><link href=//c.org/d.css rel="stylesheet">'
    assert loaded(page) == ["https://a.org/b.js", "//c.org/d.css"]
    assert loaded('@import "https://a.org/b"; c { d: url(https://e.org/f.woff) }') == [
        "https://a.org/b",
        "https://e.org/f.woff",
    ]


@pytest.mark.needs("sphinx")
def test_docstrings_are_made_ready():
    from docstrings import ready

    assert ready(["Of |x| and `|y|`, see `.keras` and `zoo.create`."])[0] == (
        r"Of \|x\| and ``|y|``, see ``.keras`` and `zoo.create`."
    )
    made = ready(["A table:", "", "| a | b |", "|---|---|", "| `c|d` | e |", "", "Example:", "", "    code()"])
    assert ".. list-table::" in made
    assert made[made.index("   * - `c|d`") :][:2] == ["   * - `c|d`", "     - e"]
    assert "::" not in ready(["Args:", "    x: a number."])
    assert "::" in ready(["Colours pages.", "", "    colorizer(luma)"])
