"""Which of Keras's backends train, and what one of them cannot do."""

from collections.abc import Iterable
from importlib.util import find_spec

from zoo.errors import UsageError
from zoo.support.machine import keras_backend
from zoo.training.config import RunConfig


def check_backend(config: RunConfig, distribute: str | None) -> None:
    """Makes sure that Keras's backend can train a run. Keras itself is not imported.

    Args:
        config: of the run.
        distribute: as `open_devices` takes it.

    Raises:
        UsageError: the backend does not train, is not installed, or lacks something that the run asks for.
    """
    backend = keras_backend()
    if backend == "tensorflow":
        return
    if backend != "jax":
        raise UsageError(
            f"training needs TensorFlow or JAX as Keras's backend, which is {backend} here: set"
            " KERAS_BACKEND=tensorflow or KERAS_BACKEND=jax"
        )
    if find_spec("jax") is None:
        raise UsageError("Keras's backend is jax here, and JAX is not installed: pip install 'jax>=0.6'")
    asked = {
        "--perceptual": config.perceptual > 0,
        "--colorfulness": config.colorfulness > 0,
        "--adversarial": config.adversarial > 0,
        "--micro-batch": config.micro_batch > 0,
        "--batch-norm local": config.batch_norm == "local",
        "--precision float16": config.precision == "float16",
        "--distribute multiworker": distribute == "multiworker",
    }
    refuse_on_jax(flag for flag, wanted in asked.items() if wanted)


def refuse_on_jax(wanted: Iterable[str]) -> None:
    """Raises UsageError if anything is wanted: by flag, what JAX does not train with."""
    flags = ", ".join(wanted)
    if flags:
        raise UsageError(
            f"{flags}: training on JAX has no such thing; set KERAS_BACKEND=tensorflow, or leave it out (a recipe may"
            " ask for it too)"
        )
