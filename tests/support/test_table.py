"""The terminal's form of a table; what Markdown, CSV and the page show is tested where reports are."""

import io

import pytest
from rich.console import Console

from zoo.support.table import Table, number


def test_long_names_are_folded_and_never_cut():
    names = [f"classifier-pages-quick-seed{seed}" for seed in range(2)]
    table = Table.of(["candidate", "delta_e00", "rmse_ab"], [(name, 12.25, 20.5) for name in names], numbers=2)
    console = Console(file=io.StringIO(), width=40)
    console.print(table.rich())
    text = console.file.getvalue()
    assert "…" not in text
    cells = "".join(line.split("│")[1].strip() for line in text.splitlines() if line.startswith("│"))
    assert cells == "".join(names)


def test_brackets_in_a_title_or_a_caption_are_shown():
    console = Console(file=io.StringIO(), width=80)
    console.print(Table.of(["", "my [run]"], [["a name that is long", "a value"]], caption="before: runs/[old]").rich())
    text = console.file.getvalue()
    assert "my [run]" in text
    assert "before: runs/[old]" in text


def test_a_name_in_markdown_stays_in_its_cell_and_brings_no_html():
    table = Table.of(["name"], [["a|b\n# c <script>"]])
    assert table.markdown().splitlines()[2] == "| a\\|b # c &lt;script> |"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0004, "0"),
        (-0.012345, "−0.0123"),
        (999.4, "999"),
        (999.6, "1,000"),
        (-1234.5, "−1,234"),
        (45678.0, "45,678"),
    ],
)
def test_a_number_has_three_digits_or_all_before_the_point(value, text):
    assert number(value) == text
