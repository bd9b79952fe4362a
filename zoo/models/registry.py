"""The registry: plain builder functions by name, one card each. Free of Keras until a model is built."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zoo.errors import UsageError
from zoo.support.names import suggestion


@dataclass(frozen=True)
class ModelCard:
    """What there is to know about a model; the only source of every table and help text about it.

    Attributes:
        name: what it is called in `zoo.create` and on the command line.
        summary: one line.
        source: where the architecture comes from.
        trunk: the default trunk.
        head: the default head.
        output: `uv` (chroma) or `logits` (64-bin distributions of U and V).
        parameters: number of weights, the encoder's included.
        citation: what to cite.
        notes: what a user should know before training it.
    """

    name: str
    summary: str
    source: str
    trunk: str
    head: str
    output: str
    parameters: int
    citation: str
    notes: str = ""


LOGITS_HEADS = ("bins", "v_given_u")
"""The heads that answer with logits; the others answer with UV."""

Builder = Callable[..., Any]
_REGISTRY: dict[str, tuple[ModelCard, Builder]] = {}


def register_model(card: ModelCard) -> Callable[[Builder], Builder]:
    """Registers the decorated builder under `card.name`.

    A builder takes keyword options and returns a `keras.Model` from luma (B, H, W, 1) to what `card.output` says.

    Raises:
        ValueError: the name is taken.
    """

    def decorate(builder: Builder) -> Builder:
        if card.name in _REGISTRY:
            taken = _REGISTRY[card.name][1]
            raise ValueError(f"a model named {card.name!r} is registered already, by {taken.__module__}")
        _REGISTRY[card.name] = (card, builder)
        return builder

    return decorate


def list_models() -> list[str]:
    """The names of the registered models, in the order of their registration."""
    return list(_REGISTRY)


def get_card(name: str) -> ModelCard:
    """The card of a registered model.

    Raises:
        UsageError: no such model; the message suggests the nearest name.
    """
    return _lookup(name)[0]


def _lookup(name: str) -> tuple[ModelCard, Builder]:
    if name not in _REGISTRY:
        known = ", ".join(_REGISTRY)
        raise UsageError(f"unknown model {name!r}.{suggestion(name, _REGISTRY)} Known models: {known}.")
    return _REGISTRY[name]


def build(name: str, **options: Any) -> Any:
    """Builds a registered model with new weights: see `zoo.create`.

    Raises:
        UsageError: an unknown name or option, or encoder weights that cannot be had.
    """
    return _lookup(name)[1](**options)
