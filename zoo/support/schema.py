"""Settings with a type and a range, of flags, recipes and model options alike; and types of what JSON files hold."""

import dataclasses
import math
import numbers
import types
import typing
from dataclasses import dataclass, field
from typing import Any

from zoo.errors import UsageError
from zoo.support.names import brief, suggestion

_ABSTRACT = {int: numbers.Integral, float: numbers.Real}  # NumPy's are among them
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


@dataclass(frozen=True)
class Range:
    """What a setting may be.

    Attributes:
        least: the smallest value; None for any.
        most: the largest value.
        above: what it is larger than.
        below: what it is smaller than.
        multiple: what it is a multiple of.
        choices: the texts it may be; empty for any.
    """

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    multiple: int = 1
    choices: tuple[str, ...] = ()

    def check(self, name: str, value: Any, kind: type) -> Any:
        """The value, a float where one is wanted.

        Args:
            name: what messages call the setting, such as `--steps`.
            value: as it was given.
            kind: int, float, bool or str.

        Raises:
            UsageError: it is of another type or out of range; the message says what it may be.
        """
        if not isinstance(value, _ABSTRACT.get(kind, kind)) or (kind is not bool and isinstance(value, bool)):
            raise UsageError(f"{name} must be {_KINDS[kind]}, not {brief(value)}")
        try:
            value = kind(value)
        except OverflowError:  # an integer that is no float
            value = math.inf
        if self.choices and value not in self.choices:
            known = ", ".join(self.choices)
            near = suggestion(value, self.choices)
            raise UsageError(f"{name} must be one of {known}, not {brief(value)}{'.' * bool(near)}{near}")
        if kind in (int, float) and not self._holds(value):
            raise UsageError(f"{name} must be {self}, not {brief(value)}")
        return value

    def _holds(self, value: float) -> bool:
        return (
            math.isfinite(value)
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
            and (self.multiple == 1 or value % self.multiple == 0)
        )

    def __str__(self) -> str:
        words = [f"a multiple of {self.multiple}"] if self.multiple > 1 else []
        low = f"at least {self.least}" if self.least is not None else ""
        if self.least is not None and (self.most is not None or self.below is not None):
            end = f"{self.most}]" if self.most is not None else f"{self.below})"
            low = f"in [{self.least}, {end}"
        words += [low] if low else []
        words += [f"above {self.above}"] if self.above is not None else []
        return " and ".join(words) or "finite"


def setting(default: Any, **bounds: Any) -> Any:
    """A field of a dataclass with a default and a `Range`."""
    return field(default=default, metadata={"range": Range(**bounds)})


def check_fields(settings: Any) -> Any:
    """A dataclass's copy in which every field with a `Range` is of its type and in its range.

    Raises:
        UsageError: one is not; the message names its flag.
    """
    checked = {}
    for each in dataclasses.fields(settings):
        if "range" in each.metadata:
            flag = f"--{each.name.replace('_', '-')}"
            checked[each.name] = each.metadata["range"].check(flag, getattr(settings, each.name), each.type)
    return dataclasses.replace(settings, **checked)


def fits(value: Any, wanted: Any) -> bool:
    """Whether a value from JSON is of a type, such as `list[float | None]`; numbers are to fit into 64 bits.

    Args:
        value: the value.
        wanted: the type; of an object also a dictionary: the type of each of its keys that is needed; of a list also a
            list with the type of all of its values.
    """
    origin, parts = typing.get_origin(wanted), typing.get_args(wanted)
    if wanted is Any:
        return True
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(key in value and fits(value[key], each) for key, each in wanted.items())
    if isinstance(wanted, list):
        return isinstance(value, list) and all(fits(each, wanted[0]) for each in value)
    if isinstance(wanted, types.UnionType):
        return any(fits(value, each) for each in parts)
    if origin is list:
        return isinstance(value, (list, tuple)) and all(fits(each, parts[0]) for each in value)
    if origin is tuple:  # a list of so many
        return len(value) == len(parts) and all(map(fits, value, parts)) if isinstance(value, (list, tuple)) else False
    if origin is dict:
        return isinstance(value, dict) and all(fits(each, parts[1]) for each in value.values())
    if wanted in (int, float):
        number = isinstance(value, int) or (isinstance(value, float) and wanted is float and math.isfinite(value))
        return number and not isinstance(value, bool) and (isinstance(value, float) or abs(value) < 2**63)
    return isinstance(value, wanted)


def misfit(value: dict[str, Any], wanted: dict[str, Any]) -> str | None:
    """The first key of an object that is missing or of another type, with its value; None if there is none."""
    for name, each in wanted.items():
        if name not in value:
            return f"{name} is missing"
        if not fits(value[name], each):
            inner = misfit(value[name], each) if isinstance(each, dict) and isinstance(value[name], dict) else None
            return f"{name}: {inner}" if inner else f"{name} is {brief(value[name])}"
    return None
