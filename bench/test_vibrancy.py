"""How colourful, how accurate and how averaging: `zoo.evaluate` on checkpoints, with baselines and oracles.

Nothing is trained here unless asked for: `--checkpoints RUN,MODEL.keras` evaluates those, and `-m slow` trains
every model by the recipe `quick` first.
"""

import subprocess
import sys
from dataclasses import fields, replace

import pytest

import zoo
from zoo.results import Row, Way, load_result

ORACLES = ("conditional mean", "mode", "sampler", "faded truth", "saturated mean")


@pytest.fixture
def vibrancy(benchmark, record, options, tmp_path):
    """Rows of an evaluation of some candidates; the names of those that were."""

    def evaluate(candidates):
        out = tmp_path / "evaluation"
        command = [sys.executable, "-m", "zoo.evaluate", *candidates, "--data", options.data, "--out", str(out)]
        limit = 1 if options.quick else options.images
        command += ["--limit", str(limit)] if limit else []

        def call():
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return load_result(out / "results.json", "evaluation")

        # pytest-benchmark times this; that time is not kept.
        result = benchmark.pedantic(call, rounds=1)
        for found in result.rows:
            record.keep(replace(Row(**{each.name: found[each.name] for each in fields(Row)}), suite="vibrancy"))
        return [Way.of(candidate).title for candidate in result.details["candidates"]]

    return evaluate


def test_baselines_and_oracles(vibrancy, options):
    if options.data != "procedural":
        pytest.skip(f"oracles need the embedded pages, and --data is {options.data}")
    assert vibrancy(ORACLES) == ["truth", "grey", "mean colour", *ORACLES]


def test_checkpoints(vibrancy, options):
    paths = [word.strip() for word in options.checkpoints.split(",") if word.strip()]
    if not paths:
        pytest.skip("no --checkpoints given")
    assert len(vibrancy(paths)) > len(paths) + 3


@pytest.mark.slow
def test_trained_by_the_quick_recipe(vibrancy, options, model, tmp_path):
    run = tmp_path / model
    command = [sys.executable, "-m", "zoo.train", model, "--data", options.data, "--run-dir", str(run)]
    if options.quick:
        command += ["--steps", "2", "--crop", "32", "--batch-size", "2", "--encoder-weights", "none"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = vibrancy([str(run)])
    assert any(name.startswith(model) for name in names)
    assert zoo.get_card(model).output == "uv" or f"{model}, mode" in names
