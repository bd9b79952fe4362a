"""Training on JAX, one thing after another in one process: `python jax_runs.py ORDERS`, with `KERAS_BACKEND=jax`.

A process has one backend, and one that has JAX cannot be forked: what `children` does for TensorFlow is done here by
a process for many runs. Each order is answered by a line of JSON.
"""

import contextlib
import io
import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np


def on_jax(*orders: dict[str, Any]) -> list[Any]:
    """What comes of each order, in a process that has two devices.

    Args:
        orders: `words` of a run, whose exit code and messages are answered; `killed` at so many of its checkpoints
            after the first one above step 0, or `stopped` by SIGTERM in a step. Or the arguments of `losses_of`
            or of `full`.
            Nothing comes after a run that is killed, whose exit code is −9.
    """
    environment = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    command = [sys.executable, __file__, json.dumps(orders, default=str)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=500)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode == -signal.SIGKILL:
        found.append([done.returncode, done.stderr])
    assert len(found) == len(orders), done.stderr
    return found


def losses_of(model: str, weights: Path, *, seed: int = 0, steps: int = 4) -> list[float]:
    """Losses of a few steps on noise, on whatever backend is here.

    Args:
        model: of the zoo, or `hinted`, two convolutions of luma and hints.
        weights: of the model, `.npz`; written where there are none.
        seed: of what is drawn at random.
        steps: how many.
    """
    import keras

    import zoo
    from zoo.models.contract import contract_of
    from zoo.training.config import RunConfig
    from zoo.training.losses import cross_entropy, mse
    from zoo.training.optimizers import make_optimizer

    network = _hinted() if model == "hinted" else zoo.create(model, encoder_weights="none")
    if Path(weights).exists():
        with np.load(weights) as held:
            for variable, name in zip(network.variables, held.files, strict=True):
                variable.assign(held[name])
    else:
        np.savez(weights, *map(keras.ops.convert_to_numpy, network.variables))
    optimizer = make_optimizer(RunConfig(model, optimizer="sgd", learning_rate=0.01), "float32")
    optimizer.build(network.trainable_variables)
    loss = cross_entropy if contract_of(network).classifies else mse
    if keras.backend.backend() == "jax":
        from zoo.training.jax_devices import open_jax_devices
        from zoo.training.jax_step import build_step

        step = build_step(network, optimizer, loss, devices=open_jax_devices(None), seed=seed)
    else:
        from zoo.training.step import build_step

        step = build_step(network, optimizer, loss, seed=seed)
    rng = np.random.default_rng(0)
    return [float(step(rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8))) for _ in range(steps)]


def full(crops: int) -> str:
    """What a step says whose program does not fit into memory, of so many crops."""
    import jax
    import tiny

    from zoo.training.config import RunConfig
    from zoo.training.jax_devices import open_jax_devices
    from zoo.training.jax_step import build_step
    from zoo.training.optimizers import make_optimizer

    def loss(uv: Any, found: Any) -> Any:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes.")

    network = tiny.build()
    optimizer = make_optimizer(RunConfig("tiny"), "float32")
    optimizer.build(network.trainable_variables)
    step = build_step(network, optimizer, loss, devices=open_jax_devices(None))
    try:
        step(np.zeros((crops, 16, 16, 3), np.uint8))
    except RuntimeError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _hinted() -> Any:
    import keras

    luma, hints = keras.Input((None, None, 1), name="luma"), keras.Input((None, None, 3), name="hints")
    x = keras.layers.Concatenate()([luma, hints])
    for filters in (8, 2):
        x = keras.layers.Conv2D(filters, 3, padding="same", kernel_initializer=keras.initializers.HeNormal(1))(x)
    return keras.Model([luma, hints], x)


def run(words: list[str], *, killed: int = 0, stopped: int = 0) -> tuple[int, str]:
    """The exit code and the messages of a run."""
    from children import Moment, _arm

    from zoo import train
    from zoo.training import trainer

    if killed:
        _arm(Moment("checkpoint", killed, "after"), Path(words[words.index("--run-dir") + 1]))
    following, steps, text = trainer.Fetcher.next, itertools.count(1), io.StringIO()

    def batch(self: Any) -> Any:
        if next(steps) == stopped:
            signal.raise_signal(signal.SIGTERM)
        return following(self)

    trainer.Fetcher.next = batch  # type: ignore[method-assign]
    try:
        with contextlib.redirect_stderr(text), contextlib.redirect_stdout(text):
            return train.main(words), text.getvalue()
    finally:
        trainer.Fetcher.next = following  # type: ignore[method-assign]


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import tiny

    tiny.register()
    for order in json.loads(sys.argv[1]):
        made = run if "words" in order else full if "crops" in order else losses_of
        print(json.dumps(made(**order)), file=answers, flush=True)


if __name__ == "__main__":
    main()
