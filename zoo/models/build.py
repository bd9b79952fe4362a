"""Models as encoder × trunk × head: any trunk takes any head, since each trunk ends with 64 channels at full size."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras

from zoo.chroma.bins import BINS
from zoo.errors import UsageError
from zoo.models.conditional import VGivenU
from zoo.models.encoder import TAPS, assign_weights, vgg16_encoder
from zoo.models.factored import HypercolumnConv, SumConv
from zoo.models.layers import (
    BilinearUpsampling,
    ChromaRange,
    CropLike,
    FusedBatchNormalization,
    LeakyReLU,
    NormalizedConv2D,
    PadToMultiple,
    SplitChannels,
    VGGInput,
)
from zoo.models.registry import LOGITS_HEADS

ACTIVATIONS = ("leaky_relu", "relu")
INITIALIZERS = ("truncated_normal", "he_normal", "glorot_uniform")
OUTPUTS = ("sigmoid", "normalized", "linear")
NEGATIVE_SLOPE = 0.01  # of leaky ReLUs: the report


@dataclass(frozen=True)
class Decoder:
    """How the layers after the encoder are made: the options that Dahl and the report differ in."""

    activation: str
    initializer: str
    output: str
    momentum: float
    factored: bool
    seed: int

    def kernel(self, name: str) -> keras.initializers.Initializer:
        """The kernel initialiser of the layer `name`, with a seed of its own that depends on (seed, name) alone."""
        seed = zlib.crc32(f"{self.seed}/{name}".encode())
        if self.initializer == "truncated_normal":  # the report, section 3.4
            return keras.initializers.TruncatedNormal(stddev=0.01, seed=seed)
        if self.initializer == "he_normal":
            return keras.initializers.HeNormal(seed=seed)
        return keras.initializers.GlorotUniform(seed=seed)

    def normalize(self, x: Any, name: str, dtype: Any = None) -> Any:
        """Batch normalisation named `name`."""
        return FusedBatchNormalization(momentum=self.momentum, name=name, dtype=dtype)(x)

    def activate(self, x: Any, name: str) -> Any:
        """Batch normalisation, which stands in for the bias, then the non-linearity."""
        x = self.normalize(x, f"{name}_bn")
        if self.activation == "relu":
            return keras.layers.ReLU(name=f"{name}_relu")(x)
        return LeakyReLU(NEGATIVE_SLOPE, name=f"{name}_leaky_relu")(x)

    def conv(self, x: Any, filters: int, size: int, name: str) -> Any:
        """A convolution without a bias, "same" padding."""
        return keras.layers.Conv2D(
            filters, size, padding="same", use_bias=False, kernel_initializer=self.kernel(name), name=name
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
            kernel_initializer=replace(self, initializer="truncated_normal").kernel(name),
            name=name,
            dtype=dtype,
        )(x)

    def block(self, x: Any, filters: int, size: int, name: str) -> Any:
        """Convolution, batch normalisation, non-linearity."""
        return self.activate(self.conv(x, filters, size, name), name)


@dataclass(frozen=True)
class Sum:
    """The last sum of the residual trunk, not added up yet: a tap of 64 channels, and a map of half its size."""

    tap: Any
    half: Any
    decoder: Decoder

    def added(self) -> Any:
        """The sum of the normalised tap and the upsampled map."""
        x = BilinearUpsampling(2, name="trunk_up1")(self.half)
        return keras.layers.Add(name="trunk_add1")([x, self.decoder.normalize(self.tap, "conv1_2_bn")])

    def block(self, filters: int, name: str) -> Any:
        """`Decoder.block` of the sum, for a few filters, by a convolution that never builds the sum."""
        tap = FusedBatchNormalization(momentum=self.decoder.momentum, center=False, scale=False, name="conv1_2_bn")(
            self.tap
        )
        x = SumConv(filters, kernel_initializer=self.decoder.kernel(name), name=name)([tap, self.half])
        return self.decoder.activate(x, name)


def residual_trunk(vgg_input: Any, taps: dict[str, Any], decoder: Decoder) -> Sum:
    """Dahl's residual encoder down to 64 channels at full size: each tap is added on the way up."""
    x = decoder.normalize(taps["conv4_3"], "conv4_3_bn")
    x = decoder.block(x, 256, 1, "trunk_conv4")
    for level, tap, filters in ((3, "conv3_3", 128), (2, "conv2_2", 64)):
        x = BilinearUpsampling(2, name=f"trunk_up{level}")(x)
        x = keras.layers.Add(name=f"trunk_add{level}")([x, decoder.normalize(taps[tap], f"{tap}_bn")])
        x = decoder.block(x, filters, 3, f"trunk_conv{level}")
    return Sum(taps["conv1_2"], x, decoder)


def hypercolumn_trunk(vgg_input: Any, taps: dict[str, Any], decoder: Decoder) -> Any:
    """The hypercolumn of 963 channels (input and four taps at full size), then 3×3 → 128 and 3×3 → 64."""
    maps = [vgg_input, *(taps[name] for name in TAPS)]
    x = HypercolumnConv(
        128, factored=decoder.factored, kernel_initializer=decoder.kernel("trunk_conv1"), name="trunk_conv1"
    )(maps)
    return decoder.activate(decoder.normalized_conv(x, 64, 3, "trunk_conv2"), "trunk_conv2")


def added(x: Any) -> Any:
    """What a trunk gives, as one map: the sum of the residual trunk is not built unless a head wants it."""
    return x.added() if isinstance(x, Sum) else x


def uv_output(x: Any, decoder: Decoder) -> Any:
    """3×3 → 2, then the output's squashing in float32: UV (B, H, W, 2).

    The convolution is of the policy's type: its rounding is smaller than what the layers before it have rounded off,
    and far below a step of 8 bits, while 64 channels at full size in float32 cost time and memory. Logits, which a
    softmax magnifies, are float32.
    """
    x = decoder.last(x, 2, 3, "head_uv", bias=decoder.output == "linear")
    if decoder.output == "linear":
        return x
    x = decoder.normalize(x, "head_uv_bn", dtype="float32")
    return x if decoder.output == "normalized" else ChromaRange(name="head_uv_range", dtype="float32")(x)


def uv_head(x: Any, vgg_input: Any, decoder: Decoder) -> Any:
    """Regression by one 3×3 convolution, as Dahl's hypercolumn ends."""
    return uv_output(added(x), decoder)


def residual_uv_head(x: Any, vgg_input: Any, decoder: Decoder) -> Any:
    """Regression as Dahl's residual encoder ends: 3×3 → 3, the input added, 3×3 → 3, 3×3 → 2."""
    x = x.block(3, "head_conv1") if isinstance(x, Sum) else decoder.block(x, 3, 3, "head_conv1")
    x = keras.layers.Add(name="head_add")([x, decoder.normalize(vgg_input, "input_bn")])
    return uv_output(decoder.block(x, 3, 3, "head_conv2"), decoder)


def bins_head(x: Any, vgg_input: Any, decoder: Decoder) -> Any:
    """Classification: 3×3 → 64, then 1×1 to 64 logits for U and 64 for V, (B, H, W, 2, 64), float32."""
    x = decoder.block(added(x), 64, 3, "head_conv1")
    x = decoder.last(x, 2 * BINS, 1, "head_logits", bias=True, dtype="float32")
    return SplitChannels(BINS, name="head_split", dtype="float32")(x)


def features_head(x: Any, vgg_input: Any, decoder: Decoder) -> Any:
    """3×3 → 64: what U is predicted from, and V given U."""
    return decoder.block(added(x), 64, 3, "head_conv1")


def _conditional(features: Any, luma: Any, name: str, decoder: Decoder) -> keras.Model:
    """Luma and U (B, H, W, 1) to the logits of U, and of V given that U, (B, H, W, 2, 64)."""
    u = keras.Input((None, None, 1), name="u")
    features = CropLike(name="head_features")([features, luma])
    u_logits = decoder.last(features, BINS, 1, "head_u", bias=True, dtype="float32")
    small = replace(decoder, initializer="truncated_normal")
    v_logits = VGivenU(
        kernel_initializer=decoder.kernel("head_v_given_u"),
        # One row of the embedding is seen at a time, beside the sum of 64 features: small rows would drown.
        embedding_initializer=keras.initializers.RandomNormal(stddev=1.0, seed=decoder.seed),
        last_initializer=small.kernel("head_v_given_u/last"),
        name="head_v_given_u",
    )([features, u])
    logits = keras.layers.Concatenate(name="head_pair", dtype="float32")([u_logits, v_logits])
    return keras.Model([luma, u], SplitChannels(BINS, name="head_split", dtype="float32")(logits), name=name)


TRUNKS: dict[str, Callable[[Any, dict[str, Any], Decoder], Any]] = {
    "residual": residual_trunk,
    "hypercolumn": hypercolumn_trunk,
}
HEADS: dict[str, Callable[[Any, Any, Decoder], Any]] = {
    "uv": uv_head,
    "residual_uv": residual_uv_head,
    "bins": bins_head,
    "v_given_u": features_head,
}


def _choose(option: str, value: Any, choices: Any) -> Any:
    if value not in choices:
        raise UsageError(f"{option} must be one of {', '.join(choices)}, not {value!r}")
    return value


def colorizer(
    *,
    trunk: str,
    head: str,
    name: str = "colorizer",
    encoder_weights: str | Path = "imagenet",
    train_encoder: bool = False,
    activation: str = "leaky_relu",
    initializer: str = "truncated_normal",
    output: str | None = None,
    momentum: float = 0.99,
    factored: bool = True,
    seed: int = 0,
    offline: bool = False,
) -> keras.Model:
    """Builds a colouriser: luma (B, H, W, 1) in [0, 1] to UV (B, H, W, 2) or to logits (B, H, W, 2, 64).

    Height and width may be anything, known or not; outputs are float32 under every precision policy.

    Args:
        trunk: `residual` or `hypercolumn`.
        head: `uv` (one convolution), `residual_uv` (the residual encoder's last rows), `bins` (64-bin logits) or
            `v_given_u` (logits of V given a U; the model then has U, (B, H, W, 1), as a second input, and
            `zoo.models.Predictor` chooses it).
        name: the model's name.
        encoder_weights: `imagenet`, `none` (random) or a file: see `zoo.models.encoder_weights.load_encoder_weights`.
        train_encoder: whether the encoder's weights are trained; they are frozen otherwise.
        activation: `leaky_relu` with slope 0.01 (the report) or `relu` (Dahl).
        initializer: of the decoder's kernels: `truncated_normal` with standard deviation 0.01 (the report),
            `he_normal` or `glorot_uniform`. The last convolution always has the first of these.
        output: of a regression head: `sigmoid`, batch normalisation and a sigmoid mapped to the range of UV (Dahl);
            `normalized`, batch normalisation alone; `linear`, neither. None is `sigmoid`. A bins head takes none.
        momentum: of the moving averages of batch normalisation. Short runs want less than 0.99.
        factored: the hypercolumn's form: see `zoo.models.factored.HypercolumnConv`. The weights are the same.
        seed: of the initial weights.
        offline: never look for encoder weights on a network.

    Raises:
        UsageError: an option with a value it does not take, or encoder weights that cannot be had.
    """
    _choose("head", head, HEADS)
    if head in LOGITS_HEADS and output is not None:
        raise UsageError(f"output={output!r} is for regression heads: a {head} head answers with logits")
    decoder = Decoder(
        activation=_choose("activation", activation, ACTIVATIONS),
        initializer=_choose("initializer", initializer, INITIALIZERS),
        output=_choose("output", output or "sigmoid", OUTPUTS),
        momentum=float(momentum),
        factored=bool(factored),
        seed=int(seed),
    )
    build_trunk = TRUNKS[_choose("trunk", trunk, TRUNKS)]
    build_head = HEADS[head]
    if not 0 <= decoder.momentum < 1:
        raise UsageError(f"momentum must be in [0, 1), not {momentum}")

    luma = keras.Input((None, None, 1), name="luma")
    encoder = vgg16_encoder(decoder.seed)
    encoder.trainable = train_encoder
    if str(encoder_weights) != "none":
        from zoo.models.encoder_weights import load_encoder_weights

        assign_weights(encoder, load_encoder_weights(encoder_weights, offline=offline))
    vgg_input = VGGInput(name="vgg_preprocess")(PadToMultiple(8, name="pad")(luma))
    taps = dict(zip(TAPS, encoder(vgg_input), strict=True))
    outputs = build_head(build_trunk(vgg_input, taps, decoder), vgg_input, decoder)
    if head == "v_given_u":
        return _conditional(outputs, luma, name, decoder)
    return keras.Model(luma, CropLike(name="output", dtype="float32")([outputs, luma]), name=name)
