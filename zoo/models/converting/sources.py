"""Where the values of a model's variables are in a state dict of PyTorch, whose axes lie otherwise."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.models.field.stages import Published

Shape = tuple[int, ...]

_CONVOLUTION = ("weight", "bias")
_NORMALIZATION = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Source:
    """What the values of a variable are made of.

    Attributes:
        shapes: of the tensors, by name.
        make: from their arrays, in that order, to the values.
    """

    shapes: Mapping[str, Shape]
    make: Callable[..., np.ndarray]


Sources = list[tuple[Any, Source]]
"""Variables of a model, each with its source."""


def sources_of_modules(model: Any, published: Published) -> Sources:
    """Those of a model each of whose layers is a module of theirs, a convolution or a batch normalisation."""
    found = []
    for name, module in published.layers.items():
        held = model.get_layer(name).weights
        parts = _NORMALIZATION if len(held) == len(_NORMALIZATION) else _CONVOLUTION
        found += [(each, _plain(f"{module}.{part}", each)) for part, each in zip(parts, held, strict=True)]
    return found


def _plain(name: str, variable: Any) -> Source:
    """Kernels are (out, in, h, w) there, those of transposed convolutions (in, out, h, w)."""
    shape = tuple(variable.shape)
    if len(shape) == 4:
        return Source({name: tuple(shape[axis] for axis in (3, 2, 0, 1))}, lambda a: a.transpose(2, 3, 1, 0))
    return Source({name: shape}, lambda a: a)
