"""Heads: from 64 channels to the answer. Each is a file of this folder.

A head is a function of `Features` and `Parts` (`zoo.models.parts`). It gives UV (B, H, W, 2), or logits of 64 bins of U
and of V, (B, H, W, 2, 64); float32 either way.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zoo.models.contract import contract_of
from zoo.support.names import Registry, import_all

Build = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Chain:
    """A model that predicts V given U, in two parts.

    Attributes:
        body: a `keras.Model` of luma and what a user may give, to the logits of U, (B, h, w, 64), and features.
        v_logits: of features (B, h, w, C) and U (B, h, w, 1), the logits of V, (B, h, w, 64).
        channels: of the features.
        marginal: of features and p(U), (B, h, w, 64), p(V) over all U, a backend tensor of that shape; shares of U up
            to a least one count as none.
        direct: whether `marginal` knows p(V) by itself, without a sum over U.
        embedding: how many of the features, before the last, say what a pixel is: pixels follow a hint as these are
            alike, and the last is the score of no hint (`zoo.models.layers.attention`); 0 of a head without.
    """

    body: Any
    v_logits: Callable[[Any, Any], Any]
    channels: int
    marginal: Callable[[Any, Any, float], Any]
    embedding: int = 0
    direct: bool = False


@dataclass(frozen=True)
class Head:
    """A registered head.

    Attributes:
        name: what the model option `head` takes.
        summary: one line.
        answer: `uv` or `logits`.
        build: the function.
        inputs: names of what it takes besides luma.
        chain: of a head that predicts V given U: takes a model apart.
    """

    name: str
    summary: str
    answer: str
    build: Build
    inputs: tuple[str, ...] = ()
    chain: Callable[[Any], Chain] | None = None


HEADS: Registry[Head] = Registry("head")


def register_head(
    name: str,
    summary: str,
    *,
    answer: str,
    inputs: tuple[str, ...] = (),
    chain: Callable[[Any], Chain] | None = None,
) -> Callable[[Build], Build]:
    """Registers the decorated function as a head.

    Raises:
        ValueError: the name is taken, or the answer is neither `uv` nor `logits`.
    """
    if answer not in ("uv", "logits"):
        raise ValueError(f"head {name!r} answers with {answer!r}: it has to be uv or logits")

    def decorate(build: Build) -> Build:
        HEADS.add(name, Head(name, summary, answer, build, inputs, chain))
        return build

    return decorate


def chain_of(model: Any) -> Chain | None:
    """A model in two parts, if it predicts V given U; None of others.

    Raises:
        UsageError: the model is no colouriser.
    """
    name = contract_of(model).head
    chain = HEADS[name].chain if name else None
    return chain(model) if chain else None


import_all(__name__, __path__)
