"""Small results that tests make reports of."""

import json
from pathlib import Path
from typing import Any

from zoo.evaluation.record import evaluation_result
from zoo.evaluation.scoring import CHROMA_EDGES
from zoo.metrics import IMAGE_METRICS, INDICES
from zoo.results import Environment, Record, Result, Row, as_record, save_result

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

    def scores(name: str, rmse: float) -> dict[str, Any]:
        controls = {"sky": rmse, "grass": 2 * rmse}
        against: dict[str, Any] = {key: [-3.0, -4.0, -2.0] for key in ("against_grey", "against_mean")}
        return {"name": name, "rmse_ab": rmse, "chroma_ratio": 0.5, "controls": controls} | against

    config = {"model": model, "data": "pages", "recipe": "quick", "steps": 100, "batch_size": 6, "crop": 64} | {
        **{"seed": 0, "overfit": 0, "rebalance": 0.0, "optimizer": "adam", "learning_rate": 0.005},
        **{"train_encoder": False, "loss": "mse"},
        **settings,
    }
    rows = [scores("grey image", 20.0), scores("mean colour", 19.0), scores(model, 16.0)]
    history = {
        "training": [[step, 1 / step] for step in range(10, 101, 10)],
        "validation": [
            {"step": step, "loss": 2.0 - step / 100, "rmse_ab": 20.0 - step / 25, "chroma_ratio": 0.5}
            | {"baselines": {"grey image": 20.0, "mean colour": 19.0}}
            for step in (0, 50, 100)
        ],
    }
    values = [15.0, 16.0, 16.5, 15.5, 17.0, 16.0]
    shared: dict[str, Any] = {"suite": "training", "benchmark": "pages", "against": "", "seed": config["seed"]}
    row = Row(model=model, variant=model, metric="rmse_ab", value=16.0, data="0" * 16, values=values, **shared)
    speed = Row(model=model, variant="", metric="images_per_second", value=10.0, **shared)
    return Result(
        "training",
        [as_record(each, HERE) for each in (speed, row)],
        {
            "config": config,
            "environment": DESCRIBED,
            "images_per_second": 10.0,
            "scores": {"step": 100, "crops": 6, "loss": 1.0, "baselines": rows[:2], "rows": rows[2:]},
            "history": history,
        },
    )


def evaluation(names: dict[str, float | None] | None = None) -> dict[str, Any]:
    """An evaluation of some candidates, each with its A*, as `zoo.evaluate` has it in memory."""

    def found(value: float | None) -> dict[str, Any]:
        values = None if value is None else [value + (index - 2.5) / 100 for index in range(IMAGES)]
        low, high = (None, None) if value is None else (value - 0.01, value + 0.01)
        return {"value": value, "low": low, "high": high, "values": values}

    def candidate(name: str, a_star: float | None) -> dict[str, Any]:
        return {
            "name": name,
            "metrics": {metric: found(0.5) for metric in IMAGE_METRICS},
            "per_image": {metric: [0.5] * IMAGES for metric in IMAGE_METRICS},
            "squeezed": 0.0,
            "indices": {index: found(a_star) for index in INDICES},
            "chroma_histogram": [1.0] + [0.0] * (len(CHROMA_EDGES) - 2),
            "object_uv": {"car": [[0.1, 0.1]]},
            "classification": None,
        }

    details = run_result().details
    return {
        **{"data": "drawn", "data_fingerprint": "f" * 64, "split": "test", "max_side": 512, "seed": 0},
        "images": [{"name": f"{index}.png", "group": f"{index}.png"} for index in range(IMAGES)],
        "environment": DESCRIBED,
        "palettes": {"car": [[0.1, 0.1], [-0.1, 0.2]]},
        "runs": {"residual": {key: details[key] for key in ("config", "environment", "images_per_second")}},
        "ideal_indices": {"sampler": dict.fromkeys(INDICES, 0.25)},
        "candidates": [
            candidate(name, value) for name, value in (names or {"truth": 0.0, "grey": None, "residual": 0.9}).items()
        ],
    }


def save_evaluation(path: Path, found: dict[str, Any] | None = None) -> Path:
    """Writes an evaluation as a result file."""
    save_result(path, evaluation_result(found or evaluation()))
    return path


def changed(path: Path, **values: Any) -> Path:
    """Sets values of a file's JSON object."""
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")
    return path
