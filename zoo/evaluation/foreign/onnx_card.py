"""The card of an ONNX file, in TOML: what it takes and gives, and whose it is."""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from zoo.chroma.upsampling import reduced_size
from zoo.errors import UsageError
from zoo.support.names import printable, suggestion
from zoo.support.schema import Range

CARD_KEY = "colorizer card"
"""The metadata of an ONNX file that holds its card, where no file beside it does: `zoo.export` writes it."""

LAYOUTS = ("NHWC", "NCHW")
CHANNELS = {"luma": 1, "L": 1, "gray rgb": 3, "uv": 2, "ab": 2, "rgb": 3}
LEAST, LARGEST = 8, 8192  # pixels a side of what a network may see


def _one(kind: type, **bounds: Any) -> Any:
    """A field of a card with one value, whose default is nothing; a text is one that a terminal may show."""

    def read(name: str, value: Any) -> Any:
        checked = Range(**bounds).check(name, value, kind)
        return printable(checked) if kind is str else checked

    return field(default=kind(), metadata={"read": read})


def _choice(*choices: str) -> Any:
    """A field of a card that has to be there."""
    return field(metadata={"read": lambda name, value: Range(choices=choices).check(name, value, str)})


def _numbers(default: tuple[float, ...], kind: type = float, counts: Sequence[int] = (1, 3), **bounds: Any) -> Any:
    """A field of a card with one number, or a list of them."""

    def read(name: str, value: Any) -> tuple[Any, ...]:
        values = value if isinstance(value, list) else [value]
        if len(values) not in counts:
            raise UsageError(f"{name} must hold {' or '.join(map(str, counts))} numbers, not {value!r}")
        return tuple(Range(**bounds).check(name, each, kind) for each in values)

    return field(default=default, metadata={"read": read})


def _zeros(name: str, value: Any) -> dict[str, int]:
    return {key: Range(least=1).check(f"{name}.{key}", each, int) for key, each in _table(name, value).items()}


@dataclass(frozen=True)
class CardInput:
    """The table `[input]` of a card: what the network is given, scale × value + offset.

    Attributes:
        color: `luma`, Y in [0, 1]; `L`, CIELAB's in [0, 100]; `gray rgb`, Y three times.
        layout: of `LAYOUTS`.
        name: of the graph's input; empty where there is one alone.
        scale: one number, or one for each channel.
        offset: likewise.
        size: the only height and width that it takes; empty for any.
        multiple: what height and width have to be multiples of; 0 for any.
        side: the longer side of larger pictures is reduced to this; 0 for none.
        zeros: other inputs, which get zeros: by name, how many times smaller than the picture they are.
        noise: the input that takes Gumbel noise (2, 64), as exported samples of this zoo do; empty for none.
    """

    color: str = _choice("luma", "L", "gray rgb")
    layout: str = _choice(*LAYOUTS)
    name: str = _one(str)
    scale: tuple[float, ...] = _numbers((1.0,))
    offset: tuple[float, ...] = _numbers((0.0,))
    size: tuple[int, ...] = _numbers((), int, (2,), least=LEAST, most=LARGEST)
    multiple: int = _one(int, least=1, most=LARGEST)
    side: int = _one(int, least=LEAST, most=LARGEST)
    zeros: dict[str, int] = field(default_factory=dict, metadata={"read": _zeros})
    noise: str = _one(str)

    def seen(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what the network sees of a picture."""
        if self.size:
            return self.size[0], self.size[1]
        multiple = self.multiple or 1
        high, wide = (max(1, round(each / multiple)) * multiple for each in reduced_size(height, width, self.side))
        return high, wide


@dataclass(frozen=True)
class CardOutput:
    """The table `[output]` of a card: what scale × answer + offset is.

    Attributes:
        color: `uv` of this zoo; `ab` of CIELAB; `rgb` in [0, 1].
        layout: of `LAYOUTS`.
        name: of the graph's output; empty where there is one alone.
        scale: one number, or one for each channel.
        offset: likewise.
    """

    color: str = _choice("uv", "ab", "rgb")
    layout: str = _choice(*LAYOUTS)
    name: str = _one(str)
    scale: tuple[float, ...] = _numbers((1.0,), counts=(1, 2, 3))
    offset: tuple[float, ...] = _numbers((0.0,), counts=(1, 2, 3))


@dataclass(frozen=True)
class OnnxCard:
    """What an ONNX model takes and gives, and whose it is."""

    input: CardInput = field(metadata={"read": lambda name, value: _read(CardInput, name, value)})
    output: CardOutput = field(metadata={"read": lambda name, value: _read(CardOutput, name, value)})
    name: str = _one(str)
    licence: str = _one(str)
    source: str = _one(str)

    def __post_init__(self) -> None:
        for where, part in (("input", self.input), ("output", self.output)):
            for name in ("scale", "offset"):
                if len(getattr(part, name)) not in (1, CHANNELS[part.color]):
                    raise UsageError(f"{where}.{name} must hold 1 or {CHANNELS[part.color]} numbers, for {part.color}")
        given = [name for name in ("size", "multiple", "side") if getattr(self.input, name)]
        if len(given) > 1 and "size" in given:
            raise UsageError(f"input.size leaves nothing to input.{given[1]}: give one of them")


def card_of(text: str, where: str) -> OnnxCard:
    """A card from its TOML.

    Raises:
        UsageError: no TOML, an unknown key, one that is missing, or a value that it may not have; `where` it is from.
    """
    try:
        return _read(OnnxCard, "", tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where} is not a TOML file: {error}") from None
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def _table(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{name} must be a table, not {value!r}")
    return value


def _read(kind: Callable[..., Any], name: str, table: Any) -> Any:
    """One of the classes above from a table, each key read as its field says."""
    known = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
    before = f"{name}." if name else ""
    values = {}
    for key, value in _table(name, table).items():
        if key not in known:
            raise UsageError(f"unknown key {before}{key}.{suggestion(key, known)} Known: {', '.join(known)}")
        values[key] = known[key].metadata["read"](f"{before}{key}", value)
    for key, each in known.items():
        if key not in values and each.default is MISSING and each.default_factory is MISSING:
            raise UsageError(f"{before}{key} is missing")
    return kind(**values)
