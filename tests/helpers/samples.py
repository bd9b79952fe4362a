"""Small results that tests make reports of."""

import json
from pathlib import Path
from typing import Any

from zoo.evaluation.candidates import BASELINES
from zoo.evaluation.oracles import ORACLES
from zoo.evaluation.record import CHROMA_EDGES, Evaluated, Measured, evaluation_result
from zoo.metrics import IMAGE_METRICS, INDICES
from zoo.results import Environment, Record, Result, Row, Way, as_record, save_result
from zoo.training.outcome import Scores, ValidationRow, speed_of, training_result

DESCRIBED = {
    **{"zoo": "0.1.0", "commit": "0123456789", "dirty": False, "python": "3.11.7", "platform": "Linux"},
    **{"cpu": "a processor", "cpu_flags": ["avx2"], "cores": 2, "gpus": [], "precision": "float32", "jit": False},
    "libraries": {"keras": "3.15.1", "tensorflow": "2.21.0", "numpy": "2.4.6", "torch": None, "scikit-image": "0.26.0"},
    "date": "2026-01-01",
}
HERE = Environment.of(DESCRIBED)
IMAGES = 6


def a_row(variant: str, against: str, metric: str, value: float | None, **more: Any) -> Record:
    """A row of the suite `throughput`."""
    return as_record(Row("throughput", "training_step", "hypercolumn", variant, against, metric, value, **more), HERE)


def benchmark_rows() -> list[Record]:
    """Times, ratios, memory and a profile of one model."""
    here: dict[str, Any] = {"batch_size": 4, "crop": 224, "precision": "float32", "samples": 5}
    records = [
        a_row("factored", "plain", "ratio", 0.25, low=0.24, high=0.26, values=[0.24, 0.25, 0.25, 0.25, 0.26], **here),
        a_row("factored", "", "seconds", 2.0, low=1.9, high=2.1, values=[1.9, 1.95, 2.0, 2.05, 2.1], **here),
        a_row("factored", "", "images_per_second", 2.0, **here),
        a_row("factored", "", "working_memory", 300 * 2**20, **here),
        a_row("plain", "", "working_memory", None, **here),
    ]
    profile = {
        ("encoder: convolutions", "operation_seconds"): 0.25,
        ("rest: matrix products", "operation_seconds"): 0.125,
        ("encoder: maps", "held_at_peak"): 222 * 2**20,
        ("rest: maps", "held_at_peak"): 1543 * 2**20,
    }
    return records + [
        as_record(Row("profile", f"training_step, {kind}", "hypercolumn", "plain", "", metric, value, **here), HERE)
        for (kind, metric), value in profile.items()
    ]


def run_result(model: str = "residual", **settings: Any) -> Result:
    """A training run of 100 steps."""

    def row(way: Way, rmse: float) -> ValidationRow:
        values = [rmse + each for each in (-1.0, 0.0, 0.5, -0.5, 1.0, 0.0)]
        found = {"rmse_ab": {"value": rmse, "low": rmse - 1, "high": rmse + 1, "values": values}}
        found["chroma_ratio"] = {"value": 0.5, "low": None, "high": None, "values": None}
        against = (-3.0, -4.0, -2.0)
        return ValidationRow(way, against, against, {"sky": rmse, "grass": 2 * rmse}, found)

    config = {"model": model, "data": "pages", "recipe": "quick", "steps": 100, "batch_size": 6, "crop": 64} | {
        **{"seed": 0, "overfit": 0, "rebalance": 0.0, "optimizer": "adam", "learning_rate": 0.005},
        **{"train_encoder": False, "loss": "mse", "validation_crops": 6, "data_fingerprint": "f" * 64},
        **settings,
    }
    baselines = row(Way("grey image", "baseline"), 20.0), row(Way("mean colour", "baseline"), 19.0)
    rows = (row(Way(model, "model", model), 16.0),)
    records: list[dict[str, Any]] = [{"step": s, "loss": 1 / s, "images_per_second": 10.0} for s in range(10, 101, 10)]
    for step in (0, 50, 100):
        then = (row(Way(model, "model", model), 20.0 - step / 25),)
        records.append({"step": step, "validation": Scores(step, 6, 2.0 - step / 100, baselines, then).as_json()})
    return training_result(config, DESCRIBED, Scores(100, 6, 1.0, baselines, rows), records)


def ways(*titles: str) -> list[Way]:
    """Baselines and oracles by their names, and models with a decoder after a comma."""

    def way(title: str) -> Way:
        label, _, decoder = title.partition(", ")
        kind = "baseline" if label in BASELINES else "oracle" if label in ORACLES else "model"
        return Way(label, kind, label if kind == "model" else None, decoder or None)

    return [way(title) for title in titles]


def evaluation(names: dict[str, float | None] | None = None) -> Evaluated:
    """An evaluation of some candidates, each with its A*."""

    def found(value: float | None) -> dict[str, Any]:
        values = None if value is None else [value + (index - 2.5) / 100 for index in range(IMAGES)]
        low, high = (None, None) if value is None else (value - 0.01, value + 0.01)
        return {"value": value, "low": low, "high": high, "values": values}

    def candidate(way: Way, a_star: float | None) -> Measured:
        return Measured(
            way,
            {metric: found(0.5) for metric in IMAGE_METRICS} | {index: found(a_star) for index in INDICES},
            {metric: [0.5] * IMAGES for metric in IMAGE_METRICS},
            squeezed=0.0,
            chroma_histogram=[1.0] + [0.0] * (len(CHROMA_EDGES) - 2),
            object_uv={"car": [[0.1, 0.1]]},
        )

    run = run_result()
    about = {key: run.details[key] for key in ("config", "environment")} | {"images_per_second": speed_of(run)}
    names = names or {"truth": 0.0, "grey": None, "residual": 0.9}
    return Evaluated(
        data="drawn",
        data_fingerprint="f" * 64,
        split="test",
        max_side=512,
        seed=0,
        environment=DESCRIBED,
        palettes={"car": [[0.1, 0.1], [-0.1, 0.2]]},
        images=[{"name": f"{index}.png", "group": f"{index}.png"} for index in range(IMAGES)],
        runs={"residual": about},
        ideal_indices={"sampler": dict.fromkeys(INDICES, 0.25)},
        candidates=[candidate(way, a_star) for way, a_star in zip(ways(*names), names.values(), strict=True)],
    )


def save_evaluation(path: Path, found: Evaluated | None = None) -> Path:
    """Writes an evaluation as a result file."""
    save_result(path, evaluation_result(found or evaluation()))
    return path


def changed(path: Path, **values: Any) -> Path:
    """Sets values of a file's JSON object."""
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")
    return path
