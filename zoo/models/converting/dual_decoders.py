"""The published weights of DDColor: its modules by the names of our layers, and what is folded on the way.

- Weights that have a spectral norm are divided by it. The release does so anew whenever it uses them.
- Channels that become pixels are in another order: those of a pixel are together here.
- The three projections of an attention are one tensor there.
- The embedding of a level is added to the bias of its projection.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from zoo.models.converting.sources import Shape, Source, Sources
from zoo.models.converting.state_dicts import StoredTensor
from zoo.models.field.ddcolor import SIZES

_ARCH, _COLOR = "encoder.arch", "decoder.color_decoder"

MODULES = {
    r"stem": f"{_ARCH}.downsample_layers.0.0",
    r"stem_norm": f"{_ARCH}.downsample_layers.0.1",
    r"down(\d)_norm": f"{_ARCH}.downsample_layers.{{0}}.0",
    r"down(\d)": f"{_ARCH}.downsample_layers.{{0}}.1",
    r"stage(\d)_block(\d+)_conv": f"{_ARCH}.stages.{{0}}.{{1}}.dwconv",
    r"stage(\d)_block(\d+)_norm": f"{_ARCH}.stages.{{0}}.{{1}}.norm",
    r"stage(\d)_block(\d+)_wide": f"{_ARCH}.stages.{{0}}.{{1}}.pwconv1",
    r"stage(\d)_block(\d+)_narrow": f"{_ARCH}.stages.{{0}}.{{1}}.pwconv2",
    r"stage(\d)_block(\d+)_scale": f"{_ARCH}.stages.{{0}}.{{1}}",
    r"stage(\d)_norm": f"{_ARCH}.norm{{0}}",
    r"up(\d)_shuffle": "decoder.layers.{0}.shuf.conv.0",
    r"up(\d)_shuffle_bn": "decoder.layers.{0}.shuf.conv.1",
    r"up(\d)_short_bn": "decoder.layers.{0}.bn",
    r"up(\d)_conv": "decoder.layers.{0}.conv.0",
    r"up(\d)_bn": "decoder.layers.{0}.conv.2",
    r"features": "decoder.last_shuf.conv.0",
    r"level(\d)": f"{_COLOR}.input_proj.{{0}}",
    r"queries": f"{_COLOR}.query_feat",
    r"query_positions": f"{_COLOR}.query_embed",
    r"layer(\d)_cross": f"{_COLOR}.transformer_cross_attention_layers.{{0}}.multihead_attn",
    r"layer(\d)_cross_norm": f"{_COLOR}.transformer_cross_attention_layers.{{0}}.norm",
    r"layer(\d)_self": f"{_COLOR}.transformer_self_attention_layers.{{0}}.self_attn",
    r"layer(\d)_self_norm": f"{_COLOR}.transformer_self_attention_layers.{{0}}.norm",
    r"layer(\d)_wide": f"{_COLOR}.transformer_ffn_layers.{{0}}.linear1",
    r"layer(\d)_narrow": f"{_COLOR}.transformer_ffn_layers.{{0}}.linear2",
    r"layer(\d)_norm": f"{_COLOR}.transformer_ffn_layers.{{0}}.norm",
    r"queries_norm": f"{_COLOR}.decoder_norm",
    r"color(\d)": f"{_COLOR}.color_embed.layers.{{0}}",
    r"head_colors": "refine_net.0.0",
}
"""By name of a layer of ours, a regular expression, the module of theirs."""

SPECTRAL = re.compile(r"up\d_shuffle|up\d_conv|features|head_colors")
"""Layers whose module has a spectral norm."""

PIXELS = {r"up\d_shuffle(_bn)?": 2, r"features": 4}
"""By name of a layer whose channels become pixels, how many a side."""

LEVELS = 3


def module_of(layer: str) -> str:
    """The module of theirs that a layer of ours is."""
    for pattern, module in MODULES.items():
        found = re.fullmatch(pattern, layer)
        if found:
            return module.format(*found.groups())
    raise LookupError(f"no module is known for the layer {layer}")


def size_of(tensors: Mapping[str, StoredTensor]) -> str:
    """The size of the network whose weights these are, by the channels of its first convolution; else the default."""
    first = tensors.get(f"{module_of('stem')}.weight")
    sizes = {size.channels[0]: name for name, size in SIZES.items()}
    return sizes.get(first.shape[0], "tiny") if first and first.shape else "tiny"


def sources_of_dual_decoders(model: Any) -> Sources:
    """The variables of a model of any size, each with its source."""
    return [each for layer in model.layers if layer.weights for each in _sources(layer, module_of(layer.name))]


def _sources(layer: Any, module: str) -> Sources:
    kind, held = type(layer).__name__, layer.weights
    if kind == "QueryAttention":
        return _of_attention(layer, module)
    if kind in ("Queries", "LayerScale"):
        name = f"{module}.weight" if kind == "Queries" else f"{module}.gamma"
        return [(held[0], Source({name: tuple(held[0].shape)}, lambda a: a))]
    if kind in ("LayerNormalization", "FusedBatchNormalization"):
        parts = ("weight", "bias", "running_mean", "running_var")[: len(held)]
        return [(each, _vector(layer, each, f"{module}.{part}")) for part, each in zip(parts, held, strict=True)]
    found = [(held[0], _spectral(layer, module) if SPECTRAL.fullmatch(layer.name) else _kernel(layer, module))]
    level = re.fullmatch(r"level(\d)", layer.name)
    for each in held[1:]:
        found.append(
            (each, _bias_of_level(each, module, int(level[1])) if level else _vector(layer, each, f"{module}.bias"))
        )
    return found


def _vector(layer: Any, variable: Any, name: str) -> Source:
    return Source({name: tuple(variable.shape)}, _together(layer.name))


def _bias_of_level(variable: Any, module: str, level: int) -> Source:
    (channels,) = variable.shape
    shapes = {f"{module}.bias": (channels,), f"{_COLOR}.level_embed.weight": (LEVELS, channels)}
    return Source(shapes, lambda bias, embedded: bias + embedded[level])


def _kernel(layer: Any, module: str) -> Source:
    theirs, arranged = _axes(layer)
    return Source({f"{module}.weight": theirs}, arranged)


def _spectral(layer: Any, module: str) -> Source:
    """W / (u · W v), u and v being the vectors that the norm was estimated by."""
    theirs, arranged = _axes(layer)
    shapes = {
        f"{module}.weight_orig": theirs,
        f"{module}.weight_u": theirs[:1],
        f"{module}.weight_v": (int(np.prod(theirs[1:])),),
    }

    def divided(weight: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        norm = u.astype(np.float64) @ weight.reshape(len(weight), -1).astype(np.float64) @ v
        with np.errstate(divide="ignore", invalid="ignore"):  # what is not finite is refused with the tensor's name
            return arranged((weight / norm).astype(np.float32))

    return Source(shapes, divided)


def _axes(layer: Any) -> tuple[Shape, Callable[[np.ndarray], np.ndarray]]:
    """The shape of a kernel there, (out, in, …), and what brings it into ours, (…, in, out)."""
    shape, together = tuple(layer.weights[0].shape), _together(layer.name)
    if type(layer).__name__ == "DepthwiseConv2D":
        return (shape[2], 1, *shape[:2]), lambda a: a.transpose(2, 3, 0, 1)
    if len(shape) == 4:
        return (shape[3], shape[2], *shape[:2]), lambda a: together(a).transpose(2, 3, 1, 0)
    if SPECTRAL.fullmatch(layer.name):  # a 1×1 convolution there
        return (shape[1], shape[0], 1, 1), lambda a: a[..., 0, 0].T
    return shape[::-1], np.transpose


def _together(layer: str) -> Callable[[np.ndarray], np.ndarray]:
    """From channels (C · f · f, …) of a layer there to ours, (f · f · C, …); others stay as they are."""
    for pattern, side in PIXELS.items():
        if re.fullmatch(pattern, layer):
            return lambda a: a.reshape(-1, side**2, *a.shape[1:]).swapaxes(0, 1).reshape(a.shape)
    return lambda a: a


def _of_attention(layer: Any, module: str) -> Sources:
    channels = layer.query_kernel.shape[0]
    kernels, biases = (
        {f"{module}.in_proj_weight": (3 * channels, channels)},
        {f"{module}.in_proj_bias": (3 * channels,)},
    )

    def part(index: int) -> Callable[[np.ndarray], np.ndarray]:
        return lambda a: a[index * channels : (index + 1) * channels].T

    return [
        (layer.query_kernel, Source(kernels, part(0))),
        (layer.key_kernel, Source(kernels, part(1))),
        (layer.value_kernel, Source(kernels, part(2))),
        (layer.query_bias, Source(biases, part(0))),
        (layer.value_bias, Source(biases, part(2))),
        (layer.output_kernel, Source({f"{module}.out_proj.weight": (channels, channels)}, np.transpose)),
        (layer.output_bias, Source({f"{module}.out_proj.bias": (channels,)}, lambda a: a)),
    ]
