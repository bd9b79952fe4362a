"""One thread that computes for all tabs: the most urgent first, and of one tab's old wishes the last alone."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

URGENT, USUAL, IDLE = range(3)
"""Of a click; of a picture; of what may be wanted soon."""


class SupersededError(Exception):
    """A later wish of the same tab took the place of this one."""


@dataclass(order=True)
class _Wish:
    urgency: int
    number: int
    work: Callable[[], Any] = field(compare=False)
    slot: Hashable = field(compare=False)
    answer: "Future[Any]" = field(compare=False)


class QueueOfWork:
    """A thread, and what it is to do.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._wishes: list[_Wish] = []
        self._changed = threading.Condition()
        self._closed, self._count = False, 0
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], Any], *, slot: Hashable = None, urgency: int = USUAL) -> "Future[Any]":
        """Has something done.

        Args:
            work: what.
            slot: a wish that waits under the same one is dropped: its answer is `SupersededError`. None drops none.
            urgency: of `URGENT`, `USUAL` and `IDLE`.
        """
        answer: Future[Any] = Future()
        with self._changed:
            old = [wish for wish in self._wishes if slot is not None and wish.slot == slot]
            self._wishes = [wish for wish in self._wishes if wish not in old]
            self._wishes.append(_Wish(urgency, self._count, work, slot, answer))
            self._count += 1
            self._changed.notify()
        for wish in old:
            if wish.answer.set_running_or_notify_cancel():
                wish.answer.set_exception(SupersededError())
        return answer

    def close(self) -> None:
        """Drops what waits, and waits for what is being done."""
        with self._changed:
            self._closed = True
            waiting, self._wishes = self._wishes, []
            self._changed.notify()
        for wish in waiting:
            wish.answer.cancel()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._wishes and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                wish = min(self._wishes)
                self._wishes.remove(wish)
            if not wish.answer.set_running_or_notify_cancel():
                continue
            try:
                found = wish.work()
            except BaseException as error:
                wish.answer.set_exception(error)
            else:
                wish.answer.set_result(found)
