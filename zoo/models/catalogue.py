"""The models of the zoo. Builders import Keras only when called, so that listing them stays instant.

Papers are cited by author and year, here and everywhere:

| key | paper |
|---|---|
| Meda 2016 | R. Meda, Colorize Black and White Images: the paper whose three models this zoo builds |
| Dahl 2016 | R. Dahl, Automatic Colorization |
| Isola 2017 | P. Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017 |
| Larsson 2016 | G. Larsson et al., Learning Representations for Automatic Colorization, ECCV 2016 |
| Iizuka 2016 | S. Iizuka, E. Simo-Serra, H. Ishikawa, Let there be Color!, SIGGRAPH 2016 |
| Zhang 2016 | R. Zhang, P. Isola, A. A. Efros, Colorful Image Colorization, ECCV 2016 |
| Zhang 2017 | R. Zhang et al., Real-Time User-Guided Image Colorization with Learned Deep Priors, SIGGRAPH 2017 |
| Kang 2023 | X. Kang et al., DDColor: Towards Photo-Realistic Image Colorization via Dual Decoders, ICCV 2023 |
"""

import inspect
from collections.abc import Callable, Container, Iterable, Sequence
from functools import partial
from typing import Any

from zoo.errors import UsageError
from zoo.models.inputs import LUMA
from zoo.models.registry import ModelCard, register_model
from zoo.support.names import suggestion

ELSEWHERE = ("name", "encoder", "encoder_weights", "train_encoder", "seed")
"""Arguments of `zoo.models.build.colorizer` that commands have flags for, or none."""

OF_THE_PAPER = ("encoder_weights", "train_encoder", "activation", "output")
"""What networks of the field have no choice of: their non-linearities are the paper's, and most have no encoder."""


def _colorizer(card: ModelCard, **options: Any) -> Any:
    from zoo.models.build import colorizer

    own = {"trunk": card.trunk, "head": card.head, "name": card.name, "encoder": card.encoder}
    return _built(colorizer, own | options)


def _built(build: Callable[..., Any], options: dict[str, Any]) -> Any:
    """What a builder makes of options; one that it does not take is refused."""
    known = inspect.signature(build).parameters
    _check(options, known, [each for each in known if each not in ELSEWHERE])
    return build(**options)


def _check(options: Iterable[str], known: Container[str], shown: Sequence[str]) -> None:
    """Raises UsageError for an option that is not known, and shows some that are."""
    for option in options:
        if option not in known:
            raise UsageError(
                f"unknown model option {option!r}.{suggestion(option, shown)} Known options: {', '.join(shown)}."
            )


def _of_the_field(network: Callable[..., Any], options: dict[str, Any], **own: Any) -> Any:
    """A network of `zoo.models.field`.

    Its options are its `own`, with their defaults, and `initializer`, `momentum` and `seed`. Of `OF_THE_PAPER`, those
    that are none of these change nothing: recipes set them for every model.
    """
    defaults = own | {"initializer": "he_normal", "momentum": 0.99, "seed": 0}
    _check(options, (*defaults, *OF_THE_PAPER), [each for each in defaults if each not in ELSEWHERE[:-1]])
    return network(**(defaults | {name: options[name] for name in defaults if name in options}))


HYPERCOLUMN = ModelCard(
    name="hypercolumn",
    year=2016,
    summary="The image and the encoder's maps, upsampled and stacked (963 channels of VGG16); 3×3 convolutions to UV.",
    source="Meda 2016, section 3.6 (never run there: out of memory)",
    trunk="hypercolumn",
    head="uv",
    output="uv",
    encoder="vgg16",
    parameters=8_820_296,
    citation="B. Hariharan et al., Hypercolumns for object segmentation and fine-grained localization, CVPR 2015",
    notes="The 963 channels are never built: the first convolution is computed at each map's own size.",
)

RESIDUAL = ModelCard(
    name="residual",
    year=2016,
    summary="The encoder's maps added to a decoder on its way up, ×2 at a time; regression to UV.",
    source="Dahl 2016, with the changes of Meda 2016, section 3.7",
    trunk="residual",
    head="residual_uv",
    output="uv",
    encoder="vgg16",
    parameters=8_142_515,
    citation="R. Dahl, Automatic Colorization, 2016, https://tinyclouds.org/colorize",
    notes="By the recipe paper, output=linear diverges at step 4 and output=normalized at step 8; sigmoid trains.",
)

CLASSIFIER = ModelCard(
    name="classifier",
    year=2016,
    summary="The residual trunk with two softmaxes of 64 bins, one for U and one for V, in place of the regression.",
    source="Meda 2016, section VI (proposed there, not built)",
    trunk="residual",
    head="bins",
    output="logits",
    encoder="vgg16",
    parameters=8_186_048,
    citation="R. Meda, Colorize Black and White Images; R. Zhang et al., Colorful Image Colorization, ECCV 2016",
)


CONDITIONAL = ModelCard(
    name="conditional",
    summary="The classifier with the 64 bins of V predicted given the U that was chosen.",
    source="the classifier's cure for colours that mix the U of one possible colour with the V of another",
    trunk="residual",
    head="v_given_u",
    output="logits",
    encoder="vgg16",
    parameters=8_206_656,
    citation="A. van den Oord et al., Pixel Recurrent Neural Networks, ICML 2016 (the chain rule over channels)",
    notes="Trained with the true U as its second input; zoo.models.prediction chooses U, then V given it.",
    inputs=(LUMA, "u"),
)


JOINT = ModelCard(
    name="joint",
    summary="The classifier with one softmax over 547 bins of U and V at once.",
    source="Zhang 2016, whose bins are of CIELAB; here of UV, on the residual trunk",
    trunk="residual",
    head="joint",
    output="logits",
    encoder="vgg16",
    parameters=8_213_283,
    citation="R. Zhang, P. Isola, A. A. Efros, Colorful Image Colorization, ECCV 2016",
    notes="Trained with the true U as its second input, as conditional; U and V are chosen of one distribution.",
    inputs=(LUMA, "u"),
)

CONTEXT = ModelCard(
    name="context",
    summary="A light encoder that sees the whole picture, and context; U, then V given it, at a quarter of the size.",
    source="the conditional model's head on a trunk with context, of this project",
    trunk="context",
    head="v_given_u",
    output="logits",
    encoder="efficientnet_lite0",
    parameters=5_399_328,
    citation="F. Yu and V. Koltun, Multi-Scale Context Aggregation by Dilated Convolutions, ICLR 2016",
    notes="Trained on views of whole pictures (--views); colours come up to the page's size along its edges.",
    inputs=(LUMA, "u"),
)

GUIDED = ModelCard(
    name="guided",
    summary="The context model with hints: colours that a user gives at some places, which alike pixels follow.",
    source="attention to hints over the context model's features, of this project",
    trunk="context",
    head="guided",
    output="logits",
    encoder="efficientnet_lite0",
    parameters=5_539_011,
    citation="R. Zhang et al., Real-Time User-Guided Image Colorization with Learned Deep Priors, SIGGRAPH 2017",
    notes="Grown from context (--from context), which stays as it is: without hints the two answer alike.",
    inputs=(LUMA, "u", "hints"),
    grows_from="context",
)


LARSSON16 = ModelCard(
    name="larsson16",
    year=2016,
    summary="Hypercolumns of VGG16, and a distribution over hue and one over chroma, at a quarter of the size.",
    source="Larsson 2016",
    trunk="",
    head="joint",
    output="logits",
    encoder="vgg16",
    parameters=24_183_940,
    citation="G. Larsson, M. Maire, G. Shakhnarovich, Learning Representations for Automatic Colorization, ECCV 2016",
    notes="The paper trains all of VGG16, by distances of histograms; here conv5 to fc7 begin anew, by cross-entropy.",
    inputs=(LUMA, "u"),
)

IIZUKA16 = ModelCard(
    name="iizuka16",
    year=2016,
    summary="Let there be Color!: features of each place fused with those of the whole image; regression to a* and b*.",
    source="Iizuka 2016, without its classifier of scenes, for which there are no labels here",
    trunk="",
    head="",
    output="uv",
    parameters=42_194_690,
    citation="S. Iizuka, E. Simo-Serra, H. Ishikawa, Let there be Color!, SIGGRAPH 2016",
    notes="The paper trains it on scenes with labels, by Adadelta. --option width=0.25 makes one that trains here.",
)

ECCV16 = ModelCard(
    name="eccv16",
    year=2016,
    summary="Colorful Image Colorization: a network of 2016 that classifies over 313 bins of a* and b* at once.",
    source="Zhang 2016, layer by layer as the authors' PyTorch release of 2020 has it",
    trunk="",
    head="joint",
    output="logits",
    parameters=32_240_377,
    citation="R. Zhang, P. Isola, A. A. Efros, Colorful Image Colorization, ECCV 2016",
    notes="Takes the published weights: zoo convert (docs/field.md). --option width=0.25 makes one that trains here.",
    inputs=(LUMA, "u"),
)

SIGGRAPH17 = ModelCard(
    name="siggraph17",
    year=2017,
    summary="Real-Time User-Guided Image Colorization: regression to a* and b*, with or without hints, of 2017.",
    source="Zhang 2017, layer by layer as the authors' PyTorch release of 2020 has it",
    trunk="",
    head="",
    output="uv",
    parameters=34_056_834,
    citation="R. Zhang et al., Real-Time User-Guided Image Colorization with Learned Deep Priors, SIGGRAPH 2017",
    notes="Takes the published weights: zoo convert (docs/field.md). --option width=0.25 makes one that trains here.",
    inputs=(LUMA, "hints"),
)

PIX2PIX = ModelCard(
    name="pix2pix",
    year=2017,
    summary="A U-Net of 4×4 convolutions of stride 2 without a pretrained encoder; regression to UV.",
    source="Isola 2017",
    trunk="",
    head="",
    output="uv",
    parameters=29_246_274,
    citation="P. Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017",
    notes="The paper trains it against a discriminator: --recipe pix2pix. depth=8 is its network for 256².",
    loss="l1",
)

DDCOLOR = ModelCard(
    name="ddcolor",
    year=2023,
    summary="DDColor: a ConvNeXt encoder, and learned colour queries that attend to its pixel decoder; to a* and b*.",
    source="Kang 2023, layer by layer as the authors' PyTorch release has it",
    trunk="",
    head="",
    output="uv",
    parameters=55_013_872,
    citation="X. Kang et al., DDColor: Towards Photo-Realistic Image Colorization via Dual Decoders, ICCV 2023",
    notes="Takes the published weights: zoo convert (docs/field.md). The paper trains it on ImageNet for 400,000 steps,"
    " against a discriminator; ours does not. --option size=mini makes one that trains here.",
)


for _card in (HYPERCOLUMN, RESIDUAL, CLASSIFIER, CONDITIONAL, JOINT, CONTEXT, GUIDED):
    register_model(_card)(partial(_colorizer, _card))


@register_model(LARSSON16)
def larsson16(**options: Any) -> Any:
    """The network of Learning Representations for Automatic Colorization."""
    from zoo.models.field.larsson16 import network

    return _of_the_field(network, options, width=1.0, encoder="vgg16", encoder_weights="imagenet", train_encoder=False)


@register_model(IIZUKA16)
def iizuka16(**options: Any) -> Any:
    """The network of Let there be Color!"""
    from zoo.models.field.iizuka16 import network

    return _of_the_field(network, options, width=1.0, side=224)


@register_model(ECCV16)
def eccv16(**options: Any) -> Any:
    """The network of Colorful Image Colorization."""
    from zoo.models.field.eccv16 import network

    return _of_the_field(network, options, width=1.0)


@register_model(SIGGRAPH17)
def siggraph17(**options: Any) -> Any:
    """The network of Real-Time User-Guided Image Colorization."""
    from zoo.models.field.siggraph17 import network

    return _of_the_field(network, options, width=1.0)


@register_model(PIX2PIX)
def pix2pix(**options: Any) -> Any:
    """The U-Net of Isola 2017."""
    from zoo.models.field.pix2pix import pix2pix as build

    return _built(build, options)


@register_model(DDCOLOR)
def ddcolor(**options: Any) -> Any:
    """The network of DDColor."""
    from zoo.models.field.ddcolor import network

    return _of_the_field(network, options, size="tiny")
