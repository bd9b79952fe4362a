"""How the layers after the encoder are made: the options that Dahl 2016 and Meda 2016 differ in."""

import zlib
from dataclasses import dataclass, replace
from typing import Any

import keras

from zoo.models.layers import FusedBatchNormalization, LeakyReLU, NormalizedConv2D

ACTIVATIONS = ("leaky_relu", "relu")
INITIALIZERS = ("truncated_normal", "he_normal", "glorot_uniform")
OUTPUTS = ("sigmoid", "normalized", "linear")
NEGATIVE_SLOPE = 0.01  # of leaky ReLUs: Meda 2016


@dataclass(frozen=True)
class Blocks:
    """Makes the layers of a trunk and a head, as the options of `zoo.models.build.colorizer` say."""

    activation: str
    initializer: str
    output: str
    momentum: float
    factored: bool
    seed: int

    def kernel(self, name: str) -> keras.initializers.Initializer:
        """The kernel initialiser of the layer `name`, with a seed of its own that depends on (seed, name) alone."""
        seed = zlib.crc32(f"{self.seed}/{name}".encode())
        if self.initializer == "truncated_normal":  # Meda 2016, section 3.4
            return keras.initializers.TruncatedNormal(stddev=0.01, seed=seed)
        if self.initializer == "he_normal":
            return keras.initializers.HeNormal(seed=seed)
        return keras.initializers.GlorotUniform(seed=seed)

    @property
    def small(self) -> "Blocks":
        """The same, with kernels small at first."""
        return replace(self, initializer="truncated_normal")

    def normalize(self, x: Any, name: str, dtype: Any = None) -> Any:
        """Batch normalisation named `name`."""
        return FusedBatchNormalization(momentum=self.momentum, name=name, dtype=dtype)(x)

    def activate(self, x: Any, name: str) -> Any:
        """Batch normalisation, which stands in for the bias, then the non-linearity."""
        x = self.normalize(x, f"{name}_bn")
        if self.activation == "relu":
            return keras.layers.ReLU(name=f"{name}_relu")(x)
        return LeakyReLU(NEGATIVE_SLOPE, name=f"{name}_leaky_relu")(x)

    def conv(self, x: Any, filters: int, size: int, name: str, *, dilation: int = 1) -> Any:
        """A convolution without a bias, "same" padding."""
        return keras.layers.Conv2D(
            filters,
            size,
            dilation_rate=dilation,
            padding="same",
            use_bias=False,
            kernel_initializer=self.kernel(name),
            name=name,
        )(x)

    def normalized_conv(self, x: Any, filters: int, size: int, name: str) -> Any:
        """Batch normalisation, the non-linearity, then a convolution: what is between is not kept for the gradient."""
        return NormalizedConv2D(
            filters,
            size,
            negative_slope=0.0 if self.activation == "relu" else NEGATIVE_SLOPE,
            momentum=self.momentum,
            kernel_initializer=self.kernel(name),
            name=name,
        )(x)

    def last(self, x: Any, filters: int, size: int, name: str, *, bias: bool, dtype: Any = None) -> Any:
        """The convolution a head ends with: small at first, so that training begins at grey."""
        return keras.layers.Conv2D(
            filters,
            size,
            padding="same",
            use_bias=bias,
            kernel_initializer=self.small.kernel(name),
            name=name,
            dtype=dtype,
        )(x)

    def block(self, x: Any, filters: int, size: int, name: str, *, dilation: int = 1) -> Any:
        """Convolution, batch normalisation, non-linearity."""
        return self.activate(self.conv(x, filters, size, name, dilation=dilation), name)
