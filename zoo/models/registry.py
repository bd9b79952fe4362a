"""The registry of models: plain builder functions by name, one card each. Free of Keras until a model is built."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zoo.models.inputs import LUMA
from zoo.support.names import Registry


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
        encoder: the default encoder; empty of a model without one.
        inputs: what the model takes, `luma` first: see `zoo.models.inputs`.
        grows_from: a model whose weights it can begin from; they stay as they are, and what it has besides is trained.
        loss: what its paper trains it by, where recipes that come with the package say `mse`; empty for theirs.
        year: of the paper that proposed it; 0 where there is none.
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
    encoder: str = ""
    inputs: tuple[str, ...] = (LUMA,)
    grows_from: str = ""
    loss: str = ""
    year: int = 0


Builder = Callable[..., Any]


@dataclass(frozen=True)
class Entry:
    """A registered model."""

    card: ModelCard
    builder: Builder


MODELS: Registry[Entry] = Registry("model")


def register_model(card: ModelCard) -> Callable[[Builder], Builder]:
    """Registers the decorated builder under `card.name`.

    A builder takes keyword options and returns a `keras.Model` from luma (B, H, W, 1) to what `card.output` says.

    Raises:
        ValueError: the name is taken.
    """

    def decorate(builder: Builder) -> Builder:
        MODELS.add(card.name, Entry(card, builder))
        return builder

    return decorate


def list_models() -> list[str]:
    """The names of the registered models, in the order of their registration."""
    return list(MODELS)


def get_card(name: str) -> ModelCard:
    """The card of a registered model.

    Raises:
        UsageError: no such model; the message suggests the nearest name.
    """
    return MODELS[name].card


def build(name: str, **options: Any) -> Any:
    """Builds a registered model with new weights: see `zoo.create`.

    Raises:
        UsageError: an unknown name or option, or encoder weights that cannot be had.
    """
    return MODELS[name].builder(**options)
