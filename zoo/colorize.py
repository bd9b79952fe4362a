"""`python -m zoo.colorize MODEL INPUT … -o OUT`: colours black-and-white pages."""

import argparse
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cli import import_tensorflow, run
from zoo.codec import DECODERS, parse_decoder
from zoo.errors import RunError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from zoo.coloring.colorizer import Colorizer
    from zoo.coloring.pages import Output, Page
    from zoo.coloring.scan import Scan

BATCH = 4
AHEAD = 2  # batches that are decoded or encoded while one is computed


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m zoo.colorize",
        description="Colours black-and-white pages. The luma of every page is kept to the last bit.",
        epilog="A call that was interrupted goes on where it stopped; pages that are there already stay as they are.",
    )
    p.add_argument("model", metavar="MODEL", help="a run directory or a .keras file")
    p.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="+",
        help="images, folders, patterns in quotes, .cbz or .zip archives",
    )
    p.add_argument(
        "-o",
        "--out",
        metavar="OUT",
        type=Path,
        required=True,
        help="a folder, a .cbz, .zip or .pdf file or, of one page, an image file",
    )
    p.add_argument(
        "--decode",
        metavar="NAME[:T]",
        help=f"of a classifier: {', '.join(DECODERS)}, with a temperature as in sample:0.5, and +coherent"
        " (default: annealed)",
    )
    p.add_argument("--seed", type=int, default=0, help="of sampled colours (default: 0)")
    p.add_argument(
        "--samples", type=int, default=1, metavar="N", help="colour every page N times, with seeds from --seed on"
    )
    p.add_argument(
        "--side",
        type=int,
        default=1024,
        metavar="PIXELS",
        help="the longer side of what the network sees; the page keeps its size (default: 1024)",
    )
    p.add_argument(
        "--upsampling",
        choices=("edges", "bilinear"),
        default="edges",
        help="how colours get to the page's size: along ink lines (default), or across them, which is faster",
    )
    p.add_argument(
        "--descreen", type=float, metavar="PIXELS", help="smooth away a screen of this period in what the network sees"
    )
    p.add_argument(
        "--white-paper", action="store_true", help="make paper that is grey or stained white, in the result too"
    )
    p.add_argument("--desaturate", action="store_true", help="colour pages anew that have colours")
    p.add_argument("--format", choices=("png", "jpg", "webp"), default="png", help="of the images (default: png)")
    p.add_argument("--quality", type=int, default=92, help="of jpg and webp (default: 92)")
    p.add_argument(
        "--summary", action="store_true", help="also write NAME-summary: grey, colour and, with --desaturate, truth"
    )
    p.add_argument("--overwrite", action="store_true", help="make anew what is there already")
    p.add_argument("--batch-size", type=int, default=BATCH, help=f"pages computed at a time (default: {BATCH})")
    p.add_argument("--json", action="store_true", help="print what was done as JSON")
    return p


def colorize(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    for name, low, high in (("samples", 1, 1000), ("quality", 1, 100), ("batch_size", 1, 1000), ("seed", 0, 2**31)):
        value = getattr(arguments, name)
        if not low <= value <= high:
            raise UsageError(f"--{name.replace('_', '-')} must be in {low} … {high}, not {value}")
    if arguments.descreen is not None and not 2 <= arguments.descreen <= 64:
        raise UsageError(f"--descreen takes the period of a screen in pixels, 2 to 64, not {arguments.descreen}")
    if arguments.decode:
        parse_decoder(arguments.decode)
    if arguments.samples > 1 and not (arguments.decode or "").startswith("sample"):
        raise UsageError("--samples is for a sampling decoder: give --decode sample too")

    from zoo.coloring.pages import Output, find_pages
    from zoo.harness.progress import scanning, stderr_console
    from zoo.harness.rundir import disk_error

    console = stderr_console()
    pages = find_pages(arguments.inputs)
    kind = arguments.format
    if len(pages) == 1 and arguments.out.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"):
        kind = arguments.out.suffix.lower().lstrip(".").replace("jpeg", "jpg")
    how = (
        "decode",
        "seed",
        "samples",
        "side",
        "upsampling",
        "descreen",
        "white_paper",
        "desaturate",
        "quality",
        "summary",
    )
    settings = {name: getattr(arguments, name) for name in how} | {
        "model": str(arguments.model),
        "format": kind,
        "pages": [page.source.name for page in pages],
    }
    output = Output(arguments.out, kind, settings, overwrite=arguments.overwrite, single=len(pages) == 1)
    import_tensorflow()
    from zoo.coloring.colorizer import Colorizer

    colorizer = Colorizer(
        arguments.model, decode=arguments.decode, side=arguments.side, along_edges=arguments.upsampling == "edges"
    )
    job = _Job(arguments, colorizer, output, kind)
    began = time.monotonic()
    try:
        with scanning(console, "colouring") as progress:
            done = job.run(pages, progress)
        output.finish([(page.name, extra) for page in pages for extra in job.extras])
    except OSError as error:
        raise disk_error(error, arguments.out) from error
    report = {
        "pages": len(pages),
        "coloured": done,
        "already there": job.there,
        "failed": dict(job.failed),
        "seconds": round(time.monotonic() - began, 2),
        "out": str(arguments.out),
    }
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        there = f"; {job.there} there already, left as they are (--overwrite makes them anew)" * bool(job.there)
        console.print(
            f"{done} of {len(pages)} pages coloured in {report['seconds']} s, in {arguments.out}{there}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if job.failed:
        lines = "\n  ".join(f"{name}: {reason}" for name, reason in job.failed.items())
        raise RunError(f"{len(job.failed)} of {len(pages)} pages could not be coloured:\n  {lines}")


class _Job:
    """Decodes ahead, computes batches of pages of one size, and encodes behind, at the same time."""

    def __init__(self, arguments: argparse.Namespace, colorizer: "Colorizer", output: "Output", kind: str) -> None:
        self._arguments, self._colorizer, self._output, self._kind = arguments, colorizer, output, kind
        many = arguments.samples > 1
        self.extras = [f"-{index + 1}" if many else "" for index in range(arguments.samples)]
        self.failed: dict[str, str] = {}
        self.there = 0

    def run(self, pages: "list[Page]", progress: Callable[[int, int], None]) -> int:
        """Colours what is not there yet; how many pages that were."""
        todo = [page for page in pages if not all(self._output.has(page.name, extra) for extra in self.extras)]
        self.there = len(pages) - len(todo)
        done = 0
        writing: deque[tuple[Page, Future[None]]] = deque()
        with ThreadPoolExecutor(2, thread_name_prefix="pages") as pool:
            try:
                for batch in self._batches(todo, pool):
                    for page, scan, uvs in self._colored(batch):
                        writing.append((page, pool.submit(self._write, page, scan, uvs)))
                    while len(writing) > AHEAD * self._arguments.batch_size:
                        done += self._written(*writing.popleft())
                        progress(done + len(self.failed), len(todo))
                while writing:
                    done += self._written(*writing.popleft())
                    progress(done + len(self.failed), len(todo))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return done

    def _batches(
        self, pages: "list[Page]", pool: ThreadPoolExecutor
    ) -> "Iterator[list[tuple[Page, Scan, np.ndarray]]]":
        """Pages of one size at a time, decoded ahead."""
        reading: deque[tuple[Page, Future[tuple[Scan, np.ndarray]]]] = deque()
        waiting = deque(pages)
        batch: list[tuple[Page, Scan, np.ndarray]] = []
        size = self._arguments.batch_size
        while waiting or reading:
            while waiting and len(reading) < AHEAD * size:
                page = waiting.popleft()
                reading.append((page, pool.submit(self._read, page)))
            page, future = reading.popleft()
            try:
                scan, seen = future.result()
            except (ValueError, OSError, MemoryError) as error:
                self._fail(page, error)
                continue
            if batch and (len(batch) == size or batch[0][2].shape != seen.shape):
                yield batch
                batch = []
            batch.append((page, scan, seen))
        if batch:
            yield batch

    def _read(self, page: "Page") -> "tuple[Scan, np.ndarray]":
        from zoo.coloring.cleaning import descreened, with_white_paper
        from zoo.coloring.scan import read_scan

        scan = read_scan(page.source.read())
        if scan.colored and not (self._arguments.desaturate or self._arguments.white_paper):
            raise ValueError("it has colours: --desaturate colours it anew, --white-paper takes stains for paper")
        if self._arguments.white_paper:
            scan = with_white_paper(scan)
        seen = scan if self._arguments.descreen is None else descreened(scan, self._arguments.descreen)
        return scan, self._colorizer.seen(seen)

    def _colored(self, batch: "list[tuple[Page, Scan, np.ndarray]]") -> "Iterator[tuple[Page, Scan, list[np.ndarray]]]":
        seen = [each[2] for each in batch]
        seeds = range(self._arguments.seed, self._arguments.seed + self._arguments.samples)
        samples = [self._colorizer.chroma(seen, seed=seed) for seed in seeds]
        for index, (page, scan, _) in enumerate(batch):
            yield page, scan, [uvs[index] for uvs in samples]

    def _write(self, page: "Page", scan: "Scan", uvs: "list[np.ndarray]") -> None:
        import numpy as np

        from zoo.coloring.scan import encode
        from zoo.coloring.summary import summary

        for extra, uv in zip(self.extras, uvs, strict=True):
            rgb = self._colorizer.paint(scan, uv)
            if rgb.dtype == np.uint16 and self._kind != "png":
                rgb = (rgb >> 8).astype(np.uint8)
            self._output.write(page.name, encode(rgb, scan, self._kind, self._arguments.quality), extra)
            if self._arguments.summary:
                data = encode(summary(scan, rgb), scan, self._kind, self._arguments.quality)
                self._output.write(page.name, data, f"{extra}-summary")

    def _written(self, page: "Page", future: "Future[None]") -> int:
        try:
            future.result()
        except (ValueError, MemoryError) as error:
            self._fail(page, error)
            return 0
        return 1

    def _fail(self, page: "Page", error: BaseException) -> None:
        self.failed[page.source.name] = getattr(error, "strerror", None) or str(error) or type(error).__name__


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: colorize(parsed))


if __name__ == "__main__":
    sys.exit(main())
