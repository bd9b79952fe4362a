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

from zoo.chroma.decoders import DECODERS
from zoo.data.cache import CACHES
from zoo.errors import RunError, UsageError
from zoo.models.encoders import list_encoders
from zoo.models.registry import get_card, list_models
from zoo.results import Result
from zoo.support.command import Parser, import_tensorflow, run
from zoo.support.files import real
from zoo.support.interrupts import at_once
from zoo.training.checkpoints import KEEP
from zoo.training.config import (
    BATCH_NORMS,
    OPTIMIZERS,
    PRECISIONS,
    SCHEDULES,
    SETTINGS,
    RunConfig,
    list_recipes,
    load_recipe,
    resolve,
)
from zoo.training.devices import DISTRIBUTE, check_port, open_devices, read_tf_config
from zoo.training.start import read_start
from zoo.training.trackers import TRACKERS, check_trackers, open_trackers

if TYPE_CHECKING:
    from zoo.data.dataset import Dataset
    from zoo.training.devices import Devices
    from zoo.training.rundir import RunDirectory
    from zoo.training.trainer import Trainer


def parser() -> Parser:
    """The command line."""
    recipes = "\n".join(f"  {name:8} {load_recipe(name).summary}" for name in list_recipes())
    models = "\n".join(f"  {name:12} {get_card(name).summary}" for name in list_models())
    p = Parser(
        "train",
        description="Trains a model to colour grey images, and ends with a table and pictures beside the baselines.",
        epilog=f"models:\n{models}\n\nrecipes:\n{recipes}\n\n"
        "The recipe sets everything; flags change it. The same command goes on where a run stopped. With more --steps"
        " it lengthens a run that is done.",
    )
    p.add_argument(
        "model", nargs="?", metavar="MODEL", help=f"one of {', '.join(list_models())}; not needed with --from"
    )
    p.add_argument(
        "--from",
        dest="start",
        metavar="SOURCE",
        help="begin from the weights of a run directory, a .keras file, or a model that is released with weights"
        " (context, or conditional:procedural)",
    )
    p.add_argument(
        "--data",
        metavar="NAME|PATH",
        help="a data set's name, tfds:NAME, a folder of images, or a .zip/.cbz (default: procedural)",
    )
    p.add_argument(
        "--recipe",
        metavar="NAME|FILE",
        help=f"the settings: {' | '.join(list_recipes())}, or a .toml file (default: quick; with --from finetune)",
    )
    seen = p.add_argument_group("what the network sees")
    network = p.add_argument_group("the model")
    steps = p.add_argument_group("the loss and the steps")
    kept = p.add_argument_group("validation, checkpoints and logs")
    machine = p.add_argument_group("the machine")
    p.add_argument("--run-dir", type=Path, help="the directory of the run (default: runs/MODEL-DATA-RECIPE-seedN)")
    p.add_argument("--steps", type=int, help="how many steps to train")
    seen.add_argument("--batch-size", type=int, help="how many crops a step sees")
    seen.add_argument("--crop", type=int, help="side of the square crops in pixels, a multiple of 8")
    seen.add_argument("--flip", action=argparse.BooleanOptionalAction, default=None, help="mirror half of the crops")
    seen.add_argument(
        "--zoom",
        type=float,
        metavar="TIMES",
        help="also take places up to TIMES as large, and reduce them to the crop's size (default: 1)",
    )
    seen.add_argument(
        "--views",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="train on views instead of crops: half to all of an image, or of a panel, resized to the crop's size",
    )
    seen.add_argument(
        "--contrast",
        type=float,
        metavar="AMOUNT",
        help="change contrast and brightness by up to this share (default: 0)",
    )
    seen.add_argument("--gamma", type=float, metavar="AMOUNT", help="change gamma by up to this share (default: 0)")
    seen.add_argument(
        "--scans",
        type=float,
        metavar="SHARE",
        help="make this share of the crops look like scans in grey: line art, halftone, faded (default: 0)",
    )
    seen.add_argument(
        "--line-art",
        type=float,
        metavar="SHARE",
        help="make this share of the crops line art: outlines on white, their fills removed (default: 0)",
    )
    machine.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="the number format of the computation; auto takes bfloat16 where the hardware computes in it (default:"
        " auto)",
    )
    p.add_argument("--seed", type=int, help="of the first weights and the choice of crops (default: 0)")
    network.add_argument(
        "--encoder",
        metavar="NAME",
        help=f"{' | '.join(list_encoders())}, or one of keras.applications as keras:NAME:LAYER,LAYER (default: the"
        " model's own)",
    )
    network.add_argument(
        "--encoder-weights",
        metavar="imagenet|none|FILE",
        help="the encoder's first weights: of ImageNet (default), random, or a .keras or .weights.h5 file",
    )
    encoder = network.add_mutually_exclusive_group()
    encoder.add_argument(
        "--train-encoder", action="store_const", const=True, default=None, help="train the encoder too"
    )
    encoder.add_argument(
        "--freeze-encoder",
        dest="train_encoder",
        action="store_const",
        const=False,
        help="do not train the encoder",
    )
    steps.add_argument("--loss", help="euclidean, dahl, mse or l1 of a regression; cross_entropy of a classifier")
    steps.add_argument(
        "--perceptual",
        type=float,
        metavar="WEIGHT",
        help="weight of an added loss: the coloured picture against the true one, as a frozen encoder sees them"
        " (default: 0)",
    )
    steps.add_argument(
        "--colorfulness",
        type=float,
        metavar="WEIGHT",
        help="weight of an added loss that asks for more colour, whatever the true colours are (default: 0)",
    )
    steps.add_argument(
        "--adversarial",
        type=float,
        metavar="WEIGHT",
        help="weight of an added loss: a second network, trained beside the model, is to take its colours for true"
        " (default: 0)",
    )
    steps.add_argument(
        "--rebalance",
        type=float,
        metavar="R",
        help="how much more rare colours count in a classifier's loss: from 0, not at all (default), to below 1",
    )
    steps.add_argument("--optimizer", choices=OPTIMIZERS, help="the rule that updates the weights")
    steps.add_argument("--learning-rate", type=float, help="the highest learning rate of the run")
    steps.add_argument("--schedule", choices=SCHEDULES, help="how the learning rate changes")
    steps.add_argument(
        "--ema",
        type=float,
        metavar="DECAY",
        help="validate and save a moving average of the weights, such as 0.999 (default: 0, the weights themselves)",
    )
    network.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a model option, such as activation=relu or output=sigmoid; may be repeated",
    )
    steps.add_argument(
        "--overfit",
        type=int,
        metavar="N",
        help="train and validate on the same N crops, to see whether the model can learn at all",
    )
    kept.add_argument("--validation-crops", type=int, help="how many crops of the validation split to score")
    kept.add_argument("--validate-every", type=int, metavar="STEPS", help="steps between two validations")
    kept.add_argument("--checkpoint-every", type=int, metavar="STEPS", help="steps between two checkpoints")
    kept.add_argument(
        "--patience",
        type=int,
        metavar="N",
        help="end the run after N validations without nearer colours (default: 0, never)",
    )
    kept.add_argument(
        "--keep-checkpoints",
        type=int,
        default=KEEP,
        metavar="N",
        help="how many checkpoints stay: if the newest is damaged, the run goes on from the one before",
    )
    machine.add_argument(
        "--distribute",
        choices=DISTRIBUTE,
        help="share every batch among all local GPUs (mirrored) or among the machines in $TF_CONFIG (multiworker)",
    )
    machine.add_argument(
        "--batch-norm",
        choices=BATCH_NORMS,
        help="on several devices, normalise by the whole batch (sync, the default) or by each device's part (local)",
    )
    machine.add_argument(
        "--micro-batch",
        type=int,
        metavar="N",
        help="compute N crops of a batch at a time, to save memory (default: 0, all at once, and fewer when memory runs"
        " out)",
    )
    machine.add_argument(
        "--deterministic",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="compute the same to the last bit every time on the same machine; slower on a GPU",
    )
    kept.add_argument(
        "--decode",
        metavar="NAME[:T]",
        help=f"how a classifier's distribution becomes the colours of summary images: {', '.join(DECODERS)}; with a"
        " temperature, as annealed:0.2; with +coherent one colour for each region (default: annealed)",
    )
    seen.add_argument(
        "--max-bad",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="stop when more than this share of the files cannot be used",
    )
    seen.add_argument(
        "--cache",
        choices=CACHES,
        help="keep decoded images in memory or on disk, if decoding is what the training waits for",
    )
    kept.add_argument(
        "--log",
        action="append",
        choices=TRACKERS,
        default=[],
        help="also show the run in TensorBoard or in Weights & Biases; may be repeated, and given for a run that is"
        " done",
    )
    p.add_argument(
        "--dry-run",
        action="store_true",
        help="check settings, data and weights, but train nothing",
    )
    p.add_argument("--json", action="store_true", help="print the result as JSON instead of a table")
    return p


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
    check_trackers(arguments.log)
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
            config.data, crop=VIEW_LEAST if config.views else config.crop, max_bad=arguments.max_bad, progress=progress
        )
    say(dataset.summary())
    if config.views:
        with scanning(console, "looking for panels") as progress:
            dataset = with_panels(dataset, progress=progress)
    identity = config.as_json() | {"data_fingerprint": dataset.fingerprint}
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
            found = _train(arguments, config, dataset, run_dir, identity, devices, held, console)
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
    with at_once():
        return import_tensorflow(lambda: open_devices(distribute))


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

    mine = np.array([_short_digest(identity[key]) for key in sorted(identity)], np.int32)
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
        names = ", ".join(key for key, differs in zip(sorted(identity), found, strict=True) if differs)
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
    console: Any,
) -> "Result | None":
    """The result; None after a dry run, and in a worker that is not the chief."""
    from zoo.support import machine
    from zoo.support.console import say

    if config.deterministic:
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
    encoder = trainer.contract.encoder
    trained = "trained" if config.train_encoder else "frozen"
    how = f" encoder {encoder}, {trained} from {config.encoder_weights};" if encoder else ""
    if config.start:
        how = f" all from {config.start}," + (f" encoder {encoder} {trained};" if encoder else "")
    say(
        f"{config.model}: {trainer.model.count_params():,} weights,{how}"
        f" recipe {config.recipe}: {config.steps} steps of {config.batch_size} crops of {config.crop}²,"
        f" {config.loss}{_added(trainer)}, {config.optimizer} at {config.learning_rate:g}, {trainer.precision}{shared}"
    )
    if arguments.dry_run:
        done = held and (run_dir.path / "result.json").exists()
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
