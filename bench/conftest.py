"""Options, workers and result rows of the benchmarks.

`pytest bench/` measures on this machine and writes `reports/results/bench-MACHINE.json`; `--quick` runs everything
once, small, and writes nothing: it shows that the benchmarks work, and says nothing about time.
"""

import functools
import importlib.util
import json
import os
import re
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from zoo.results import Environment, Row, as_record, extend_history, machine_name, merge_rows, slug
from zoo.support import machine as environment

HERE = Path(__file__).parent
RESULTS = HERE.parent / "reports" / "results"
TORCH = importlib.util.find_spec("torch") is not None
WARMUP = 2
rows: list[Row] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("zoo")
    usual = [name for name in zoo.list_models() if zoo.get_card(name).encoder]
    group.addoption(
        "--models", default=",".join(usual), help=f"comma-separated model names (default: {','.join(usual)})"
    )
    group.addoption("--crop", type=int, help="side of the square crops in pixels (default: 224)")
    group.addoption("--batch-sizes", help="comma-separated crops a step (default: 1,4)")
    group.addoption("--precisions", help="comma-separated auto, float32, bfloat16, float16 (default: auto)")
    group.addoption("--device", choices=("auto", "cpu"), default="auto", help="cpu hides the GPUs (default: auto)")
    group.addoption("--rounds", type=int, help="timed calls of each (default: 7)")
    group.addoption("--quick", action="store_true", help="everything once, at 32² and batch 1; nothing is written")
    group.addoption("--checkpoints", default="", help="comma-separated runs or .keras files for the vibrancy benchmark")
    group.addoption("--data", default="procedural", help="what colours are measured on (default: procedural)")
    group.addoption("--images", type=int, help="no more than the first so many of its test split")
    group.addoption(
        "--against",
        type=Path,
        help="checkout of another commit: each time here is measured in turn with that there, and their ratio printed;"
        " nothing is written but to --results",
    )
    group.addoption("--results", type=Path, help="file for the rows (default: reports/results/bench-MACHINE.json)")


def listed(config: pytest.Config, option: str) -> list[str]:
    return [word.strip() for word in config.getoption(option).split(",") if word.strip()]


def pytest_configure(config: pytest.Config) -> None:
    quick, option = config.getoption("--quick"), config.option
    option.crop = option.crop or (32 if quick else 224)
    option.batch_sizes = option.batch_sizes or ("1" if quick else "1,4")
    option.precisions = option.precisions or ("float32" if quick else "auto")
    option.rounds = option.rounds or (1 if quick else 7)
    for name in listed(config, "--models"):
        if name not in zoo.list_models():
            raise pytest.UsageError(f"--models: no model {name!r}; there are {', '.join(zoo.list_models())}")
    for name in listed(config, "--precisions"):
        if name not in ("auto", "float32", "bfloat16", "float16"):
            raise pytest.UsageError(f"--precisions: {name!r} is none of auto, float32, bfloat16, float16")
    for name in listed(config, "--batch-sizes"):
        if not name.isdigit() or int(name) < 1:
            raise pytest.UsageError(f"--batch-sizes: {name!r} is not a number of crops")
    if option.against:
        option.against = option.against.resolve()
        if not (option.against / "bench" / "worker.py").is_file():
            raise pytest.UsageError(
                f"--against {option.against} has no bench/worker.py: give a checkout of this project"
            )
    if option.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # What is compared may be many times slower than ours, and the machine too.
        item.add_marker(pytest.mark.timeout(7200))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    config = metafunc.config
    values: dict[str, list[Any]] = {
        "model": listed(config, "--models"),
        "batch_size": [int(word) for word in listed(config, "--batch-sizes")],
        "precision": [resolve(word) for word in listed(config, "--precisions")],
    }
    for name, choices in values.items():
        if name in metafunc.fixturenames and not _parametrized(metafunc, name):
            metafunc.parametrize(name, list(dict.fromkeys(choices)))


def _parametrized(metafunc: pytest.Metafunc, name: str) -> bool:
    for mark in metafunc.definition.iter_markers("parametrize"):
        names = mark.args[0]
        if name in (re.split(r"[,\s]+", names) if isinstance(names, str) else names):
            return True
    return False


def resolve(precision: str) -> str:
    return precision if precision != "auto" else _auto()


@functools.cache
def _auto() -> str:
    # Asked in a process of its own: this one must not hold TensorFlow, nor a GPU.
    code = "from zoo.support.machine import resolve_precision as r; print(r('auto'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]


class Worker:
    """A process of `worker.py`; it has called its work once when this returns, unless `beside` the next is begun.

    It is that of another checkout if there is a `tree`.

    Between its orders it stands still (where the system can stop a process): a loader that fills its buffers would
    take the processor from the one whose turn it is.
    """

    def __init__(self, beside: bool = False, tree: Path = HERE.parent, **spec: Any) -> None:
        self.spec = spec
        bench = tree / "bench"
        self._process = subprocess.Popen(
            [sys.executable, str(bench / "worker.py"), json.dumps(spec)],
            cwd=bench,
            env=os.environ | {"PYTHONPATH": str(tree)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if not beside:
            assert self.about

    @functools.cached_property
    def about(self) -> dict[str, Any]:
        """What it says of itself when it has called its work once."""
        answer = self._answer()
        self._signal("SIGSTOP")
        return answer

    def order(self, order: str, count: int = 0) -> dict[str, Any]:
        assert self._process.stdin
        assert self.about
        self._signal("SIGCONT")
        self._process.stdin.write(f"{order} {count}\n")
        self._process.stdin.flush()
        answer = self._answer()
        self._signal("SIGSTOP")
        return answer

    def _signal(self, name: str) -> None:
        if hasattr(signal, name):  # not on Windows
            self._process.send_signal(getattr(signal, name))

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        assert self._process.stderr
        line = self._process.stdout.readline()
        if not line:
            said = self._process.stderr.read()[-3000:]
            code = self._process.wait()
            raise RuntimeError(f"the worker of {self.spec} ended with exit code {code}:\n{said}")
        return json.loads(line)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Iterator[Callable[..., Worker]]:
    """Starts workers, one after another unless nothing is measured; ends them with the test."""
    workers: list[Worker] = []

    def begin(**spec: Any) -> Worker:
        workers.append(Worker(beside=request.config.option.quick, **spec))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.close()


class Recorder:
    """Times workers in turn and keeps the rows."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.options = request.config.option
        self._request = request
        self.suite = request.path.stem.removeprefix("test_")

    def rows(self, about: Row, values: dict[str, Any]) -> None:
        """Keeps `about` once for each metric of `values`: a number, None, or the samples to take the median of."""
        for metric, value in values.items():
            low = high = values = None
            if isinstance(value, list):
                values = [float(f"{each:.6g}") for each in value]
                low, value, high = (float(f"{q:.6g}") for q in np.quantile(value, (0.25, 0.5, 0.75)))
            rows.append(replace(about, metric=metric, value=value, low=low, high=high, values=values))

    def keep(self, row: Row) -> None:
        """Keeps a row as it is."""
        rows.append(row)

    def describe(self, worker: Worker, benchmark: str, variant: str = "", samples: int = 1) -> Row:
        """What is common to the rows of a worker."""
        spec = worker.spec
        return Row(
            suite=self.suite,
            benchmark=benchmark,
            model=spec.get("model"),
            variant=variant,
            against="",
            metric="seconds",
            value=None,
            samples=samples,
            batch_size=spec.get("batch_size"),
            crop=spec.get("crop"),
            precision=worker.about["precision"],
            jit=worker.about["jit"],
        )

    def time(self, benchmark: Any, workers: dict[str, Worker], name: str, *, calls: int = 1) -> dict:
        """Times the first worker under pytest-benchmark, the others in turn with it, a round of each at a time.

        Returns:
            Seconds a call, one sample a round, by variant.
        """
        rounds, tree = self.options.rounds, self.options.against
        if tree:
            first, worker = next(iter(workers.items()))
            other = self._request.getfixturevalue("start")(tree=tree, **worker.spec)
            workers = {first: worker, " ".join(filter(None, (first, "at", commit_of(tree)))): other}
        seconds: dict[str, list[float]] = {variant: [] for variant in workers}
        if not self.options.quick:
            for worker in workers.values():
                worker.order("call", WARMUP * calls)
        (first, worker), *others = workers.items()

        def before() -> None:
            for variant, other in others:
                seconds[variant].append(other.order("call", calls)["seconds"] / calls)

        def timed() -> None:
            seconds[first].append(worker.order("call", calls)["seconds"] / calls)

        benchmark.pedantic(timed, setup=before, rounds=rounds)
        for variant, each in workers.items():
            about = self.describe(each, name, variant, rounds)
            a_call = each.spec.get("batch_size") or each.spec.get("pages") or 1
            images = [a_call / second for second in seconds[variant]]
            self.rows(about, {"seconds": seconds[variant], "images_per_second": images})
            self.rows(replace(about, samples=1), {"first_call_seconds": each.about["first_call_seconds"]})
        about = self.describe(worker, name, first, rounds)
        for variant, _ in others:
            ratios = [ours / theirs for ours, theirs in zip(seconds[first], seconds[variant], strict=True)]
            self.rows(replace(about, against=variant), {"ratio": ratios})
            benchmark.extra_info[f"time over {variant}"] = round(statistics.median(ratios), 3)
        return seconds

    def memory(self, benchmark: Any, starts: dict[str, Callable[[], Worker]], name: str) -> None:
        """Measures the memory of each, one process after another, and of the first over the others."""
        found: dict[str, dict[str, Any]] = {}

        def measure() -> None:
            # pytest-benchmark times this; those times are not kept.
            for variant, begin in starts.items():
                worker = begin()
                found[variant] = worker.order("memory", 2)
                abouts[variant] = self.describe(worker, name, variant)
                worker.close()

        abouts: dict[str, Row] = {}
        benchmark.pedantic(measure, rounds=1)
        for variant, values in found.items():
            self.rows(abouts[variant], values)
            benchmark.extra_info[variant or name] = values
        first, *others = found
        for variant in others:
            ratios = {
                f"{metric}_ratio": found[first][metric] / found[variant][metric]
                for metric in ("working_memory", "rss_growth")
                if found[first][metric] is not None and found[variant][metric]
            }
            self.rows(replace(abouts[first], against=variant), ratios)


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Recorder:
    return Recorder(request)


@pytest.fixture
def options(request: pytest.FixtureRequest) -> Any:
    return request.config.option


def needs_bfloat16(precision: str, request: pytest.FixtureRequest) -> None:
    """Skips a bfloat16 benchmark where the hardware would only emulate it, unless it was asked for by name."""
    if precision == "bfloat16" and _auto() != "bfloat16" and "bfloat16" not in request.config.option.precisions:
        pytest.skip("this hardware does not compute in bfloat16; --precisions bfloat16 runs it all the same")


@pytest.fixture(scope="session")
def jpeg_pages(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """JPEG pages of 1200 × 1800 at quality 90, as scans of comics come; drawn, and the same everywhere."""
    from PIL import Image

    from zoo.data.drawn.procedural import materialise

    count = 2 if request.config.option.quick else 24
    folder = tmp_path_factory.mktemp("pages")
    materialise(folder / "drawn", counts={"train": count, "val": 1, "test": 1})
    for path in sorted((folder / "drawn" / "pages").rglob("*.png")):
        target = folder / "jpeg" / path.parent.name / f"{path.stem}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as page:
            page.convert("RGB").resize((1200, 1800), Image.Resampling.BICUBIC).save(target, quality=90)
    return folder / "jpeg"


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    machine_info["zoo"] = {"cpu": environment.cpu_name(), "cpu_flags": environment.cpu_flags()}


def pytest_sessionfinish(session: pytest.Session) -> None:
    option = session.config.option
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if option.against and reporter:
        reporter.write_line("" if not option.quick else "\nOf --quick, which says nothing about time:")
        for row in rows:
            if row.metric == "ratio":
                what = " ".join(filter(None, (row.model, row.benchmark)))
                at = f", batch {row.batch_size}" if row.batch_size else ""
                ends = f" [{row.low:.3f}, {row.high:.3f}]"
                reporter.write_line(f"{what}{at}: {row.value:.3f}{ends} of the time {row.against}".replace("_", " "))
    if option.quick or not rows or (option.against and not option.results):
        return
    records = [as_record(row, this_environment()) for row in rows]
    path = option.results or RESULTS / f"bench-{slug(machine_name(records[0]))}.json"
    merge_rows(path, records)
    extend_history(path.with_name(f"history-{path.name.removeprefix('bench-')}"), records)
    if reporter:
        reporter.write_line(f"{len(rows)} rows written to {path}")


def commit_of(tree: Path) -> str:
    """The commit of a checkout, in short."""
    done = subprocess.run(["git", "-C", str(tree), "rev-parse", "--short=7", "HEAD"], capture_output=True, text=True)
    if done.returncode:
        raise pytest.UsageError(f"--against {tree}: {done.stderr.strip()}")
    return done.stdout.strip()


@functools.cache
def this_environment() -> Environment:
    """The environment columns of `zoo.results`."""
    code = "import json; from zoo.support.machine import describe; d = describe('float32');print(json.dumps(d))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return Environment.of(json.loads(done.stdout.splitlines()[-1]))
