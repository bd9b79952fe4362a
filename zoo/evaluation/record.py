"""An evaluation as a result file: its metrics are rows, everything else is details."""

from copy import deepcopy
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.metrics import INDICES
from zoo.results import METRICS, Environment, Record, Result, Row, as_record, data_digest, load_result

FOUND = ("value", "low", "high", "values")
CLASSIFICATION = ("nll_bits", "ece_u", "ece_v")


def evaluation_result(evaluation: dict[str, Any]) -> Result:
    """What `zoo.evaluate` found, as a result: a row a candidate and metric."""
    details = deepcopy(evaluation)
    here = Environment.of(evaluation["environment"])
    images, models = evaluation["images"], _models(evaluation)
    where = f"{evaluation['data']}, {evaluation['split']}"
    digest = data_digest(evaluation["data_fingerprint"], evaluation["split"], evaluation["max_side"], images)
    rows: list[Record] = []
    for candidate in details["candidates"]:
        for metric, found in _scores_of(candidate).items():
            row = Row(
                suite="evaluation",
                benchmark=where,
                model=models.get(candidate["name"].partition(",")[0].partition(" × ")[0]),
                variant=candidate["name"],
                against="",
                metric=metric,
                samples=len(images),
                precision=evaluation["environment"]["precision"],
                seed=evaluation["seed"],
                data=digest,
                **{name: found[name] for name in FOUND},
            )
            rows.append(as_record(row, here))
        for name in ("metrics", "indices"):
            del candidate[name]
        for name in CLASSIFICATION:
            (candidate["classification"] or {}).pop(name, None)
    return Result("evaluation", rows, details)


def load_evaluation(path: Path) -> dict[str, Any]:
    """What `zoo.evaluate` found, from a file; each candidate with its metrics and indices again.

    Raises:
        UsageError: as `load_result`, or candidates without rows.
    """
    return as_evaluation(load_result(path, "evaluation"), path)


def as_evaluation(result: Result, path: Path) -> dict[str, Any]:
    """The same from a result that is read already; `path` is for the error."""
    evaluation = deepcopy(result.details)
    found: dict[str, dict[str, Record]] = {}
    for row in result.rows:
        found.setdefault(row["variant"], {})[row["metric"]] = {name: row[name] for name in FOUND}
    try:
        for candidate in evaluation["candidates"]:
            scores = found[candidate["name"]]
            candidate["indices"] = {name: scores.pop(name) for name in INDICES if name in scores} or None
            if candidate["classification"]:
                candidate["classification"] |= {name: scores.pop(name) for name in CLASSIFICATION}
            candidate["metrics"] = scores
        for name in ("images", "runs", "environment", "split", "max_side", "seed", "palettes", "ideal_indices"):
            evaluation[name]
    except (KeyError, TypeError) as error:
        raise UsageError(f"{path} is not a whole evaluation: {error!r} is missing") from None
    return evaluation


def _scores_of(candidate: dict[str, Any]) -> dict[str, Record]:
    classification = candidate["classification"] or {}
    extra = {name: classification[name] for name in CLASSIFICATION if name in classification}
    found = candidate["metrics"] | (candidate["indices"] or {}) | extra
    return {name: each for name, each in found.items() if name in METRICS}


def _models(evaluation: dict[str, Any]) -> dict[str, str]:
    """The registered model of each label, of runs; a file's label says it only if it is one's name."""
    from zoo.models.registry import list_models

    return {name: name for name in list_models()} | {
        label: run["config"]["model"] for label, run in evaluation["runs"].items()
    }
