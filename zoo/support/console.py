"""What a command is doing, on standard error: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zoo.support.names import printable_lines

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BEFORE_FIRST_LINE = 2.0
SECONDS_BEFORE_TIME_LEFT = 5.0


class TrainingProgress:
    """Loss, images a second and time left of a run from step `start` to `steps`."""

    def __init__(self, steps: int, start: int, batch_size: int, console: Console) -> None:
        self._steps, self._start, self._batch_size = steps, start, batch_size
        self._console = console
        self._began = self._shown = time.monotonic()
        self._paused = 0.0
        self._bar: Progress | None = None
        self._task: Any = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("step"),
                MofNCompleteColumn(),
                BarColumn(),
                TextColumn("loss {task.fields[loss]}"),
                TextColumn("{task.fields[speed]} images/s"),
                TimeRemainingColumn(elapsed_when_finished=True),
                console=console,
            )

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task("", total=self._steps, completed=self._start, loss="–", speed="–")
        elif self._start < self._steps:
            self.say("compiling the first step")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def pause(self, seconds: float) -> None:
        """Time that was not spent training, such as a validation: it does not count as speed."""
        self._paused += seconds

    def images_per_second(self, step: int) -> float:
        """Training speed since the start, pauses left out."""
        spent = time.monotonic() - self._began - self._paused
        return (step - self._start) * self._batch_size / max(spent, 1e-9)

    def update(self, step: int, loss: float) -> None:
        """Shows where step `step` got to."""
        speed = self.images_per_second(step)
        if self._bar:
            self._bar.update(self._task, completed=step, loss=f"{loss:.4g}", speed=f"{speed:.1f}")
            return
        now = time.monotonic()
        if now - self._shown >= SECONDS_BETWEEN_LINES or step == self._steps:
            self._shown = now
            left = (self._steps - step) * self._batch_size / max(speed, 1e-9)
            self.say(f"step {step}/{self._steps}  loss {loss:.4g}  {speed:.1f} images/s  {_clock(left)} left")

    def say(self, line: str) -> None:
        """A line above the bar, or just a line."""
        say(line, self._console)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


@contextmanager
def scanning(
    console: Console, what: str = "reading the data set", unit: str = "images"
) -> Iterator[Callable[[int, int], None]]:
    """A callback (done, all) that shows how far `what` is and the time left.

    It does so always on a terminal; elsewhere when nothing is done yet, after two seconds, every ten, and at the end of
    what it has spoken of.
    """
    began = time.monotonic()
    shown: float | None = None
    first: int | None = None
    with console.status(what) as status:

        def progress(done: int, total: int) -> None:
            nonlocal began, shown, first
            now = time.monotonic()
            line = f"{what}: {done} of {total} {unit}"
            begins = first is None
            if first is None:
                # What was there already took no time.
                began, first = (began, 0) if done == 1 else (now, done)
            elif first < done < total and now - began >= SECONDS_BEFORE_TIME_LEFT:
                line += f", {_clock((now - began) * (total - done) / (done - first))} left"
            wait = SECONDS_BEFORE_FIRST_LINE if shown is None else SECONDS_BETWEEN_LINES
            if console.is_terminal:
                status.update(line)
            elif (begins and not done) or now - (shown or began) >= wait or (shown is not None and done == total):
                shown = now
                say(line, console)

        yield progress


def say(text: str, console: Console | None = None) -> None:
    """A line on standard error, as it is but for what does not print."""
    (console or stderr_console()).print(printable_lines(text), markup=False, highlight=False, soft_wrap=True)


def stderr_console() -> Console:
    """The console that everything but results goes to."""
    return Console(file=sys.stderr)
