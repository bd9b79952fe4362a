"""Time of a training step and of inference, over the whole registry, and of what makes them fast."""

from importlib.util import find_spec

import pytest
from conftest import needs_bfloat16

PEAK_CALLS = 5


@pytest.fixture
def peak(start, record, precision):
    """The machine's own peak, operations a second, measured in the same test."""

    def measure():
        worker = start(work="convolution", precision=precision)
        operations = worker.order("operations")["operations"]
        best = min(worker.order("call", 1)["seconds"] for _ in range(PEAK_CALLS))
        return operations / best

    return measure


def shares(record, worker, name, seconds, peak):
    """Rows for the operations of the graph, a second and as a share of the peak."""
    operations = worker.order("operations")["operations"]
    about = record.describe(worker, name, samples=len(seconds))
    rates = [operations / s for s in seconds]
    record.rows(about, {"operations_per_second": rates, "share_of_peak": [rate / peak for rate in rates]})


def test_training_step(benchmark, record, start, options, model, batch_size, precision, peak):
    worker = start(work="training_step", model=model, batch_size=batch_size, crop=options.crop, precision=precision)
    seconds = record.time(benchmark, {"": worker}, "training_step")[""]
    shares(record, worker, "training_step", seconds, peak())


def test_inference(benchmark, record, start, options, model, batch_size, precision, peak):
    worker = start(work="inference", model=model, batch_size=batch_size, crop=options.crop, precision=precision)
    seconds = record.time(benchmark, {"": worker}, "inference")[""]
    shares(record, worker, "inference", seconds, peak())


def test_evaluation(benchmark, record, start, options):
    """All decoders and metrics on drawn pages, from the command to the results."""
    if options.quick and not options.against:
        pytest.skip("--quick leaves this out: commands of evaluation are tested elsewhere")
    size = {"pages": 2, "side": 64} if options.quick else {"pages": 4, "side": 224}
    record.time(benchmark, {"": start(work="evaluation", model="conditional:procedural", **size)}, "evaluation")


@pytest.mark.parametrize(("precision", "batch_size"), [("float32", 1), ("float32", 4), ("bfloat16", 4)])
def test_hypercolumn_factored_against_plain(benchmark, record, start, options, request, precision, batch_size):
    needs_bfloat16(precision, request)
    if options.quick and (precision, batch_size) != ("float32", 1):
        pytest.skip("--quick runs one of these")
    common = {
        "work": "training_step",
        "model": "hypercolumn",
        "batch_size": batch_size,
        "crop": options.crop,
        "precision": precision,
    }
    workers = {"factored": start(**common), "plain": start(**common, factored=False)}
    record.time(benchmark, workers, "training_step")


def test_frozen_encoder_against_all_weights_trained(benchmark, record, start, options, model, precision):
    batch_size = 1 if options.quick else 4
    common = {
        "work": "training_step",
        "model": model,
        "batch_size": batch_size,
        "crop": options.crop,
        "precision": precision,
    }
    workers = {"frozen encoder": start(**common, train_encoder=False), "all weights": start(**common)}
    record.time(benchmark, workers, "training_step")


def test_jit_against_none(benchmark, record, start, options, precision):
    common = {
        "work": "training_step",
        "model": "residual",
        "batch_size": 1,
        "crop": options.crop,
        "precision": precision,
    }
    record.time(benchmark, {"jit": start(**common, jit=True), "no jit": start(**common)}, "training_step")


@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
def test_jax_against_tensorflow(benchmark, record, start, options, precision):
    common = {
        "work": "training_step",
        "model": "residual",
        "batch_size": 1 if options.quick else 4,
        "crop": options.crop,
        "precision": precision,
        "train_encoder": False,
    }
    workers = {backend: start(**common, backend=backend) for backend in ("jax", "tensorflow")}
    record.time(benchmark, workers, "training_step")


@pytest.mark.parametrize("of", ["step", "step with a frozen encoder", "inference", "inference of a page"])
def test_onednn_against_none(benchmark, record, start, options, model, precision, of):
    """What oneDNN buys, or costs, where TensorFlow would leave it off."""
    if options.quick and of != "inference of a page":
        pytest.skip("--quick runs one of these")
    common = {"model": model, "batch_size": 1 if options.quick else 4, "crop": options.crop, "precision": precision}
    frozen = of.endswith("frozen encoder")
    if of.startswith("inference"):
        common["work"] = "inference"
        if of.endswith("page"):
            common |= {"batch_size": 1, "crop": 2 * options.crop}
    else:
        common |= {"work": "training_step", "train_encoder": not frozen}
    names = [f"{name}, frozen encoder" if frozen else name for name in ("oneDNN", "no oneDNN")]
    workers = {name: start(**common, onednn=onednn) for name, onednn in zip(names, (True, False), strict=True)}
    record.time(benchmark, workers, common["work"])


@pytest.mark.parametrize("model", ["residual", "hypercolumn"])
def test_deterministic_against_not(benchmark, record, start, options, model, precision):
    if options.quick:
        pytest.skip("--quick leaves this out: the deterministic step is tested elsewhere")
    common = {
        "work": "training_step",
        "model": model,
        "batch_size": 4,
        "crop": options.crop,
        "precision": precision,
    }
    workers = {"deterministic": start(**common, deterministic=True), "not deterministic": start(**common)}
    record.time(benchmark, workers, "training_step")


def test_micro_batches_against_whole(benchmark, record, start, options, precision):
    if options.quick:
        pytest.skip("--quick leaves this out: micro-batches are tested elsewhere")
    common = {
        "work": "training_step",
        "model": "residual",
        "batch_size": 8,
        "crop": options.crop,
        "precision": precision,
    }
    workers = {"micro-batches": start(**common, micro_batch=2), "whole batch": start(**common)}
    record.time(benchmark, workers, "training_step")
