"""Ctrl-C and SIGTERM at random moments of training runs, each of which is then resumed and compared.

`python tests/helpers/signals.py --early 40 --late 20 --seed 1` trains a small model on the embedded comics again and
again. It sends one signal to each run, and checks how the run ends and what it leaves. The same command then has to end
as a run that nothing happened to, to the last bit. A Markdown table says which moments were met.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from children import differences

from zoo.training.checkpoints import Checkpoints

EARLY_SECONDS = 10.0
HANG_SECONDS = 60.0
CODES = {signal.SIGINT: (130, -signal.SIGINT), signal.SIGTERM: (143, -signal.SIGTERM)}
"""Exit codes. A process that a signal ends by itself is told by -N; a shell says 128 + N of it."""

TRAIN = "residual --encoder-weights none --crop 32 --batch-size 2 --validation-crops 4 --flip --ema 0.5 --deterministic"
OFTEN = "--checkpoint-every 15 --validate-every 50"
PHASES = {
    "procedural:": "reading the run directory",
    "loading": "importing TensorFlow",
    "building": "building the model",
    "residual:": "preparing",
    "going": "preparing",
    "scoring": "scoring the untrained model",
    "compiling": "tracing, first steps",
    "step": "steps",
    "validation": "steps",
    "summary": "leaving",
}
"""What a run does after its last line of messages, by the beginning of that line."""


@dataclass(frozen=True)
class Case:
    """What came of one run.

    Attributes:
        moment: when the signal was sent, seconds after the process was started.
        number: the signal.
        code: the exit code, as `subprocess` tells it.
        phase: what the run was doing.
        step: of the newest checkpoint that was left; None if there was none.
        faults: what is wrong; empty if nothing is.
    """

    moment: float
    number: signal.Signals
    code: int | None
    phase: str
    step: int | None
    faults: tuple[str, ...]

    def row(self) -> str:
        """A row of the table."""
        saved = "–" if self.step is None else str(self.step)
        result = "; ".join(self.faults) or "same"
        return f"| {self.moment:.2f} | {self.number.name} | {self.code} | {self.phase} | {saved} | {result} |"


HEAD = "| s | signal | exit code | what it met | saved step | resumed run |\n|---|---|---|---|---|---|"


def command(folder: Path, steps: int) -> list[str]:
    """The training command of a run directory."""
    words = [*TRAIN.split(), *OFTEN.split(), "--steps", str(steps), "--run-dir", str(folder)]
    return [sys.executable, "-m", "zoo.train", *words]


def start(folder: Path, steps: int, log: Path) -> subprocess.Popen[Any]:
    """Begins a run; its messages go to `log`."""
    with open(log, "w") as messages:
        return subprocess.Popen(command(folder, steps), stdout=subprocess.DEVNULL, stderr=messages)


def phase(log: Path, code: int | None) -> str:
    """What a run is doing, or did."""
    lines = log.read_text().splitlines()
    if code is not None:
        return "over"
    return PHASES.get(lines[-1].split()[0], lines[-1]) if lines else "importing"


def reference(folder: Path, steps: int) -> tuple[float, float]:
    """Trains without a signal; seconds until it had saved its first steps, and until its end."""
    began, saved = time.monotonic(), None
    process = start(folder, steps, folder.with_suffix(".log"))
    while process.poll() is None:
        if saved is None and max(Checkpoints(folder / "checkpoints").steps(), default=0):
            saved = time.monotonic() - began
        time.sleep(0.02)
    assert process.returncode == 0, folder.with_suffix(".log").read_text()
    assert saved
    return saved, time.monotonic() - began


def try_signal(moment: float, number: signal.Signals, folder: Path, whole: Path, steps: int) -> Case | None:
    """One run with its signal, and its resumption; None if the run was over before the moment.

    Args:
        moment: seconds after the start.
        number: of the signal.
        folder: the run's, not there yet.
        whole: the run directory of the reference.
        steps: of both.
    """
    log, resumed = folder.with_suffix(".log"), folder.with_suffix(".resumed.log")
    began = time.monotonic()
    process = start(folder, steps, log)
    time.sleep(max(0.0, moment - (time.monotonic() - began)))
    met = phase(log, process.poll())
    if met == "over":
        return None
    process.send_signal(number)
    faults = []
    try:
        process.wait(HANG_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        faults.append(f"hung for {HANG_SECONDS:.0f} s")
    code, said = process.returncode, log.read_text()
    # Before its first line the package can promise nothing: Python is still reading its own modules.
    if "Traceback" in said and "/zoo/" not in said:
        met = "Python's own start"
    else:
        if code not in CODES[number]:
            faults.append(f"exit code {code}")
        faults += [f"standard error: {line}" for line in said.splitlines() if "Traceback" in line or "ignored" in line]
    saved = max(Checkpoints(folder / "checkpoints").steps(), default=None)
    with open(resumed, "w") as messages:
        again = subprocess.run(command(folder, steps), stdout=subprocess.DEVNULL, stderr=messages, timeout=600)
    if again.returncode:
        faults.append(f"resumed: exit code {again.returncode}: {resumed.read_text().splitlines()[-1:]}")
    else:
        faults += [f"resumed: {each}" for each in differences(folder, whole)]
    return Case(moment, number, code, met, saved, tuple(faults))


def trial(
    folder: Path, *, early: int, late: int, seed: int, steps: int, jobs: int, moments: list[float] | None = None
) -> list[Case]:
    """Sends `early` signals in the first ten seconds of runs, or until they have saved steps, and `late` ones later.

    Args:
        folder: for the runs; those in which nothing was wrong are deleted.
        early: how many runs get an early signal.
        late: how many get a later one.
        seed: of moments and signals.
        steps: of each run.
        jobs: runs at a time.
        moments: seconds after the start; they take the place of the random early ones.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and their children
    wholes = [folder / f"whole{index}" for index in range(jobs)]
    with ThreadPoolExecutor(jobs) as pool:
        times = list(pool.map(lambda whole: reference(whole, steps), wholes))
        for other in wholes[1:]:
            assert not differences(other, wholes[0]), differences(other, wholes[0])
        bound, end = max(EARLY_SECONDS, *(saved for saved, _ in times)), min(ended for _, ended in times)
        print(f"reference: {len(times)} runs, the same; steps saved by {bound:.1f} s, end at {end:.1f} s", flush=True)

        numbers = count()

        def one(index: int, low: float, high: float, fixed: float | None = None) -> Case:
            rng = np.random.default_rng([seed, int(low > 0), index])
            while True:
                moment = float(rng.uniform(low, high)) if fixed is None else fixed
                number = signal.SIGINT if rng.integers(2) else signal.SIGTERM
                run = folder / f"run{next(numbers)}"
                case = try_signal(moment, number, run, wholes[0], steps)
                if case is None:
                    assert fixed is None, f"the run was over before {fixed} s"
                    continue
                print(case.row(), flush=True)
                if not case.faults:
                    shutil.rmtree(run)
                return case

        first = [pool.submit(one, i, 0.0, bound, m) for i, m in enumerate(moments or [None] * early)]
        then = [pool.submit(one, i, bound, end) for i in range(late)]
        return [each.result() for each in (*first, *then)]


def main() -> int:
    """Entry point; returns the exit code."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--early", type=int, default=40, help="signals in the first ten seconds")
    p.add_argument("--late", type=int, default=20, help="signals after that")
    p.add_argument("--seed", type=int, default=1, help="of moments and signals")
    p.add_argument("--steps", type=int, default=200, help="of each run")
    p.add_argument("--jobs", type=int, default=2, help="runs at a time")
    p.add_argument("--moments", type=float, nargs="+", metavar="SECONDS", help="instead of random early ones")
    p.add_argument("--folder", type=Path, help="where the runs go (default: a temporary folder)")
    given = vars(p.parse_args())
    folder = given.pop("folder") or Path(tempfile.mkdtemp(prefix="signals-"))
    folder.mkdir(parents=True, exist_ok=True)
    cases = trial(folder, **given)
    bad = sum(bool(case.faults) for case in cases)
    print("", HEAD, *(case.row() for case in sorted(cases, key=lambda case: case.moment)), "", sep="\n")
    print(f"{len(cases)} signals, {bad} runs with a fault" + (f", in {folder}" if bad else ""))
    return int(bad > 0)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
