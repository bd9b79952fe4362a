"""`python -m zoo.train MODEL`: trains a colouriser and shows what it learnt."""

import argparse
import contextlib
import hashlib
import json
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import RunError, UsageError
from zoo.models.registry import list_models
from zoo.results import Result
from zoo.support import machine
from zoo.support.command import import_tensorflow, run
from zoo.support.files import real
from zoo.support.interrupts import at_once
from zoo.support.schema import Range
from zoo.training.backends import check_backend
from zoo.training.config import SETTINGS, RunConfig, resolve
from zoo.training.devices import check_port, open_devices, read_tf_config
from zoo.training.jax_devices import JaxDevices, open_jax_devices
from zoo.training.start import read_start
from zoo.training.trackers import check_trackers, open_trackers
from zoo.training.train_flags import parser

if TYPE_CHECKING:
    from zoo.data.dataset import Dataset
    from zoo.training.devices import Devices
    from zoo.training.rundir import RunDirectory
    from zoo.training.trainer import Trainer


def model_options(pairs: list[str]) -> dict[str, Any]:
    """`KEY=VALUE` pairs as options; true, false and numbers are read as such."""
    options: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator or not key:
            raise UsageError(f"--option takes KEY=VALUE, not {pair!r}")
        try:
            options[key] = json.loads(text)
        except (ValueError, RecursionError):
            options[key] = text
    return options


def default_run_dir(config: RunConfig) -> Path:
    """runs/MODEL-DATA-RECIPE-seedN."""
    data = re.sub(r"[^\w.-]+", "_", real(Path(config.data)).stem if "/" in config.data else config.data)
    overfit = f"-overfit{config.overfit}" if config.overfit else ""
    return Path("runs") / f"{config.model}-{data}-{Path(config.recipe).stem}{overfit}-seed{config.seed}"


def train(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    flags = {name: getattr(arguments, name) for name in SETTINGS}
    start = read_start(arguments.start, arguments.model) if arguments.start else None
    model = start.model if start else arguments.model
    if model is None:
        raise UsageError(f"give MODEL, one of {', '.join(list_models())}, or --from SOURCE")
    recipe = arguments.recipe or ("finetune" if start else "quick")
    config = resolve(model, recipe, flags, model_options(arguments.option), start)
    check_backend(config, arguments.distribute)
    if machine.keras_backend() == "jax" and config.deterministic:
        machine.compute_deterministically()
    check_trackers(arguments.log)
    max_bad = Range(least=0, most=1).check("--max-bad", arguments.max_bad, float)
    if arguments.keep_checkpoints < 1:
        raise UsageError(f"--keep-checkpoints must be at least 1, not {arguments.keep_checkpoints}")
    together = arguments.distribute == "multiworker"
    if together:
        workers, worker = read_tf_config()
        check_port(workers[worker])

    from zoo.data.dataset import open_dataset, with_panels
    from zoo.data.pipeline import VIEW_LEAST
    from zoo.support.console import say, scanning, stderr_console
    from zoo.training.rundir import RunDirectory, disk_error

    console = stderr_console()
    run_dir = RunDirectory(arguments.run_dir or default_run_dir(config), arguments.keep_checkpoints)
    with scanning(console) as progress:
        dataset = open_dataset(
            config.data,
            crop=VIEW_LEAST if config.views else config.crop,
            max_bad=max_bad,
            progress=progress,
            flags=("--max-bad",) if config.views else ("--max-bad", "--crop"),
        )
    say(dataset.summary())
    if config.views:
        with scanning(console, "looking for panels") as progress:
            dataset = with_panels(dataset, progress=progress)
    identity = config.as_json() | {"backend": machine.keras_backend(), "data_fingerprint": dataset.fingerprint}
    if start:
        identity |= {"start_digest": start.digest}
    devices = None
    if together:
        others = ", ".join(address for address in workers if address != workers[worker])
        say(f"worker {worker} of {len(workers)}, {workers[worker]}: waiting for {others}, for as long as it takes")
        devices = _open_devices(arguments.distribute)
    held, result = _agreed(devices, identity, lambda: _look(run_dir, config, identity))
    if result is None or arguments.dry_run:
        devices = devices or _open_devices(arguments.distribute)
        try:
            found = _train(arguments, config, dataset, run_dir, identity, devices, held, result is not None, console)
        except OSError as error:
            raise disk_error(error, run_dir.path) from error
        if found is None:
            return
        result = found
    else:
        say(f"{run_dir.path} holds this run, done already")
        if devices and not devices.chief:
            return
        if arguments.log:
            import_tensorflow()  # TensorBoard's writer imports it, with remarks
            with open_trackers(arguments.log, run_dir, identity, say):
                pass  # opened, they are sent the records
    if arguments.json:
        from zoo.results import result_text

        print(result_text(result), end="")
    else:
        from zoo.training.final_tables import print_scores
        from zoo.training.outcome import scores_of

        print_scores(config, scores_of(result))
    compared = f"before and after: {run_dir.path / 'before-after.png'}   " if config.start else ""
    say(f"{compared}summary image: {run_dir.path / 'summary.png'}   model: {run_dir.path / 'best.keras'}")


def _open_devices(distribute: str | None) -> "Devices":
    opened = open_jax_devices if machine.keras_backend() == "jax" else open_devices
    with at_once():
        return import_tensorflow(lambda: opened(distribute))


def _look(run_dir: "RunDirectory", config: RunConfig, identity: dict[str, Any]) -> "tuple[bool, Result | None]":
    """Whether the directory holds this run or a shorter one, and this one's result if it is done."""
    from zoo.support.console import say
    from zoo.training.rundir import LENGTH

    try:
        held = run_dir.check(identity)
    except UsageError:
        import_tensorflow()
        from zoo.training.checks import check_model

        check_model(config)  # a mistyped option is that, not another run
        raise
    if held is None:
        return False, None
    if all(held[key] == identity[key] for key in LENGTH):
        return True, run_dir.result()
    changes = " and ".join(f"--{key} {identity[key]} for {held[key]}" for key in LENGTH if held[key] != identity[key])
    line = f"lengthening the run in {run_dir.path}: {changes}"
    if config.schedule != "constant" and held["steps"] != config.steps:
        line += f"; its learning rate is from now on that of a {config.schedule} of {config.steps} steps"
    say(line)
    return True, None


def _agreed(
    devices: "Devices | None", identity: dict[str, Any], look: "Callable[[], tuple[bool, Result | None]]"
) -> "tuple[bool, Result | None]":
    """What the chief finds in its run directory, in every worker, once all are known to have the same settings."""
    if devices is None or devices.workers == 1:
        return look()
    import numpy as np

    keys = sorted({*identity, "start_digest"})  # which those alone have that begin from weights
    mine = np.array([_short_digest(identity.get(key)) for key in keys], np.int32)
    error: UsageError | None = None
    held, result = False, None
    if devices.chief:
        try:
            held, result = look()
        except UsageError as problem:
            error = problem
    state, chiefs = devices.from_chief([np.array([error is not None, held, result is not None], np.int32), mine])
    if error:
        raise error
    if state[0]:
        raise RunError("the chief, worker 0, cannot begin: its message says why")
    # Each worker tells the others what differs there.
    found = devices.total((chiefs != mine).astype(np.int32))
    if found.any():
        # Whoever leaves before all have heard looks to the others like a worker that died.
        with contextlib.suppress(Exception):
            devices.total(found)
        names = ", ".join(key for key, differs in zip(keys, found, strict=True) if differs)
        raise UsageError(f"the workers were started with different settings ({names}): they have to be the same")
    return bool(state[1]), result or (Result("training", [], {}) if state[2] else None)


def _short_digest(value: Any) -> int:
    """31 bits that tell settings apart."""
    text = json.dumps(value, sort_keys=True).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4]) >> 1


def _train(
    arguments: argparse.Namespace,
    config: RunConfig,
    dataset: "Dataset",
    run_dir: "RunDirectory",
    identity: dict[str, Any],
    devices: "Devices",
    held: bool,
    done: bool,
    console: Any,
) -> "Result | None":
    """The result; None after a dry run, and in a worker that is not the chief.

    `held` says that the run directory holds this run or a shorter one, `done` that this one is over.
    """
    from zoo.support.console import say

    if config.deterministic and not isinstance(devices, JaxDevices):
        machine.compute_deterministically()
    with at_once():
        from zoo.training.outcome import training_result
        from zoo.training.trackers import Trackers
        from zoo.training.trainer import Trainer

    before = (held, run_dir.checkpoints.steps())
    say("building the model")
    with at_once():
        trainer = Trainer(config, dataset, run_dir, console, devices, cache=arguments.cache)
    shared = f" on each of {devices.replicas} devices" if devices.replicas > 1 else ""
    backend = machine.keras_backend()
    on = "" if backend == "tensorflow" else f", on {backend}"
    encoder = trainer.contract.encoder
    trained = "trained" if config.train_encoder else "frozen"
    how = f" encoder {encoder}, {trained} from {config.encoder_weights};" if encoder else ""
    if config.start:
        how = f" all from {config.start}," + (f" encoder {encoder} {trained};" if encoder else "")
    say(
        f"{config.model}: {trainer.model.count_params():,} weights,{how}"
        f" recipe {config.recipe}: {config.steps} steps of {config.batch_size} crops of {config.crop}²,"
        f" {config.loss}{_added(trainer)}, {config.optimizer} at {config.learning_rate:g},"
        f" {trainer.precision}{shared}{on}"
    )
    if arguments.dry_run:
        there = f"are done already, in {run_dir.path}" if done else f"would go to {run_dir.path}"
        say(f"dry run: nothing trained; results {there}")
        return None
    if not devices.chief:
        trainer.train()
        return None
    with run_dir.lock():
        if (run_dir.check(identity) is not None, run_dir.checkpoints.steps()) != before:
            raise UsageError(f"another process has just trained in {run_dir.path}: give the same command again")
        here = machine.describe(trainer.precision) | {"replicas": devices.replicas, "workers": devices.workers}
        here["jit"] = isinstance(devices, JaxDevices)
        if trainer.added:
            here |= {"added_losses": trainer.added.as_json()}
        run_dir.create(identity, here)
        trackers = (
            partial(open_trackers, arguments.log, run_dir, identity, partial(say, console=console))
            if arguments.log
            else Trackers
        )
        scores = trainer.train(trackers)
        assert scores is not None
        result = training_result(identity, here, scores, run_dir.records())
        run_dir.save_result(result)
    return result


def _added(trainer: "Trainer") -> str:
    """The losses that are added to the main one, in words."""
    if not trainer.added:
        return ""
    by = {"perceptual": f" by {trainer.added.encoder}"}
    return "".join(f" + {weight:g} {name}{by.get(name, '')}" for name, weight in trainer.added.weights.items())


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: train(parsed))


if __name__ == "__main__":
    sys.exit(main())
