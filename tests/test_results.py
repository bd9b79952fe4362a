"""Result files: fixed columns, rows replaced by what measured the same thing, nothing lost to a bad file."""

from dataclasses import replace
from pathlib import Path

import pytest

from zoo.errors import UsageError
from zoo.results import COLUMNS, ENVIRONMENT, METRICS, Row, as_record, load_records, save_records

HERE = dict.fromkeys(ENVIRONMENT) | {"cpu": "a processor", "cores": 2, "date": "2026-01-01"}
ROW = Row("throughput", "training_step", "residual", "", "", "seconds", 1.5, 1.4, 1.6, 7, 4, 224, "float32")


def test_what_an_evaluation_measures_can_be_a_row():
    from zoo.metrics import IMAGE_METRICS, INDICES

    assert {*IMAGE_METRICS, *INDICES, "nll_bits"} <= set(METRICS)
    assert METRICS["cf"].higher_is_better is None
    assert METRICS["psnr_ab"].higher_is_better is True
    assert METRICS["delta_e00"].higher_is_better is False


def test_a_record_has_every_column_in_order() -> None:
    record = as_record(ROW, HERE)
    assert tuple(record) == COLUMNS
    assert record["unit"] == "s"
    assert record["higher_is_better"] is False
    assert record["cpu"] == "a processor"


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown metric 'furlongs'"):
        replace(ROW, metric="furlongs")


def test_saving_replaces_the_same_measurement_and_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "new" / "bench.json"
    other = replace(ROW, batch_size=1)
    save_records(path, [as_record(ROW, HERE), as_record(other, HERE)])
    first = path.read_text()
    save_records(path, [as_record(replace(ROW, value=2.5), HERE)])
    values = {record["batch_size"]: record["value"] for record in load_records(path)}
    assert values == {4: 2.5, 1: 1.5}
    save_records(path, [as_record(ROW, HERE)])
    assert path.read_text() == first
    assert len(first.splitlines()) == 4  # one row a line: a change reads well in a diff


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a result file"),
        ("{}", "holds no list of rows"),
        ('[{"schema": 99}]', "schema 99"),
        ('[{"schema": 1, "colour": 3}]', "a row lacks or adds against, .*colour"),
    ],
)
def test_a_file_that_is_no_result_file_is_named_and_left(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bench.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=message) as error:
        save_records(path, [as_record(ROW, HERE)])
    assert str(path) in str(error.value)
    assert path.read_text() == content


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.json: No such file"):
        load_records(tmp_path / "none.json")


def test_the_committed_results_can_be_read() -> None:
    folder = Path(__file__).parents[1] / "reports" / "results"
    for path in folder.glob("bench-*.json"):
        records = load_records(path)
        assert records
        assert all(tuple(record) == COLUMNS for record in records)
