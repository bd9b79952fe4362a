"""Result files: fixed columns, typed; rows replaced by what measured the same thing; nothing lost to a bad file."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import migrate_results
import pytest
from samples import HERE, changed, evaluation, run_result, save_evaluation

from zoo.errors import UsageError
from zoo.evaluation.record import evaluation_result, load_evaluation
from zoo.results import (
    COLUMNS,
    METRICS,
    SCHEMA,
    Result,
    Row,
    Way,
    as_record,
    data_digest,
    found_of,
    load_result,
    machine_name,
    machine_of,
    merge_rows,
    save_result,
    slug,
)
from zoo.training.outcome import scores_of, speed_of

ROW = Row("throughput", "training_step", "residual", "", "", "seconds", 1.5, 1.4, 1.6, 7, 4, 224, "float32")


def test_what_an_evaluation_measures_can_be_a_row():
    from zoo.metrics import IMAGE_METRICS, INDICES

    assert {*IMAGE_METRICS, *INDICES, "nll_bits"} <= set(METRICS)
    assert METRICS["cf"].higher_is_better is None
    assert METRICS["psnr_ab"].higher_is_better is True
    assert METRICS["delta_e00"].higher_is_better is False


def test_a_record_has_every_column_in_order() -> None:
    record = as_record(replace(ROW, values=(1.4, 1.5, 1.6)), HERE)
    assert tuple(record) == COLUMNS
    assert record["unit"] == "s"
    assert record["higher_is_better"] is False
    assert record["cpu"] == "a processor"
    assert record["values"] == [1.4, 1.5, 1.6]


def test_a_machine_is_its_processor_flags_cores_and_gpus() -> None:
    record = as_record(ROW, HERE)
    assert machine_name(record) == "a processor avx2, 2 cores"
    assert slug(machine_name(record)) == "a-processor-avx2-2-cores"
    other = as_record(ROW, replace(HERE, cpu_flags=["avx2", "avx512f"]))
    assert machine_of(other) != machine_of(record)
    assert machine_name(other) != machine_name(record)
    assert machine_of(as_record(ROW, replace(HERE, date="2026-01-02", commit="1"))) == machine_of(record)


def test_a_digest_tells_images_apart() -> None:
    assert data_digest("a", 1) == data_digest("a", 1) != data_digest("a", 2)
    assert len(data_digest()) == 16


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown metric 'furlongs'"):
        replace(ROW, metric="furlongs")


def test_merging_replaces_the_same_measurement_and_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "new" / "bench.json"
    other = replace(ROW, batch_size=1)
    merge_rows(path, [as_record(ROW, HERE), as_record(other, HERE)])
    first = path.read_text()
    merge_rows(path, [as_record(replace(ROW, value=2.5), HERE)])
    values = {record["batch_size"]: record["value"] for record in load_result(path).rows}
    assert values == {4: 2.5, 1: 1.5}
    merge_rows(path, [as_record(ROW, HERE)])
    assert path.read_text() == first
    assert len(first.splitlines()) == 6  # one row a line: a change reads well in a diff


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a result file, or is cut short"),
        ("[" * 100_000, "is not a result file, or is cut short"),
        ("[]", "does not say which schema"),
        ('{"schema": true}', "does not say which schema"),
        ('{"schema": 99}', "of schema 99, and this version reads 3; a newer version wrote it: upgrade"),
        (
            '{"schema": 2}',
            "of schema 2, and this version reads 3; an older version wrote it: python tools/migrate_results",
        ),
        ('{"schema": 3, "kind": "party"}', "of kind 'party', which is none of training"),
        ('{"schema": 3, "kind": "training", "rows": [], "details": {}}', "of kind 'training', not 'benchmark'"),
        ('{"schema": 3, "kind": "benchmark", "rows": {}}', "has no list of rows"),
        ('{"schema": 3, "kind": "benchmark", "rows": [NaN], "details": {}}', "NaN is no JSON number"),
        ('{"schema": 3, "kind": "benchmark", "rows": [{"colour": 3}], "details": {}}', "row 0 lacks or adds .*colour"),
    ],
)
def test_a_file_that_is_no_result_file_is_named_and_left(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bench.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=message) as error:
        merge_rows(path, [as_record(ROW, HERE)])
    assert str(path) in str(error.value)
    assert path.read_text() == content


@pytest.mark.parametrize(
    ("column", "value", "wanted"),
    [
        ("value", "fast", "float"),
        ("value", True, "float"),
        ("samples", 1.5, "not int"),
        ("model", 3, "str"),
        ("jit", 0, "not bool"),
        ("cpu_flags", ["avx2", None], "list"),
        ("values", [1.0, "x"], "list"),
        ("schema", SCHEMA + 1, "the file of 3"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(tmp_path: Path, column: str, value: object, wanted: str) -> None:
    path = tmp_path / "bench.json"
    merge_rows(path, [as_record(ROW, HERE)])
    row = load_result(path).rows[0] | {column: value}
    changed(path, rows=[row])
    with pytest.raises(UsageError, match=f"row 0.*{wanted}"):
        load_result(path)


def test_every_truncation_of_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    save_result(path, run_result())
    whole = path.read_bytes()
    for length in range(0, len(whole) - 2, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(UsageError, match="run.json"):
            load_result(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.json: No such file"):
        load_result(tmp_path / "none.json")


def test_an_evaluation_comes_back_as_it_was(tmp_path: Path) -> None:
    found = evaluation()
    path = save_evaluation(tmp_path / "results.json", found)
    assert load_evaluation(path) == found
    rows = load_result(path, "evaluation").rows
    assert {row["variant"] for row in rows} == {"truth", "grey", "residual"}
    assert {row["model"] for row in rows if row["variant"] == "residual"} == {"residual"}
    assert len({row["data"] for row in rows}) == 1


def test_a_ways_title_is_for_people_alone() -> None:
    titles = {
        "truth": Way("truth", "baseline"),
        "conditional, mode+coherent": Way("conditional", "model", "conditional", "mode+coherent"),
        "mine × 1.35": Way("mine", "model", "residual", gain=1.354),
        "a, b × 2": Way("a, b × 2", "model"),
    }
    assert {way.title: way for way in titles.values()} == titles
    assert [way.form for way in titles.values()] == ["", "mode+coherent", "gain-matched", ""]
    assert [way.control for way in titles.values()] == [True, False, True, False]
    for way in titles.values():
        assert Way.of(json.loads(json.dumps({"squeezed": 0.5} | asdict(way)))) == way


def test_a_runs_scores_come_back_as_they_were(tmp_path: Path) -> None:
    result = run_result()
    save_result(tmp_path / "result.json", result)
    again = load_result(tmp_path / "result.json")
    scores = scores_of(again)
    assert (scores.step, scores.crops, scores.loss) == (100, 6, 1.0)
    assert [(row.way.title, row.rmse_ab, row.chroma_ratio) for row in (*scores.baselines, *scores.rows)] == [
        ("grey image", 20.0, 0.5),
        ("mean colour", 19.0, 0.5),
        ("residual", 16.0, 0.5),
    ]
    assert speed_of(again) == 10.0
    assert "rmse_ab" not in json.dumps(again.details["candidates"])  # rows have it


def of_schema_2(result: Result) -> dict[str, Any]:
    """What an older version would have written."""
    details = json.loads(json.dumps(result.details))
    found = found_of(result.rows)
    rows = [row | {"schema": 2} for row in result.rows]
    for each in details["candidates"]:
        way = Way.of(each)
        for name in ("label", "kind", "model", "decoder", "gain"):
            del each[name]
        each["name"] = way.title
        if result.kind == "evaluation":
            calibration = each.pop("calibration")
            each["classification"] = calibration and {"calibration": calibration}
        else:
            each |= {metric: found[way.title][metric]["value"] for metric in ("rmse_ab", "chroma_ratio")}
    if result.kind == "training":
        rows_of = details.pop("candidates")
        details["scores"] = {"step": details.pop("step"), "crops": 6, "loss": details.pop("loss")}
        details["scores"] |= {"baselines": rows_of[:2], "rows": rows_of[2:]}
        details["images_per_second"] = 10.0
        for each in details["history"]["validation"]:
            each["baselines"] = {"grey image": 20.0, "mean colour": 19.0}
    return {"schema": 2, "kind": result.kind, "rows": rows, "details": details}


def test_older_files_are_migrated_and_newer_ones_stay(tmp_path: Path) -> None:
    titles = ("truth", "grey", "mode", "residual", "conditional, mode+coherent")
    found = evaluation(dict.fromkeys(titles, 0.5))
    found.candidates.append(replace(found.candidates[3], way=Way("residual", "model", "residual", gain=1.35)))
    found.candidates[4] = replace(found.candidates[4], calibration=[[[0.5] * 15] * 3] * 2)
    for name, result in (("run", run_result()), ("evaluation", evaluation_result(found))):
        path = tmp_path / f"{name}.json"
        save_result(path, result)
        wanted = path.read_text(encoding="utf-8")
        path.write_text(json.dumps(of_schema_2(result)), encoding="utf-8")
        with pytest.raises(UsageError, match=r"python tools/migrate_results\.py"):
            load_result(path)
        for _ in range(2):
            assert migrate_results.main([str(path)]) == 0
            assert json.loads(path.read_text(encoding="utf-8")) == json.loads(wanted)
    assert load_evaluation(tmp_path / "evaluation.json") == found
    bench = tmp_path / "bench.json"
    bench.write_text(
        json.dumps({"schema": 2, "kind": "benchmark", "rows": [as_record(ROW, HERE) | {"schema": 2}], "details": {}})
    )
    assert migrate_results.main([str(bench)]) == 0
    assert load_result(bench).rows == [as_record(ROW, HERE)]


@pytest.mark.parametrize("content", ["[", "[]", '{"schema": 1}', '{"schema": 2, "kind": "training", "rows": []}'])
def test_what_cannot_be_migrated_is_named_and_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    assert migrate_results.main([str(path)]) == 2
    assert str(path) in capsys.readouterr().err
    assert path.read_text() == content


def test_an_evaluation_without_rows_is_named(tmp_path: Path) -> None:
    path = changed(save_evaluation(tmp_path / "results.json"), rows=[])
    with pytest.raises(UsageError, match="results.json is not a whole evaluation"):
        load_evaluation(path)


def test_the_committed_results_can_be_read() -> None:
    for path in (Path(__file__).parents[2] / "reports" / "results").glob("*.json"):
        if path.name.startswith("costs-"):  # of the leaderboard, which `load_boards` reads
            continue
        result = load_result(path)
        assert result.rows
        assert all(tuple(record) == COLUMNS for record in result.rows)


def test_half_a_character_is_no_text(tmp_path: Path) -> None:
    path = save_evaluation(tmp_path / "evaluation-x.json")
    path.write_text(path.read_text(encoding="utf-8").replace("a processor", "\\udcff"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"evaluation-x.json is not a result file"):
        load_result(path)


@pytest.mark.parametrize("part", ["data", "environment", "images", "candidates"])
def test_an_evaluation_without_a_part_is_named(tmp_path: Path, part: str) -> None:
    path = save_evaluation(tmp_path / "evaluation-x.json")
    for value in (None, 3, [3], {"x": 3}):
        details = json.loads(path.read_text(encoding="utf-8"))["details"] | {part: value}
        changed(path, details=details)
        with pytest.raises(UsageError, match=rf"evaluation-x.json is not a whole evaluation: .*{part}|label"):
            load_evaluation(path)
