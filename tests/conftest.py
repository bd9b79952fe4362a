import importlib.util
import os
from collections.abc import Iterator

import pytest

# Before TensorFlow is imported anywhere: it reports absent GPUs on standard error otherwise.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Before anything computes: workers that have as many threads each as there are cores wait for each other.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    threads = max(1, (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
    for variable in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, str(threads))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips, by the name of the package, what needs one of an extra that is not installed."""
    for mark in item.iter_markers("needs"):
        for package in mark.args:
            if importlib.util.find_spec(package) is None:
                pytest.skip(f"{package} is not installed")


@pytest.fixture(scope="module")
def tiny() -> Iterator[str]:
    """The name of a network of three layers, known to this process while the module's tests run."""
    import tiny as network

    from zoo.models.registry import MODELS

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODELS, "_items", dict(MODELS._items))
        network.register()
        yield network.CARD.name


@pytest.fixture(scope="module")
def light_encoders() -> Iterator[None]:
    """Lets this process know the encoders of `light` while the module's tests run."""
    import light

    with light.registered():
        yield
