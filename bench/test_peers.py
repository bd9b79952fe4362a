"""The same networks in eager PyTorch, channels-last: a training step of ours and of theirs in turn."""

import pytest
from conftest import TORCH, needs_bfloat16

pytestmark = [
    pytest.mark.skipif(not TORCH, reason="PyTorch is not installed: pip install '.[peers]'"),
    pytest.mark.parametrize("precision", ["float32", "bfloat16"]),
]


@pytest.fixture
def pair(start, options, request, precision):
    """What starts each of the two, for a model."""
    needs_bfloat16(precision, request)

    def of(model):
        spec = {
            "model": model,
            "batch_size": 1 if options.quick else 4,
            "crop": options.crop,
            "precision": precision,
        }
        return {
            "keras": lambda: start(work="training_step", **spec),
            "pytorch": lambda: start(work="torch_training_step", **spec),
        }

    return of


@pytest.mark.parametrize("model", ["residual", "hypercolumn"])
def test_training_step(benchmark, record, pair, model):
    workers = {name: begin() for name, begin in pair(model).items()}
    record.time(benchmark, workers, "training_step")


def test_hypercolumn_memory(benchmark, record, pair):
    record.memory(benchmark, pair("hypercolumn"), "training_step")
