"""Things by name: a taken name is an error, an unknown one is refused with the nearest one."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from zoo.errors import UsageError
from zoo.support.names import suggestion

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one kind by name, in the order of their registration.

    Args:
        kind: what they are called in messages, such as "encoder".
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}

    def add(self, name: str, item: T) -> None:
        """Registers `item`.

        Raises:
            ValueError: the name is taken.
        """
        if name in self._items:
            raise ValueError(f"{self.kind} {name!r} is registered already")
        self._items[name] = item

    def remove(self, name: str) -> None:
        """Forgets a name, for a test that has registered it."""
        del self._items[name]

    def __getitem__(self, name: str) -> T:
        """The thing of that name.

        Raises:
            UsageError: there is none; the message suggests the nearest name.
        """
        if name not in self._items:
            known = ", ".join(self._items)
            raise UsageError(
                f"unknown {self.kind} {name!r}.{suggestion(str(name), self._items)} Known {self.kind}s: {known}."
            )
        return self._items[name]

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
