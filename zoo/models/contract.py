"""What a model takes and answers with. Training, prediction and export ask this object, and nothing else."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from zoo.chroma.bins import BINS
from zoo.chroma.yuv import namespace
from zoo.errors import UsageError
from zoo.models.inputs import INPUTS, LUMA, ModelInput

PLAIN_MULTIPLE = 32
"""What height and width are padded to a multiple of, for a model of one's own that does not take any: five poolings."""


@dataclass(frozen=True)
class Contract:
    """What a model takes and answers with.

    Attributes:
        inputs: names, `luma` first.
        answer: `uv`, (B, h, w, 2), or `logits` of 64 bins of U and of V, (B, h, w, 2, 64).
        stride: the answer is smaller than luma by so much; heights and widths are rounded up.
        head: the registered head that the model ends with; empty for a model of one's own.
        encoder: the registered encoder it begins with; empty where there is none.
        multiple: what height and width of luma have to be multiples of; 1 where the model pads for itself.
        side: the longer side, in pixels, of the pictures that it was trained to see whole; larger ones are shown to it
            reduced to that. 0 where it was trained on crops.
    """

    inputs: tuple[str, ...] = (LUMA,)
    answer: str = "uv"
    stride: int = 1
    head: str = ""
    encoder: str = ""
    multiple: int = 1
    side: int = 0

    @property
    def classifies(self) -> bool:
        """Whether it answers with logits, of which a decoder makes a colour."""
        return self.answer == "logits"

    @property
    def extras(self) -> tuple[ModelInput, ...]:
        """The inputs besides luma."""
        return tuple(INPUTS[name] for name in self.inputs[1:])

    @property
    def given(self) -> tuple[ModelInput, ...]:
        """Those that a user may give."""
        return tuple(item for item in self.extras if item.choose is None)

    @property
    def chooses(self) -> bool:
        """Whether the model chooses an input itself, as one that predicts V given U does."""
        return any(item.choose for item in self.extras)

    def reduced(self, uv: Any) -> Any:
        """UV (B, H, W, 2) at the size of the answer: means over the pixels of a cell."""
        return reduced(uv, self.stride)

    def with_truth(self, luma: Any, uv: Any, seed: Any) -> Any:
        """What the model is called with in training: luma, and every other input made of the true colours.

        Args:
            luma: (B, H, W, 1), a tensor.
            uv: the truth, (B, H, W, 2), a tensor.
            seed: an integer tensor (2,) for what is drawn at random.
        """
        if len(self.inputs) == 1:
            return luma
        small = self.reduced(uv)
        return [luma, *(item.from_truth(luma, small if item.at_answer else uv, seed) for item in self.extras)]

    def with_given(self, luma: Any, values: Mapping[str, Any] | None = None) -> list[Any]:
        """Luma and the inputs that a user may give, in the order of `given`; what stands for nothing where one is not.

        Args:
            luma: (B, H, W, 1), array or tensor.
            values: by input's name, (B, H, W, channels); (B, h, w, channels) of one that is `at_answer`.

        Raises:
            UsageError: a value for an input that the model does not take, or of another shape.
        """
        values = dict(values or {})
        found = [luma]
        for item in self.given:
            assert item.absent is not None
            value = values.pop(item.name, None)
            like = self.at_size(item, luma)
            if value is not None and tuple(value.shape) != (*like.shape[:3], item.channels):
                raise UsageError(
                    f"input {item.name!r} has the shape {tuple(value.shape)}, where luma {tuple(luma.shape)} wants"
                    f" {(*like.shape[:3], item.channels)}"
                )
            found.append(item.absent(like) if value is None else value)
        if values:
            names = ", ".join(item.name for item in self.given) or "luma alone"
            raise UsageError(f"the model takes no input {next(iter(values))!r}; it takes {names}")
        return found

    def at_size(self, item: ModelInput, luma: Any) -> Any:
        """Luma (B, H, W, 1) at the size of an input: as it is, or every `stride`-th pixel of an input `at_answer`."""
        return luma[:, :: self.stride, :: self.stride] if item.at_answer else luma

    def as_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Contract":
        """The contract of what `as_json` gave."""
        return cls(**{**values, "inputs": tuple(values["inputs"])})


def contract_of(model: Any) -> Contract:
    """The contract of a model: the one it carries or, of a plain `keras.Model`, what its inputs and output say.

    Raises:
        UsageError: no colouriser: an input that is not luma, or of an unknown name, or an output that is neither UV
            nor logits.
    """
    carried = getattr(model, "contract", None)
    if carried is not None:
        return carried
    names = tuple(each.name for each in model.inputs)
    shape = tuple(model.inputs[0].shape)
    if len(shape) != 4 or shape[-1] != 1:
        raise UsageError(f"the model takes the shape {shape}, which is not luma (B, H, W, 1)")
    if len(names) == 1:
        names = (LUMA,)
    for name in names[1:]:
        if name not in INPUTS:
            raise UsageError(f"the model has an input {name!r}; known besides luma: {', '.join(INPUTS)}")
    answer = {(4, 2): "uv", (5, BINS): "logits"}.get((len(model.output_shape), model.output_shape[-1]))
    if answer is None or (answer == "logits" and model.output_shape[-2] != 2):
        raise UsageError(
            f"the model answers with the shape {model.output_shape}, which is neither UV (B, H, W, 2) nor logits"
            f" (B, H, W, 2, {BINS})"
        )
    # Models that were saved before contracts have an encoder that pads, and V given U if they take U.
    ours = any(type(layer).__name__ == "PadToMultiple" for layer in model.layers)
    head = "v_given_u" if names[1:] == ("u",) else ""
    multiple = 1 if ours or _takes_any_size(model) else PLAIN_MULTIPLE
    return Contract(names, answer, head=head, multiple=multiple)


def _takes_any_size(model: Any) -> bool:
    """Whether a model answers luma of odd sizes with the same sizes; one that pools and upsamples may not."""
    import keras

    size = (33, 35)
    inputs = [keras.KerasTensor((1, *size, each.shape[-1])) for each in model.inputs]
    try:
        answer = model.compute_output_spec(inputs if len(inputs) > 1 else inputs[0])
    except Exception:  # whatever the layers of one's own raise
        return False
    return tuple(answer.shape[1:3]) == size


def reduced(uv: Any, stride: int) -> Any:
    """UV (B, H, W, C) smaller by `stride`, each cell the mean of its pixels: (B, ⌈H/s⌉, ⌈W/s⌉, C)."""
    if stride == 1:
        return uv
    if namespace(uv) is np:
        batch, height, width, channels = uv.shape
        rows, columns = -(-height // stride), -(-width // stride)
        padded = np.full((batch, rows * stride, columns * stride, channels), np.nan, np.float32)
        padded[:, :height, :width] = uv
        return np.nanmean(padded.reshape(batch, rows, stride, columns, stride, channels), axis=(2, 4))
    from keras import ops

    return ops.average_pool(uv, stride, strides=stride, padding="same", data_format="channels_last")
