"""What networks of the field are made of.

In those of Zhang 2016 and 2017 convolutions have a bias and a ReLU, and batch normalisation comes after the last ReLU
of a stage. In those of Larsson 2016 and Iizuka 2016 it comes after every convolution, in place of a bias, and before
the ReLU: a block.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zoo.support.schema import Range

STAGES = ((1, 64, 2, 1), (2, 128, 2, 1), (3, 256, 3, 1), (4, 512, 3, 1), (5, 512, 3, 2), (6, 512, 3, 2), (7, 512, 3, 1))
"""conv1 to conv7 of both networks: number, channels, convolutions and their dilation."""

EPSILON = 1e-5  # of batch normalisation, as the release has it
MULTIPLE = 8  # of the sizes that three subsamplings halve


@dataclass(frozen=True)
class Published:
    """The weights of a network that its authors published, a state dict of PyTorch.

    Attributes:
        file: its name.
        url: where its authors have it.
        licence: of the weights, and whose they are.
        layers: by name of a layer of ours, the module of theirs.
        left_out: tensors that ours has no place for, and their shapes; None for a size that depends on the width.
        centers: a tensor (2, 313, 1, 1) that holds the centres of the bins, divided by 110; empty where there is none.
        constants: tensors that have to hold what our network computes with, and what that is.
        optional: tensors that some of the files have; they are left out too.
        reasons: by what is not carried over, why not.
        side: see `Contract`.
    """

    file: str
    url: str
    licence: str
    layers: Mapping[str, str]
    left_out: Mapping[str, tuple[int | None, ...]]
    centers: str = ""
    constants: Mapping[str, Sequence[float]] = field(default_factory=dict)
    optional: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    side: int = 0


def modules_of_stages() -> dict[str, str]:
    """By name of a layer of `STAGES`, the module of the release: convolutions and ReLUs take turns in each."""
    found: dict[str, str] = {}
    for number, _, count, _ in STAGES:
        found |= {f"conv{number}_{index + 1}": f"model{number}.{2 * index}" for index in range(count)}
        found[f"conv{number}_norm"] = f"model{number}.{2 * count}"
    return found


class Stages:
    """Makes the layers of a network.

    Args:
        width: what numbers of channels are multiplied by; the release has 1.
        initializer: of the kernels.
        momentum: of the moving averages of batch normalisation.
        seed: of the initial weights.

    Raises:
        UsageError: a value out of range.
    """

    def __init__(self, *, width: float, initializer: str, momentum: float, seed: int) -> None:
        from zoo.models.blocks import INITIALIZERS, Blocks

        self._width = Range(above=0, most=4).check("width", width, float)
        self._momentum = Range(least=0, below=1).check("momentum", momentum, float)
        initializer = Range(choices=INITIALIZERS).check("initializer", initializer, str)
        Range().check("seed", seed, int)
        self._blocks = Blocks("relu", initializer, "linear", self._momentum, False, seed)

    def kernel(self, name: str) -> Any:
        """The kernel initialiser of the layer `name`."""
        return self._blocks.kernel(name)

    def channels(self, count: int) -> int:
        """So many channels of the release, in this width."""
        return max(1, round(count * self._width))

    def conv(
        self,
        x: Any,
        count: int,
        name: str,
        *,
        stride: int = 1,
        dilation: int = 1,
        relu: bool = True,
        bias: bool = True,
    ) -> Any:
        """A 3×3 convolution, and a ReLU after it."""
        import keras

        padding = "same"
        if stride > 1:
            x, padding = self.padded(x, name), "valid"
        return keras.layers.Conv2D(
            self.channels(count),
            3,
            strides=stride,
            padding=padding,
            dilation_rate=dilation,
            use_bias=bias,
            activation="relu" if relu else None,
            kernel_initializer=self._blocks.kernel(name),
            name=name,
        )(x)

    def doubled(self, x: Any, count: int, name: str, *, relu: bool = True) -> Any:
        """A transposed 4×4 convolution to twice the size, and a ReLU after it."""
        import keras

        return keras.layers.Conv2DTranspose(
            self.channels(count),
            4,
            strides=2,
            padding="same",
            activation="relu" if relu else None,
            kernel_initializer=self._blocks.kernel(name),
            name=name,
        )(x)

    def last(self, x: Any, count: int, name: str, *, size: int = 1, activation: str | None = None) -> Any:
        """The convolution that the network ends with, small at first, in float32; `count` is of any width."""
        import keras

        return keras.layers.Conv2D(
            count,
            size,
            padding="same",
            activation=activation,
            kernel_initializer=self._blocks.small.kernel(name),
            name=name,
            dtype="float32",
        )(x)

    def padded(self, x: Any, name: str) -> Any:
        """Zeros about a map, for a 3×3 convolution of stride 2: "same" would pad even sizes at one end alone."""
        import keras

        return keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x)

    def plain(self, x: Any, count: int, size: int, name: str) -> Any:
        """A convolution of `size` by `size` without a bias."""
        return self._blocks.conv(x, self.channels(count), size, name)

    def block(self, x: Any, count: int, size: int, name: str) -> Any:
        """The same, batch normalisation and a ReLU."""
        return self.activated(self.plain(x, count, size, name), name)

    def activated(self, x: Any, name: str) -> Any:
        """Batch normalisation and a ReLU."""
        import keras

        return keras.layers.ReLU(name=f"{name}_relu")(self.normalize(x, f"{name}_norm"))

    def normalize(self, x: Any, name: str) -> Any:
        """Batch normalisation."""
        from zoo.models.layers import FusedBatchNormalization

        return FusedBatchNormalization(momentum=self._momentum, epsilon=EPSILON, name=name)(x)

    def stage(self, x: Any, index: int, *, stride: int = 1) -> Any:
        """A stage of `STAGES`; its last convolution has the stride."""
        number, channels, count, dilation = STAGES[index]
        for each in range(1, count + 1):
            step = stride if each == count else 1
            x = self.conv(x, channels, f"conv{number}_{each}", stride=step, dilation=dilation)
        return self.normalize(x, f"conv{number}_norm")
