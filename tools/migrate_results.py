"""`python tools/migrate_results.py FILE…`: brings result files of schema 2 to schema 3, in place.

In schema 2 a candidate was a display string, such as "conditional, mode+coherent" or "residual × 1.35", and numbers
that rows have were in the details too. A file of schema 3 stays as it is. Gains keep the two decimals of their strings.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.evaluation.candidates import BASELINES
from zoo.evaluation.oracles import ORACLES
from zoo.results import Result, Way, load_result, result_text
from zoo.support.command import run
from zoo.support.files import write_text

FROM, TO = 2, 3
BASES = (*BASELINES, "grey image")  # what a training calls it


def way_of(title: str, model: str | None) -> Way:
    """What a display string means; `model` is that of its rows."""
    if title in BASES or (title in ORACLES and model is None):
        return Way(title, "baseline" if title in BASES else "oracle")
    label, times, gain = title.rpartition(" × ")
    if times:
        return Way(label, "model", model, gain=float(gain))
    label, comma, decoder = title.rpartition(", ")
    return Way(label, "model", model, decoder) if comma else Way(title, "model", model)


def migrated(found: dict[str, Any]) -> Result:
    """The result in a file of schema 2."""
    rows = [row | {"schema": TO} for row in found["rows"]]
    details = found["details"]
    models = {row["variant"]: row["model"] for row in rows}

    def candidate(old: dict[str, Any], *dropped: str) -> dict[str, Any]:
        way = asdict(way_of(old["name"], models[old["name"]]))
        return way | {name: value for name, value in old.items() if name not in ("name", *dropped)}

    if found["kind"] == "evaluation":
        for old in details["candidates"]:
            old["calibration"] = (old["classification"] or {}).get("calibration")
        details["candidates"] = [candidate(old, "classification") for old in details["candidates"]]
    elif found["kind"] == "training":
        scores, history = details["scores"], details["history"]
        curve = [{name: value for name, value in each.items() if name != "baselines"} for each in history["validation"]]
        details = {
            "config": details["config"],
            "environment": details["environment"],
            "step": scores["step"],
            "loss": scores["loss"],
            "candidates": [
                candidate(old, "rmse_ab", "chroma_ratio") for old in (*scores["baselines"], *scores["rows"])
            ],
            "history": history | {"validation": curve},
        }
    return Result(found["kind"], rows, details)


def migrate(path: Path) -> bool:
    """Brings a file to schema 3; False if it is there already.

    Raises:
        UsageError: it is no result file, or of another schema; it is left as it is.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["schema"] == FROM:
            write_text(path, result_text(migrated(found)))
            return True
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is no result file of schema {FROM}: {error!r}") from None
    load_result(path)
    return False


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python tools/migrate_results.py", description=__doc__.split("\n\n")[1])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="of a run, an evaluation or benchmarks")
    parsed = parser.parse_args(arguments)

    def all_files() -> None:
        for path in parsed.files:
            print(f"{path}: {'brought to' if migrate(path) else 'already of'} schema {TO}", file=sys.stderr)

    return run(all_files)


if __name__ == "__main__":
    sys.exit(main())
