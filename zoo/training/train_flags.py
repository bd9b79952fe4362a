"""The flags of `zoo train`."""

import argparse
from pathlib import Path

from zoo.chroma.decoders import DECODERS
from zoo.data.cache import CACHES
from zoo.models.encoders import list_encoders
from zoo.models.registry import get_card, list_models
from zoo.support.command import Parser
from zoo.training.checkpoints import KEEP
from zoo.training.config import BATCH_NORMS, OPTIMIZERS, PRECISIONS, SCHEDULES, list_recipes, load_recipe
from zoo.training.devices import DISTRIBUTE
from zoo.training.trackers import TRACKERS


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
