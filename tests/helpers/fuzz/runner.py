"""Runs cases in processes, watches over them, and counts what became of them."""

import argparse
import collections
import importlib
import json
import multiprocessing.connection
import platform
import resource
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from children import CONTEXT

SUBJECTS = ("images", "archives", "special", "recipes", "arguments", "runs")
"""Modules of this package, each with `feed`, with `SECONDS`, and with `prepare` where cases share files."""

BATCH = 100
"""Cases of a process; `LARGE_BATCH` where a case is not a file but all that becomes of it."""
LARGE_BATCH = 250
MEMORY_BOUND = 2_500_000_000
"""What a process may take at most beyond what it had, bytes: see SECURITY.md."""


@dataclass
class Batch:
    """Cases that one process is to run.

    Attributes:
        subject: one of `SUBJECTS`.
        seed: of all cases of a call.
        first: the number of the first case.
        count: how many.
        fixture: the files that `prepare` made.
    """

    subject: str
    seed: int
    first: int
    count: int
    fixture: Path


@dataclass
class Found:
    """What became of cases: counts, and what must not be, by its kind, with the cases."""

    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    problems: dict[str, list[str]] = field(default_factory=dict)
    peak: int = 0
    seconds: float = 0.0
    slowest: tuple[float, str] = (0.0, "")

    def problem(self, what: str, case: str) -> None:
        """Notes a problem."""
        self.problems.setdefault(what, []).append(case)

    def add(self, other: "Found") -> None:
        """Takes what a batch has found."""
        self.counts.update(other.counts)
        self.peak, self.slowest = max(self.peak, other.peak), max(self.slowest, other.slowest)
        for what, cases in other.problems.items():
            self.problems.setdefault(what, []).extend(cases)


def peak_memory(process: int | str = "self") -> int:
    """The most memory that a process has had, bytes."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    # Unlike ru_maxrss it begins anew with the program, rather than at what its parent had.
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 if "VmHWM:" in status else 0


def _prepare(subject: str, fixture: Path) -> None:
    prepare = getattr(importlib.import_module(f"fuzz.{subject}"), "prepare", None)
    if prepare:
        prepare(fixture)


def _process(batch: Batch, sender: Any) -> None:
    module, found = importlib.import_module(f"fuzz.{batch.subject}"), Found()

    def begin(case: str) -> None:
        sender.send(case)

    try:
        with tempfile.TemporaryDirectory() as warm:  # imports, and a network that has run
            module.feed(Batch(batch.subject, 0, 0, 4, batch.fixture), Path(warm), Found(), begin)
        before = peak_memory()
        with tempfile.TemporaryDirectory() as folder:
            module.feed(batch, Path(folder), found, begin)
        found.peak = peak_memory() - before
    except BaseException:
        found.problem(traceback.format_exc(), f"the batch from {batch.first}")
    sender.send(found)
    sender.close()


class _Running:
    """A batch in its process."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.receiver, sender = CONTEXT.Pipe(duplex=False)
        self.process = CONTEXT.Process(target=_process, args=(batch, sender))
        self.process.start()
        sender.close()
        self.case, self.began = f"{batch.first}", time.monotonic()
        self.memory = 0
        self._seconds = importlib.import_module(f"fuzz.{batch.subject}").SECONDS

    def look(self) -> Found | None:
        """What was found, once it has ended, or was ended."""
        try:
            while self.receiver.poll(0):
                said = self.receiver.recv()
                if isinstance(said, Found):
                    self.process.join()
                    return said
                self.case, self.began = said, time.monotonic()
        except EOFError:
            self.process.join(timeout=30)
            return self._end(f"exit code {self.process.exitcode}")
        if time.monotonic() - self.began > self._seconds:
            return self._end("hung")
        peak = peak_memory(self.process.pid)
        self.memory = self.memory or peak
        return self._end(f"{peak} bytes") if peak - self.memory > 2 * MEMORY_BOUND else None

    def _end(self, why: str) -> Found:
        self.process.kill()
        self.process.join()
        found = Found()
        found.problem(why, self.case)
        return found


def fuzz(subject: str, count: int, seed: int, jobs: int = 1) -> Found:
    """Feeds `count` cases of a subject: the counts, and what must not be: deaths, hangs, tracebacks, memory."""
    total, began, size = Found(), time.monotonic(), BATCH if subject == "images" else LARGE_BATCH
    with tempfile.TemporaryDirectory() as fixture:
        process = CONTEXT.Process(target=_prepare, args=(subject, Path(fixture)))
        process.start()
        process.join()
        if process.exitcode:
            raise RuntimeError(f"nothing could be prepared: exit code {process.exitcode}")
        starts = range(0, count, size)
        waiting = [Batch(subject, seed, start, min(size, count - start), Path(fixture)) for start in starts]
        running: list[_Running] = []
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_Running(waiting.pop(0)))
            multiprocessing.connection.wait([each.receiver for each in running], timeout=1)
            for each in list(running):
                found = each.look()
                if found is None:
                    continue
                running.remove(each)
                if found.peak > MEMORY_BOUND:
                    found.problem("memory", f"{found.peak} bytes from {each.batch.first} on")
                total.add(found)
                done, wrong = total.counts["cases"], sum(map(len, total.problems.values()))
                print(f"{subject}: {done} cases done, {wrong} problems", file=sys.stderr)
    total.seconds = time.monotonic() - began
    return total


def made_by(subject: str, count: int, seed: int) -> str:
    """The command, and what it ran on."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("pillow", "tensorflow", "numpy"))
    return (
        f"`python tests/helpers/fuzz --subject {subject} --count {count} --seed {seed}`; {versions}, Python"
        f" {platform.python_version()}, {platform.machine()}."
    )


HEAD = (
    "| subject | cases | done | refused (exit code 2) | failed with a message (1) | peak memory | seconds | problems |"
    "\n|---|---|---|---|---|---|---|---|"
)


def line(subject: str, found: Found) -> str:
    """The counts of a subject in Markdown, a row of the table under `HEAD`."""
    counts, wrong = found.counts, sum(map(len, found.problems.values()))
    return (
        f"| {subject} | {counts['cases']} | {counts['done']} | {counts['refused']} | {counts['failed']} |"
        f" {found.peak / 1e6:.0f} MB | {found.seconds:.0f} | {wrong} |"
    )


def one_case(subject: str, seed: int, number: int) -> int:
    """Runs a case in this process, and shows it."""
    from fuzz import sandbox

    sandbox.SHOW = True
    with tempfile.TemporaryDirectory() as fixture, tempfile.TemporaryDirectory() as folder:
        process = CONTEXT.Process(target=_prepare, args=(subject, Path(fixture)))
        process.start()
        process.join()
        found = Found()
        batch = Batch(subject, seed, number, 1, Path(fixture))
        importlib.import_module(f"fuzz.{subject}").feed(batch, Path(folder), found, print)
    print(dict(found.counts), *found.problems, sep="\n")
    return 1 if found.problems else 0


def main() -> int:
    """Entry point; the exit code is 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description="Feeds damaged files and odd words to the package.")
    parser.add_argument("--subject", choices=SUBJECTS, default="images")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--case", type=int, metavar="N", help="run this one alone, and show it")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.case is not None:
        return one_case(arguments.subject, arguments.seed, arguments.case)
    found = fuzz(arguments.subject, arguments.count, arguments.seed, arguments.jobs)
    if arguments.json:
        print(json.dumps({"counts": dict(sorted(found.counts.items())), "peak": found.peak}, indent=2))
    elif arguments.subject == "images":
        from fuzz.images import table

        print(f"{table(found)}\n\n{made_by('images', arguments.count, arguments.seed)}")
    else:
        print(
            f"{HEAD}\n{line(arguments.subject, found)}\n\n{made_by(arguments.subject, arguments.count, arguments.seed)}"
        )
    print("slowest: {1}, {0:.1f} s".format(*found.slowest), file=sys.stderr)
    for what, cases in found.problems.items():
        print(f"\n{len(cases)} ×: {', '.join(cases[:5])}\n{what}", file=sys.stderr)
    return 1 if found.problems else 0
