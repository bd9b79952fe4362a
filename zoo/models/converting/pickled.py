"""Pickles as data: what PyTorch writes a state dict in.

The standard library's `pickle` imports and calls whatever a file names. Here the opcodes that a state dict is written
in are read one by one. A name in the file stays a name: there is nothing that could be called.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

DICTIONARY = "collections OrderedDict"
TENSORS = ("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor")
"""What a state dict calls, and nothing else may be; the second of two is of PyTorch before 0.4."""

_VALUES = {"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINSTRING", "BINSTRING", "BINFLOAT"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass(frozen=True)
class Named:
    """Something outside the file that it names: a module and what is in it, with a space between."""

    name: str


@dataclass(frozen=True)
class TensorRecord:
    """A tensor as a state dict describes it.

    Attributes:
        storage: what was made of the persistent id of its storage.
        offset: of its first element in the storage.
        shape: how many elements along each axis.
        strides: elements from one to the next along each axis.
    """

    storage: Any
    offset: Any
    shape: Any
    strides: Any


def read(file: IO[bytes], storage: Callable[[Any], Any]) -> Any:
    """The object that a pickle describes, of dictionaries, lists, tuples, numbers, texts, `Named` and `TensorRecord`.

    Args:
        file: read up to the end of the pickle.
        storage: makes something of a persistent id.

    Raises:
        ValueError: it holds anything else; the message says what.
        LookupError, TypeError: it is damaged.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def last(count: int) -> list[Any]:
        if not 0 <= count <= len(stack):
            raise ValueError("its pickle is damaged")
        found = stack[len(stack) - count :]
        del stack[len(stack) - count :]
        return found

    def marked() -> list[Any]:
        return last(len(stack) - marks.pop())

    argument: Any  # as the opcode has it
    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            stack.append(tuple(last(_TUPLES[name])))
        elif name == "TUPLE":
            stack.append(tuple(marked()))
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "MARK":
            marks.append(len(stack))
        elif name in ("APPEND", "APPENDS"):
            values = last(1) if name == "APPEND" else marked()
            _checked(stack[-1], list).extend(values)
        elif name in ("SETITEM", "SETITEMS"):
            values = last(2) if name == "SETITEM" else marked()
            _checked(stack[-1], dict).update(_pairs(zip(values[::2], values[1::2], strict=True)))
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "GLOBAL":
            stack.append(Named(argument))
        elif name == "BINPERSID":
            stack.append(storage(stack.pop()))
        elif name == "REDUCE":
            called, arguments = last(2)
            stack.append(_made(_checked(called, Named).name, _checked(arguments, tuple)))
        elif name == "BUILD":  # attributes of a dictionary, which say versions of modules
            stack.pop()
            _checked(stack[-1], dict)
        elif name == "STOP":
            return stack.pop()
        elif name != "PROTO":
            raise ValueError(f"its pickle has the opcode {name}, which a state dict has no use for")
    raise ValueError("its pickle has no end")


def _checked(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"its pickle has a {type(value).__name__} where a {kind.__name__} belongs")
    return value


def _pairs(pairs: Any) -> dict[Any, Any]:
    return {_checked(key, str): value for key, value in pairs}


def _made(name: str, arguments: tuple[Any, ...]) -> Any:
    """What a call of a name would have made."""
    if name == DICTIONARY and not arguments:
        return {}
    if name == DICTIONARY and len(arguments) == 1:  # as Python 2 wrote it
        return _pairs(_checked(pair, list) for pair in _checked(arguments[0], list))
    if name in TENSORS and len(arguments) >= 4:
        return TensorRecord(*arguments[:4])
    raise ValueError(f"its pickle calls {name.replace(' ', '.')}, which a state dict has no use for: it is not run")
