"""The history of the benchmarks' ratios: kept by commit, shown from the oldest to the newest."""

from dataclasses import replace
from pathlib import Path

import pytest
from samples import HERE

from zoo.report.collected import Sources, collect
from zoo.report.markdown import benchmarks_page
from zoo.report.moved import moved_figure, moved_table, moves_of
from zoo.report.report_page import render
from zoo.results import Row, as_record, extend_history, load_result, merge_rows

RATIO = Row(
    suite="throughput", benchmark="training_step", model="residual", variant="keras", against="pytorch", metric="ratio",
    value=0.8, low=0.7, high=0.9, samples=7, batch_size=4, crop=224, precision="float32", jit=False,
)  # fmt: skip


def measured(value: float | None, commit: str, **changes) -> dict:
    return as_record(replace(RATIO, value=value, **changes), replace(HERE, commit=commit * 40))


@pytest.fixture
def history(tmp_path) -> Path:
    path = tmp_path / "history-a-cpu.json"
    for value, commit in ((0.8, "a"), (0.9, "b"), (1.2, "c")):
        extend_history(path, [measured(value, commit), measured(value / 2, commit, batch_size=8)])
    return path


def test_a_ratio_is_kept_once_a_commit_in_the_order_of_measuring(history):
    extend_history(history, [measured(0.85, "b")])
    rows = [row for row in load_result(history, "benchmark").rows if row["batch_size"] == 4]
    assert [(row["commit"][0], row["value"]) for row in rows] == [("a", 0.8), ("c", 1.2), ("b", 0.85)]


def test_times_are_not_kept(history):
    before = history.read_bytes()
    extend_history(history, [as_record(replace(RATIO, metric="seconds", against=""), HERE)])
    assert history.read_bytes() == before


def test_the_table_tells_what_has_grown(history):
    rows = load_result(history, "benchmark").rows
    table = moved_table([rows]).markdown()
    assert "| 0.800 (aaaaaaa) → 0.900 (bbbbbbb) → 1.200 (ccccccc) | 1.33, more |" in table
    better = [*rows, measured(0.6, "d")]
    assert "→ 0.600 (ddddddd) | 0.50 |" in moved_table([better]).markdown()


def test_a_ratio_of_nothing_and_one_of_no_known_commit_have_moved_too():
    rows = [measured(0.0, "a", metric="rss_growth_ratio"), measured(0.5, "b", metric="rss_growth_ratio")]
    assert "| 0.000 (aaaaaaa) → 0.500 (bbbbbbb) | ∞, more |" in moved_table([rows]).markdown()
    assert "→ 0.000 (bbbbbbb) | 1.00 |" in moved_table([[rows[0], rows[1] | {"value": 0.0}]]).markdown()
    unknown = [rows[0], rows[1] | {"commit": None}]
    assert "→ 0.500 (unknown) |" in moved_table([unknown]).markdown()
    assert moved_figure([unknown]) is not None


def test_what_was_measured_once_has_not_moved():
    assert moves_of([measured(0.8, "a"), measured(0.9, "b", crop=32), measured(None, "b")]) == {}
    assert moved_figure([[measured(0.8, "a")]]) is None
    assert not moved_table([[measured(0.8, "a")]]).lines


def test_the_figure_has_a_panel_a_ratio_and_a_line_a_machine(history):
    rows = load_result(history, "benchmark").rows
    others = [row | {"cpu": "Another CPU"} for row in rows if row["batch_size"] == 4]
    figure = moved_figure([rows, others])
    assert figure is not None
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [len([line for line in axes.lines if len(line.get_xdata()) == 3]) for axes in panels] == [2, 1]
    assert list(panels[0].lines[0].get_ydata()) == [0.8, 0.9, 1.2]


def test_reports_show_it(tmp_path, history):
    merge_rows(tmp_path / "bench-a-cpu.json", [measured(1.2, "c")])
    sources = collect(tmp_path)
    assert list(sources.ratios) == list(sources.benchmarks) == ["a-cpu"]
    page = render(sources)
    assert "How ratios have moved" in page
    assert page.count("<!--figure moved ") == 1
    text = benchmarks_page(list(sources.benchmarks.values()), moved_table(list(sources.ratios.values())))
    assert "## How ratios have moved" in text
    without = Sources(benchmarks=sources.benchmarks)
    assert "How ratios have moved" not in render(without)
