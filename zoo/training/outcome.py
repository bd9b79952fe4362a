"""A training run as a result: the best model's scores as rows; configuration, machine, learning curves as details."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zoo.results import Environment, Record, Result, Row, as_record, data_digest
from zoo.training.validation import Scores

POINTS = 200  # of a learning curve: more than a figure can show


def training_result(
    identity: dict[str, Any], environment: dict[str, Any], scores: Scores, records: Iterable[dict[str, Any]]
) -> Result:
    """The result of a run that is done.

    Args:
        identity: the run's configuration and its data set's fingerprint.
        environment: of `zoo.support.machine.describe`.
        scores: of the best model.
        records: the lines of metrics.jsonl.
    """
    records = list(records)
    # Where the images lie on this machine is nothing to publish.
    identity = identity | {"data": _name_of(identity["data"])}
    speed = next((r["images_per_second"] for r in reversed(records) if "images_per_second" in r), None)
    here = Environment.of(environment)
    on = f"the {identity['overfit']} crops trained on" if identity["overfit"] else f"{scores.crops} validation crops"
    shared: dict[str, Any] = {
        "suite": "training",
        "benchmark": f"{identity['data']}, {on} of {identity['crop']}²",
        "against": "",
        "batch_size": identity["batch_size"],
        "crop": identity["crop"],
        "precision": environment["precision"],
        "seed": identity["seed"],
    }
    data = data_digest(*(identity[key] for key in ("data_fingerprint", "crop", "validation_crops", "seed", "overfit")))
    rows = [Row(model=identity["model"], variant="", metric="images_per_second", value=speed, **shared)]
    for row in (*scores.baselines, *scores.rows):
        model = None if row in scores.baselines else identity["model"]
        for metric, found in row.found.items():
            rows.append(
                Row(model=model, variant=row.name, metric=metric, samples=scores.crops, data=data, **found, **shared)
            )
    return Result(
        "training",
        [as_record(row, here) for row in rows],
        {
            "config": identity,
            "environment": environment,
            "images_per_second": speed,
            "scores": scores.as_json(),
            "history": history(records),
        },
    )


def _name_of(data: str) -> str:
    """What `--data` takes without the folders that lead there."""
    return data if data.startswith("tfds:") else Path(data).name or data


def history(records: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Learning curves: `[step, loss]` of training, thinned to `POINTS`, and of every validation the headline's scores.

    Args:
        records: the lines of metrics.jsonl.
    """
    losses: list[list[Record]] = []
    validations = []
    for record in records:
        if "loss" in record:
            losses.append([record["step"], record["loss"]])
        elif "validation" in record:
            found = record["validation"]
            headline = found["rows"][0]
            validations.append(
                {"step": record["step"], "loss": found["loss"]}
                | {"rmse_ab": headline["rmse_ab"], "chroma_ratio": headline["chroma_ratio"]}
                | {"baselines": {row["name"]: row["rmse_ab"] for row in found["baselines"]}}
            )
    every = -(-len(losses) // POINTS) or 1
    return {"training": losses[::-1][::every][::-1], "validation": validations}
