"""Trains how far hints spread: `python tools/spread.py CACHE -o zoo/weights/spread.npz`.

Pages of the training splits are coloured by released models and cut into regions. A step takes some of the pages, and
of each some hints at random places in their true colours. The network of `zoo.chroma.spread` learns to give the regions
their true colours. The comparisons it learns from are written to CACHE first, by as many processes as `--jobs` says.
"""

import argparse
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zoo.chroma import spread
from zoo.chroma.yuv import split_luma
from zoo.data.dataset import open_dataset
from zoo.pages.scan import Scan
from zoo.support.command import import_tensorflow, run
from zoo.support.files import atomic_path

SIDE = 512  # of the middle of every second page; the others are seen whole
HINTS = 32
REGIONS = 384
MOST_HINTS = 20
MEAN_HINTS = 8.0
BATCH, SAMPLED = 16, 160
HIDDEN, OWN_HIDDEN = 64, 32
RECOLORED = 0.5
"""The share of pages on which the things of one colour get another."""

ALIKE = 0.06  # of U and V: things of one colour
LEAST = 3e-4
"""Added to the squared error of a page before its logarithm is taken: no page counts for ever."""

SOURCES: tuple[tuple[str, int, str, tuple[tuple[str, str | None], ...]], ...] = (
    ("comics-open", 927, "", (("guided:open", None), ("context:open", None), ("residual:comics", None))),
    ("illustrations-open", 1300, "asp_", (("guided:open", None), ("context:open", None), ("residual:comics", None))),
    ("illustrations-open", 294, "bd_", (("guided:open", None), ("context:open", None))),
    ("illustrations-open", 300, "fl_", (("guided:open", None), ("context:open", None))),
    ("photos-open", 150, "", (("guided:open", None), ("context:open", None))),
    (
        "procedural",
        200,
        "",
        (("conditional:procedural", None), ("conditional:procedural", "mode+coherent"), ("guided:open", None)),
    ),
)
"""Data set, how many of its images, how their names begin, and the models and decoders that take turns."""


class Job(NamedTuple):
    """A page that is to be learnt from."""

    name: str
    image: Any
    model: str
    decode: str | None
    whole: bool


def jobs_of(limit: int) -> list[Job]:
    """So many of the pages, in an order of chance."""
    found = []
    for data, count, prefix, models in SOURCES:
        images = [
            image
            for image in open_dataset(data, crop=64).splits["train"].images
            if Path(image.name).name.startswith(prefix)
        ]
        images.sort(key=lambda image: zlib.crc32(image.name.encode()))
        for image in images[:count]:
            draw = np.random.default_rng([1, zlib.crc32(image.name.encode())])
            # The first model takes half of them.
            share = np.array([len(models) - 1, *[1] * (len(models) - 1)], float)
            model, decode = models[draw.choice(len(models), p=share / share.sum())]
            name = f"{data}-{Path(image.name).stem}"
            found.append(Job(name, image, model, decode, bool(draw.random() < 0.5)))
    return sorted(found, key=lambda job: zlib.crc32(job.name.encode()))[:limit]


def prepare(cache: Path, limit: int, part: int, parts: int) -> None:
    """Writes what a part of the pages is learnt from to a folder; what is there already stays."""
    from zoo.pages.colorizer import Colorizer

    colorizers: dict[tuple[str, str | None], Any] = {}
    for job in jobs_of(limit)[part::parts]:
        path = cache / f"{job.name}.npz"
        if path.exists():
            continue
        way = job.model, job.decode
        if way not in colorizers:
            colorizers[way] = Colorizer(job.model, decode=job.decode, panels=False)
        arrays = compared(job, colorizers[way])
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)


def compared(job: Job, colorizer: Any) -> dict[str, np.ndarray]:
    """The regions of a page, hints at random places, and how both compare."""
    rgb = job.image.decode()
    if not job.whole:
        top, left = (max(0, (size - SIDE) // 2) for size in rgb.shape[:2])
        rgb = rgb[top : top + SIDE, left : left + SIDE]
    luma, uv = split_luma(rgb / np.float32(255))
    scan = Scan(np.rint(luma[..., 0] * 65535).astype(np.uint16))
    frame = colorizer.examined([colorizer.pictures(scan)])[0].frames[0]
    sight, height, width = frame.sight(), *frame.luma.shape
    small = frame.reduced(uv)
    own, true = sight.means(frame.decoded(colorizer.decode, 0)), sight.means(small)
    draw = np.random.default_rng([0, zlib.crc32(job.name.encode())])
    places = np.stack([draw.integers(1, max(2, size - 1), HINTS) for size in rgb.shape[:2]], axis=-1)
    given = []
    for row, column in places:
        color = uv[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].reshape(-1, 2).mean(axis=0)
        at = int((row + 0.5) * height / len(rgb)), int((column + 0.5) * width / rgb.shape[1])
        given.append(sight.given(*at, color))
    some = draw.choice(len(sight.sizes), REGIONS, p=sight.sizes / sight.sizes.sum())
    return {
        "pairs": spread.of_pairs(sight, own, given, frame.prediction.rule)[some].astype(np.float16),
        "regions": spread.of_regions(sight, own)[some],
        "hints": spread.of_hints(sight, own, given),
        "own": own[some],
        "true": true[some],
        "colors": np.stack([each.uv for each in given]),
        "within": ((small - true[sight.regions]) ** 2).sum(axis=-1).mean(),
    }


def batches(cache: Path, limit: int, seed: int) -> Iterator[dict[str, np.ndarray]]:
    """Batches without end: the arrays of `compared`, of some regions and hints, and which hints count."""
    held = []
    for job in jobs_of(limit):
        with np.load(cache / f"{job.name}.npz") as file:
            held.append({name: file[name] for name in file.files})
    draw = np.random.default_rng(seed)
    while True:
        parts = []
        for page in draw.integers(0, len(held), BATCH):
            one = held[page]
            regions = draw.choice(REGIONS, SAMPLED, replace=False)
            hints = draw.choice(HINTS, MOST_HINTS, replace=False)
            count = min(MOST_HINTS, draw.geometric(1 / MEAN_HINTS))
            part = {
                "pairs": one["pairs"][regions][:, hints].astype(np.float32),
                "regions": one["regions"][regions],
                "hints": one["hints"][hints],
                "own": one["own"][regions],
                "true": one["true"][regions],
                "colors": one["colors"][hints],
                "within": one["within"],
                "known": np.arange(MOST_HINTS) < count,
            }
            if draw.random() < RECOLORED:
                recolor(part, int(draw.integers(count)), draw.choice(held[draw.integers(len(held))]["colors"]))
            parts.append(part)
        yield {name: np.stack([part[name] for part in parts]) for name in parts[0]}


def recolor(part: dict[str, np.ndarray], hint: int, color: np.ndarray) -> None:
    """Gives a page's things of the colour of a hint another one, and so its hints in that colour: a hint then says
    nothing of the rest of the page."""
    before = part["colors"][hint]
    for name in ("colors", "true"):
        alike = np.linalg.norm(part[name] - before, axis=-1, keepdims=True) < ALIKE
        part[name] = np.where(alike, part[name] + color - before, part[name])
    part["hints"] = np.concatenate([part["hints"][:, :-2], 5 * part["colors"]], axis=-1)
    own = part["hints"][:, 3:5] / 5
    part["pairs"][..., -2] = 10 * np.linalg.norm(part["own"][:, None] - part["colors"], axis=-1)
    part["pairs"][..., -1] = 10 * np.linalg.norm(own - part["colors"], axis=-1)


def initial(seed: int) -> dict[str, np.ndarray]:
    """Weights to begin with: He's, and scores that fall with luma and the way."""
    draw = np.random.default_rng(seed)

    def he(*shape: int) -> np.ndarray:
        return (draw.normal(size=shape) * np.sqrt(2 / shape[0])).astype(np.float32)

    own = spread.OF_REGION + 4
    return {
        "pair": he(spread.PAIRS, HIDDEN),
        "region": he(spread.OF_REGION + 1, HIDDEN),
        "hint": he(spread.OF_HINT, HIDDEN),
        "bias": np.zeros(HIDDEN, np.float32),
        "second": he(HIDDEN, HIDDEN),
        "second_bias": np.zeros(HIDDEN, np.float32),
        "last": he(HIDDEN, 2) / 4,
        "last_bias": np.zeros(2, np.float32),
        "own": he(own, OWN_HIDDEN),
        "own_bias": np.zeros(OWN_HIDDEN, np.float32),
        "own_last": he(OWN_HIDDEN, 1),
        "own_last_bias": np.zeros(1, np.float32),
    }


def train(cache: Path, out: Path, limit: int, steps: int, rate: float, seed: int) -> None:
    """Trains the network and writes its arrays."""
    import keras
    from keras import ops

    variables = {name: keras.Variable(value, name=name) for name, value in initial(seed).items()}
    schedule = keras.optimizers.schedules.CosineDecay(1e-5, steps - 300, warmup_target=rate, warmup_steps=300)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=0.01, clipnorm=1.0)
    optimizer.build(list(variables.values()))

    def loss(batch: dict[str, Any]) -> Any:
        known = batch["known"]
        scores, alone, scales = weighed(ops, variables, batch["pairs"], batch["regions"], batch["hints"], known)
        shares = ops.softmax(ops.concatenate([scores, alone], axis=-1), axis=-1)
        found = ops.matmul(shares[..., :-1] * scales, batch["colors"]) + shares[..., -1:] * batch["own"]
        error = ops.mean(ops.sum((found - batch["true"]) ** 2, axis=-1), axis=-1) + batch["within"]
        return ops.mean(ops.log(error + LEAST))

    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def step(batch: dict[str, Any]) -> Any:
        with tf.GradientTape() as tape:
            value = loss(batch)
        trained = list(variables.values())
        optimizer.apply(tape.gradient(value, [each.value for each in trained]), trained)
        return value

    mean = 0.0
    for number, batch in enumerate(batches(cache, limit, seed), 1):
        values = {name: value.astype(np.float32) for name, value in batch.items()}
        mean += 0.01 * (float(step({name: tf.constant(value) for name, value in values.items()})) - mean)
        if number % 500 == 0:
            print(f"step {number}: {10 / np.log(10) * mean / (1 - 0.99**number):.3f} dB", flush=True)
        if number == steps:
            break
    with atomic_path(out) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file, **{name: ops.convert_to_numpy(each).astype(np.float16) for name, each in variables.items()}
        )


def weighed(ops: Any, weights: Any, pairs: Any, regions: Any, hints: Any, known: Any) -> tuple[Any, Any, Any]:
    """`zoo.chroma.spread.weigh` of a batch whose hints count where `known` is 1."""
    count = ops.log(ops.sum(known, axis=-1))[:, None, None]
    count = ops.repeat(count, regions.shape[1], axis=1)
    of_region = ops.matmul(ops.concatenate([regions, count], axis=-1), weights["region"]) + weights["bias"]
    missing = (1 - known)[:, None]
    x = ops.matmul(pairs, weights["pair"]) + of_region[:, :, None] + ops.matmul(hints, weights["hint"])[:, None]
    x = ops.relu(ops.matmul(ops.relu(x), weights["second"]) + weights["second_bias"])
    last = ops.matmul(x, weights["last"]) + weights["last_bias"]
    scores = last[..., 0] - 1e9 * missing
    top = ops.max(scores, axis=-1, keepdims=True)
    together = ops.logsumexp(scores, axis=-1, keepdims=True)
    nearest = ops.min(pairs[..., 6] + 1e3 * missing, axis=-1, keepdims=True)
    x = ops.concatenate([regions, count, ops.maximum(top, -20) / 5, ops.maximum(together, -20) / 5, nearest], axis=-1)
    x = ops.relu(ops.matmul(x, weights["own"]) + weights["own_bias"])
    alone = ops.matmul(x, weights["own_last"]) + weights["own_last_bias"]
    return scores, alone, ops.exp(spread.STEEP * ops.tanh(last[..., 1]))


def make(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    arguments.cache.mkdir(parents=True, exist_ok=True)
    import_tensorflow()
    if arguments.part is not None:
        prepare(arguments.cache, arguments.limit, arguments.part, arguments.jobs)
        return
    threads = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    command = [sys.executable, __file__, str(arguments.cache), "-o", str(arguments.out)]
    command += ["--jobs", str(arguments.jobs), "--limit", str(arguments.limit)]
    workers = [
        subprocess.Popen([*command, "--part", str(part)], env={**os.environ, **threads})
        for part in range(arguments.jobs)
    ]
    codes = [worker.wait() for worker in workers]
    if any(codes):
        raise RuntimeError("a process could not prepare its pages")
    train(arguments.cache, arguments.out, arguments.limit, arguments.steps, arguments.rate, arguments.seed)


def main() -> int:
    """Entry point; returns the exit code."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("cache", type=Path)
    p.add_argument("-o", "--out", type=Path, required=True)
    p.add_argument("--limit", type=int, default=2000, help="pages to learn from (default: %(default)s)")
    p.add_argument("--steps", type=int, default=6000)
    p.add_argument("--rate", type=float, default=0.003)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--part", type=int, help=argparse.SUPPRESS)
    arguments = p.parse_args()
    return run(lambda: make(arguments))


if __name__ == "__main__":
    sys.exit(main())
