"""`python tools/leaderboard.py DIR`: trains the entries of `reports/leaderboard.toml` by one budget, and judges them.

The budget is compute and not steps: minutes of one core. What a step costs is the processor time of its process, pinned
to one core, with as many steps as `PROBES` says; the difference leaves out what a process needs to begin and to
validate. A training gets the steps that the budget pays for, and then validates once. What steps and pages cost is
measured one at a time, whatever `--jobs` says: keep the machine free of other work meanwhile.

What is in DIR already is not done again: the same command goes on where it stopped.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from zoo.errors import RunError, UsageError
from zoo.support.command import Parser, run
from zoo.support.files import write_text
from zoo.support.machine import cores

ROOT = Path(__file__).parents[1]
PROBES = (4, 20)  # steps of the two trainings whose difference is what a step costs
ALONE = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
"""What has a process of TensorFlow compute on one core."""

PAGE = (1600, 1250)  # height and width of the page whose colouring is measured: two megapixels

COLORED = """
import sys, time
import numpy as np
from zoo.pages.colorizer import Colorizer
from zoo.pages.scan import Scan

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024

import zoo

model, height, width, *side = sys.argv[1:]
height, width = int(height), int(width)
network = zoo.create(model, encoder_weights="none") if side else zoo.load(model)
colorizer = Colorizer(network, side=int(side[0]) if side else None)
page = np.add.outer(np.arange(height) % 251, np.arange(width) % 5).astype(np.uint8)
before, seconds = peak(), []
for _ in range(3):
    began = time.process_time()
    scan = Scan(page)
    colorizer.paint(scan, colorizer.chroma(colorizer.pictures(scan)))
    seconds.append(time.process_time() - began)
print(min(seconds[1:]), peak() - before, network.count_params())
"""
"""Colours a page by a `.keras` file or, with a side, by a model of the registry as it is built without options."""

SIDE = 512  # of what the networks of the registry see of that page


@dataclass(frozen=True)
class Entry:
    """What is trained on a board.

    Attributes:
        name: as tables have it.
        model: of the registry.
        shared: flags of `zoo train` that all entries of the board have.
        flags: those of this one.
        seeds: so many trainings, seeds from 0 on.
    """

    name: str
    model: str
    shared: tuple[str, ...]
    flags: tuple[str, ...]
    seeds: int

    def command(self, seed: int, steps: int) -> list[str]:
        """Words of `zoo train`, but for the run directory."""
        every = ["--steps", str(steps), "--validate-every", str(steps), "--seed", str(seed)]
        return [self.model, *self.shared, *self.flags, *every]


def entries(spec: dict[str, Any], board: str) -> list[Entry]:
    """The entries of a board."""
    shared, found = tuple(spec["board"][board]["flags"]), []
    for name, each in spec["entry"].items():
        if each.get("only", board) == board:
            own = tuple(each.get("flags", ()))
            found.append(Entry(name, each.get("model", name), shared, own, each.get("seeds", 1)))
    return found


def label(entry: Entry, seed: int) -> str:
    """What the directory of a training is called, and so what an evaluation calls its model."""
    return entry.name if seed == 0 else f"{entry.name} (seed {seed})"


class Cores:
    """Runs processes, each pinned to a core of its own; a call waits until one is free."""

    def __init__(self, jobs: int) -> None:
        self._free: SimpleQueue[int] = SimpleQueue()
        allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else range(jobs)
        for core in list(allowed)[:jobs]:
            self._free.put(core)

    def run(self, words: Sequence[str | Path]) -> tuple[str, float]:
        """What a process of Python printed, and the seconds of processor time that it took.

        Raises:
            RunError: it failed; the message ends with what it said last.
        """
        core = self._free.get()

        def pin() -> None:
            if hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(0, {core})

        try:
            with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
                command = [sys.executable, *map(str, words)]
                process = subprocess.Popen(command, stdout=out, stderr=err, env=os.environ | ALONE, preexec_fn=pin)
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                if process.returncode:
                    err.seek(0)
                    raise RunError(f"{' '.join(map(str, words[:4]))} … failed: {err.read().strip()[-1000:]}")
                out.seek(0)
                return out.read(), used.ru_utime + used.ru_stime
        finally:
            self._free.put(core)


def step_seconds(entry: Entry, folder: Path, here: Cores) -> float:
    """Processor time of a training step, in seconds."""
    seconds = []
    for steps in PROBES:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".probe-") as place:
            words = entry.command(0, steps)
            seconds.append(here.run(["-m", "zoo.train", *words, "--validation-crops", "8", "--run-dir", place])[1])
    few, many = seconds
    return max(many - few, 1e-3) / (PROBES[1] - PROBES[0])


def page_costs(here: Cores, model: object, *side: object) -> dict[str, Any]:
    """Seconds of processor time for a page, the growth of the process, and the model's number of weights."""
    out, _ = here.run(["-c", COLORED, *map(str, (model, *PAGE, *side))])
    seconds, grown, weights = out.split()[-3:]
    return {"page_seconds": float(seconds), "page_memory": int(grown), "weights": int(weights)}


def measure_pages(folder: Path, here: Cores) -> None:
    """What a page takes by each model of the registry: `pages.json`."""
    from zoo.models.registry import list_models
    from zoo.support import machine

    models = {name: page_costs(here, name, SIDE) for name in list_models()}
    about = {"page": list(PAGE), "side": SIDE, "cpu": machine.cpu_name(), "cpu_flags": machine.cpu_flags()}
    write_text(folder / "pages.json", json.dumps(about | {"models": models}, indent=1) + "\n")
    print(f"now: cp {folder / 'pages.json'} reports/results/costs-pages.json", file=sys.stderr)


class Records:
    """What is known of the entries of a board, a JSON file each.

    Args:
        folder: of the board, with the runs too.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getitem__(self, entry: Entry) -> dict[str, Any]:
        path = self.folder / f"{entry.name}.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}

    def add(self, entry: Entry, **found: Any) -> None:
        """Keeps what was found."""
        write_text(self.folder / f"{entry.name}.json", json.dumps(self[entry] | found))


def paid_for(minutes: float, seconds: float) -> int:
    """How many steps of so many seconds a budget pays for; at least one."""
    return max(1, int(60 * minutes / seconds))


def probe(chosen: list[Entry], minutes: float, records: Records, here: Cores) -> None:
    """Measures what a step of each entry takes, and so how many the budget pays for.

    Raises:
        UsageError: another budget paid for what is there already.
    """
    for each in chosen:
        if "steps" in records[each] and records[each]["steps"] != paid_for(minutes, records[each]["step_seconds"]):
            raise UsageError(
                f"{records.folder} has {each.name} by another budget than {minutes:g} minutes: give a new DIR"
            )
    for each in chosen:
        if "steps" not in records[each]:
            seconds = step_seconds(each, records.folder, here)
            records.add(each, step_seconds=seconds, steps=paid_for(minutes, seconds))
            print(f"{each.name}: a step takes {seconds:.3g} s", file=sys.stderr)


def train(entry: Entry, records: Records, here: Cores) -> None:
    """Trains an entry, once a seed; the runs are in the board's folder."""
    steps = records[entry]["steps"]
    for seed in range(entry.seeds):
        place = records.folder / label(entry, seed)
        if not (place / "result.json").is_file():
            here.run(["-m", "zoo.train", *entry.command(seed, steps), "--run-dir", place])
            print(f"{place.name} has taken its {steps} steps", file=sys.stderr)


def color(chosen: list[Entry], records: Records, here: Cores) -> None:
    """Measures what colouring a page takes by each model that was trained."""
    for each in chosen:
        if "page_seconds" not in records[each]:
            model = records.folder / each.name / "best.keras"
            records.add(each, **page_costs(here, model), file_bytes=model.stat().st_size)


def _judged(path: Path, runs: list[Path]) -> bool:
    """Whether an evaluation is there and has all of these runs: an entry may have come after it."""
    from zoo.results import load_result

    if not path.is_file():
        return False
    judged = {each["label"] for each in load_result(path, "evaluation").details["candidates"]}
    return judged >= {run.name for run in runs}


def leaderboard(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from zoo.support import machine

    spec = tomllib.loads((ROOT / "reports" / "leaderboard.toml").read_text(encoding="utf-8"))
    known = list(spec["board"])
    if arguments.pages:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        measure_pages(arguments.folder, Cores(1))
        return
    if arguments.board not in known:
        raise UsageError(f"--board must be one of {', '.join(known)}, not {arguments.board!r}")
    board = spec["board"][arguments.board]
    minutes = board["minutes"] if arguments.minutes is None else arguments.minutes
    if not 0 < minutes < float("inf"):
        raise UsageError(f"--minutes must be above 0, not {minutes}")
    if arguments.jobs not in range(1, cores() + 1):
        raise UsageError(f"--jobs must be from 1 to {cores()}, the cores of this machine, not {arguments.jobs}")
    here, folder = Cores(arguments.jobs), arguments.folder / arguments.board
    folder.mkdir(parents=True, exist_ok=True)
    chosen, records = entries(spec, arguments.board), Records(folder)
    probe(chosen, minutes, records, here)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        work = [pool.submit(train, each, records, here) for each in chosen]
        try:
            for done in as_completed(work):
                done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    color(chosen, records, here)
    costs = {e.name: records[e] | {"model": e.model, "flags": list(e.flags), "seeds": e.seeds} for e in chosen}
    runs = [folder / label(each, seed) for each in chosen for seed in range(each.seeds)]
    out = folder / "evaluated"
    if not _judged(out / "results.json", runs):
        here.run(["-m", "zoo.evaluate", *runs, "--task", board["task"], "--out", out])
    about = {
        "minutes": minutes,
        "task": board["task"],
        "cpu": machine.cpu_name(),
        "cpu_flags": machine.cpu_flags(),
        "page": list(PAGE),
        "entries": costs,
    }
    write_text(folder / "costs.json", json.dumps(about, indent=1) + "\n")
    print(
        f"now: python tools/report.py add {out} board-{arguments.board} --no-pictures;"
        f" cp {folder / 'costs.json'} reports/results/costs-{arguments.board}.json; python tools/report.py build",
        file=sys.stderr,
    )


def parser() -> Parser:
    """The command line."""
    p = Parser(prog="python tools/leaderboard.py", description="Trains every model by one budget, and judges it.")
    p.add_argument("folder", type=Path, metavar="DIR", help="for runs and results; what is there is not done again")
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument("--board", metavar="NAME", help="of reports/leaderboard.toml")
    what.add_argument("--pages", action="store_true", help="instead, measure a page by every model of the registry")
    p.add_argument("--minutes", type=float, metavar="M", help="another budget than the file's, to try it out")
    p.add_argument("--jobs", type=int, default=1, metavar="N", help="processes at a time, a core each (default: 1)")
    return p


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: leaderboard(parsed))


if __name__ == "__main__":
    sys.exit(main())
