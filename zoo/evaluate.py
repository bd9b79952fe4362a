"""`python -m zoo.evaluate CANDIDATE …`: how good, how colourful and how averaging colourisers are, side by side."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from zoo.chroma.decoders import DECODERS, PAGE_DECODER
from zoo.errors import UsageError
from zoo.evaluation.gallery import DEFAULT_DECODERS as GALLERY_DECODERS
from zoo.evaluation.gallery import OPTIONS, Gallery, add_options, decoders_of
from zoo.evaluation.task import SETTLED, Task, get_task, list_tasks
from zoo.models.kinds import answers_with
from zoo.results import ORACLE
from zoo.support.command import Parser, import_tensorflow, run

SPLITS = ("train", "val", "test")
CROP = 64  # images smaller than this are left out
MEAN_COLOR_CROPS = 256
DEFAULT_DECODERS = f"mean,annealed,mode,sample,{PAGE_DECODER}"


def parser() -> Parser:
    """The command line."""
    p = Parser(
        "evaluate",
        description="Colours images with every candidate, and prints their metrics beside those of the truth, the grey"
        " image and the mean colour.",
        epilog="oracles, on drawn pages only: conditional mean, mode, sampler, faded truth, saturated mean",
    )
    p.add_argument(
        "candidates",
        nargs="*",
        type=lambda word: word.removesuffix(ORACLE),
        metavar="CANDIDATE",
        help="a run directory, a .keras file, a model that is released with weights, or an oracle. Of other projects:"
        " onnx:FILE, files:DIR (pictures that are coloured already), or python:MODULE:FUNCTION, which runs that code;"
        " with a name in front, NAME=onnx:FILE",
    )
    p.add_argument(
        "--data",
        default="procedural",
        metavar="NAME|PATH",
        help="a data set's name, tfds:NAME, a folder of images, or a .zip/.cbz",
    )
    p.add_argument(
        "--task",
        metavar="NAME@VERSION",
        help=f"evaluate as a task says (data, split, sizes, decoders, seed): {', '.join(list_tasks())}; with --data"
        " PATH if its images are elsewhere",
    )
    p.add_argument("--split", choices=SPLITS, default="test", help="of the data set")
    p.add_argument(
        "--decode",
        metavar="NAMES",
        help=f"a classifier's decoders, of {', '.join(DECODERS)}; with a temperature, annealed:0.2 or sample:0.5,"
        f" and +coherent for one colour a region of even luma and alike answers (default: {DEFAULT_DECODERS})",
    )
    p.add_argument("--seed", type=int, default=0, help="of what is drawn at random: samples, and places of hints")
    p.add_argument("--limit", type=int, metavar="N", help="no more than the first N images")
    p.add_argument(
        "--max-side",
        type=int,
        default=1024,
        metavar="PIXELS",
        help="cut larger images to their middle part of this side",
    )
    p.add_argument(
        "--hints",
        metavar="COUNTS",
        help="measure instead what hints buy. COUNTS are numbers of hints a page, as 0,1,5,10; on drawn pages also"
        " class or object, for one hint each. Ways to spread hints without a network stand beside",
    )
    p.add_argument(
        "--places",
        type=lambda word: {"oracle": "error"}.get(word, word),  # its name until 0.1.0
        choices=("random", "together", "rank", "error"),
        default="random",
        help="where hints are: anywhere, all of them side by side (together), where zoo hints asks (rank), or where the"
        " first model errs most (error)",
    )
    p.add_argument(
        "-o",
        "--out",
        type=Path,
        metavar="DIR",
        help="write results.json with every image's values, a sheet of pictures, and plots",
    )
    p.add_argument("--json", action="store_true", help="print the results as JSON instead of tables")
    p.add_argument("--gallery", type=Path, metavar="DIR", help="also write a gallery: whole pages that a rule chooses")
    add_options(p)
    return p


def evaluate(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    task = settled(arguments) if arguments.task else None
    decoders = decoders_of(arguments, ",".join(task.decoders) if task else DEFAULT_DECODERS)
    for option, value in (("--limit", arguments.limit), ("--max-side", arguments.max_side)):
        if value is not None and value < 1:
            raise UsageError(f"{option} must be at least 1, not {value}")
    if arguments.out and arguments.out.exists() and not arguments.out.is_dir():
        raise UsageError(f"--out: {arguments.out} is a file; give a directory")
    if arguments.out and (arguments.out / "gallery").exists() and not (arguments.out / "gallery").is_dir():
        raise UsageError(f"--out: {arguments.out / 'gallery'} is a file where pictures are to go: move it away")
    shown = {name: getattr(arguments, name) for name in OPTIONS}
    changed = [name for name, value in shown.items() if value != parser().get_default(name)]
    if changed and not arguments.gallery:
        raise UsageError(f"--{changed[0]} needs --gallery DIR: give both")
    gallery = Gallery(arguments.gallery, **shown) if arguments.gallery else None
    if arguments.hints is not None:
        with_hints(arguments)
        return
    if arguments.places != "random":
        raise UsageError(f"--places {arguments.places} needs --hints: give both")

    from zoo.data.dataset import open_dataset
    from zoo.data.drawn.procedural import CLASSES
    from zoo.data.pipeline import fixed_crops
    from zoo.evaluation.candidates import BASELINES, Model, check, parse
    from zoo.evaluation.foreign import PictureFolder, is_foreign, open_foreign
    from zoo.evaluation.oracles import ORACLES, PALETTES
    from zoo.evaluation.record import Evaluated, evaluation_result
    from zoo.evaluation.scoring import GAIN_SUBJECTS, Evaluation, ideal_results, matched_gain, subjects
    from zoo.results import result_text, save_result
    from zoo.support.console import say, scanning, stderr_console

    for spec in arguments.candidates:
        if not is_foreign(spec):
            check(spec)
    foreign = {spec: open_foreign(spec, arguments.seed) for spec in arguments.candidates if is_foreign(spec)}
    models = [spec for spec in arguments.candidates if spec not in (*BASELINES, *ORACLES, *foreign)]
    no_classifier = f"--decode {arguments.decode}: none of the candidates is a classifier"
    if arguments.decode and all(answers_with(spec) == "uv" for spec in models):
        raise UsageError(no_classifier)
    console = stderr_console()
    with scanning(console) as progress:
        dataset = open_dataset(arguments.data, crop=CROP, progress=progress)
    say(dataset.summary())
    if task:
        task.check_data(dataset.fingerprint, arguments.data)
    for each in foreign.values():
        if isinstance(each, PictureFolder):
            each.find(dataset.splits[arguments.split].images[: arguments.limit])
    import_tensorflow()
    from zoo.support import machine
    from zoo.training.validation import mean_chroma

    mean_uv = mean_chroma(fixed_crops(dataset.splits["train"], count=MEAN_COLOR_CROPS, crop=CROP, seed=0))
    specs = [*BASELINES, *(spec for spec in arguments.candidates if spec not in BASELINES)]
    if models:
        say("loading the models")
    candidates = [foreign.get(spec) or parse(spec, decoders, mean_uv, arguments.seed) for spec in specs]
    to_show = [spec for spec, candidate in zip(specs, candidates, strict=True) if isinstance(candidate, Model)]
    if gallery and not to_show:
        raise UsageError("--gallery: none of the candidates is a model of this zoo")
    labels = [candidate.ways[0].label for candidate in candidates]
    for label in labels:
        if labels.count(label) > 1:
            raise UsageError(f"two of the candidates are called {label!r}: rename one, as NAME=onnx:FILE can")
    if arguments.decode and not any(isinstance(each, Model) and each.classifies for each in candidates):
        raise UsageError(no_classifier)

    def images(limit: int | None) -> Any:
        return subjects(dataset, arguments.split, limit=limit, max_side=arguments.max_side)

    for spec, candidate in zip(specs, list(candidates), strict=True):
        if isinstance(candidate, Model) and not candidate.classifies:
            some = list(images(min(arguments.limit or GAIN_SUBJECTS, GAIN_SUBJECTS)))
            gain = matched_gain(candidate, some)
            if gain is None:
                say(f"{spec}: no gain makes it as colourful as the truth")
                continue
            candidates.append(candidate.scaled(gain))

    evaluation = Evaluation(PALETTES, {each.label: each.name for each in CLASSES})
    count = min(arguments.limit or sys.maxsize, len(dataset.splits[arguments.split].images))
    with scanning(console, "colouring and measuring") as progress:
        progress(0, count)
        for done, subject in enumerate(images(arguments.limit), 1):
            evaluation.add(subject, candidates)
            progress(done, count)
    models = [each for each in candidates if isinstance(each, Model)]
    measured = evaluation.results()
    has_indices = any("a_star" in each.scores for each in measured)  # not of pages whose objects are all too small
    result = Evaluated(
        data=dataset.name,
        data_fingerprint=dataset.fingerprint,
        split=arguments.split,
        max_side=arguments.max_side,
        seed=arguments.seed,
        environment=machine.describe(machine.resolve_precision("auto")),
        palettes={each.name: PALETTES[each.label].tolist() for each in CLASSES},
        images=evaluation.images,
        runs={each.way.label: each.run for each in models if each.run},
        ideal_indices=ideal_results() if has_indices else None,
        candidates=measured,
        foreign={each.ways[0].title: each.about for each in foreign.values()},
    )
    if arguments.out:
        from zoo.evaluation.pictures import save_gallery, save_sheet
        from zoo.report.plots import save_plots

        arguments.out.mkdir(parents=True, exist_ok=True)
        save_result(arguments.out / "results.json", evaluation_result(result))
        pictures = evaluation.pictures
        save_gallery(arguments.out / "gallery", pictures)
        truth = pictures.pop("truth")
        titles = [*(each.way.shown for each in result.candidates if each.way.title in pictures), "truth"]
        save_sheet(arguments.out / "sheet.png", list(zip(*pictures.values(), truth, strict=True)), titles)
        save_plots(arguments.out, "", result)
        say(f"written: results, sheet, plots and pictures in {arguments.out}")
    if gallery:
        wanted = decoders if arguments.decode else GALLERY_DECODERS.split(",")
        with scanning(console, "colouring the gallery") as progress:
            count = gallery.write(dataset, arguments.split, to_show, wanted, arguments.seed, progress)
        say(f"written: {count} pages in {arguments.gallery}")
    if arguments.json:
        print(result_text(evaluation_result(result)), end="")
    else:
        from zoo.evaluation.tables import print_tables

        print_tables(result)


def settled(arguments: argparse.Namespace) -> Task:
    """The task that was asked for; its settings become the command's.

    Raises:
        UsageError: there is none, it wants other versions of metrics, or an option that it decides was given.
    """
    task, defaults = get_task(arguments.task), parser()
    task.check_versions()
    if arguments.hints is not None:
        raise UsageError("--hints and --task do not go together: leave one of them out")
    for option in SETTLED:
        if getattr(arguments, option) != defaults.get_default(option):
            flag = f"--{option.replace('_', '-')}"
            raise UsageError(f"{flag} is the task's to decide: leave it out, or --task")
    if arguments.data == defaults.get_default("data"):
        arguments.data = task.data
    for option, value in task.settings().items():
        setattr(arguments, option, value)
    return task


def with_hints(arguments: argparse.Namespace) -> None:
    """Runs `--hints`."""
    if arguments.gallery is not None:
        raise UsageError("--gallery and --hints do not go together: leave one of them out")
    from zoo.data.dataset import open_dataset
    from zoo.evaluation.candidates import BASELINES, check
    from zoo.evaluation.foreign import is_foreign
    from zoo.evaluation.oracles import ORACLES, PALETTES
    from zoo.support.console import say, scanning, stderr_console
    from zoo.support.files import write_text

    if not arguments.candidates:
        raise UsageError("--hints: give the models that are to take them")
    for spec in arguments.candidates:
        if spec in (*BASELINES, *ORACLES) or is_foreign(spec):
            raise UsageError(f"{spec} takes no hints: give models of this zoo")
        check(spec)
    if arguments.decode and all(answers_with(spec) == "uv" for spec in arguments.candidates):
        raise UsageError(f"--decode {arguments.decode}: none of the candidates is a classifier")
    console = stderr_console()
    with scanning(console) as progress:
        dataset = open_dataset(arguments.data, crop=CROP, progress=progress)
    say(dataset.summary())
    import_tensorflow()
    from zoo.evaluation.hinted import PER_THING, HintEvaluation, parse_counts, plot
    from zoo.evaluation.scoring import subjects
    from zoo.evaluation.tables import hints_table
    from zoo.support import machine

    counts = parse_counts(arguments.hints)
    split = dataset.splits[arguments.split]
    for word in PER_THING:
        if word in counts and not split.read_maps:
            raise UsageError(f"--hints {word}: of {dataset.name} nobody knows where its objects are; give numbers")
    say("loading the models")
    evaluation = HintEvaluation(
        arguments.candidates, counts, arguments.places, PALETTES, decode=arguments.decode, seed=arguments.seed
    )
    count = min(arguments.limit or sys.maxsize, len(split.images))
    with scanning(console, "colouring and measuring") as progress:
        progress(0, count)
        images = subjects(dataset, arguments.split, limit=arguments.limit, max_side=arguments.max_side)
        for done, subject in enumerate(images, 1):
            evaluation.add(subject)
            progress(done, count)
    rows = evaluation.rows()
    about = {name: getattr(arguments, name) for name in ("split", "max_side", "places", "seed", "limit", "decode")}
    found = {"data": dataset.name, "fingerprint": dataset.fingerprint, **about, "groups": evaluation.groups}
    found["bled"] = evaluation.bled
    found |= {"environment": machine.describe(machine.resolve_precision("auto")), "rows": rows}
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        write_text(arguments.out / "hints.json", json.dumps(found, indent=1) + "\n")
        plot(rows, arguments.out / "hints.png", f"{dataset.name}, {arguments.split} split, places: {arguments.places}")
        say(f"written: hints.json and hints.png in {arguments.out}")
    if arguments.json:
        print(json.dumps(found, indent=1))
    else:
        from rich.console import Console

        Console(width=None if sys.stdout.isatty() else 160).print(hints_table(rows, count, dataset.name).rich())
        for label, (bled, looked) in evaluation.bled.items():
            share = f"{bled / max(1, looked):.2%} of {looked} pixels"
            print(f"{label}: single hints ran into {share} of other figures beside theirs")


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: evaluate(parsed))


if __name__ == "__main__":
    sys.exit(main())
