"""Where the time of a training step goes, by kind of operation: what the ratios of the other files are made of."""

import pytest


@pytest.fixture
def measure(benchmark, record, start, options):
    """Rows of the seconds of each kind of operation in a training step."""

    def of(model, precision, variant="", **model_options):
        worker = start(
            work="training_step",
            model=model,
            batch_size=1 if options.quick else 4,
            crop=options.crop,
            precision=precision,
            one_at_a_time=True,
            **model_options,
        )
        if not options.quick:
            worker.order("call", 2)
        calls = options.rounds
        found = benchmark.pedantic(lambda: worker.order("profile", calls)["seconds"], rounds=1)
        assert "encoder: weight gradients" in found
        assert "rest: batch normalisation" in found
        for kind, seconds in found.items():
            about = record.describe(worker, f"training_step, {kind}", variant, calls)
            record.rows(about, {"operation_seconds": seconds})

    return of


def test_training_step(measure, model, precision):
    measure(model, precision)


def test_plain_hypercolumn(measure, precision):
    measure("hypercolumn", precision, "plain", factored=False)


def test_first_convolution(benchmark, record, start, options, precision):
    """What there is to win at the first convolution, whose three channels differ by constants: two would do.

    Luma and a plane of ones, which makes the border right, carry all that VGG16's input does.
    """
    common = {
        "work": "first_convolution",
        "batch_size": 1 if options.quick else 4,
        "crop": options.crop,
        "precision": precision,
    }
    workers = {"two channels": start(**common, channels=2), "three channels": start(**common, channels=3)}
    record.time(benchmark, workers, "first_convolution")
