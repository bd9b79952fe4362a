"""What is kept in memory as long as there is room: the least recently used goes first."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Bounded(Generic[T]):
    """Things by key, of so many bytes in all. What was put in last stays, however large it is.

    Args:
        most: bytes.

    Attributes:
        held: bytes that are in it.
    """

    def __init__(self, most: int) -> None:
        self._most, self.held = most, 0
        self._items: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> T | None:
        """What is there under a key."""
        with self._lock:
            if key not in self._items:
                return None
            self._items.move_to_end(key)
            return self._items[key][0]

    def put(self, key: Hashable, item: T, size: int) -> None:
        """Keeps a thing of so many bytes; the same key again says its size anew."""
        with self._lock:
            self.held += size - self._items.pop(key, (item, 0))[1]
            self._items[key] = item, size
            while self.held > self._most and len(self._items) > 1:
                self.held -= self._items.popitem(last=False)[1][1]

    def __len__(self) -> int:
        return len(self._items)
