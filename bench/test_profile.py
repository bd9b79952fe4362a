"""Where the time and the memory of a training step go: what the ratios of the other files are made of."""

import pytest


@pytest.fixture
def measure(benchmark, record, start, options):
    """Rows of the seconds of each kind of operation in a training step."""

    def of(model, precision, variant="", batch_size=4, **model_options):
        worker = start(
            work="training_step",
            model=model,
            batch_size=1 if options.quick else batch_size,
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


def test_plain_hypercolumn(measure, precision, options):
    if options.quick:
        pytest.skip("--quick runs one of these")
    measure("hypercolumn", precision, "plain", factored=False)


def test_step_of_the_paper_recipe(measure, precision, options):
    if options.quick:
        pytest.skip("--quick runs one of these")
    measure("residual", precision, "paper", batch_size=1)


@pytest.mark.parametrize("variant", ["factored", "plain"])
def test_memory_of_hypercolumn(benchmark, record, start, options, precision, variant):
    if options.quick and variant == "plain":
        pytest.skip("--quick runs one of these")
    worker = start(
        work="training_step",
        model="hypercolumn",
        batch_size=1 if options.quick else 8,
        crop=options.crop,
        precision=precision,
        one_at_a_time=True,
        factored=variant == "factored",
    )
    worker.order("call", 1)
    calls = 1 if options.quick else 3
    found = benchmark.pedantic(lambda: worker.order("held_at_peak", calls)["bytes"], rounds=1)
    if not found:
        pytest.skip("TensorFlow's allocator does not count on this CPU")
    # In --quick's tiny crops the gradients outweigh the maps: the peak may come when the encoder's maps are freed.
    assert found["rest: maps" if options.quick else "encoder: maps"] > 0
    for kind, size in found.items():
        record.rows(record.describe(worker, f"training_step, {kind}", variant, calls), {"held_at_peak": size})


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
