"""What watches over a run: signals, a loader that stalls, a loss that explodes."""

import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from zoo.errors import InterruptError, RunError, StallError
from zoo.support.interrupts import heard

SILENT_SECONDS = 60.0
"""How long the loader may take for a batch before it is said."""

STALL_SECONDS = 600.0
"""How long until the run stops."""

EXPLODED = 1000.0
"""A loss of this many times the untrained network's is no loss that training recovers from."""


class Stop:
    """Turns the first Ctrl-C or SIGTERM into a wish to stop, so that no step is cut in two; the second acts at once.

    Outside of `deferred` there is nothing to save, and the first one acts at once too.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._deferred = self._acted = False

    @property
    def asked(self) -> bool:
        """Whether a signal has come."""
        return self.number is not None

    def check(self) -> None:
        """Raises InterruptError if a signal has come."""
        if self.asked:
            raise self.error("stopped")

    def ask(self) -> None:
        """Stops as if SIGTERM had come, if nothing has: another worker was told to stop."""
        self.number = self.number or signal.SIGTERM

    def error(self, what: str) -> InterruptError:
        """The error to stop with: exit code 130 after Ctrl-C, 143 after SIGTERM."""
        number = self.number or signal.SIGINT
        return InterruptError(f"{what}: give the same command again to go on", exit_code=128 + number)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handles the signals inside the block, if this is the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        def handle(number: int, frame: Any) -> None:
            self.number = self.number or number
            if not self._deferred:
                self._acted = True
                raise KeyboardInterrupt  # which passes where libraries catch every Exception
            restore()
            # A signal handler must not print through a buffer that it may have interrupted.
            os.write(2, b"\nstopping after this step, and saving; a second Ctrl-C ends it at once, without\n")

        try:
            for number in before:
                signal.signal(number, handle)
            with heard(lambda: signal.raise_signal(self.number or signal.SIGINT)):
                yield
            self.check()  # whoever caught what was raised went on
        except (Exception, KeyboardInterrupt):
            if self._acted:  # libraries make errors of their own of what is raised while they trace a model
                raise self.error("stopped") from None
            raise
        finally:
            restore()

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside the block, a signal is only noted: see `asked`."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False


class Fetcher:
    """Takes batches in a thread of its own, so that a loader that hangs cannot hang the run.

    Args:
        batches: endless.
        step: of the first batch, from 0.
        names: the images of the batch of a step, for messages.
        say: where warnings go.
    """

    def __init__(
        self, batches: Iterator[Any], step: int, names: Callable[[int], list[str]], say: Callable[[str], None]
    ) -> None:
        self._batches, self._step, self._names, self._say = batches, step, names, say
        self._wanted: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._found: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        # A daemon: the interpreter does not wait for it, should it never come back.
        self._thread = threading.Thread(target=self._fetch, name="fetch", daemon=True)
        self._thread.start()
        self._wanted.put(True)

    def _fetch(self) -> None:
        while self._wanted.get():
            try:
                self._found.put((next(self._batches), None))
            except BaseException as error:  # it is raised where the batch is wanted
                self._found.put((None, error))
                return

    def next(self) -> Any:
        """The next batch.

        Raises:
            StallError: none came for `STALL_SECONDS`.
            Exception: what the loader raised.
        """
        try:
            batch, error = self._found.get(timeout=SILENT_SECONDS)
        except queue.Empty:
            named = some_names(self._names(self._step))
            self._say(f"no batch from the loader for {SILENT_SECONDS:.0f} s; it reads {named}")
            try:
                batch, error = self._found.get(timeout=max(0.0, STALL_SECONDS - SILENT_SECONDS))
            except queue.Empty:
                raise StallError(
                    f"the loader has stalled: no batch for {STALL_SECONDS:.0f} s at step {self._step + 1}, of {named}."
                    " Is the disk or the network drive they lie on still there?"
                ) from None
        if error is not None:
            raise error
        self._wanted.put(True)
        self._step += 1
        return batch

    def close(self) -> None:
        """Ends the thread, if it is not stuck."""
        self._wanted.put(False)
        self._thread.join(timeout=5)


def some_names(names: list[str], limit: int = 8) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def check_losses(losses: np.ndarray, step: int, untrained: float, names: Callable[[int], list[str]], kept: str) -> None:
    """Stops a run that diverges.

    Args:
        losses: of the last steps.
        step: of the last of them, from 1.
        untrained: the loss of the network before training; NaN if unknown.
        names: the images of the batch of a step, counted from 0.
        kept: a sentence on what is saved.

    Raises:
        RunError: a loss is not finite, or `EXPLODED` times as large as the untrained network's.
    """
    bad = ~np.isfinite(losses) | (losses > EXPLODED * untrained)  # nothing is larger than NaN
    if bad.any():
        first = step - len(losses) + 1 + int(np.argmax(bad))
        value = losses[first - step - 1]
        than = f", over {EXPLODED:g} times the untrained network's {untrained:.4g}" if np.isfinite(value) else ""
        raise RunError(
            f"the loss of step {first} is {value:.4g}{than}: training diverged; {kept}. Its batch is of"
            f" {some_names(names(first - 1))}. Try a lower --learning-rate, --precision float32 or, for a regression,"
            " the sigmoid output."
        )
