"""Memory of training and inference, one process a number: TensorFlow's allocator, and the process as a whole."""

import pytest


def test_training_step(benchmark, record, start, options, model, batch_size, precision):
    spec = {"model": model, "batch_size": batch_size, "crop": options.crop, "precision": precision}
    record.memory(benchmark, {"": lambda: start(work="training_step", **spec)}, "training_step")


def test_inference(benchmark, record, start, options, model, batch_size, precision):
    spec = {"model": model, "batch_size": batch_size, "crop": options.crop, "precision": precision}
    record.memory(benchmark, {"": lambda: start(work="inference", **spec)}, "inference")


def test_hypercolumn_factored_against_plain(benchmark, record, start, options, precision):
    spec = {
        "work": "training_step",
        "model": "hypercolumn",
        "batch_size": 1 if options.quick else 8,
        "crop": options.crop,
        "precision": precision,
    }
    starts = {"factored": lambda: start(**spec), "plain": lambda: start(**spec, factored=False)}
    record.memory(benchmark, starts, "training_step")


def test_micro_batches_against_whole(benchmark, record, start, options, precision):
    if options.quick:
        pytest.skip("--quick leaves this out: micro-batches are tested elsewhere")
    spec = {
        "work": "training_step",
        "model": "residual",
        "batch_size": 8,
        "crop": options.crop,
        "precision": precision,
    }
    starts = {"micro-batches": lambda: start(**spec, micro_batch=2), "whole batch": lambda: start(**spec)}
    record.memory(benchmark, starts, "training_step")
