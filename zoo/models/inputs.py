"""What a model takes besides luma: inputs by name, each declared once.

A model's inputs are its `keras.Input`s; their names say what they are. `luma` is the first of every model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zoo.support.names import Registry

LUMA = "luma"


@dataclass(frozen=True)
class ModelInput:
    """An input (B, H, W, channels) besides luma.

    Attributes:
        name: of the `keras.Input`.
        channels: how many there are.
        meaning: one line.
        from_truth: in training, its values: a function of luma (B, H, W, 1), the true UV (B, H, W, 2) and a seed, an
            integer tensor (2,) that changes with every step; backend tensors in and out.
        absent: what stands for "nothing is given", a function of luma (B, H, W, 1), array or tensor. None of an input
            that the model chooses itself, by `choose`.
        choose: of an input that the model chooses: its values, a function of the model's answer.
        at_answer: whether it is of the size of the model's answer, where that is smaller than luma; `from_truth` is
            then given UV of that size.
    """

    name: str
    channels: int
    meaning: str
    from_truth: Callable[[Any, Any, Any], Any]
    absent: Callable[[Any], Any] | None = None
    choose: Callable[[Any], Any] | None = None
    at_answer: bool = False

    def __post_init__(self) -> None:
        if (self.absent is None) == (self.choose is None):
            raise ValueError(f"input {self.name!r}: give either absent, or choose")


INPUTS: Registry[ModelInput] = Registry("input")


def register_input(item: ModelInput) -> ModelInput:
    """Makes an input known by its name.

    Raises:
        ValueError: the name is taken.
    """
    INPUTS.add(item.name, item)
    return item
