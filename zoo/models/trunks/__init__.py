"""Trunks: from an encoder's pyramid to 64 channels at the answer's size. Each is a file of this folder.

A trunk is a function of `zoo.models.parts.Parts` that answers with `zoo.models.parts.Features`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zoo.support.names import Registry, import_all

Build = Callable[[Any], Any]


@dataclass(frozen=True)
class Trunk:
    """A registered trunk.

    Attributes:
        name: what the model option `trunk` takes.
        summary: one line.
        build: of `Parts`, gives `Features`.
        strides: of the answers it can give, the first by default: the model option `stride` chooses.
        inputs: names of what it takes besides luma.
    """

    name: str
    summary: str
    build: Build
    strides: tuple[int, ...] = (1,)
    inputs: tuple[str, ...] = ()


TRUNKS: Registry[Trunk] = Registry("trunk")


def register_trunk(
    name: str, summary: str, *, strides: tuple[int, ...] = (1,), inputs: tuple[str, ...] = ()
) -> Callable[[Build], Build]:
    """Registers the decorated function as a trunk.

    Raises:
        ValueError: the name is taken.
    """

    def decorate(build: Build) -> Build:
        TRUNKS.add(name, Trunk(name, summary, build, strides, inputs))
        return build

    return decorate


import_all(__name__, __path__)
