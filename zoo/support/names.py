"""Names: the nearest to a mistyped one, what a terminal may show of one, and things that are known by name."""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from zoo.errors import UsageError

T = TypeVar("T")


def suggestion(name: str, known: Iterable[str]) -> str:
    """ " Did you mean …?" for a mistyped name, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def brief(value: object) -> str:
    """A value as Python writes it, cut to what a message has room for."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, lists in lists without end
        return "what is too large to show"
    return text if len(text) <= 200 else f"{text[:200]}…"


def first_line(error: Exception) -> str:
    """What an error of somebody's library or code says first: the rest may be a whole graph."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:400]


def printable(name: str) -> str:
    """The name without control characters and undecodable bytes, which must not reach a terminal."""
    return "".join(character if character.isprintable() else "?" for character in name)


def printable_lines(text: str) -> str:
    """The same of a message of several lines; of one that no screen would hold, its beginning and its end."""
    lines = map(printable, text.split("\n"))
    return "\n".join(each if len(each) <= 3000 else f"{each[:2000]} … {each[-900:]}" for each in lines)


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


def import_all(package: str, path: Iterable[str]) -> None:
    """Imports every module of a package, so that each registers what it holds: a new file is found by being there."""
    for module in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{module.name}")
