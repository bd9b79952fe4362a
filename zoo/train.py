"""`python -m zoo.train MODEL`: trains a colouriser and shows what it learnt."""

import argparse
import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import zoo
from zoo.cli import import_tensorflow, run
from zoo.codec import DECODERS
from zoo.data.cache import CACHES
from zoo.errors import UsageError
from zoo.harness.config import (
    OPTIMIZERS,
    PRECISIONS,
    SCHEDULES,
    SETTINGS,
    RunConfig,
    list_recipes,
    load_recipe,
    resolve,
)
from zoo.harness.trackers import TRACKERS, check_trackers, open_trackers


def parser() -> argparse.ArgumentParser:
    """The command line."""
    recipes = "\n".join(f"  {name:8} {load_recipe(name).summary}" for name in list_recipes())
    models = "\n".join(f"  {name:12} {zoo.get_card(name).summary}" for name in zoo.list_models())
    p = argparse.ArgumentParser(
        prog="python -m zoo.train",
        description="Trains a colouriser: grey crops in, colour out.",
        epilog=f"models:\n{models}\n\nrecipes:\n{recipes}\n\n"
        "Settings come from the recipe; flags change them. The same command in the same run directory goes on"
        " where it stopped.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("model", metavar="MODEL", help=f"one of {', '.join(zoo.list_models())}")
    p.add_argument(
        "--data",
        metavar="NAME|PATH",
        help="a data set's name, a folder of images, or a .zip/.cbz (default: procedural)",
    )
    p.add_argument(
        "--recipe",
        default="quick",
        metavar="NAME|FILE",
        help=f"{' | '.join(list_recipes())}, or a .toml file (default: quick)",
    )
    p.add_argument("--run-dir", type=Path, help="where results go (default: runs/MODEL-DATA-RECIPE-seedN)")
    p.add_argument("--steps", type=int, help="optimisation steps")
    p.add_argument("--batch-size", type=int, help="crops a step")
    p.add_argument("--crop", type=int, help="side of the square crops in pixels, a multiple of 8")
    p.add_argument("--flip", action=argparse.BooleanOptionalAction, default=None, help="mirror half of the crops")
    p.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="auto: bfloat16 where the hardware computes in it (default: auto)",
    )
    p.add_argument("--seed", type=int, help="of weights and crops (default: 0)")
    p.add_argument(
        "--encoder-weights",
        metavar="imagenet|none|FILE",
        help="where the VGG16 encoder starts: ImageNet (default), random, or an .h5, .keras or .onnx file",
    )
    encoder = p.add_mutually_exclusive_group()
    encoder.add_argument(
        "--train-encoder", action="store_const", const=True, default=None, help="train the encoder too"
    )
    encoder.add_argument(
        "--freeze-encoder",
        dest="train_encoder",
        action="store_const",
        const=False,
        help="leave the encoder as it is",
    )
    p.add_argument("--offline", action="store_true", help="never look for encoder weights on a network")
    p.add_argument("--loss", help="euclidean, dahl or mse for UV; cross_entropy for logits")
    p.add_argument(
        "--rebalance",
        type=float,
        metavar="R",
        help="let rare colours count in a classifier's loss: 0 (default) to below 1",
    )
    p.add_argument("--optimizer", choices=OPTIMIZERS)
    p.add_argument("--learning-rate", type=float, help="its peak")
    p.add_argument("--schedule", choices=SCHEDULES, help="of the learning rate")
    p.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a model option, such as activation=relu or output=sigmoid; may be repeated",
    )
    p.add_argument(
        "--overfit",
        type=int,
        metavar="N",
        help="train and validate on N fixed crops: a check that the model can learn at all",
    )
    p.add_argument("--validation-crops", type=int, help="fixed crops of the validation split")
    p.add_argument("--validate-every", type=int, metavar="STEPS")
    p.add_argument("--checkpoint-every", type=int, metavar="STEPS")
    p.add_argument(
        "--decode",
        metavar="NAME[:T]",
        help=f"how a classifier's summary images are decoded: {', '.join(DECODERS)}; with a temperature, annealed:0.2"
        " or sample:0.5, and +coherent for one colour a region of even luma (default: annealed)",
    )
    p.add_argument(
        "--max-bad",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="stop when more than this share of the files cannot be used (default: 0.1)",
    )
    p.add_argument(
        "--cache",
        choices=CACHES,
        help="keep decoded images, for a machine that trains faster than it decodes (default: decode crops alone)",
    )
    p.add_argument(
        "--log",
        action="append",
        choices=TRACKERS,
        default=[],
        help="show the run in TensorBoard or in Weights & Biases too; may be repeated, also for a run that is done",
    )
    p.add_argument(
        "--dry-run",
        action="store_true",
        help="check settings, data and weights, say what would be trained, and train nothing",
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
        except ValueError:
            options[key] = text
    return options


def default_run_dir(config: RunConfig) -> Path:
    """runs/MODEL-DATA-RECIPE-seedN."""
    data = re.sub(r"[^\w.-]+", "_", Path(config.data).resolve().stem if "/" in config.data else config.data)
    overfit = f"-overfit{config.overfit}" if config.overfit else ""
    return Path("runs") / f"{config.model}-{data}-{Path(config.recipe).stem}{overfit}-seed{config.seed}"


def train(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    flags = {name: getattr(arguments, name) for name in SETTINGS}
    config = resolve(arguments.model, arguments.recipe, flags, model_options(arguments.option))
    check_trackers(arguments.log)

    from zoo.data.sources import open_dataset
    from zoo.harness.progress import scanning, stderr_console
    from zoo.harness.rundir import RunDirectory

    console = stderr_console()

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    run_dir = RunDirectory(arguments.run_dir or default_run_dir(config))
    with scanning(console) as progress:
        dataset = open_dataset(config.data, crop=config.crop, max_bad=arguments.max_bad, progress=progress)
    say(dataset.summary())
    identity = config.as_json() | {"data_fingerprint": dataset.fingerprint}
    try:
        held = run_dir.check(identity)
    except UsageError:
        import_tensorflow()
        from zoo.harness.trainer import check_model

        check_model(config)  # a mistyped option is that, not another run
        raise
    result = run_dir.result() if held else None
    trackers = partial(open_trackers, arguments.log, run_dir, identity, say)
    if result is None or arguments.dry_run:
        import_tensorflow()
        from zoo import environment
        from zoo.harness.results import training_result
        from zoo.harness.trainer import Trainer

        trainer = Trainer(config, dataset, run_dir, console, offline=arguments.offline, cache=arguments.cache)
        say(
            f"{config.model}: {trainer.model.count_params():,} weights, encoder"
            f" {'trained' if config.train_encoder else 'frozen'} from {config.encoder_weights};"
            f" recipe {config.recipe}: {config.steps} steps of {config.batch_size} crops of {config.crop}²,"
            f" {config.loss}, {config.optimizer} at {config.learning_rate:g}, {trainer.precision}"
        )
        if arguments.dry_run:
            there = f"are done already, in {run_dir.path}" if result else f"would go to {run_dir.path}"
            say(f"dry run: nothing trained; results {there}")
            return
        here = environment.describe(trainer.precision)
        run_dir.create(identity, here)
        result = training_result(identity, here, trainer.train(trackers), run_dir.records())
        run_dir.save_result(result)
    else:
        say(f"{run_dir.path} holds this run, done already")
        if arguments.log:
            import_tensorflow()  # TensorBoard's writer imports it, with remarks
            with trackers():
                pass  # opened, they are sent the records
    if arguments.json:
        from zoo.results import result_text

        print(result_text(result), end="")
    else:
        from zoo.harness.table import print_scores

        print_scores(config, result.details["scores"])
    say(f"summary image: {run_dir.path / 'summary.png'}   model: {run_dir.path / 'best.keras'}")


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: train(parsed))


if __name__ == "__main__":
    sys.exit(main())
